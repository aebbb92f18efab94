//! One session and its subtree, through many deaths of the server.

use super::Report;
use super::history::{Child, Children, History, open_acl, request};
use crate::patience::patient;
use crate::rng::Rng;
use client::{Connection, Error};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wire::{OpCode, PASSWORD_LEN, Request, Response, SessionId};

/// One life of the server, shared by the workers.
#[derive(Debug)]
pub(super) struct Cycle {
    still_verifying: AtomicUsize,
    death_expected: AtomicBool,
}

impl Cycle {
    pub(super) fn new(workers: usize) -> Cycle {
        Cycle { still_verifying: AtomicUsize::new(workers), death_expected: AtomicBool::new(false) }
    }

    /// False when patience ends first.
    pub(super) fn wait_until_verified(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while self.still_verifying.load(Ordering::Acquire) > 0 {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// From now on a broken connection is no surprise.
    pub(super) fn expect_death(&self) {
        self.death_expected.store(true, Ordering::Release);
    }
}

/// A session and what it knows.
#[derive(Debug)]
pub(super) struct Worker {
    directory: String,
    depth: usize,
    random: Rng,
    history: History,
    session: Option<(SessionId, [u8; PASSWORD_LEN])>,
    last_zxid: i64,
    directory_made: bool,
}

impl Worker {
    pub(super) fn new(index: usize, depth: usize, seed: u64) -> Worker {
        Worker {
            directory: format!("/crash-{index}"),
            depth,
            random: Rng::new(seed),
            history: History::default(),
            session: None,
            last_zxid: 0,
            directory_made: false,
        }
    }

    /// Verifies, then writes until the server dies.
    pub(super) fn live_through(&mut self, address: SocketAddr, cycle: &Cycle) -> Result<Report, String> {
        let mut report = Report::default();
        let verified = self.verify(address, &mut report);
        cycle.still_verifying.fetch_sub(1, Ordering::AcqRel);
        let mut connection = verified?;
        let ended = self.write_until_death(&mut connection, &mut report);
        self.last_zxid = self.last_zxid.max(connection.last_zxid());
        match ended {
            Ended::Violation(text) => Err(format!("{}: {text}", self.directory)),
            Ended::Died(_) if cycle.death_expected.load(Ordering::Acquire) => Ok(report),
            Ended::Died(e) => Err(format!("{}: the connection broke before the kill: {e}", self.directory)),
        }
    }

    /// Takes the session up again and compares the subtree.
    pub(super) fn verify(&mut self, address: SocketAddr, report: &mut Report) -> Result<Connection, String> {
        let mut connection = self.connect(address)?;
        if !self.directory_made {
            self.make_directory(&mut connection)?;
        }
        let shown = self
            .read_children(&mut connection)
            .map_err(|e| format!("{}: cannot read the subtree after the restart: {e}", self.directory))?;
        let before = self.history.clone();
        match self.history.settle(&shown) {
            Some(applied) => {
                report.verifications += 1;
                report.unacknowledged_applied += applied as u64;
                Ok(connection)
            }
            None => Err(violation(&self.directory, &before, &shown)),
        }
    }

    fn connect(&mut self, address: SocketAddr) -> Result<Connection, String> {
        let options =
            client::Options { session: self.session, last_zxid_seen: self.last_zxid, ..patient(40_000) };
        let connection = Connection::connect_any(&[address], &options).map_err(|e| match e {
            Error::SessionExpired => format!(
                "{}: session {:?} is gone after the restart",
                self.directory,
                self.session.map(|s| s.0)
            ),
            e => format!("{}: cannot connect (last zxid {:#x}): {e}", self.directory, self.last_zxid),
        })?;
        if let Some((session, _)) = self.session
            && session != connection.session()
        {
            return Err(format!("{}: asked for session {session}, got another", self.directory));
        }
        self.session = Some((connection.session(), connection.password()));
        Ok(connection)
    }

    fn make_directory(&mut self, connection: &mut Connection) -> Result<(), String> {
        let create = Request::Create {
            op: OpCode::Create,
            path: Some(self.directory.clone().into()),
            data: Some(Vec::new().into()),
            acl: Some(open_acl()),
            flags: 0,
            ttl: -1,
        };
        let reply = connection.call(&create).and_then(|reply| reply.check());
        reply.map_err(|e| format!("cannot create {}: {e}", self.directory))?;
        self.directory_made = true;
        Ok(())
    }

    fn read_children(&self, connection: &mut Connection) -> Result<Children, Error> {
        let directory = Some(self.directory.clone().into());
        let reply = connection.call(&Request::GetChildren { path: directory, watch: false })?;
        let Response::Children(names) = reply.response()? else { return Err(odd("getChildren")) };
        let names: Vec<String> =
            names.unwrap_or_default().into_iter().flatten().map(|n| n.into_owned()).collect();
        for name in &names {
            let path = Some(format!("{}/{name}", self.directory).into());
            connection.send(&Request::GetData { path, watch: false })?;
        }
        let mut children = Children::new();
        for name in names {
            let reply = connection.recv()?;
            let Response::Data(data, stat) = reply.response()? else { return Err(odd("getData")) };
            let child = Child {
                data: data.unwrap_or_default().into_owned(),
                version: stat.version,
                ephemeral: stat.ephemeral_owner != 0,
                mzxid: Some(stat.mzxid),
            };
            children.insert(name, child);
        }
        Ok(children)
    }

    fn write_until_death(&mut self, connection: &mut Connection, report: &mut Report) -> Ended {
        loop {
            while self.history.under_way.len() < self.depth {
                let operation = self.history.choose(&mut self.random);
                if let Err(e) = connection.send(&request(&self.directory, &operation)) {
                    return Ended::Died(e);
                }
            }
            let reply = match connection.recv() {
                Ok(reply) => reply,
                Err(e @ Error::Protocol(_)) => return Ended::Violation(e.to_string()),
                Err(e) => return Ended::Died(e),
            };
            if let Err(e) = reply.check() {
                let asked = self.history.under_way.front();
                return Ended::Violation(format!("{asked:?} was refused: {e}"));
            }
            self.history.acknowledge(reply.header.zxid);
            report.acknowledged += 1;
        }
    }
}

enum Ended {
    Died(Error),
    Violation(String),
}

fn odd(what: &str) -> Error {
    Error::Protocol(format!("an answer to {what} of another shape"))
}

/// Names the first child that is wrong with regard to the acknowledged state.
fn violation(directory: &str, history: &History, shown: &Children) -> String {
    let acknowledged = &history.acknowledged;
    let lost = acknowledged.iter().find(|(name, child)| shown.get(*name) != Some(child));
    let extra = shown.keys().find(|name| !acknowledged.contains_key(*name));
    format!(
        "{directory}: acknowledged state lost.\n acknowledged but not so after the restart (or changed by one of the operations under way): {lost:?}\n shown: {:?}\n shown but not acknowledged: {extra:?}\n under way at the kill: {:?}",
        lost.and_then(|(name, _)| shown.get(name)),
        history.under_way
    )
}
