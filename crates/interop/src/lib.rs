//! Differential and crash tests against real server processes.

pub mod crash;
