//! Seeded simulation: a disk that loses what was not synced, and the crash-point sweep over it.
//!
//! What it is: drivers of the pure core under faults, deterministic from a seed. What it is not: it contains no server
//! logic, and nothing of it runs in production.
//!
//! The types to know:
//! * [`SimDisk`]: [`store::Disk`] with durable and cached layers; [`Survival`]: what a crash leaves.
//! * [`History`]: what was asked and promised, and the judge of what was recovered.
//! * [`StoreMachine`]: the store alone at work.
//! * [`sweep`]: stop everywhere, start again, judge.
//! * [`Rng`]: chance, frozen.

mod disk;
mod history;
mod rng;
mod store_machine;
pub mod sweep;
mod workload;

pub use disk::{Fault, Lie, SimDisk, Survival};
pub use history::{History, picture};
pub use rng::Rng;
pub use store_machine::{Seen, StoreMachine, StoreSetup};
pub use workload::Workload;
