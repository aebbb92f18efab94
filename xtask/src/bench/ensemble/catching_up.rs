//! How fast a server that was away is back.

use super::pulse::{Pulse, change, connect, fill};
use super::{Amount, Scene, Value};
use client::Options;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What it has missed.
const TRANSACTIONS: usize = 100_000;
const LOOK: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(120);

/// A follower that has missed many transactions, from the start of its process.
pub(super) fn behind(scene: &mut Scene) -> Result<Vec<Value>, String> {
    let follower = scene.followers()[0];
    // What the start of the process itself costs.
    scene.ensemble.stop(follower)?;
    let alone = come_back(scene, follower)?;
    scene.ensemble.stop(follower)?;
    let mut connection = connect(&[scene.ensemble.address(scene.leader)], &Options::default())?;
    change(&mut connection, TRANSACTIONS)?;
    connection.close().map_err(|error| error.to_string())?;
    let took = come_back(scene, follower)?;
    scene.leader = scene.ensemble.wait_settled()?;
    Ok(vec![("start, nothing missed", Amount::Time(alone)), ("start, 100,000 missed", Amount::Time(took))])
}

/// A server without data, while somebody writes.
pub(super) fn empty(scene: &mut Scene) -> Result<Vec<Value>, String> {
    let follower = scene.followers()[0];
    let mut connection = connect(&[scene.ensemble.address(scene.leader)], &Options::default())?;
    fill(&mut connection, scene.znodes)?;
    connection.close().map_err(|error| error.to_string())?;
    scene.ensemble.stop(follower)?;
    scene.ensemble.empty(follower)?;
    let pulse = Pulse::start(&[scene.ensemble.address(scene.leader)], 1)?;
    sleep(Duration::from_secs(1));
    let before = pulse.longest_gap(Instant::now() - Duration::from_millis(900));
    let since = Instant::now();
    let took = come_back(scene, follower)?;
    let during = pulse.longest_gap(since);
    pulse.end()?;
    scene.leader = scene.ensemble.wait_settled()?;
    Ok(vec![
        ("start, all znodes missing", Amount::Time(took)),
        ("no write, second before", Amount::Time(before)),
        ("no write meanwhile", Amount::Time(during)),
    ])
}

/// Starts a server; the time until it follows and has all that its leader had then.
fn come_back(scene: &mut Scene, server: usize) -> Result<Duration, String> {
    let wanted = scene.ensemble.zxid(scene.leader)?;
    let since = Instant::now();
    scene.ensemble.start(server, &scene.program)?;
    while since.elapsed() < PATIENCE {
        let follows = scene.ensemble.mode(server).is_some_and(|mode| mode == "follower");
        if follows && scene.ensemble.zxid(server).is_ok_and(|zxid| zxid >= wanted) {
            return Ok(since.elapsed());
        }
        sleep(LOOK);
    }
    Err(format!("server {} is not back after {PATIENCE:?}", server + 1))
}
