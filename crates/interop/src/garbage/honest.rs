//! A client that does its work and believes nothing.

use crate::patience::patient;
use client::Connection;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wire::{Acl, CreateMode, OpCode, Request, Response};

/// What one honest client has seen.
pub(super) struct Honest {
    pub(super) requests: u64,
    pub(super) slowest: Duration,
}

impl Honest {
    /// Writes and reads a node of its own, which lives and dies with its session, until told to stop.
    pub(super) fn work(address: SocketAddr, number: usize, stop: &AtomicBool) -> Result<Honest, String> {
        let mut honest = Honest { requests: 0, slowest: Duration::ZERO };
        honest.run(address, number, stop).map_err(|error| {
            format!("honest client {number}, after {} requests: {error}", honest.requests)
        })?;
        Ok(honest)
    }

    fn run(&mut self, address: SocketAddr, number: usize, stop: &AtomicBool) -> Result<(), String> {
        let mut connection =
            Connection::connect_any(&[address], &patient(40_000)).map_err(|e| e.to_string())?;
        let path = format!("/honest-{number}");
        let create = Request::Create {
            op: OpCode::Create,
            path: Some(path.as_str().into()),
            data: None,
            acl: Some(vec![Acl::open()]),
            flags: CreateMode::Ephemeral.flags(),
            ttl: -1,
        };
        self.call(&mut connection, &create)?;
        let mut version = 0;
        while !stop.load(Ordering::Relaxed) {
            let data = format!("{number} wrote this {version} times");
            let set = Request::SetData {
                path: Some(path.as_str().into()),
                data: Some(data.as_bytes().into()),
                version,
            };
            self.call(&mut connection, &set)?;
            version += 1;
            let get = Request::GetData { path: Some(path.as_str().into()), watch: false };
            let reply = self.call(&mut connection, &get)?;
            match reply.response().map_err(|e| e.to_string())? {
                Response::Data(Some(found), stat)
                    if *found == *data.as_bytes()
                        && stat.version == version
                        && stat.ephemeral_owner == connection.session().0 => {}
                other => return Err(format!("expected {data:?} in version {version}, found {other:?}")),
            }
        }
        connection.close().map_err(|e| e.to_string())
    }

    fn call(&mut self, connection: &mut Connection, request: &Request<'_>) -> Result<client::Reply, String> {
        let started = Instant::now();
        let reply = connection.call(request).map_err(|e| e.to_string())?;
        reply.check().map_err(|e| e.to_string())?;
        self.requests += 1;
        self.slowest = self.slowest.max(started.elapsed());
        Ok(reply)
    }
}
