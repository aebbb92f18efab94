//! Three servers.

use crate::patience::{PATIENCE, START_PATIENCE};
use crate::process::{Program, Server};
use crate::profile::Profile;
use crate::socket::Socket;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const SERVERS: usize = 3;
/// Before the first write of an epoch the leader shows its beginning and the others do not, however long one waits.
const EVEN_PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The servers; killed when dropped.
pub(super) struct Ensemble {
    programs: [Program; SERVERS],
    profile: Profile,
    port: u16,
    directory: PathBuf,
    servers: [Option<Server>; SERVERS],
}

impl Ensemble {
    /// Starts all three on empty directories, and waits until they have a leader.
    pub(super) fn start(
        programs: [Program; SERVERS],
        profile: &Profile,
        port: u16,
        directory: &Path,
    ) -> io::Result<Ensemble> {
        let _ = fs::remove_dir_all(directory);
        let mut ensemble = Ensemble {
            programs,
            profile: profile.clone(),
            port,
            directory: directory.to_owned(),
            servers: Default::default(),
        };
        (0..SERVERS).try_for_each(|place| ensemble.resume(place))?;
        ensemble.settle()?;
        Ok(ensemble)
    }

    pub(super) fn address(&self, place: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port + place as u16))
    }

    /// Starts a server on what it has.
    pub(super) fn resume(&mut self, place: usize) -> io::Result<()> {
        // Twenty seconds: a machine that stands still must not cost the leader its followers.
        let mut members = "initLimit=200\nsyncLimit=200\n".to_owned();
        for n in 0..SERVERS {
            let (quorum, election) = (self.port + 3 + n as u16, self.port + 6 + n as u16);
            members.push_str(&format!("server.{}=127.0.0.1:{quorum}:{election}\n", n + 1));
        }
        let (id, directory) = (place as i64 + 1, self.directory.join((place + 1).to_string()));
        let port = self.address(place).port();
        let server = self.programs[place].resume_member(&self.profile, port, &directory, id, &members)?;
        self.servers[place] = Some(server);
        Ok(())
    }

    /// Ends a server as a crash of its process would.
    pub(super) fn kill(&mut self, place: usize) {
        self.servers[place] = None;
    }

    /// The answer to a four-letter word, if there is one.
    pub(super) fn word(&self, place: usize, word: &str) -> Option<String> {
        let mut socket = Socket::open(self.address(place)).ok()?;
        socket.send(word.as_bytes());
        let answer = socket.text(PATIENCE)?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    fn mode(&self, place: usize) -> Option<String> {
        let answer = self.word(place, "srvr")?;
        answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    /// Waits until every running server leads or follows; who leads.
    pub(super) fn settle(&self) -> io::Result<usize> {
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline {
            let running = (0..SERVERS).filter(|place| self.servers[*place].is_some());
            let modes: Vec<_> = running.map(|place| (place, self.mode(place).unwrap_or_default())).collect();
            let leader = modes.iter().find(|(_, mode)| mode == "leader");
            if let Some((leader, _)) = leader
                && modes.iter().all(|(_, mode)| mode == "leader" || mode == "follower")
            {
                return Ok(*leader);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(io::Error::other(format!("no leader within {} s", START_PATIENCE.as_secs())))
    }

    /// Waits until all servers that serve have applied the same transactions; where one does not get there, that shows elsewhere.
    pub(super) fn wait_even(&self) {
        let deadline = Instant::now() + EVEN_PATIENCE;
        let zxid = |place| {
            let answer = self.word(place, "srvr")?;
            answer.lines().find_map(|line| line.strip_prefix("Zxid: ")).map(str::to_owned)
        };
        while Instant::now() < deadline {
            let running = (0..SERVERS).filter(|place| self.servers[*place].is_some());
            let zxids: Vec<String> = running.filter_map(zxid).collect();
            if zxids.windows(2).all(|two| two[0] == two[1]) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The different answers to `isro`, one after the other, until the last of these.
    pub(super) fn watch_isro(&self, place: usize, last: &str) -> io::Result<Vec<String>> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut seen: Vec<String> = Vec::new();
        while Instant::now() < deadline {
            if let Some(answer) = self.word(place, "isro") {
                if seen.last() != Some(&answer) {
                    seen.push(answer);
                }
                if seen.last().is_some_and(|answer| answer == last) {
                    return Ok(seen);
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(io::Error::other(format!("isro says {seen:?} and not {last}")))
    }
}
