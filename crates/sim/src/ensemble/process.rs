//! Servers at work: what the shell does in production, with every hand-over at a time of chance.

use super::World;
use super::event::{Event, Wish};
use super::network::{End, Host, Purpose};
use super::server::Late;
use crate::Survival;
use node::{Halt, Input, Now, Outputs};
use store::{DiskOp, Lane};

const START_WALL_MS: i64 = 1_795_389_508_617;

impl World {
    // ---- life and death

    /// Starts the process of a server on what its disk has.
    pub fn start(&mut self, server: usize) {
        if self.servers[server].machine.is_running() {
            return;
        }
        let (now, seed) = (self.clock_of(server), self.servers[server].rng.next_u64());
        let setup = self.setup.member(server);
        self.spoil_disk(server);
        let place = &mut self.servers[server];
        place.process_is_gone();
        let started = place.machine.join(now, seed, &setup);
        self.say(|| format!("s{} starts: {started:?}", server + 1));
        match started {
            Ok(()) => {
                self.input(server, Input::Tick);
                let result = self.checks.started(server, &self.servers);
                self.judge(result);
            }
            Err(why) if self.servers[server].disk_is_faulty => {
                self.say(|| format!("s{} does not start on a failing disk: {why}", server + 1));
                self.died_of_its_disk(server);
            }
            Err(why) => {
                self.violated("availability", format!("server {} refuses to start: {why}", server + 1))
            }
        }
    }

    /// The process ends; the machine it runs on does not notice.
    pub fn kill(&mut self, server: usize) {
        self.say(|| format!("s{} is killed", server + 1));
        self.end(server, Survival::Everything);
    }

    /// The machine loses its power, and with it what its disk had not synced.
    pub fn cut_power(&mut self, server: usize, survival: Survival) {
        self.say(|| format!("s{} loses its power: {survival:?}", server + 1));
        self.end(server, survival);
    }

    fn end(&mut self, server: usize, survival: Survival) {
        let place = &mut self.servers[server];
        let rng = crate::Rng::new(place.rng.next_u64(), "crash");
        let next = place.machine.next_op(Lane::Log);
        place.machine.disk = place.machine.disk.crashed(next.as_ref(), survival, rng);
        place.disk_is_faulty = false;
        place.process_is_gone();
        self.orphan(server, survival != Survival::Everything);
        self.checks.disk_changed(server);
    }

    /// A disk has failed under a process. What it holds is known again only after the machine was switched off.
    fn died_of_its_disk(&mut self, server: usize) {
        let survival = Survival::ALL[1 + self.servers[server].rng.below(6) as usize];
        self.cut_power(server, survival);
        let delay = self.servers[server].rng.below(2_000_000);
        self.start_later(server, delay);
    }

    pub(super) fn start_later(&mut self, server: usize, delay_us: u64) {
        let life = self.servers[server].life;
        self.queue.after(delay_us, Event::Start { server, life });
    }

    /// A process sees nothing and does nothing until it is resumed.
    pub fn pause(&mut self, server: usize) {
        let place = &mut self.servers[server];
        if place.machine.is_running() && place.pause.is_none() {
            place.pause = Some(Vec::new());
        }
    }

    /// It goes on, and sees all of it.
    pub fn resume(&mut self, server: usize) {
        let Some(late) = self.servers[server].pause.take() else { return };
        for late in late {
            match late.into_input() {
                Ok(input) => self.input(server, input),
                Err(event) => self.happen(event),
            }
        }
        for end in self.net.ends_of(Host::Server(server)) {
            self.kick(end);
        }
    }

    // ---- steps

    pub(super) fn clock_of(&self, server: usize) -> Now {
        let mono_us = self.queue.now_us();
        let wall_ms = START_WALL_MS + (mono_us / 1000) as i64 + self.servers[server].wall_offset_ms;
        Now { mono_us, wall_ms }
    }

    pub(super) fn input(&mut self, server: usize, input: Input<'_>) {
        let now = self.clock_of(server);
        let place = &mut self.servers[server];
        if !place.machine.is_running() {
            return;
        }
        if let Some(late) = &mut place.pause {
            return late.extend(Late::of(&input));
        }
        place.machine.step(now, input);
        if !place.flush_is_due {
            place.flush_is_due = true;
            let (delay, life) = (place.rng.below(60), place.life);
            self.queue.after(delay, Event::Flush { server, life });
        }
    }

    pub(super) fn flush(&mut self, server: usize) {
        let now = self.clock_of(server);
        let place = &mut self.servers[server];
        place.flush_is_due = false;
        place.machine.step(now, Input::Flush);
        let out = std::mem::take(place.machine.outputs());
        self.deliver(server, out);
        if self.servers[server].machine.is_running() {
            let result = self.checks.observe(server, &self.servers);
            self.judge(result);
        }
    }

    /// What the shell does with a node's outputs.
    fn deliver(&mut self, server: usize, out: Outputs) {
        for note in out.notes {
            self.say(|| format!("s{}: {}", server + 1, note.text));
            self.servers[server].machine.notes.push(note.text);
        }
        self.submit(server, out.disk, out.purge);
        if let Some(at_us) = out.wake_at_us {
            let place = &mut self.servers[server];
            place.wake_serial += 1;
            let (serial, life) = (place.wake_serial, place.life);
            self.queue.at(at_us, Event::Wake { server, life, serial });
        }
        let life = self.servers[server].life;
        if let Some(recover) = out.recover {
            let delay = 1 + self.servers[server].rng.below(20_000);
            self.queue.after(delay, Event::Recover { server, life, recover });
        }
        for query in out.histories {
            let delay = 1 + self.servers[server].rng.below(5_000);
            self.queue.after(delay, Event::History { server, life, query });
        }
        if let Some(listens) = out.peer.quorum_port {
            self.servers[server].listens = listens;
        }
        if let Some(listens) = out.peer.observer_port {
            self.servers[server].takes_observers = listens;
        }
        for dial in out.peer.dials {
            let target = dial.addresses.first().and_then(|a| a.host.strip_prefix('n')?.parse::<usize>().ok());
            let target = target.expect("servers are called n1, n2, ...") - 1;
            let wish = Wish::Peer { dial: dial.dial, port: dial.port, timeout_us: dial.timeout_us };
            self.wish(Host::Server(server), life, wish, target);
        }
        for (conn, bytes) in out.peer.sends {
            self.peer_says(server, End::of_peer_conn(conn), &bytes);
        }
        for (conn, bytes) in out.sends {
            if let Some(end) = self.net.client_link(server, conn) {
                self.send(end, &bytes);
            }
        }
        let clients = |list: Vec<node::ConnId>| -> Vec<End> {
            list.into_iter().filter_map(|conn| self.net.client_link(server, conn)).collect()
        };
        let peers = |list: Vec<zab::ConnId>| list.into_iter().map(End::of_peer_conn);
        let closes = [clients(out.closes), peers(out.peer.closes).collect()].concat();
        let pauses = [clients(out.pauses), peers(out.peer.pauses).collect()].concat();
        let resumes = [clients(out.resumes), peers(out.peer.resumes).collect()].concat();
        for (list, paused) in [(pauses, true), (resumes, false)] {
            for end in list {
                if let Some(direction) = self.net.towards(end) {
                    direction.paused = paused;
                }
                self.kick(end);
            }
        }
        closes.into_iter().for_each(|end| self.close(end));
        if let Some(halt) = out.halt {
            self.halted(server, halt);
        }
    }

    fn peer_says(&mut self, server: usize, end: End, bytes: &[u8]) {
        if self.net.is_open(end) {
            let purpose = self.net.links[&end.link].purpose;
            let to = self.net.host(end.other());
            let said = self.checks.said(server, end, purpose, bytes, &self.servers);
            if let Ok(lines) = &said {
                for line in lines {
                    self.say(|| format!("s{} -> {to:?} {line}", server + 1));
                }
            }
            if let (Ok(lines), Some(Host::Server(learner))) = (&said, to) {
                self.told_learner(learner, lines);
            }
            self.judge(said.map(|_| ()));
            self.send(end, bytes);
            if purpose == Purpose::Quorum {
                self.forge_ack(end, bytes);
            }
        }
    }

    fn halted(&mut self, server: usize, halt: Halt) {
        self.say(|| format!("s{} halts: {halt:?}", server + 1));
        if self.servers[server].disk_is_faulty {
            return self.died_of_its_disk(server);
        }
        match halt {
            Halt::Stopped => self.kill(server),
            why => self.violated("availability", format!("server {} ends by itself: {why:?}", server + 1)),
        }
    }

    // ---- disks

    fn submit(&mut self, server: usize, batches: Vec<store::DiskBatch>, purge: Option<usize>) {
        for batch in batches {
            let lane = batch.lane;
            if self.completes_early(lane) {
                let (life, ticket) = (self.servers[server].life, batch.ticket);
                self.queue.after(1, Event::DiskDone { server, life, ticket, result: Ok(()) });
            }
            self.servers[server].machine.submit(batch);
            self.run_lane(server, lane);
        }
        if let Some(keep) = purge {
            self.servers[server].machine.submit_purge(keep);
            self.run_lane(server, Lane::Snapshot);
        }
    }

    fn run_lane(&mut self, server: usize, lane: Lane) {
        let place = &mut self.servers[server];
        if !place.busy.insert(lane, true).unwrap_or(false) {
            let (delay, life) = (place.disk_delay_us(false), place.life);
            self.queue.after(delay, Event::Disk { server, life, lane });
        }
    }

    /// A lane does its next operation, or rests.
    pub(super) fn disk(&mut self, server: usize, lane: Lane) {
        let now_us = self.queue.now_us();
        let place = &mut self.servers[server];
        let life = place.life;
        if let Some(waits) = place.stuck.get_mut(&lane) {
            *waits = true;
            return;
        }
        let Some(op) = place.machine.next_op(lane) else {
            place.busy.insert(lane, false);
            return;
        };
        let done = place.machine.disk_op(lane);
        let early = self.completes_early(lane);
        let place = &mut self.servers[server];
        if let Some((ticket, result)) = done.filter(|_| !early) {
            // Completions of one lane come in order.
            let delay = place.rng.below(60);
            let told = place.told_us.entry(lane).or_default();
            *told = (now_us + delay).max(*told + 1);
            let at_us = *told;
            self.queue.at(at_us, Event::DiskDone { server, life, ticket, result });
        }
        let next_is_sync = matches!(
            self.servers[server].machine.next_op(lane),
            Some(DiskOp::Sync { .. } | DiskOp::SyncDir { .. } | DiskOp::SnapshotEnd)
        );
        let delay = self.servers[server].disk_delay_us(next_is_sync);
        self.queue.after(delay, Event::Disk { server, life, lane });
        let result = self.checks.disk_did(server, &op, &self.servers);
        self.judge(result);
        self.stop_with_the_disk(server);
    }

    /// A lane of the disk does nothing until [`World::free_disk`].
    pub fn hold_disk(&mut self, server: usize, lane: Lane) {
        self.servers[server].stuck.entry(lane).or_default();
    }

    /// The disk works again.
    pub fn free_disk(&mut self, server: usize) {
        let place = &mut self.servers[server];
        let life = place.life;
        for (lane, _) in std::mem::take(&mut place.stuck).into_iter().filter(|(_, waits)| *waits) {
            self.queue.after(1, Event::Disk { server, life, lane });
        }
    }

    pub(super) fn disk_done(
        &mut self,
        server: usize,
        ticket: store::Ticket,
        result: Result<(), store::DiskError>,
    ) {
        self.input(server, Input::DiskDone { ticket, result });
        // The next batch is here already: the disk works on it while the machine answers for this one.
        let batches = std::mem::take(&mut self.servers[server].machine.outputs().disk);
        self.submit(server, batches, None);
    }

    pub(super) fn recover(&mut self, server: usize, recover: node::Recover) {
        let result = self.servers[server].machine.recover(recover);
        self.say(|| {
            format!("s{} has cut its history: {recover:?} {:?}", server + 1, result.as_ref().map(|_| ()))
        });
        self.checks.disk_changed(server);
        if !self.stop_with_the_disk(server) {
            self.input(server, Input::Recovered(result));
        }
    }

    pub(super) fn read_history(&mut self, server: usize, query: node::HistoryQuery) {
        let slice = self.servers[server].machine.read_history(query);
        self.input(server, Input::History { learner: query.learner, slice });
    }

    /// A planned stop of the machine in the middle of its disk's work.
    fn stop_with_the_disk(&mut self, server: usize) -> bool {
        let stopped = self.servers[server].machine.disk.is_stopped();
        if stopped {
            self.died_of_its_disk(server);
        }
        stopped
    }
}
