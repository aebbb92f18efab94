//! One of the two servers: its sockets, and what came over them.

use crate::item::Password;
use crate::normal::{self, Labels};
use crate::patience::PATIENCE;
use crate::socket::{Got, Socket};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use wire::{Decode, NOTIFICATION_XID, OpCode, Reader, ReplyHeader};

/// A frame that came, made comparable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The handshake's answer, an event, or a reply.
    pub kind: Kind,
    /// From the header; 0 for a handshake.
    pub zxid: i64,
    /// From the header; 0 for a handshake.
    pub err: i32,
    /// What follows the header, times and ids made alike.
    pub body: Vec<u8>,
}

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The answer to a handshake.
    Handshake,
    /// A watch event.
    Event,
    /// The reply to the request of this place in the batch.
    Reply(usize),
    /// A reply nobody waits for.
    Stray(i32),
}

/// How a collection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// All replies are there, and the connection stays.
    Open,
    /// The server closed the connection.
    Closed,
    /// Something is missing.
    Silence,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    /// The xid its reply carries.
    pub xid: i32,
    /// As sent.
    pub op: i32,
}

/// One server as the driver sees it.
pub struct Side {
    /// For messages.
    pub name: &'static str,
    /// Where the server listens.
    pub address: SocketAddr,
    sockets: HashMap<usize, Socket>,
    /// The numbers that both servers' sessions share.
    pub labels: Labels,
    /// Leave the bytes as they come?
    pub raw: bool,
    /// Session id and password, by the place of the connect.
    credentials: HashMap<usize, (i64, Vec<u8>)>,
}

impl Side {
    /// A side without connections.
    pub fn new(name: &'static str, address: SocketAddr) -> Side {
        Side {
            name,
            address,
            sockets: HashMap::new(),
            labels: Labels::new(),
            raw: false,
            credentials: HashMap::new(),
        }
    }

    /// Opens a connection under a name; one of that name is closed.
    pub fn open(&mut self, conn: usize) -> bool {
        self.sockets.remove(&conn);
        Socket::open(self.address).is_ok_and(|socket| {
            self.sockets.insert(conn, socket);
            true
        })
    }

    /// Gives a connection another name.
    pub fn rename(&mut self, from: usize, to: usize) {
        if let Some(socket) = self.sockets.remove(&from) {
            self.sockets.insert(to, socket);
        }
    }

    /// Closes a connection.
    pub fn hang_up(&mut self, conn: usize) {
        self.sockets.remove(&conn);
    }

    /// Sends bytes on a connection, if it is there, with a pause at `split`.
    pub fn send(&mut self, conn: usize, bytes: &[u8], split: Option<usize>) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        let (first, rest) = bytes.split_at(split.unwrap_or(bytes.len()).min(bytes.len()));
        socket.send(first);
        if !rest.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
            socket.send(rest);
        }
    }

    /// Ends the stream of a connection in this direction.
    pub fn finish(&mut self, conn: usize) {
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.finish();
        }
    }

    /// Forgets every connection, as when the server is gone.
    pub fn hang_up_all(&mut self) {
        self.sockets.clear();
    }

    /// Exchanges what is known of the sessions, as when the servers exchange their data.
    pub fn exchange_sessions(&mut self, other: &mut Side) {
        std::mem::swap(&mut self.labels, &mut other.labels);
        std::mem::swap(&mut self.credentials, &mut other.credentials);
    }

    /// What a four-letter word answers.
    pub fn word(&self, word: &[u8; 4]) -> Option<String> {
        let mut socket = Socket::open(self.address).ok()?;
        socket.send(word);
        Some(String::from_utf8_lossy(&socket.text(PATIENCE)?).into_owned())
    }

    /// The session id and password to show.
    pub fn credentials(&self, renew: Option<usize>, password: &Password) -> (i64, Option<Vec<u8>>) {
        let (id, right) = match renew {
            Some(connect) => self.credentials.get(&connect).cloned().unwrap_or((0x77, vec![0; 16])),
            None => (0, vec![0; 16]),
        };
        match password {
            Password::Right => (id, Some(right)),
            Password::Wrong => {
                let mut wrong = right;
                wrong.iter_mut().take(1).for_each(|byte| *byte ^= 1);
                (id, Some(wrong))
            }
            Password::Other(other) => (id, other.clone()),
        }
    }

    /// The places of all connects that made a session.
    pub fn sessions(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.credentials.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Forgets the sessions but that of the place `but`, when they are closed.
    pub fn forget_sessions(&mut self, but: usize) {
        self.credentials.retain(|place, _| *place == but);
    }

    /// Reads until every awaited reply is there or the connection ends. `handshake`: the first frame is a handshake's answer
    /// to the connect of that place, and says whether it is for a new session.
    pub fn collect(
        &mut self,
        conn: usize,
        awaited: &[Awaited],
        handshake: Option<usize>,
    ) -> (Vec<Seen>, End) {
        let Side { sockets, labels, credentials, raw, .. } = self;
        let comparable = !*raw;
        let Some(socket) = sockets.get_mut(&conn) else { return (Vec::new(), End::Closed) };
        let mut seen = Vec::new();
        let mut open = vec![true; awaited.len()];
        let mut missing = awaited.len();
        let mut closing = false;
        if let Some(place) = handshake {
            match socket.frame(PATIENCE) {
                Got::Frame(payload) => {
                    let (answer, valid) = handshake_answer(payload, place, labels, credentials);
                    closing = !valid;
                    seen.push(answer);
                }
                Got::Closed => return (seen, End::Closed),
                Got::Silence => return (seen, End::Silence),
            }
        }
        while missing > 0 || closing {
            let payload = match socket.frame(PATIENCE) {
                Got::Frame(payload) => payload,
                Got::Closed => return (seen, End::Closed),
                Got::Silence => return (seen, End::Silence),
            };
            let frame = reply(payload, awaited, &mut open, comparable.then_some(&*labels));
            if let Kind::Reply(place) = frame.kind {
                missing -= 1;
                closing |= closes(awaited[place].op, &frame);
            }
            seen.push(frame);
        }
        (seen, End::Open)
    }

    /// Reads up to the close, as for a connection that is going to be ended.
    pub fn drain(&mut self, conn: usize) -> (Vec<Seen>, End) {
        let Side { sockets, labels, .. } = self;
        let Some(socket) = sockets.get_mut(&conn) else { return (Vec::new(), End::Closed) };
        let mut seen = Vec::new();
        loop {
            match socket.frame(PATIENCE) {
                Got::Frame(payload) => seen.push(reply(payload, &[], &mut [], Some(&*labels))),
                Got::Closed => return (seen, End::Closed),
                Got::Silence => return (seen, End::Silence),
            }
        }
    }
}

/// Does the server close the connection behind this reply?
fn closes(op: i32, frame: &Seen) -> bool {
    let unknown = frame.err == -6 && frame.zxid == -1;
    let failed_auth = op == OpCode::Auth.code() && frame.err != 0;
    unknown || failed_auth || (op == OpCode::CloseSession.code() && frame.err == 0)
}

fn reply(payload: Vec<u8>, awaited: &[Awaited], open: &mut [bool], labels: Option<&Labels>) -> Seen {
    let Ok(header) = ReplyHeader::decode(&mut Reader::new(&payload)) else {
        return Seen { kind: Kind::Stray(0), zxid: 0, err: 0, body: payload };
    };
    let mut body = payload[16..].to_vec();
    let (zxid, err) = (header.zxid, header.err);
    if header.xid == NOTIFICATION_XID {
        return Seen { kind: Kind::Event, zxid, err, body };
    }
    let place = (0..awaited.len()).find(|&n| open[n] && awaited[n].xid == header.xid);
    let kind = match place {
        None => Kind::Stray(header.xid),
        Some(place) => {
            open[place] = false;
            if let (0, Some(op), Some(labels)) = (err, OpCode::from_code(awaited[place].op), labels) {
                normal::body(op, &mut body, labels);
            }
            Kind::Reply(place)
        }
    };
    Seen { kind, zxid, err, body }
}

/// Makes a handshake's answer comparable and keeps the session it names. The second value: is the session valid?
fn handshake_answer(
    mut payload: Vec<u8>,
    place: usize,
    labels: &mut Labels,
    credentials: &mut HashMap<usize, (i64, Vec<u8>)>,
) -> (Seen, bool) {
    let mut valid = false;
    if payload.len() == 36 || payload.len() == 37 {
        let mut id = [0; 8];
        id.copy_from_slice(&payload[8..16]);
        let id = i64::from_be_bytes(id);
        valid = id != 0;
        if valid {
            // A renewal finds its label; a new session gets one.
            let label = *labels.entry(id).or_insert(1000 + place as i64);
            credentials.entry((label - 1000) as usize).or_insert_with(|| (id, payload[20..36].to_vec()));
            payload[8..16].copy_from_slice(&label.to_be_bytes());
            payload[20..36].fill(b'p');
        }
    }
    (Seen { kind: Kind::Handshake, zxid: 0, err: 0, body: payload }, valid)
}
