//! An ensemble of real processes on this machine, each Apache's or ours, and each replaceable by the other on the same directory.

mod logs;
mod member;

pub use member::{Program, Role};

use crate::patience::{PATIENCE, START_PATIENCE};
use client::four_letter_word;
use member::Member;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(10);

/// Where an ensemble lives, and what all its servers are told.
#[derive(Clone, Debug)]
pub struct Place {
    /// For all data; emptied.
    pub directory: PathBuf,
    /// The first of thirty ports: of the clients, then of the servers.
    pub port: u16,
    /// More lines of zoo.cfg.
    pub settings: Vec<String>,
    /// Flags for `java`.
    pub java_flags: Vec<String>,
}

/// The servers; killed when dropped. They are counted from 0, and their ids from 1.
#[derive(Debug)]
pub struct Ensemble {
    place: Place,
    members: Vec<Member>,
}

impl Ensemble {
    /// Servers of these roles; none of them runs yet.
    ///
    /// # Errors
    /// When the directory cannot be emptied.
    pub fn new(place: Place, roles: &[Role]) -> Result<Ensemble, String> {
        assert!(roles.len() <= member::PORTS_EACH as usize, "there are ports for so many servers");
        let _ = std::fs::remove_dir_all(&place.directory);
        let lines: Vec<String> = (roles.iter().enumerate())
            .map(|(index, role)| member::configuration_line(place.port, index, *role))
            .collect();
        let new = |(index, role): (usize, &Role)| Member::new(&place, index, *role, &lines);
        let members = roles.iter().enumerate().map(new).collect::<Result<_, _>>()?;
        Ok(Ensemble { place, members })
    }

    /// How many servers there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Where a server listens for clients.
    pub fn address(&self, server: usize) -> SocketAddr {
        self.members[server].address()
    }

    /// Where all of them listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.size()).map(|server| self.address(server)).collect()
    }

    /// Where everything is kept.
    pub fn directory(&self) -> &Path {
        &self.place.directory
    }

    /// Starts a program on a server's directory.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, server: usize, program: &Program) -> Result<(), String> {
        self.members[server].start(program)
    }

    /// Asks a server to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(&mut self, server: usize) -> Result<(), String> {
        self.members[server].stop()
    }

    /// Ends a server with SIGKILL.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self, server: usize) -> Result<(), String> {
        self.members[server].kill()
    }

    /// Freezes a server with SIGSTOP, or lets it go on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn freeze(&mut self, server: usize, frozen: bool) -> Result<(), String> {
        self.members[server].signal(if frozen { "STOP" } else { "CONT" })
    }

    /// Throws a server's data away; it must not be running.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub fn empty(&mut self, server: usize) -> Result<(), String> {
        self.members[server].empty()
    }

    /// Its process, while it runs.
    pub fn process(&self, server: usize) -> Option<u32> {
        self.members[server].process()
    }

    /// What `srvr` calls it.
    pub fn mode(&self, server: usize) -> Option<String> {
        self.members[server].process()?;
        let answer = four_letter_word(self.address(server), "srvr", Duration::from_secs(1)).ok()?;
        answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    /// Who leads.
    pub fn leader(&self) -> Option<usize> {
        (0..self.size()).find(|server| self.mode(*server).is_some_and(|mode| mode == "leader"))
    }

    /// Waits until of those that run one leads and the others follow or observe; says who leads.
    ///
    /// # Errors
    /// When one has ended, or they take too long.
    pub fn wait_settled(&mut self) -> Result<usize, String> {
        let until = Instant::now() + START_PATIENCE;
        while Instant::now() < until {
            let running: Vec<usize> = (0..self.size()).filter(|s| self.process(*s).is_some()).collect();
            for server in &running {
                self.members[*server].check_running()?;
            }
            let modes: Vec<Option<String>> = running.iter().map(|server| self.mode(*server)).collect();
            let leaders = modes.iter().flatten().filter(|mode| *mode == "leader").count();
            if leaders == 1 && modes.iter().all(|mode| mode.as_deref().is_some_and(is_settled)) {
                return self.leader().ok_or_else(|| "the leader is gone again".to_owned());
            }
            sleep(LOOK);
        }
        Err(format!("the servers do not settle; see {}", self.place.directory.display()))
    }

    /// The last zxid a server says it has, from `srvr`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn zxid(&self, server: usize) -> Result<u64, String> {
        let answer = four_letter_word(self.address(server), "srvr", PATIENCE);
        let answer = answer.map_err(|error| format!("server {} says no srvr: {error}", server + 1))?;
        let zxid = answer.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
        zxid.and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or_else(|| format!("no zxid in {answer}"))
    }

    /// Waits until all that run have the same last zxid; nobody may write meanwhile.
    ///
    /// # Errors
    /// When they do not get there.
    pub fn wait_alike(&self) -> Result<u64, String> {
        let until = Instant::now() + START_PATIENCE;
        let mut zxids = Vec::new();
        while Instant::now() < until {
            let running = (0..self.size()).filter(|server| self.process(*server).is_some());
            zxids = running.map(|server| self.zxid(server)).collect::<Result<_, _>>()?;
            if zxids.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(zxids.first().copied().unwrap_or_default());
            }
            sleep(LOOK);
        }
        Err(format!("the servers stay apart, at {zxids:x?}; see {}", self.place.directory.display()))
    }

    /// How much a server has printed so far, for [`Ensemble::said`].
    pub fn printed(&self, server: usize) -> usize {
        self.members[server].output().len()
    }

    /// Has a server printed these words since then?
    pub fn said(&self, server: usize, since: usize, words: &str) -> bool {
        self.members[server].output().get(since..).is_some_and(|new| new.contains(words))
    }

    /// The last transaction in a server's logs; it must not run.
    ///
    /// # Errors
    /// When there is none, or a log cannot be read.
    pub fn last_logged(&self, server: usize, ours: &Path) -> Result<u64, String> {
        logs::last(ours, &self.members[server].version_directory())
    }

    /// Holds the transaction logs of all servers, which must not run, against each other: where two have a transaction of
    /// the same zxid, it must be the same to the last byte that our tool shows, the digest included. Says how many there are.
    ///
    /// # Errors
    /// The first difference, or a log that cannot be read.
    pub fn compare_logs(&self, ours: &Path) -> Result<usize, String> {
        let data: Vec<PathBuf> = self.members.iter().map(Member::version_directory).collect();
        logs::compare(ours, &data)
    }
}

fn is_settled(mode: &str) -> bool {
    matches!(mode, "leader" | "follower" | "observer")
}
