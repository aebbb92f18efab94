//! A node and four clients that send whatever they like, cut wherever they like.

use crate::world::{Client, World, frame_of, new_session, renewal};
use server::config::Config;
use server::flw::Desk;
use wire::{Encode, OpCode};

/// How many connections there are at once.
const CLIENTS: usize = 4;

/// The input is a script: each step is a byte that says who does what, and the bytes it takes.
pub fn frames(input: &[u8]) {
    let mut script = Script(input);
    let mut party = Party::new();
    while let Some(step) = script.byte() {
        party.step(usize::from(step >> 4) % CLIENTS, step & 15, &mut script);
    }
    party.end();
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Bytes behind a byte that tells how many.
    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or_default()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

struct Party {
    world: World,
    clients: Vec<Client>,
    desk: Desk,
}

impl Party {
    fn new() -> Party {
        let mut world = World::new();
        let clients = (0..CLIENTS).map(|_| world.open()).collect();
        Party { world, clients, desk: Desk::new(&Config::default_local()) }
    }

    fn step(&mut self, who: usize, what: u8, script: &mut Script<'_>) {
        let client = self.clients[who];
        match what {
            0..=2 => self.world.send_bytes(&client, script.bytes()),
            3 => self.world.send_frame(&client, &new_session(10_000).to_bytes()),
            4 => self.world.send_frame(&client, &renewal(client.session, 10_000).to_bytes()),
            5..=9 => {
                let op = script.byte().unwrap_or_default();
                let code = OpCode::ALL.get(usize::from(op)).map_or(i32::from(op as i8), |op| op.code());
                let xid = i32::from(script.byte().unwrap_or_default() as i8);
                self.world.send_bytes(&client, &frame_of(xid, code, script.bytes()));
            }
            10 => self.world.advance_ms(u64::from(script.byte().unwrap_or_default()) * 100),
            11 => self.world.hold_log = !self.world.hold_log,
            12 => self.world.hold_snapshots = !self.world.hold_snapshots,
            13 => self.replace(who),
            14 => self.world.run(),
            _ => {
                self.world.hold_log = false;
                self.world.crash_and_restart();
                self.clients = (0..CLIENTS).map(|_| self.world.open()).collect();
            }
        }
        if what != 2 {
            self.world.run();
        }
        self.read(who);
    }

    /// Hangs up and comes again with the session of before.
    fn replace(&mut self, who: usize) {
        let client = self.clients[who];
        if !self.world.is_closed(&client) {
            self.world.hang_up(&client);
        }
        self.clients[who] = Client { session: client.session, ..self.world.open() };
    }

    /// Whatever a client gets is whole frames with headers.
    fn read(&mut self, who: usize) {
        let client = self.clients[who];
        for reply in self.world.replies(&client) {
            // The connect response comes first; the session's number stands where a reply has its zxid.
            if reply.xid == 0 && reply.body.len() == 21 {
                let head = (reply.zxid << 32) | i64::from(reply.err as u32);
                self.clients[who].session.0 = head;
            }
        }
        assert_eq!(self.world.unread_bytes(&client), 0, "half a frame");
        for (_, word) in std::mem::take(&mut self.world.words) {
            let _ = self.desk.answer(self.world.node(), word);
        }
    }

    /// Everything comes to rest: nothing is outstanding, the node runs, and what it wrote can be recovered.
    fn end(mut self) {
        self.world.hold_snapshots = false;
        self.world.release_log();
        self.world.run();
        assert_eq!(self.world.node().server_stats().outstanding, 0);
        assert_eq!(self.world.halt, None);
        self.world.crash_and_restart();
    }
}
