//! Clients that write down what they hear.

use super::ensemble::{Ensemble, SERVERS};
use crate::item::{Frame, hex};
use crate::normal;
use crate::patience::PATIENCE;
use crate::socket::{Got, Socket, framed};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wire::{ConnectRequest, ConnectResponse, Decode, Encode, NOTIFICATION_XID, OpCode, Reader, ReplyHeader};
use wire::{SessionId, session_password};

/// How long nothing is heard where nothing is expected.
const SILENCE: Duration = Duration::from_millis(300);
/// A server that knows a session, or does not, says so or closes at once.
const STANDSTILL: Duration = Duration::from_secs(3);

/// A transcript under way.
pub(super) struct Teller {
    addresses: [SocketAddr; SERVERS],
    /// The leader, then the followers: what the servers are called.
    places: [usize; SERVERS],
    sessions: Vec<i64>,
    epochs: Vec<i64>,
    lines: Vec<String>,
}

pub(super) const LEADER: usize = 0;
pub(super) const FOLLOWER: usize = 1;
pub(super) const OTHER: usize = 2;
const NAMES: [&str; SERVERS] = ["leader", "follower", "other"];

/// A client's connection.
pub(super) struct Client {
    name: String,
    socket: Socket,
    xid: i32,
    pub(super) session: i64,
}

/// A handshake.
#[derive(Clone, Copy)]
pub(super) struct Hello {
    /// 0 is a new one.
    pub(super) session: i64,
    pub(super) timeout_ms: i32,
    pub(super) right_password: bool,
    pub(super) last_seen: i64,
    pub(super) read_only: Option<bool>,
}

pub(super) const NEW: Hello =
    Hello { session: 0, timeout_ms: 30_000, right_password: true, last_seen: 0, read_only: Some(false) };
pub(super) const READER: Hello = Hello { read_only: Some(true), ..NEW };

impl Teller {
    pub(super) fn new(ensemble: &Ensemble) -> io::Result<Teller> {
        let leader = ensemble.settle()?;
        let mut places: Vec<usize> = (0..SERVERS).filter(|place| *place != leader).collect();
        places.insert(0, leader);
        Ok(Teller {
            addresses: std::array::from_fn(|role| ensemble.address(places[role])),
            places: std::array::from_fn(|role| places[role]),
            sessions: Vec::new(),
            epochs: Vec::new(),
            lines: Vec::new(),
        })
    }

    /// Which server has a role.
    pub(super) fn place(&self, role: usize) -> usize {
        self.places[role]
    }

    pub(super) fn transcript(self) -> Vec<String> {
        self.lines
    }

    pub(super) fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// A session by the order in which they came, and by the server that began it.
    fn label(&mut self, session: i64) -> String {
        if session == 0 {
            return "none".to_owned();
        }
        let n = self.sessions.iter().position(|known| *known == session).unwrap_or_else(|| {
            self.sessions.push(session);
            self.sessions.len() - 1
        });
        let server = (session as u64 >> 56) as usize;
        let role = self.places.iter().position(|place| place + 1 == server);
        format!("{n} of {}", role.map_or("nobody", |role| NAMES[role]))
    }

    fn zxid(&mut self, zxid: i64) -> String {
        if zxid <= 0 {
            return zxid.to_string();
        }
        let epoch = zxid >> 32;
        let n = self.epochs.iter().position(|known| *known == epoch).unwrap_or_else(|| {
            self.epochs.push(epoch);
            self.epochs.len() - 1
        });
        format!("{n}:{:x}", zxid & 0xffff_ffff)
    }

    /// Shakes hands and tells the answer, byte for byte.
    pub(super) fn connect(&mut self, role: usize, hello: Hello) -> io::Result<Client> {
        let mut password = session_password(SessionId(hello.session)).to_vec();
        password[0] ^= u8::from(!hello.right_password);
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: hello.last_seen,
            timeout_ms: hello.timeout_ms,
            session_id: hello.session,
            password: Some(password.into()),
            read_only: hello.read_only,
        };
        let shake = || -> io::Result<(Socket, Got)> {
            let mut socket = Socket::open(self.addresses[role])?;
            socket.send(&framed(&request.to_bytes()));
            let got = socket.frame(PATIENCE);
            Ok((socket, got))
        };
        let asked = Instant::now();
        let (mut socket, mut got) = shake()?;
        // Apache gives up a connection whose handshake had to wait for seconds, as on a machine that stands still.
        if got == Got::Closed && hello.session != 0 && asked.elapsed() > STANDSTILL {
            (socket, got) = shake()?;
        }
        let (answer, session) = match got {
            Got::Frame(payload) => self.handshake(&payload),
            other => (format!("{other:?}"), 0),
        };
        let (name, read_only) = (NAMES[role], hello.read_only);
        let asked = self.label(hello.session);
        self.say(format!("{name}: session {asked}, read-only {read_only:?} -> {answer}"));
        let name = format!("{name} {}", self.label(session));
        Ok(Client { name, socket, xid: 0, session })
    }

    fn handshake(&mut self, payload: &[u8]) -> (String, i64) {
        let Ok(response) = ConnectResponse::decode(&mut Reader::new(payload)) else {
            return (self.frame(payload, None), 0);
        };
        let id = response.session_id;
        let password = match response.password == session_password(SessionId(id)) {
            true => "its own".to_owned(),
            false => hex(&response.password),
        };
        let label = self.label(id);
        let (bytes, timeout, read_only) = (payload.len(), response.timeout_ms, response.read_only);
        (
            format!(
                "{bytes} bytes: session {label}, {timeout} ms, password {password}, read-only {read_only:?}"
            ),
            id,
        )
    }

    fn frame(&mut self, payload: &[u8], op: Option<OpCode>) -> String {
        let Ok(header) = ReplyHeader::decode(&mut Reader::new(payload)) else {
            return format!("odd frame {}", hex(payload));
        };
        let mut body = payload[16..].to_vec();
        if let (Some(op), 0) = (op, header.err) {
            let labels = self.sessions.iter().enumerate().map(|(n, id)| (*id, n as i64 + 1)).collect();
            normal::body(op, &mut body, &labels);
        }
        let zxid = self.zxid(header.zxid);
        format!("xid {} zxid {zxid} err {} body {}", header.xid, header.err, hex(&body))
    }

    /// Sends requests in one piece, and tells all replies.
    pub(super) fn call(&mut self, client: &mut Client, frames: &[Frame]) {
        let mut bytes = Vec::new();
        for frame in frames {
            client.xid += 1;
            bytes.extend(framed(&frame.payload(frame.xid.unwrap_or(client.xid), 0)));
        }
        client.socket.send(&bytes);
        for frame in frames {
            let op = OpCode::from_code(frame.op);
            let mut answer = self.hear(client, op, PATIENCE);
            while answer.starts_with("xid -1 ") {
                self.say(format!("{}: event {answer}", client.name));
                answer = self.hear(client, op, PATIENCE);
            }
            let asked = op.map_or("?", OpCode::name);
            self.say(format!("{}: {asked} -> {answer}", client.name));
        }
    }

    fn hear(&mut self, client: &mut Client, op: Option<OpCode>, patience: Duration) -> String {
        match client.socket.frame(patience) {
            Got::Frame(payload) => {
                let event = payload.starts_with(&NOTIFICATION_XID.to_be_bytes());
                self.frame(&payload, op.filter(|_| !event))
            }
            Got::Closed => "closed".to_owned(),
            Got::Silence => "silence".to_owned(),
        }
    }

    /// Tells that the connection is closed, or what comes instead.
    pub(super) fn end(&mut self, client: &mut Client) {
        let heard = self.hear(client, None, PATIENCE);
        self.say(format!("{}: in the end {heard}", client.name));
    }

    /// Tells that nothing comes, or what does.
    pub(super) fn silence(&mut self, client: &mut Client) {
        let heard = self.hear(client, None, SILENCE);
        self.say(format!("{}: meanwhile {heard}", client.name));
    }

    /// What a server says of itself and its sessions, as far as both can say the same.
    pub(super) fn words(&mut self, ensemble: &Ensemble, role: usize) {
        // What the leader has answered may still be on its way to the others.
        ensemble.wait_even();
        std::thread::sleep(SILENCE);
        let ask = |word| ensemble.word(self.place(role), word).unwrap_or_default();
        let (mntr, srvr, dump) = (ask("mntr"), ask("srvr"), ask("dump"));
        let told = |text: &str, wanted: &[&str]| -> Vec<String> {
            let lines = text.lines().filter(|line| wanted.iter().any(|prefix| line.starts_with(prefix)));
            lines.map(str::to_owned).collect()
        };
        let mut mntr = told(
            &mntr,
            &["zk_server_state\t", "zk_global_sessions\t", "zk_local_sessions\t", "zk_ephemerals_count\t"],
        );
        mntr.sort();
        let srvr = told(&srvr, &["READ-ONLY", "Mode: ", "Node count: ", "Outstanding: "]);
        let dump = self.dump(&dump);
        for line in mntr.into_iter().chain(srvr).chain(dump) {
            self.say(format!("{}: {line}", NAMES[role]));
        }
    }

    /// The sessions of a `dump`, without the times at which they end.
    fn dump(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in text.lines().take_while(|line| *line != "Connections dump:") {
            if line.contains(" expire at ") {
                continue;
            }
            let mut line = match line.split_once(" Sets (") {
                Some((what, counts)) => {
                    format!("{what} Sets {}", counts.split_once(")/").map_or("", |(_, all)| all))
                }
                None => line.to_owned(),
            };
            for (n, session) in self.sessions.iter().enumerate() {
                line = line.replace(&format!("0x{session:x}"), &format!("session {n}"));
            }
            lines.push(line);
        }
        // Within a block the order is that of hash tables and of bytes in ids.
        lines.split_mut(|line| !line.contains("session ")).for_each(<[String]>::sort);
        lines
    }
}
