//! The machine: connections, timers, what is under way.

use super::frames::{Frames, framed, write_request};
use super::pace::{Pace, Then};
use super::session::{Session, hello};
use super::{ClientEvent, ClientInput, ClientOutput, User, Workload, WorkloadSetup};
use crate::Rng;
use std::collections::VecDeque;
use wire::{
    AUTH_XID, ConnectResponse, Decode, NOTIFICATION_XID, PING_XID, Reader, ReplyHeader, Request,
    SET_WATCHES_XID, SessionId, WatcherEvent,
};

/// How long a client without a session waits for a server, in µs.
const PATIENCE_US: u64 = 4_000_000;
/// The longest pause after every server has failed, in µs.
const BACK_OFF_US: u64 = 1_000_000;

/// What a client is made from.
#[derive(Clone, Debug)]
pub struct ClientSetup {
    /// Decides everything, together with the number.
    pub seed: u64,
    /// The client's number.
    pub number: usize,
    /// How many servers there are.
    pub servers: usize,
    /// How many requests it makes at most.
    pub requests: u32,
    /// The mix of requests.
    pub workload: WorkloadSetup,
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    rng: Rng,
    /// Servers in the order in which they are tried, and the next one's place.
    servers: Vec<usize>,
    next_server: usize,
    /// Attempts that failed since the last success.
    failures: usize,
    phase: Phase,
    frames: Frames,
    session: Option<Session>,
    /// Asked for.
    timeout_ms: i32,
    user: Option<User>,
    /// Paths in one setWatches, in bytes.
    batch_bytes: usize,
    next_xid: i32,
    under_way: VecDeque<(i32, Request<'static>)>,
    sent_us: u64,
    heard_us: u64,
    pace: Pace,
    workload: Workload,
    requests_left: u32,
    /// The last wake that was asked for.
    wake_us: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Without a connection until then.
    Off { until_us: u64 },
    /// A connection was asked for.
    Dialling { server: usize },
    /// Introduced, not yet welcome.
    Greeting { server: usize },
    /// With a session.
    On { server: usize },
}

impl Client {
    /// A client that has not done anything yet. Step it once with `Wake` to begin.
    pub fn new(setup: &ClientSetup) -> Client {
        let stream = |label: &str| Rng::new(setup.seed, &format!("client {} {label}", setup.number));
        let mut rng = stream("life");
        let mut servers: Vec<usize> = (0..setup.servers).collect();
        for at in (1..servers.len()).rev() {
            servers.swap(at, rng.below(at as u64 + 1) as usize);
        }
        let user = [None, Some(User::Alice), Some(User::Bob)][setup.number % 3];
        Client {
            servers,
            next_server: 0,
            failures: 0,
            phase: Phase::Off { until_us: rng.below(200_000) },
            frames: Frames::default(),
            session: None,
            timeout_ms: [4_000, 6_000, 10_000, 20_000][rng.below(4) as usize],
            user,
            batch_bytes: [30, 500, 128 << 10][rng.below(3) as usize],
            next_xid: 1,
            under_way: VecDeque::new(),
            sent_us: 0,
            heard_us: 0,
            pace: Pace::new(stream("pace")),
            workload: Workload::new(setup.workload.clone(), setup.number, user, stream("workload")),
            requests_left: setup.requests,
            wake_us: 0,
            rng,
        }
    }

    /// One thing happened.
    pub fn step(&mut self, now_us: u64, input: ClientInput, out: &mut Vec<ClientOutput>) {
        match input {
            ClientInput::Connected => self.connected(now_us, out),
            ClientInput::Received(bytes) => self.received(now_us, &bytes, out),
            ClientInput::Closed => self.gone(now_us, false, out),
            ClientInput::Wake => {}
        }
        self.pass_time(now_us, out);
        let due = self.due_us().max(now_us + 1);
        if due != self.wake_us || now_us >= self.wake_us {
            self.wake_us = due;
            out.push(ClientOutput::WakeAt(due));
        }
    }

    /// The application asks for nothing more; the session stays.
    pub fn stop(&mut self) {
        self.ask_at_most(0);
    }

    /// The application asks for so much more, if it wanted to ask for as much.
    pub fn ask_at_most(&mut self, requests: u32) {
        self.requests_left = self.requests_left.min(requests);
    }

    /// The server that it has a session with at the moment.
    pub fn server(&self) -> Option<usize> {
        match self.phase {
            Phase::On { server } => Some(server),
            _ => None,
        }
    }

    /// Its session, once it was given one.
    pub fn session(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.id)
    }

    /// It has a session and a connection, nothing is left to ask, and nothing under way but perhaps a ping.
    pub fn is_at_rest(&self) -> bool {
        let idle = self.under_way.iter().all(|(_, request)| *request == Request::Ping);
        idle && self.requests_left == 0 && self.server().is_some()
    }

    fn timeout_us(&self) -> u64 {
        self.session.as_ref().map_or(PATIENCE_US, |session| session.timeout_ms.max(1) as u64 * 1000)
    }

    /// Silent for so long is dead. Before the welcome, all servers must have their turn within the timeout.
    fn silence_us(&self) -> u64 {
        match self.phase {
            Phase::Dialling { .. } | Phase::Greeting { .. } => self.timeout_us() / self.servers.len() as u64,
            Phase::Off { .. } | Phase::On { .. } => self.timeout_us() * 2 / 3,
        }
    }

    fn ping_due_us(&self) -> u64 {
        self.sent_us + self.timeout_us() / 3
    }

    fn wants_to_ask(&self) -> bool {
        self.requests_left > 0 && self.under_way.len() < self.pace.depth
    }

    fn due_us(&self) -> u64 {
        let dead_us = self.heard_us + self.silence_us();
        match self.phase {
            Phase::Off { until_us } => until_us,
            Phase::Dialling { .. } | Phase::Greeting { .. } => dead_us,
            Phase::On { .. } => {
                let ask_us = if self.wants_to_ask() { self.pace.next_us } else { u64::MAX };
                dead_us.min(self.ping_due_us()).min(ask_us)
            }
        }
    }

    fn pass_time(&mut self, now_us: u64, out: &mut Vec<ClientOutput>) {
        if let Phase::Off { until_us } = self.phase {
            if now_us >= until_us {
                self.dial(now_us, out);
            }
            return;
        }
        if now_us >= self.heard_us + self.silence_us() {
            return self.give_up(now_us, out);
        }
        if let Phase::On { .. } = self.phase {
            let mut bytes = Vec::new();
            let then = self.ask(now_us, &mut bytes, out);
            if bytes.is_empty() && now_us >= self.ping_due_us() {
                self.send(PING_XID, Request::Ping, &mut bytes, out);
            }
            self.flush(now_us, bytes, out);
            match then {
                Some(Then::Move) => self.leave(now_us, out),
                Some(Then::Sleep) => {
                    let until_us = now_us + self.rng.below(self.timeout_us() * 3 / 2);
                    self.give_up(now_us, out);
                    self.phase = Phase::Off { until_us };
                }
                _ => {}
            }
        }
    }

    fn dial(&mut self, now_us: u64, out: &mut Vec<ClientOutput>) {
        let server = self.servers[self.next_server % self.servers.len()];
        self.next_server += 1;
        self.phase = Phase::Dialling { server };
        self.heard_us = now_us;
        out.push(ClientOutput::Connect { server });
    }

    /// The hello, and right behind it who the user is and what was watched: nobody waits for the welcome.
    fn connected(&mut self, now_us: u64, out: &mut Vec<ClientOutput>) {
        let Phase::Dialling { server } = self.phase else { return };
        self.phase = Phase::Greeting { server };
        self.heard_us = now_us;
        let session = self.session.as_ref();
        out.push(ClientOutput::Saw(ClientEvent::Connected {
            server,
            renews: session.map(|session| session.id),
            last_zxid: session.map_or(0, |session| session.last_zxid),
            user: self.user,
        }));
        let mut bytes = framed(&hello(session, self.timeout_ms));
        let again = session.map_or(Vec::new(), |s| s.watching.again(s.last_zxid, self.batch_bytes));
        if let Some(user) = self.user {
            self.send(AUTH_XID, user.auth(), &mut bytes, out);
        }
        for request in again {
            self.send(SET_WATCHES_XID, request, &mut bytes, out);
        }
        self.flush(now_us, bytes, out);
    }

    /// Asks as much as the pace allows; what is to follow, when the burst is over with that.
    fn ask(&mut self, now_us: u64, bytes: &mut Vec<u8>, out: &mut Vec<ClientOutput>) -> Option<Then> {
        if now_us < self.pace.next_us {
            return None;
        }
        while self.wants_to_ask() && self.pace.left > 0 {
            let session = self.session.as_ref()?;
            let request = self.workload.request(session);
            self.ask_for(request, bytes, out);
            self.pace.left -= 1;
        }
        if self.pace.left > 0 || self.requests_left == 0 {
            return None;
        }
        let then = self.pace.then;
        self.pace.pause(now_us);
        if then == Then::CloseSession {
            self.ask_for(Request::CloseSession, bytes, out);
            // Nothing may follow it.
            self.pace.next_us = u64::MAX;
        }
        Some(then)
    }

    fn ask_for(&mut self, request: Request<'static>, bytes: &mut Vec<u8>, out: &mut Vec<ClientOutput>) {
        self.requests_left = self.requests_left.saturating_sub(1);
        let xid = self.next_xid;
        self.next_xid += 1;
        self.send(xid, request, bytes, out);
    }

    fn send(
        &mut self,
        xid: i32,
        request: Request<'static>,
        bytes: &mut Vec<u8>,
        out: &mut Vec<ClientOutput>,
    ) {
        write_request(bytes, xid, &request);
        self.under_way.push_back((xid, request.clone()));
        out.push(ClientOutput::Saw(ClientEvent::Asked { xid, request }));
    }

    fn flush(&mut self, now_us: u64, bytes: Vec<u8>, out: &mut Vec<ClientOutput>) {
        if !bytes.is_empty() {
            self.sent_us = now_us;
            out.push(ClientOutput::Send(bytes));
        }
    }

    fn received(&mut self, now_us: u64, bytes: &[u8], out: &mut Vec<ClientOutput>) {
        if !matches!(self.phase, Phase::Greeting { .. } | Phase::On { .. }) {
            return;
        }
        self.heard_us = now_us;
        self.frames.push(bytes);
        loop {
            let outcome = match self.frames.next() {
                Ok(None) => return,
                Ok(Some(frame)) => self.frame(now_us, &frame, out),
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                out.push(ClientOutput::Saw(ClientEvent::Garbled(error)));
                return self.give_up(now_us, out);
            }
            if matches!(self.phase, Phase::Off { .. }) {
                return;
            }
        }
    }

    fn frame(&mut self, now_us: u64, frame: &[u8], out: &mut Vec<ClientOutput>) -> Result<(), String> {
        let mut reader = Reader::new(frame);
        let unreadable = |error: wire::DecodeError| format!("{error} in the frame {frame:x?}");
        if let Phase::Greeting { server } = self.phase {
            let response = ConnectResponse::decode(&mut reader).map_err(unreadable)?;
            return self.welcome(now_us, server, response, out);
        }
        let header = ReplyHeader::decode(&mut reader).map_err(unreadable)?;
        if header.xid != NOTIFICATION_XID {
            return self.answered(now_us, header, reader.rest(), out);
        }
        let event = WatcherEvent::decode(&mut reader).map_err(unreadable)?;
        let path = event.path.ok_or("an event without a path")?.into_owned();
        if let Some(session) = &mut self.session {
            session.watching.notified(event.event_type, &path);
        }
        let (zxid, kind, state) = (header.zxid, event.event_type, event.state);
        out.push(ClientOutput::Saw(ClientEvent::Notified { zxid, kind, state, path }));
        Ok(())
    }

    fn welcome(
        &mut self,
        now_us: u64,
        server: usize,
        response: ConnectResponse,
        out: &mut Vec<ClientOutput>,
    ) -> Result<(), String> {
        let ConnectResponse { timeout_ms, session_id, password, read_only } = response;
        if read_only != Some(false) {
            return Err(format!("the welcome of a server that only reads: {response:?}"));
        }
        let session = SessionId(session_id);
        let known = self.session.as_ref().map(|session| session.id);
        let event = match known {
            Some(known) if session_id == 0 => {
                out.push(ClientOutput::Saw(ClientEvent::SessionExpired { session: known }));
                self.session = None;
                self.give_up(now_us, out);
                return Ok(());
            }
            Some(known) if known != session => return Err(format!("{session} instead of {known}")),
            None if session_id == 0 => return Err("a new session that has expired".to_owned()),
            Some(_) => ClientEvent::SessionRenewed { session, timeout_ms },
            None => ClientEvent::SessionGiven { session, timeout_ms },
        };
        let (last_zxid, watching) = self
            .session
            .take()
            .map_or_else(Default::default, |session| (session.last_zxid, session.watching));
        self.session = Some(Session { id: session, password, timeout_ms, last_zxid, watching });
        self.failures = 0;
        self.phase = Phase::On { server };
        if self.pace.next_us == u64::MAX {
            self.pace.pause(now_us);
        }
        out.push(ClientOutput::Saw(event));
        Ok(())
    }

    fn answered(
        &mut self,
        now_us: u64,
        header: ReplyHeader,
        body: &[u8],
        out: &mut Vec<ClientOutput>,
    ) -> Result<(), String> {
        let ReplyHeader { xid, zxid, err } = header;
        out.push(ClientOutput::Saw(ClientEvent::Answered { xid, zxid, err, body: body.to_vec() }));
        let at = self.under_way.iter().position(|(asked, _)| *asked == xid);
        let Some((_, request)) = at.and_then(|at| self.under_way.remove(at)) else {
            return Err(format!("nobody asked for {header:?}"));
        };
        self.workload.answered(&request, err, body);
        if let Some(session) = &mut self.session {
            session.last_zxid = session.last_zxid.max(zxid);
            session.watching.answered(&request, err);
        }
        if request == Request::CloseSession {
            self.session = None;
            self.give_up(now_us, out);
        }
        Ok(())
    }

    /// Closes the connection, or the attempt.
    fn give_up(&mut self, now_us: u64, out: &mut Vec<ClientOutput>) {
        out.push(ClientOutput::Close);
        self.gone(now_us, true, out);
    }

    /// To another server, at once.
    fn leave(&mut self, now_us: u64, out: &mut Vec<ClientOutput>) {
        let server = self.server();
        self.give_up(now_us, out);
        let others = self.servers.iter().filter(|other| Some(**other) != server).count() as u64;
        self.next_server += self.rng.below(others.max(1)) as usize;
        if Some(self.servers[self.next_server % self.servers.len()]) == server {
            self.next_server += 1;
        }
        self.phase = Phase::Off { until_us: now_us };
    }

    /// The connection is no more.
    fn gone(&mut self, now_us: u64, by_client: bool, out: &mut Vec<ClientOutput>) {
        match self.phase {
            Phase::Off { .. } => return,
            Phase::Dialling { .. } => {}
            Phase::Greeting { .. } | Phase::On { .. } => {
                let outstanding = self.under_way.drain(..).map(|(xid, _)| xid).collect();
                out.push(ClientOutput::Saw(ClientEvent::Lost { outstanding, by_client }));
            }
        }
        if !matches!(self.phase, Phase::On { .. }) {
            self.failures += 1;
        }
        self.frames.clear();
        let after_all = self.failures > 0 && self.failures.is_multiple_of(self.servers.len());
        let pause_us = if after_all { BACK_OFF_US } else { 50_000 };
        self.phase = Phase::Off { until_us: now_us + 1 + self.rng.below(pause_us) };
    }
}
