//! What whole ensembles do, told on purpose: real nodes on simulated disks and wires, with every check of the simulation on.
//!
//! A file for each theme. Servers count from 0; [`World`](sim::ensemble::World) says what a story can do with them.

mod election;
mod local_sessions;
mod members;
mod observer_masters;
mod observers;
mod read_only;
mod replication;
mod sessions;
mod synchronisation;

use sim::ensemble::Setup;
use wire::Request;

/// Three servers with a vote, and nothing that goes wrong by itself.
fn three() -> Setup {
    Setup::calm(1, 3, 0)
}

fn exists(path: &str) -> Request<'_> {
    Request::Exists { path: Some(path.into()), watch: false }
}

fn sync() -> Request<'static> {
    Request::Sync { path: Some("/".into()) }
}
