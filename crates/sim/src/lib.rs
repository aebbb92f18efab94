//! Seeded simulation: a disk that loses what was not synced, and the crash-point sweep over it.
//!
//! What it is: drivers of the pure core under faults, deterministic from a seed. What it is not: it contains no server
//! logic, and nothing of it runs in production.
//!
//! The types to know:
//! * [`SimDisk`]: [`store::Disk`] with durable and cached layers; [`Survival`]: what a crash leaves.
//! * [`Rng`]: chance, frozen.

mod disk;
mod rng;

pub use disk::{Fault, SimDisk, Survival};
pub use rng::Rng;
