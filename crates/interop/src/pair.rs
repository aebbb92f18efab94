//! The driver: does every item to both servers in lock step and compares what they answer.

mod connecting;

use crate::compare::{Outcome, compare};
use crate::generate::CONNECTIONS;
use crate::item::{Act, Connect, Frame, Item, Password};
use crate::normal;
use crate::patience::PATIENCE;
use crate::side::{Awaited, End, Kind, Seen, Side};
use crate::socket::framed;
use crate::tolerate::Tolerated;
use crate::words;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wire::{ConnectRequest, Encode, OpCode, Request};

/// The connection that belongs to the driver and not to a sequence.
pub const CONTROL: usize = 1 << 20;
/// The place of the connect that made its session.
const CONTROL_PLACE: usize = CONTROL - 1000;
/// The connection of a session that is going to expire.
const EXPIRING: usize = CONTROL + 1;
/// Where a connection waits while its session is renewed on another one.
const ASIDE: usize = CONTROL + 2;

/// Where the servers part.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The item at which it showed.
    pub item: usize,
    /// Both sides' view, for people.
    pub what: String,
}

#[derive(Clone, Copy, Default)]
struct Conn {
    live: bool,
    session: Option<usize>,
    xid: i32,
    last_zxid: i64,
}

/// Two servers that are in the same state.
pub struct Pair {
    /// The judge.
    pub a: Side,
    /// The one in question.
    pub b: Side,
    conns: Vec<Conn>,
    /// Those of [`CONTROL`], [`EXPIRING`] and [`ASIDE`].
    own: [Conn; 3],
    /// Must the subject answer in the order of the requests, whatever they are? Apache's own auth replies overtake.
    pub in_order: bool,
    /// Which differences were put up with.
    pub tolerated: Tolerated,
    /// Requests, handshakes and the like that were sent.
    pub operations: u64,
    /// Replies and events that were compared.
    pub frames: u64,
    /// How many replies carried each error code.
    pub errors: std::collections::BTreeMap<i32, u64>,
}

impl Pair {
    /// Takes up two servers and opens the driver's own session on both, with the superuser's credential.
    ///
    /// # Errors
    /// When that differs already.
    pub fn new(a: SocketAddr, b: SocketAddr) -> Result<Pair, Difference> {
        let mut pair = Pair {
            a: Side::new("judge", a),
            b: Side::new("subject", b),
            conns: vec![Conn::default(); CONNECTIONS],
            own: [Conn::default(); 3],
            in_order: false,
            tolerated: Tolerated::new(),
            operations: 0,
            frames: 0,
            errors: Default::default(),
        };
        pair.connect_control(None)?;
        Ok(pair)
    }

    fn conn(&mut self, conn: usize) -> &mut Conn {
        if conn < CONTROL { &mut self.conns[conn] } else { &mut self.own[conn - CONTROL] }
    }

    /// Does all items.
    ///
    /// # Errors
    /// At the first difference.
    pub fn run(&mut self, items: &[Item]) -> Result<(), Difference> {
        let mut rest = items;
        while let Some((first, tail)) = rest.split_first() {
            let conn = conn_of(&first.act);
            let glued = tail.iter().take_while(|item| {
                conn.is_some()
                    && item.glued
                    && matches!(&item.act, Act::Frame { conn: c, .. } if Some(*c) == conn)
            });
            let glued: Vec<&Frame> = glued.filter_map(|item| frame_of(&item.act)).collect();
            rest = &tail[glued.len()..];
            self.item(first, &glued)?;
        }
        self.settle(items.last().map_or(0, |item| item.id))
    }

    fn item(&mut self, item: &Item, glued: &[&Frame]) -> Result<(), Difference> {
        let id = item.id;
        match &item.act {
            Act::Connect(connect) => self.connect_item(id, connect, glued),
            Act::Frame { conn, frame } => {
                if !self.conns[*conn].live {
                    return Ok(());
                }
                let frames: Vec<&Frame> = std::iter::once(frame).chain(glued.iter().copied()).collect();
                self.batch(id, *conn, &frames)
            }
            Act::Break { conn, bytes } => self.break_connection(id, *conn, bytes),
            Act::Drop { conn } => {
                self.a.hang_up(*conn);
                self.b.hang_up(*conn);
                self.conns[*conn].live = false;
                Ok(())
            }
            Act::Handshake(bytes) => {
                self.operations += 1;
                self.open(id, ASIDE)?;
                self.send(ASIDE, (bytes, bytes), None);
                let outcome = (self.a.drain(ASIDE), self.b.drain(ASIDE));
                self.judge(id, ASIDE, outcome, &[])
            }
            Act::Word(word) => self.word(id, word),
            Act::HalfClose { conn, frames } => self.half_close(id, *conn, frames),
            // The owner of the servers does it, between two runs.
            Act::Restart { .. } => Ok(()),
            Act::Expire { frames, hang_up } => self.expire(id, frames, *hang_up),
        }
    }

    /// Sends frames together and compares what comes.
    fn batch(&mut self, id: usize, conn: usize, frames: &[&Frame]) -> Result<(), Difference> {
        let (bytes, awaited) = self.encode(conn, frames);
        self.operations += frames.len() as u64;
        self.send(conn, (&bytes, &bytes), split(id, bytes.len()));
        let outcome = (self.a.collect(conn, &awaited, None), self.b.collect(conn, &awaited, None));
        self.judge(id, conn, outcome, &awaited)?;
        match self.conn(conn).live {
            true => Ok(()),
            false if conn == CONTROL => Err(Difference {
                item: id,
                what: "both servers have closed the driver's own session".to_owned(),
            }),
            false => self.barrier(id),
        }
    }

    fn encode(&mut self, conn: usize, frames: &[&Frame]) -> (Vec<u8>, Vec<Awaited>) {
        let state = self.conn(conn);
        let (mut bytes, mut awaited) = (Vec::new(), Vec::new());
        for frame in frames {
            state.xid = state.xid.wrapping_add(1).max(1);
            let xid = frame.xid.unwrap_or(state.xid);
            bytes.extend(framed(&frame.payload(xid, state.last_zxid)));
            let expected = if frame.op == OpCode::Ping.code() { wire::PING_XID } else { xid };
            awaited.push(Awaited { xid: expected, op: frame.op });
        }
        (bytes, awaited)
    }

    fn send(&mut self, conn: usize, (a, b): (&[u8], &[u8]), split: Option<usize>) {
        self.a.send(conn, a, split);
        self.b.send(conn, b, split);
    }

    fn open(&mut self, id: usize, conn: usize) -> Result<(), Difference> {
        let (a, b) = (self.a.open(conn), self.b.open(conn));
        if a && b {
            return Ok(());
        }
        Err(Difference {
            item: id,
            what: format!("connections are accepted by the judge: {a}, by the subject: {b}"),
        })
    }

    /// Compares, counts, and keeps what the connection has learned.
    fn judge(
        &mut self,
        id: usize,
        conn: usize,
        (a, b): (Outcome, Outcome),
        awaited: &[Awaited],
    ) -> Result<(), Difference> {
        let verdict = compare(&a, &b, awaited).filter(|_| !self.in_order || in_order(&b));
        let silent = a.1 == End::Silence || b.1 == End::Silence;
        let Some(needed) = verdict.filter(|_| !silent) else {
            return Err(Difference { item: id, what: tell(conn, &a, &b, awaited) });
        };
        for tolerance in needed {
            *self.tolerated.entry(tolerance).or_default() += 1;
        }
        self.frames += a.0.len() as u64;
        for frame in &a.0 {
            if matches!(frame.kind, Kind::Reply(_)) {
                *self.errors.entry(frame.err).or_default() += 1;
            }
        }
        let newest =
            a.0.iter().filter(|frame| matches!(frame.kind, Kind::Reply(_))).map(|frame| frame.zxid).max();
        let state = self.conn(conn);
        state.last_zxid = state.last_zxid.max(newest.unwrap_or(0));
        if a.1 == End::Closed {
            state.live = false;
        }
        Ok(())
    }

    fn break_connection(&mut self, id: usize, conn: usize, bytes: &[u8]) -> Result<(), Difference> {
        if !self.conns[conn].live {
            return Ok(());
        }
        self.ping(id, conn)?;
        self.operations += 1;
        self.send(conn, (bytes, bytes), None);
        let outcome = (self.a.drain(conn), self.b.drain(conn));
        self.judge(id, conn, outcome, &[])?;
        self.conns[conn].live = false;
        self.barrier(id)
    }

    /// What is answered is a race between the replies and the end of the connection; what is done is not.
    fn half_close(&mut self, id: usize, conn: usize, frames: &[Frame]) -> Result<(), Difference> {
        if !self.conns[conn].live {
            return Ok(());
        }
        self.ping(id, conn)?;
        let (bytes, _) = self.encode(conn, &frames.iter().collect::<Vec<_>>());
        self.operations += frames.len() as u64;
        self.send(conn, (&bytes, &bytes), None);
        for side in [&mut self.a, &mut self.b] {
            side.finish(conn);
            if side.drain(conn).1 != End::Closed {
                let what =
                    format!("connection {conn}: the {} does not close at the end of the stream", side.name);
                return Err(Difference { item: id, what });
            }
            side.hang_up(conn);
        }
        self.conns[conn].live = false;
        self.even_out(|a, b| a == b);
        self.barrier(id)
    }

    /// Waits for what nobody is told about: until the zxids of both are as wanted, or it takes too long.
    fn even_out(&mut self, wanted: impl Fn(i64, i64) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let zxid = |seen: &[Seen]| seen.iter().map(|frame| frame.zxid).max().unwrap_or(0);
        loop {
            // Apache answers a sync behind everything that is under way.
            let (a, b) = self.ask(&[Frame::of(&Request::Sync { path: Some("/".into()) })]);
            if wanted(zxid(&a), zxid(&b)) || Instant::now() > deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ping(&mut self, id: usize, conn: usize) -> Result<(), Difference> {
        let ping = Frame::of(&Request::Ping);
        let (bytes, awaited) = self.encode(conn, &[&ping]);
        self.send(conn, (&bytes, &bytes), None);
        let outcome = (self.a.collect(conn, &awaited, None), self.b.collect(conn, &awaited, None));
        self.judge(id, conn, outcome, &awaited)
    }

    /// Waits until both have done all they were sent, and compares how far they are.
    fn barrier(&mut self, id: usize) -> Result<(), Difference> {
        self.batch(id, CONTROL, &[&Frame::of(&Request::Sync { path: Some("/".into()) })])
    }

    /// Sends the driver's own requests.
    ///
    /// # Errors
    /// When the answers differ.
    pub fn control(&mut self, frames: &[Frame]) -> Result<(), Difference> {
        self.batch(usize::MAX, CONTROL, &frames.iter().collect::<Vec<_>>())
    }

    /// Sends the driver's own requests and gives the bodies of the judge's answers, then those of the subject's, compared
    /// by nobody.
    pub fn ask(&mut self, frames: &[Frame]) -> (Vec<Seen>, Vec<Seen>) {
        let (bytes, awaited) = self.encode(CONTROL, &frames.iter().collect::<Vec<_>>());
        self.send(CONTROL, (&bytes, &bytes), None);
        let raw = |side: &mut Side| {
            side.raw = true;
            let seen = side.collect(CONTROL, &awaited, None).0;
            side.raw = false;
            seen
        };
        (raw(&mut self.a), raw(&mut self.b))
    }

    fn word(&mut self, id: usize, word: &[u8; 4]) -> Result<(), Difference> {
        self.operations += 1;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = |side: &Side| side.word(word).map(|text| words::comparable(word, &text, &side.labels));
            let (a, b) = (text(&self.a), text(&self.b));
            if a == b && a.is_some() {
                return Ok(());
            }
            // Closed connections leave the watch tables and the counts a moment later.
            if Instant::now() > deadline {
                let watches =
                    |side: &Side| side.word(b"wchp").map(|t| words::comparable(b"wchp", &t, &side.labels));
                let (more_a, more_b) = (watches(&self.a), watches(&self.b));
                let only = |these: &[Option<String>], those: &[Option<String>]| {
                    let lines = |texts: &[Option<String>]| -> Vec<String> {
                        texts.iter().flatten().flat_map(|text| text.lines()).map(str::to_owned).collect()
                    };
                    let those = lines(those);
                    lines(these)
                        .into_iter()
                        .filter(|line| !those.contains(line))
                        .collect::<Vec<_>>()
                        .join("\n    ")
                };
                let (a, b) = (&[a, more_a][..], &[b, more_b][..]);
                let word = String::from_utf8_lossy(word);
                let what = format!(
                    "{word}, and wchp\n  judge only:\n    {}\n  subject only:\n    {}",
                    only(a, b),
                    only(b, a)
                );
                return Err(Difference { item: id, what });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn expire(&mut self, id: usize, frames: &[Frame], hang_up: bool) -> Result<(), Difference> {
        let connect = Connect {
            conn: EXPIRING,
            renew: None,
            password: Password::Right,
            timeout_ms: 1,
            last_seen: None,
            read_only: Some(false),
            protocol_version: 0,
        };
        self.connect(id, &connect, &frames.iter().collect::<Vec<_>>())?;
        let before = self.own[0].last_zxid;
        if hang_up {
            self.a.hang_up(EXPIRING);
            self.b.hang_up(EXPIRING);
        } else {
            let outcome = (self.a.drain(EXPIRING), self.b.drain(EXPIRING));
            self.judge(id, EXPIRING, outcome, &[])?;
        }
        self.even_out(|a, b| a > before && b > before);
        self.barrier(id)
    }

    /// Compares what is still under way on every connection.
    fn settle(&mut self, id: usize) -> Result<(), Difference> {
        for conn in 0..self.conns.len() {
            if self.conns[conn].live {
                self.ping(id, conn)?;
            }
        }
        self.barrier(id)
    }
}

/// Do the replies come in the order of the requests?
fn in_order(outcome: &Outcome) -> bool {
    let place = |frame: &Seen| match frame.kind {
        Kind::Reply(place) => Some(place),
        _ => None,
    };
    outcome.0.iter().filter_map(place).is_sorted()
}

/// Now and then the bytes come in two pieces, anywhere.
fn split(id: usize, length: usize) -> Option<usize> {
    let at = id.wrapping_mul(2_654_435_761) % (8 * length).max(1);
    Some(at).filter(|at| *at < length)
}

fn conn_of(act: &Act) -> Option<usize> {
    match act {
        Act::Connect(connect) => Some(connect.conn),
        Act::Frame { conn, .. } => Some(*conn),
        _ => None,
    }
}

fn frame_of(act: &Act) -> Option<&Frame> {
    match act {
        Act::Frame { frame, .. } => Some(frame),
        _ => None,
    }
}

/// Both outcomes for people, from the first frame that differs on.
fn tell(conn: usize, a: &Outcome, b: &Outcome, awaited: &[Awaited]) -> String {
    let same = a.0.iter().zip(&b.0).take_while(|(x, y)| x == y).count();
    let list = |outcome: &Outcome| {
        let mut text = String::new();
        for frame in outcome.0.iter().skip(same).take(12) {
            let op = match frame.kind {
                Kind::Reply(place) => OpCode::from_code(awaited[place].op),
                _ => None,
            };
            let name = op.map_or("", OpCode::name);
            let body = match frame.kind {
                Kind::Event => event(&frame.body),
                _ if frame.err != 0 => crate::item::hex(&frame.body),
                _ => normal::describe(op, &frame.body),
            };
            let (kind, zxid, err) = (frame.kind, frame.zxid, frame.err);
            text.push_str(&format!("\n    {kind:?} {name} zxid 0x{zxid:x} err {err}: {body}"));
        }
        if outcome.0.len() > same + 12 {
            text.push_str(&format!("\n    and {} more", outcome.0.len() - same - 12));
        }
        text.push_str(&format!("\n    then {:?}", outcome.1));
        text
    };
    format!("connection {conn}, after {same} equal frames\n  judge:{}\n  subject:{}", list(a), list(b))
}

fn event(body: &[u8]) -> String {
    let mut r = wire::Reader::new(body);
    match <wire::WatcherEvent<'_> as wire::Decode<'_>>::decode(&mut r) {
        Ok(event) => format!("{event:?}"),
        Err(_) => crate::item::hex(body),
    }
}
