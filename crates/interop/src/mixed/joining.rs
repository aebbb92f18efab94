//! A third server comes to two of the other kind with a history that is empty, behind, ahead or another one.

use super::Options;
use super::stage::Stage;
use crate::ensemble::{Program, Role};
use crate::patience::{PATIENCE, patient};
use client::Connection;
use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::{Acl, CreateMode, OpCode, Request};

/// The one who joins has the highest id.
const JOINER: usize = 2;
/// Longer than any of the servers keeps in memory, so that an empty server cannot get it from there.
const MANY: usize = 700;
const FEW: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const WHILE: Duration = Duration::from_secs(1);

/// What the one who joins has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum History {
    /// Nothing.
    Empty,
    /// The beginning.
    Behind,
    /// All, and what nobody else has.
    Ahead,
    /// The beginning, and what nobody else has where the others have a new epoch.
    Diverged,
}

impl History {
    /// What the one who joins prints of it, whoever it is.
    fn words(self) -> &'static str {
        match self {
            History::Empty | History::Diverged => "Getting a snapshot from leader",
            History::Behind => "Getting a diff from the leader",
            History::Ahead => "Truncating log to get in sync with the leader",
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            History::Empty => "empty",
            History::Behind => "behind",
            History::Ahead => "ahead",
            History::Diverged => "diverged",
        })
    }
}

/// `joiner` joins two `hosts`.
pub(super) fn join(
    options: &Options,
    hosts: &Program,
    joiner: &Program,
    history: History,
) -> Result<String, String> {
    let mut stage = Stage::new(options, &[Role::Participant; 3])?;
    match history {
        History::Empty => {
            lead(&mut stage, hosts)?;
            write(&stage, 1, "all", MANY)?;
        }
        History::Behind => {
            lead(&mut stage, hosts)?;
            stage.start(JOINER, joiner)?;
            stage.ensemble.wait_settled()?;
            write(&stage, 1, "beginning", FEW)?;
            stage.ensemble.wait_alike()?;
            stage.ensemble.stop(JOINER)?;
            write(&stage, 1, "missed", FEW)?;
        }
        History::Ahead | History::Diverged => {
            stage.start_led_by(JOINER, &[hosts, hosts, joiner])?;
            write(&stage, JOINER, "beginning", FEW)?;
            stage.ensemble.wait_alike()?;
            get_ahead(&mut stage)?;
            lead(&mut stage, hosts)?;
            if history == History::Diverged {
                write(&stage, 1, "meanwhile", FEW)?;
            }
        }
    }
    let printed = stage.ensemble.printed(JOINER);
    stage.start(JOINER, joiner)?;
    stage.ensemble.wait_settled()?;
    if !stage.ensemble.said(JOINER, printed, history.words()) {
        return Err(format!("the one who joined did not say: {}", history.words()));
    }
    // A cut leaves another last zxid at the one who joined than the start of the epoch is, until something is written.
    write(&stage, JOINER, "afterwards", FEW)?;
    stage.compare()?;
    stage.load()?;
    stage.go_on(WHILE)?;
    stage.end_server(JOINER, true)?;
    stage.go_on(WHILE)?;
    stage.restart(JOINER)?;
    stage.ensemble.wait_settled()?;
    stage.go_on(WHILE)?;
    stage.judge()?;
    // What only the one who joined had logged is gone, and takes no part in the comparison of the logs.
    stage.end()
}

/// The two hosts run, and the second one leads.
fn lead(stage: &mut Stage<'_>, hosts: &Program) -> Result<(), String> {
    stage.start(0, hosts)?;
    stage.start(1, hosts)?;
    stage.ensemble.wait_settled().map(drop)
}

/// The leader is left alone with requests: it logs what nobody will ever commit, and is killed.
fn get_ahead(stage: &mut Stage<'_>) -> Result<(), String> {
    let mut connection = connect(stage, JOINER)?;
    let before = stage.ensemble.wait_alike()?;
    for server in [0, 1] {
        stage.ensemble.freeze(server, true)?;
    }
    for number in 0..FEW {
        let path = format!("/lost-{number:04}");
        connection.send(&create(&path)).map_err(|error| error.to_string())?;
    }
    connection.flush().map_err(|error| error.to_string())?;
    // Nobody answers. A log that is being written may end in half a transaction.
    let until = Instant::now() + PATIENCE;
    let last_logged = || stage.ensemble.last_logged(JOINER, &stage.options.ours);
    while !last_logged().is_ok_and(|logged| logged > before) {
        if Instant::now() > until {
            let logged = last_logged();
            return Err(format!(
                "the leader that was left alone has logged {logged:x?}, no more than {before:x}"
            ));
        }
        sleep(LOOK_EVERY);
    }
    // The frozen ones never read what they were sent.
    (0..stage.ensemble.size()).try_for_each(|server| stage.ensemble.kill(server))
}

fn write(stage: &Stage<'_>, server: usize, name: &str, count: usize) -> Result<(), String> {
    let mut connection = connect(stage, server)?;
    for number in 0..count {
        let path = format!("/{name}-{number:04}");
        connection.send(&create(&path)).map_err(|error| error.to_string())?;
    }
    for _ in 0..count {
        connection.recv().and_then(|reply| reply.check()).map_err(|error| error.to_string())?;
    }
    connection.close().map_err(|error| error.to_string())
}

fn connect(stage: &Stage<'_>, server: usize) -> Result<Connection, String> {
    Connection::connect_any(&[stage.ensemble.address(server)], &patient(30_000))
        .map_err(|error| format!("server {}: {error}", server + 1))
}

fn create(path: &str) -> Request<'_> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(b"some data".as_slice().into()),
        acl: Some(vec![Acl::open()]),
        flags: CreateMode::Persistent.flags(),
        ttl: -1,
    }
}
