//! Random sequences: every operation, right and wrong, on few enough names that they meet each other.
//!
//! A sequence follows from the seed and the profile alone; it never looks at an answer. Two conventions keep it inside what
//! both servers do alike (`crate::tolerate` has the reasons): names that start with `k` or `t` are used for container
//! and TTL nodes only, and what would end an Apache server is not sent.

mod acl;
mod multi;
mod names;
mod requests;

use crate::item::{Act, Connect, Frame, Item, Password};
use crate::profile::Profile;
use crate::rng::Rng;
use crate::tolerate;
use wire::OpCode;

/// How many connections a sequence uses, at most.
pub const CONNECTIONS: usize = 8;

/// Makes a sequence.
pub struct Generator<'p> {
    rng: Rng,
    profile: &'p Profile,
    items: Vec<Item>,
    /// The places of connects that asked for a new session, per connection the last one.
    sessions: Vec<usize>,
    open: [bool; CONNECTIONS],
}

/// A sequence of at least `length` items.
pub fn generate(seed: u64, profile: &Profile, length: usize) -> Vec<Item> {
    let mut generator = Generator {
        rng: Rng::new(seed),
        profile,
        items: Vec::new(),
        sessions: Vec::new(),
        open: [false; CONNECTIONS],
    };
    while generator.items.len() < length {
        generator.step();
    }
    generator.items
}

impl Generator<'_> {
    fn push(&mut self, glued: bool, act: Act) -> usize {
        let id = self.items.len();
        self.items.push(Item { id, glued, act });
        id
    }

    fn step(&mut self) {
        let conn = self.rng.below(CONNECTIONS);
        if !self.open[conn] {
            return self.connect(conn);
        }
        match self.rng.below(1000) {
            0..12 => self.connect(conn),
            12..18 => {
                self.push(false, Act::Drop { conn });
                self.open[conn] = false;
            }
            18..24 => self.close(conn),
            24..32 => self.break_connection(conn),
            32..38 => self.unknown_op(conn),
            38..44 => self.failing_auth(conn),
            44..48 => self.bad_handshake(),
            48..52 => self.half_close(conn),
            52..56 if self.profile.restarts => self.restart(),
            56..62 => {
                let words: &[&[u8; 4]] =
                    &[b"ruok", b"isro", b"srvr", b"wchs", b"wchp", b"wchc", b"mntr", b"dump"];
                let word = *self.rng.pick(words);
                self.push(false, Act::Word(*word));
            }
            62 if self.rng.percent(40) => self.expire(),
            63..65 => self.boundary(conn),
            65..80 => {
                let frame = requests::auth(&mut self.rng);
                self.push(false, Act::Frame { conn, frame });
            }
            _ => self.batch(conn),
        }
    }

    /// One to a few requests without waiting in between.
    fn batch(&mut self, conn: usize) {
        let length = match self.rng.below(10) {
            0..5 => 1,
            5..7 => self.rng.between(2, 6),
            _ => self.rng.between(5, 50),
        };
        for (n, frame) in self.burst(length).into_iter().enumerate() {
            self.push(n > 0, Act::Frame { conn, frame });
        }
    }

    /// At most `length` requests without waiting in between. A pending setACL is judged by the old ACL, and a quota by
    /// applied usage: timing, on Apache's side, so that these come behind no write and before nothing. So does a multi
    /// that MARSHALLINGERROR ends, which leaves its first operations pending there (differences: a multi).
    fn burst(&mut self, length: i64) -> Vec<Frame> {
        let (mut wrote, mut frames) = (false, Vec::new());
        for _ in 0..length {
            let frame = self.frame();
            let op = OpCode::from_code(frame.op);
            let writes = op.is_some_and(is_write);
            let last = op == Some(OpCode::SetAcl)
                || (self.profile.enforce_quota && writes)
                || tolerate::leaves_traces(&frame);
            if last && wrote {
                break;
            }
            wrote |= writes;
            frames.push(frame);
            if last {
                break;
            }
        }
        frames
    }

    /// One request that Apache survives and both answer alike.
    fn frame(&mut self) -> Frame {
        loop {
            let frame = requests::any(&mut self.rng, self.profile);
            if tolerate::unsent(&frame).is_none() {
                return frame;
            }
        }
    }

    fn connect(&mut self, conn: usize) {
        let rng = &mut self.rng;
        let renew = (!self.sessions.is_empty() && rng.percent(35)).then(|| *rng.pick(&self.sessions));
        let password = match rng.below(10) {
            0 => Password::Wrong,
            1 => Password::Other(
                rng.pick(&[None, Some(vec![]), Some(vec![0; 16]), Some(vec![7; 300])]).clone(),
            ),
            _ => Password::Right,
        };
        let last_seen = match rng.below(20) {
            0..8 => None,
            8 => Some(1000),
            9 => Some(i64::MIN / 2),
            _ => Some(-rng.between(0, 3)),
        };
        let connect = Connect {
            conn,
            renew,
            password,
            timeout_ms: *rng.pick(&[600_000, 700_000, 900_001, 3_600_000, 4_000_000, i32::MAX]),
            last_seen,
            read_only: *rng.pick(&[None, Some(false), Some(false), Some(true)]),
            protocol_version: *rng.pick(&[0, 0, 0, 1, -1, i32::MAX]),
        };
        let pipelined = if rng.percent(20) { rng.between(1, 3) } else { 0 };
        let id = self.push(false, Act::Connect(connect));
        if renew.is_none() {
            self.sessions.push(id);
        }
        self.open[conn] = true;
        for _ in 0..pipelined {
            let frame = loop {
                let frame = requests::on_reconnect(&mut self.rng, self.profile);
                if tolerate::unsent(&frame).is_none() {
                    break frame;
                }
            };
            self.push(true, Act::Frame { conn, frame });
        }
    }

    fn close(&mut self, conn: usize) {
        let frame = Frame { xid: None, op: OpCode::CloseSession.code(), body: vec![], relative: None };
        self.push(false, Act::Frame { conn, frame });
        if self.rng.percent(40) {
            // Only reads behind it: whether a write there still takes a zxid is a race inside Apache.
            for _ in 0..self.rng.between(1, 4) {
                let frame = requests::read(&mut self.rng);
                self.push(true, Act::Frame { conn, frame });
            }
        }
        self.open[conn] = false;
    }

    fn break_connection(&mut self, conn: usize) {
        let max = self.profile.jute_max_buffer as i32;
        let bytes = match self.rng.below(6) {
            0 => {
                let length = *self.rng.pick(&[-1, i32::MIN, i32::MAX, max + 1, -2]);
                length.to_be_bytes().to_vec()
            }
            1 => crate::socket::framed(&[]),
            2 | 3 => {
                let n = self.rng.between(1, 7) as usize;
                crate::socket::framed(&self.rng.bytes(n))
            }
            4 => b"ruok".to_vec(),
            _ => crate::socket::framed(&vec![0; max as usize + 1]),
        };
        self.push(false, Act::Break { conn, bytes });
        self.open[conn] = false;
    }

    fn unknown_op(&mut self, conn: usize) {
        let op = *self.rng.pick(&[0, 10, 13, 23, 99, 108, 500, -1, -2, 1000, i32::MAX, i32::MIN]);
        let n = self.rng.below(40);
        let frame = Frame { xid: None, op, body: self.rng.bytes(n), relative: None };
        let glued = self.perhaps_behind_a_batch(conn);
        self.push(glued, Act::Frame { conn, frame });
        self.open[conn] = false;
    }

    fn failing_auth(&mut self, conn: usize) {
        let frame = requests::failing_auth(&mut self.rng);
        let glued = self.perhaps_behind_a_batch(conn);
        self.push(glued, Act::Frame { conn, frame });
        self.open[conn] = false;
    }

    /// What ends a connection may come right behind requests that are under way.
    fn perhaps_behind_a_batch(&mut self, conn: usize) -> bool {
        let behind = self.rng.percent(50);
        if behind {
            self.batch(conn);
        }
        behind
    }

    fn half_close(&mut self, conn: usize) {
        let length = self.rng.between(0, 12);
        let frames = self.burst(length);
        self.push(false, Act::HalfClose { conn, frames });
        self.open[conn] = false;
    }

    fn restart(&mut self) {
        let (asked, swap) = (self.rng.percent(50), self.rng.percent(50));
        self.push(false, Act::Restart { asked, swap });
        self.open = [false; CONNECTIONS];
    }

    fn bad_handshake(&mut self) {
        let n = self.rng.between(0, 27) as usize;
        let bytes = match self.rng.below(3) {
            0 => crate::socket::framed(&self.rng.bytes(n)),
            1 => self.rng.pick(&[-1, i32::MIN, i32::MAX]).to_be_bytes().to_vec(),
            // A password length that the frame does not hold.
            _ => crate::socket::framed(&[&[0; 24][..], &[0, 0, 1, 0, 5, 5, 5, 5]].concat()),
        };
        self.push(false, Act::Handshake(bytes));
    }

    fn expire(&mut self) {
        // More than one write is a matter of timing where quotas are enforced.
        let length = if self.profile.enforce_quota { 1 } else { self.rng.between(1, 5) };
        let frames = (0..length)
            .map(|_| {
                loop {
                    let frame = requests::ephemeral(&mut self.rng);
                    if tolerate::unsent(&frame).is_none() {
                        break frame;
                    }
                }
            })
            .collect();
        let hang_up = self.rng.percent(50);
        self.push(false, Act::Expire { frames, hang_up });
    }

    /// Frames of just the size that is allowed.
    fn boundary(&mut self, conn: usize) {
        let max = self.profile.jute_max_buffer;
        let short = *self.rng.pick(&[0, 0, 1, 2, 100]);
        let frame = requests::of_size(&mut self.rng, max - short);
        self.push(false, Act::Frame { conn, frame });
    }
}

fn is_write(op: OpCode) -> bool {
    use OpCode::*;
    matches!(
        op,
        Create
            | Create2
            | CreateContainer
            | CreateTtl
            | Delete
            | DeleteContainer
            | SetData
            | SetAcl
            | Multi
            | Reconfig
            | CloseSession
    )
}
