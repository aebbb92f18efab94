//! A session that goes from server to server, while its old connection is still open, and writes at each.

use super::{Bench, create, set, unanswered};
use crate::mixed::claims::Claim;
use client::{Connection, Error, Options};
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;
use wire::CreateMode;

/// At each server.
const STAY: Duration = Duration::from_millis(100);

/// Nobody pings it while the end is judged.
const SESSION_MS: i32 = 300_000;

fn options() -> Options {
    Options { session_timeout_ms: SESSION_MS, ..super::options() }
}

pub(super) fn work(bench: &Bench) -> Result<Vec<Claim>, String> {
    let mut connection = Connection::connect_any(&bench.addresses, &options()).map_err(|e| e.to_string())?;
    let path = bench.path("");
    // Its first answer may get lost like any other.
    while let Err(error) = connection.call(&create(&path, b"", CreateMode::Ephemeral)).and_then(|r| r.check())
    {
        if error.code() == Some(wire::ErrorCode::NodeExists) {
            break;
        }
        unanswered(error)?;
        connection = next_server(bench, &connection, 0)?;
    }
    let mut server = 0;
    while bench.shared.goes_on() {
        server += 1;
        let moved = next_server(bench, &connection, server)?;
        drop(std::mem::replace(&mut connection, moved));
        bench.shared.moves.fetch_add(1, Ordering::Relaxed);
        match connection.call(&set(&path, b"moved", -1)).and_then(|reply| reply.check()) {
            Ok(()) => bench.shared.wrote(),
            Err(error) => unanswered(error)?,
        }
        sleep(STAY);
    }
    let owner = connection.session();
    Ok(vec![Claim::Owned(path, owner), Claim::Connected(Box::new(connection))])
}

/// The session at the next server that takes it; an expired one is taken nowhere.
fn next_server(bench: &Bench, connection: &Connection, server: usize) -> Result<Connection, String> {
    let session = Some((connection.session(), connection.password()));
    let options = Options { session, last_zxid_seen: connection.last_zxid(), ..options() };
    let count = bench.addresses.len();
    loop {
        for attempt in server..server + count {
            match Connection::connect_any(&[bench.addresses[attempt % count]], &options) {
                Ok(mut moved) => {
                    moved.continue_from(connection);
                    return Ok(moved);
                }
                Err(Error::SessionExpired) => return Err("the session expired".to_owned()),
                Err(_) => {}
            }
        }
        sleep(STAY);
    }
}
