//! One session watches what another one writes: every watch has to fire.

use super::{Bench, set, unanswered};
use crate::mixed::claims::Claim;
use crate::patience::START_PATIENCE;
use client::{Session, SessionEvent};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use wire::Request;

const NODE_DATA_CHANGED: i32 = 3;

pub(super) fn work(bench: &Bench) -> Result<Vec<Claim>, String> {
    let (sender, events) = mpsc::channel();
    let watcher = bench.session(move |event| {
        if let SessionEvent::Watch(notification) = event {
            // The worker is gone when it has failed.
            let _ = sender.send(notification.event.event_type);
        }
    })?;
    let writer = bench.session(|_| {})?;
    let path = bench.path("");
    bench.make(&writer, &path, b"0")?;
    let mut number = 0_u64;
    while bench.shared.goes_on() {
        watch(&watcher, &path)?;
        number += 1;
        write(bench, &writer, &path, number.to_string().as_bytes())?;
        expect(&events, number)?;
        bench.shared.watches.fetch_add(1, Ordering::Relaxed);
    }
    Ok(vec![Claim::Holds(path, number.to_string().into_bytes())])
}

/// Behind a sync, so that the watch is set on what was written last.
fn watch(watcher: &Session, path: &str) -> Result<(), String> {
    let requests = [
        Request::Sync { path: Some(path.into()) },
        Request::GetData { path: Some(path.into()), watch: true },
    ];
    loop {
        let ask = |request: &Request<'_>| watcher.call(request).and_then(|reply| reply.check());
        match requests.iter().try_for_each(ask) {
            Ok(()) => return Ok(()),
            Err(error) => unanswered(error)?,
        }
    }
}

fn write(bench: &Bench, writer: &Session, path: &str, data: &[u8]) -> Result<(), String> {
    loop {
        match writer.call(&set(path, data, -1)).and_then(|reply| reply.check()) {
            Ok(()) => {
                bench.shared.wrote();
                return Ok(());
            }
            Err(error) => unanswered(error)?,
        }
    }
}

fn expect(events: &Receiver<i32>, number: u64) -> Result<(), String> {
    match events.recv_timeout(START_PATIENCE) {
        Ok(NODE_DATA_CHANGED) => Ok(()),
        Ok(other) => Err(format!("watch {number} brought an event of type {other}")),
        Err(_) => Err(format!("watch {number} did not fire")),
    }
}
