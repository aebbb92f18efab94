//! The words of an ensemble's members: three voters and an observer of each kind, asked fresh, after the same requests to
//! each role, after a reset, and when the quorum is lost.

use super::normal::{self, Names};
use super::traffic::Clients;
use super::{Comparison, LOOKING, OPEN, Plan, Segments, send};
use crate::patience::PATIENCE;
use crate::process::{Program, Server};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The observer's id; those below it vote.
const OBSERVER: usize = 4;
/// The two that start first elect the one with the larger id.
const LEADER: usize = 2;
const FOLLOWER: usize = 1;
/// Joins a leader that is there already.
const LATE: usize = 3;
/// Those whose answers are compared.
const ROLES: [(&str, usize); 3] = [("leader", LEADER), ("follower", FOLLOWER), ("observer", OBSERVER)];

/// An ensemble of one kind of server.
struct Ensemble {
    members: Vec<Member>,
    /// Names of the ports among them.
    ports: Vec<(u16, String)>,
}

struct Member {
    server: Server,
    clients: Clients,
}

impl Ensemble {
    fn start(program: &Program, plan: &Plan, first_port: u16, name: &str) -> io::Result<Ensemble> {
        let port = |what: usize, id: usize| first_port + (10 * what + id) as u16;
        let mut lines = "initLimit=20\nsyncLimit=10\n".to_owned();
        let mut ports = Vec::new();
        for id in 1..=OBSERVER {
            let role = if id == OBSERVER { "observer" } else { "participant" };
            let (quorum, election) = (port(1, id), port(2, id));
            lines += &format!("server.{id}=127.0.0.1:{quorum}:{election}:{role}\n");
            ports.extend([(quorum, format!("quorum {id}")), (election, format!("election {id}"))]);
        }
        let start = |id: usize| {
            let directory = plan.directory.join(format!("{name}-{id}"));
            let own = if id == OBSERVER { format!("{lines}peerType=observer\n") } else { lines.clone() };
            let server = program.start_member(&OPEN, port(0, id), &directory, id as i64, &own)?;
            Ok::<Member, io::Error>(Member { server, clients: Clients::default() })
        };
        let mut ensemble = Ensemble { members: vec![start(FOLLOWER)?, start(LEADER)?], ports };
        ensemble.wait(&[(FOLLOWER, "follower"), (LEADER, "leader")])?;
        ensemble.members.extend([start(LATE)?, start(OBSERVER)?]);
        ensemble.wait(&[(LATE, "follower"), (OBSERVER, "observer")])?;
        Ok(ensemble)
    }

    fn member(&mut self, id: usize) -> &mut Member {
        &mut self.members[id - 1]
    }

    fn wait(&mut self, modes: &[(usize, &str)]) -> io::Result<()> {
        for (id, mode) in modes {
            self.member(*id).server.wait_for(|answer| answer.contains(&format!("\nMode: {mode}\n")))?;
        }
        Ok(())
    }

    fn address(&self, id: usize) -> SocketAddr {
        self.members[id - 1].server.address
    }

    fn ask(&self, id: usize, word: &str) -> String {
        let text = send(self.address(id), &Segments { parts: &[word.as_bytes()], half_close: false });
        let member = &self.members[id - 1];
        let names = Names {
            directory: &member.server.directory,
            port: member.server.address.port(),
            // Everybody knows everybody's sessions.
            sessions: ROLES.iter().flat_map(|(_, id)| self.members[id - 1].clients.sessions()).collect(),
            ports: member.clients.ports(),
            members: self.ports.clone(),
        };
        let text = normal::comparable(word, &text, &names);
        if word == "dump" { without_buckets(&text) } else { text }
    }

    /// Waits until everybody has applied the same transactions.
    fn wait_even(&self) -> io::Result<()> {
        let zxid = |id: usize| {
            let text = self.ask(id, "srvr");
            text.lines().find_map(|line| line.strip_prefix("Zxid: ")).map(str::to_owned)
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let zxids: Vec<Option<String>> = (1..=OBSERVER).map(zxid).collect();
            if zxids[0].is_some() && zxids.iter().all(|zxid| *zxid == zxids[0]) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("the servers of an ensemble do not come to the same zxid"))
    }

    /// The same requests to each role, one after the other.
    fn work(&mut self) -> io::Result<()> {
        for (role, id) in ROLES {
            let address = self.address(id);
            let clients = match id {
                FOLLOWER => Clients::work(address),
                _ => Clients::visit(address, role),
            };
            self.member(id).clients = clients.map_err(io::Error::other)?;
        }
        self.wait_even()
    }
}

/// Sessions and connections in the order of their names: which share a bucket, and which expires first, is a matter of
/// milliseconds.
fn without_buckets(dump: &str) -> String {
    let parts =
        dump.split_inclusive("ephemeral nodes dump:").flat_map(|part| part.split("Connections dump:"));
    let sorted = parts.map(|part| {
        let mut lines: Vec<&str> = part.lines().filter(|line| !line.contains(" expire at ")).collect();
        lines.sort_unstable();
        lines.join("\n")
    });
    sorted.collect::<Vec<_>>().join("\n")
}

impl Comparison {
    /// Every word of every role.
    pub(super) fn ensemble(&mut self, plan: &Plan) -> io::Result<()> {
        let first = plan.ports.0;
        let mut sides = [
            Ensemble::start(&plan.judge, plan, first + 100, "judge")?,
            Ensemble::start(&plan.subject, plan, first + 200, "subject")?,
        ];
        self.roles(&sides, "fresh", &LOOKING);
        self.roles(&sides, "fresh", &["srst", "crst"]);
        for side in &mut sides {
            side.work()?;
        }
        self.roles(&sides, "busy", &LOOKING);
        self.roles(&sides, "reset", &["crst", "cons", "srst", "srvr", "mntr"]);
        // Neither of the two voters that are left can lead alone.
        for side in &mut sides {
            for id in [LEADER, LATE] {
                side.member(id).server.kill();
            }
            for id in [FOLLOWER, OBSERVER] {
                side.member(id)
                    .server
                    .wait_for(|answer| answer.contains("not currently serving requests"))?;
            }
        }
        for (role, id) in [ROLES[1], ROLES[2]] {
            for word in LOOKING.into_iter().chain(["crst", "srst"]) {
                let answers = [sides[0].ask(id, word), sides[1].ask(id, word)];
                self.compare(&format!("ensemble without a quorum, {role} that was"), word, answers);
            }
        }
        Ok(())
    }

    fn roles(&mut self, sides: &[Ensemble; 2], phase: &str, words: &[&str]) {
        for (role, id) in ROLES {
            for word in words {
                let answers = [sides[0].ask(id, word), sides[1].ask(id, word)];
                self.compare(&format!("ensemble {phase}, {role}"), word, answers);
            }
        }
    }
}
