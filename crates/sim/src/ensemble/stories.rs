//! What stories are told with: whoever tells one starts, stops, separates and holds back by hand, waits, and looks.
//!
//! A story ends with a panic as soon as a check is violated.

use super::network::Host;
use super::{Setup, World};
use node::{Admin, Input, MemberView, Node, ServerStats};

/// How long a story waits for something.
const PATIENCE_US: u64 = 60_000_000;
/// More can hardly be under way at once.
const EVENTS_MAX: u64 = 1_000_000;

impl World {
    /// A world in which everybody runs and has a role.
    pub fn settled(setup: Setup) -> World {
        let mut world = World::new(setup);
        world.start_all();
        world
    }

    // ---- waiting

    /// Starts everybody who does not run, and waits until all have a role.
    pub fn start_all(&mut self) {
        (0..self.servers.len()).for_each(|server| self.start(server));
        self.settle();
    }

    /// Waits until everybody who runs has a role.
    pub fn settle(&mut self) {
        self.come_to_rest();
        self.serve(&self.up());
    }

    /// Waits until these servers have a role.
    ///
    /// # Panics
    /// When a minute is not enough for that.
    pub fn serve(&mut self, servers: &[usize]) {
        let serves = |world: &World, server| !matches!(world.mode(server), "down" | "looking" | "read-only");
        let until_us = self.now_us() + PATIENCE_US;
        let all = self.so(until_us, |world| servers.iter().all(|server| serves(world, *server)));
        assert!(all, "{:?}", self.up().iter().map(|up| (up, self.notes(*up))).collect::<Vec<_>>());
        self.come_to_rest();
    }

    /// Lets time pass.
    pub fn pass_ms(&mut self, ms: u64) {
        self.pass_until_us(self.now_us() + ms * 1000);
    }

    /// Lets time pass up to this one.
    pub fn pass_until_us(&mut self, at_us: u64) {
        self.so(at_us, |_| false);
    }

    /// Lets happen what is under way, until everybody only waits for some later time.
    ///
    /// # Panics
    /// When there is no end to it.
    pub fn come_to_rest(&mut self) {
        let (until_us, most) = (self.now_us() + PATIENCE_US, self.trace.events + EVENTS_MAX);
        let rests = self.so(until_us, |world| !world.queue.is_busy() || world.trace.events > most);
        assert!(rests && self.trace.events <= most, "the servers never come to rest");
    }

    /// Waits in a story: a violation ends it.
    pub(super) fn so(&mut self, until_us: u64, so: impl Fn(&World) -> bool) -> bool {
        self.run_until_so(until_us, so).unwrap_or_else(|violation| panic!("{violation}"))
    }

    // ---- doing

    /// Asks a process to end when it has done what it has begun.
    pub fn ask_to_stop(&mut self, server: usize) {
        self.input(server, Input::Admin(Admin::Shutdown));
    }

    /// No other server reaches this one, and it reaches none; clients do. Nobody is told: what is sent gets nowhere.
    pub fn isolate(&mut self, server: usize) {
        for other in (0..self.servers.len()).filter(|other| *other != server) {
            self.net.block(Host::Server(server), Host::Server(other));
            self.net.block(Host::Server(other), Host::Server(server));
        }
    }

    /// Everybody reaches it again.
    pub fn rejoin(&mut self, server: usize) {
        for other in 0..self.servers.len() {
            self.net.unblock(Host::Server(server), Host::Server(other));
            self.net.unblock(Host::Server(other), Host::Server(server));
        }
        self.kick_all();
    }

    // ---- looking

    /// Whose processes run.
    pub fn up(&self) -> Vec<usize> {
        (0..self.servers.len()).filter(|server| self.node(*server).is_some()).collect()
    }

    /// Who leads.
    ///
    /// # Panics
    /// When nobody does.
    pub fn leading(&self) -> usize {
        self.leader().expect("a leader")
    }

    /// Who follows.
    pub fn followers(&self) -> Vec<usize> {
        self.up().into_iter().filter(|server| self.mode(*server) == "follower").collect()
    }

    /// The node of a server that runs.
    ///
    /// # Panics
    /// When it does not.
    pub fn running(&self, server: usize) -> &Node {
        self.node(server).expect("its process runs")
    }

    /// What a server tells of itself.
    pub fn stats(&self, server: usize) -> ServerStats {
        self.running(server).server_stats()
    }

    /// What a server tells of its part in the ensemble.
    ///
    /// # Panics
    /// When it has none.
    pub fn member(&self, server: usize) -> MemberView {
        self.stats(server).member.expect("a member")
    }

    /// What a server has written in its log, over all its lives.
    pub fn notes(&self, server: usize) -> &[String] {
        &self.servers[server].machine.notes
    }

    /// Is there a node in a server's tree?
    pub fn has(&self, server: usize, path: &str) -> bool {
        self.running(server).tree().node(path).is_some()
    }

    /// Is there a node in the trees of all who run?
    pub fn all_have(&self, path: &str) -> bool {
        self.up().into_iter().all(|server| self.has(server, path))
    }

    /// Is there no such node in anybody's tree?
    pub fn none_has(&self, path: &str) -> bool {
        !self.up().into_iter().any(|server| self.has(server, path))
    }

    /// Have all who run the same tree and the same sessions, and everything that was committed?
    ///
    /// # Panics
    /// When they have not.
    pub fn assert_alike(&self) {
        let last = self.committed().last();
        for server in self.up() {
            let zxid = self.running(server).tree().last_zxid();
            let is_new = zxid > last && zxid.counter() == 0;
            assert!(zxid == last || is_new, "s{} has got to {zxid}, {last} is committed", server + 1);
        }
        self.compare_trees().unwrap_or_else(|violation| panic!("{violation}"));
    }
}
