//! Seeded simulation: a disk that loses what was not synced, and the crash-point sweep over it.
//!
//! What it is: drivers of the pure core under faults, deterministic from a seed. What it is not: it contains no server
//! logic, and nothing of it runs in production.
//!
//! The types to know:
//! * [`SimDisk`]: [`store::Disk`] with durable and cached layers; [`Survival`]: what a crash leaves.
//! * [`History`]: what was asked and promised, and the judge of what was recovered.
//! * [`StoreMachine`]: the store alone at work.
//! * [`World`]: machines ([`Machine`]: a node and its disk), clients ([`Client`]) and one queue of events.
//! * [`clients`]: clients of an ensemble, as machines; [`checks`]: what they may see, judged.
//! * [`ensemble`]: servers that replicate, on one clock, under faults drawn from a seed, with everything checked.
//! * [`sweep`]: stop everywhere, start again, judge.
//! * [`Rng`]: chance, frozen.

pub mod checks;
mod client;
pub mod clients;
mod disk;
pub mod ensemble;
mod history;
mod judge;
mod machine;
mod rng;
mod store_machine;
pub mod sweep;
mod workload;
mod world;

pub use client::{Asked, Client, Heard, Session, is_write};
pub use disk::{Fault, Lie, SimDisk, Survival};
pub use history::{History, picture};
pub use judge::{Judge, logged};
pub use machine::{Machine, MachineSetup, MemberSetup};
pub use rng::Rng;
pub use store_machine::{Seen, StoreMachine, StoreSetup};
pub use workload::Workload;
pub use world::{MachineId, Next, StartError, Witness, World};
