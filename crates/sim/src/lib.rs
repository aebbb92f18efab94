//! Seeded simulation: a disk that loses what was not synced, and the crash-point sweep over it.
//!
//! What it is: drivers of the pure core under faults, deterministic from a seed. What it is not: it contains no server
//! logic, and nothing of it runs in production.
//!
//! The types to know:
//! * [`SimDisk`]: [`store::Disk`] with durable and cached layers; [`Survival`]: what a crash leaves.
//! * [`History`]: what was asked and promised, and the judge of what was recovered.
//! * [`StoreMachine`]: the store alone at work.
//! * [`Machine`]: a node and its disk.
//! * [`clients`]: clients of a server or of an ensemble, as machines; [`checks`]: what they may see, judged.
//! * [`one_server`]: a standalone server, its clients, and one queue of events.
//! * [`ensemble`]: servers that replicate, on one clock, under faults drawn from a seed, with everything checked.
//! * [`sweep`]: stop everywhere, start again, judge.
//! * [`Rng`]: chance, frozen.

pub mod checks;
pub mod clients;
mod disk;
pub mod ensemble;
mod history;
mod machine;
pub mod one_server;
mod rng;
mod store_machine;
pub mod sweep;

pub use disk::{Fault, Lie, SimDisk, Survival};
pub use history::{History, picture};
pub use machine::{Machine, MachineSetup, MemberSetup};
pub use rng::Rng;
pub use store_machine::{Seen, StoreMachine, StoreSetup};
