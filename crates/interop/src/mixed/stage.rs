//! Where a story is told: the servers, the clients, and the judgement at the end.

use super::Options;
use super::claims::{self, Claim};
use super::foreign::Running;
use super::load::{Done, Load};
use crate::ensemble::{Ensemble, Place, Program, Role};
use crate::patience::patient;
use crate::picture::{Picture, no_digest_mismatch};
use client::Connection;
use std::time::Duration;

pub(super) struct Stage<'o> {
    pub(super) options: &'o Options,
    pub(super) ensemble: Ensemble,
    programs: Vec<Option<Program>>,
    load: Option<Load>,
    foreign: Vec<Running>,
    claims: Vec<Claim>,
    rounds: usize,
    done: Done,
    said: Vec<String>,
    compared: usize,
}

impl<'o> Stage<'o> {
    /// Servers of these roles, and none running.
    pub(super) fn new(options: &'o Options, roles: &[Role]) -> Result<Stage<'o>, String> {
        // The limits are so long that a machine that stands still for some seconds costs nobody his place.
        let settings = ["tickTime=1000", "initLimit=30", "syncLimit=20", "maxSessionTimeout=300000"];
        let place = Place {
            directory: options.directory.clone(),
            port: options.port,
            settings: settings.map(str::to_owned).into(),
            java_flags: ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(str::to_owned).into(),
        };
        Ok(Stage {
            options,
            ensemble: Ensemble::new(place, roles)?,
            programs: vec![None; roles.len()],
            load: None,
            foreign: Vec::new(),
            claims: Vec::new(),
            rounds: 0,
            done: Done::default(),
            said: Vec::new(),
            compared: 0,
        })
    }

    /// Ends a server, with SIGKILL or as an operator does.
    pub(super) fn end_server(&mut self, server: usize, kill: bool) -> Result<(), String> {
        if self.load.is_some() {
            let mode = self.ensemble.mode(server).unwrap_or_else(|| "server without a place".to_owned());
            let program = self.programs[server].as_ref().map(Program::name).unwrap_or_default();
            let ended = if kill { "killed" } else { "stopped" };
            self.note(format!("when a {mode} ({program}) was {ended}"), mode == "leader");
        }
        if kill { self.ensemble.kill(server) } else { self.ensemble.stop(server) }
    }

    /// From here on the clients feel this.
    pub(super) fn note(&self, what: String, leaderless: bool) {
        if let Some(load) = &self.load {
            load.note(what, leaderless);
        }
    }

    pub(super) fn start(&mut self, server: usize, program: &Program) -> Result<(), String> {
        self.programs[server] = Some(program.clone());
        self.ensemble.start(server, program)
    }

    /// Starts again what ran there before.
    pub(super) fn restart(&mut self, server: usize) -> Result<(), String> {
        let program = self.programs[server].clone().expect("it has run before");
        self.ensemble.start(server, &program)
    }

    /// Starts `programs`, and lets `leader` lead: it has the highest id of the first two, who make the quorum.
    pub(super) fn start_led_by(&mut self, leader: usize, programs: &[&Program]) -> Result<(), String> {
        let other = (0..leader).next().ok_or("the leader needs somebody with a lower id")?;
        for server in [other, leader] {
            self.start(server, programs[server])?;
        }
        let found = self.ensemble.wait_settled()?;
        if found != leader {
            return Err(format!("server {} leads instead of {}", found + 1, leader + 1));
        }
        for server in (0..programs.len()).filter(|server| ![other, leader].contains(server)) {
            self.start(server, programs[server])?;
        }
        self.ensemble.wait_settled().map(drop)
    }

    /// The clients begin.
    pub(super) fn load(&mut self) -> Result<(), String> {
        let addresses = self.ensemble.addresses();
        self.load = Some(Load::start(&addresses, self.rounds)?);
        for foreign in &self.options.foreign {
            let path = format!("/{}-{}", foreign.name, self.rounds);
            self.foreign.push(foreign.start(&addresses, &path)?);
        }
        self.rounds += 1;
        Ok(())
    }

    /// The clients go on for a while, and nothing goes wrong.
    pub(super) fn go_on(&mut self, time: Duration) -> Result<(), String> {
        self.foreign.iter_mut().try_for_each(Running::check)?;
        self.load.as_ref().map_or(Ok(()), |load| load.go_on(time))
    }

    /// The clients end, and everything they were told must be there, on every server alike.
    pub(super) fn judge(&mut self) -> Result<(), String> {
        for foreign in std::mem::take(&mut self.foreign) {
            self.said.push(foreign.stop()?);
        }
        if let Some(load) = self.load.take() {
            let (done, claims) = load.stop()?;
            self.claims.extend(claims);
            self.done.add(done);
        }
        self.compare()
    }

    /// All servers that run show the same tree, and it is what was claimed.
    pub(super) fn compare(&mut self) -> Result<(), String> {
        self.ensemble.wait_alike()?;
        let running = (0..self.ensemble.size()).filter(|server| self.ensemble.process(*server).is_some());
        let mut first: Option<(usize, Picture)> = None;
        for server in running.collect::<Vec<_>>() {
            let address = self.ensemble.address(server);
            let about = |error: String| format!("server {}: {error}", server + 1);
            let connection = Connection::connect_any(&[address], &patient(30_000));
            let connection = connection.map_err(|error| about(error.to_string()))?;
            let mut picture = Picture::nodes(connection).map_err(about)?;
            // Every server writes its own configuration there when it starts.
            picture.nodes.remove("/zookeeper/config");
            no_digest_mismatch(address).map_err(about)?;
            let Some((known, expected)) = &first else {
                self.compared = picture.nodes.len();
                claims::judge(&self.claims, &picture).map_err(about)?;
                first = Some((server, picture));
                continue;
            };
            let beside = |error| format!("server {} and server {}: {error}", server + 1, known + 1);
            expected.compare(&picture).map_err(beside)?;
        }
        Ok(())
    }

    /// All servers end; their logs must not contradict each other.
    pub(super) fn end(mut self) -> Result<String, String> {
        for server in 0..self.ensemble.size() {
            if self.ensemble.process(server).is_some() {
                self.ensemble.stop(server)?;
            }
        }
        let logged = self.ensemble.compare_logs(&self.options.ours)?;
        let Done { writes, watches, moves, acts } = self.done;
        let mut text = format!("{} nodes and {logged} logged transactions alike", self.compared);
        if let Some(longest) = acts.iter().max_by_key(|act| act.gap) {
            text.push_str(&format!("; {writes} writes acknowledged, longest time without {longest}"));
            for act in acts.iter().filter(|act| act.leaderless && act.what != longest.what) {
                text.push_str(&format!(", {act}"));
            }
            text.push_str(&format!("; {watches} watches fired; a session moved {moves} times; none expired"));
        }
        self.said.iter().for_each(|said| text.push_str(&format!("; {said}")));
        std::fs::remove_dir_all(self.ensemble.directory()).map_err(|error| error.to_string())?;
        Ok(text)
    }
}
