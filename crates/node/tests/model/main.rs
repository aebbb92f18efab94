//! A server against the naive model: whatever several clients ask, one after the other or all at once, every reply and
//! every event is what the model says, frame by frame.

mod steps;
#[path = "../world/mod.rs"]
mod world;

use model::{Context, Model, Options, WatchMode, WatchTable, Watches};
use proptest::prelude::*;
use std::collections::VecDeque;
use steps::{Step, step};
use wire::{
    Acl, CreateMode, Encode, ErrorCode, Id, MultiResult, NOTIFICATION_XID, OpCode, Request, Response,
    SetWatches, Ustring, WatcherEvent,
};
use world::*;

const ADDRESS: &str = "10.0.0.1";

/// A client as the model sees it.
struct Expected {
    client: Client,
    next_xid: i32,
    credentials: Vec<Id<'static>>,
    /// Reads that wait behind the client's own writes, and those writes: xid and request.
    waiting: VecDeque<(i32, Box<Request<'static>>, Vec<Id<'static>>)>,
    frames: Vec<Reply>,
}

/// A server and its model.
struct Both {
    world: World,
    model: Model,
    watches: Watches<usize>,
    clients: Vec<Expected>,
    /// The last zxid applied.
    zxid: i64,
    /// Who waits for which write, in the order of the zxids, with its time.
    outstanding: VecDeque<(usize, i64)>,
    holding: bool,
}

impl Both {
    fn new() -> Both {
        Both::with_model(Options { extended_types: true })
    }

    fn with_model(options: Options) -> Both {
        let mut both = Both {
            world: World::with(|_, tree| tree.extended_types = true),
            model: Model::new(options),
            watches: Watches::default(),
            clients: Vec::new(),
            zxid: 0,
            outstanding: VecDeque::new(),
            holding: false,
        };
        for _ in 0..3 {
            let client = both.world.connect();
            both.clients.push(Expected {
                client,
                next_xid: 0,
                credentials: Vec::new(),
                waiting: VecDeque::new(),
                frames: Vec::new(),
            });
            both.begin(both.clients.len() - 1);
        }
        both
    }

    /// The model's side of a new session.
    fn begin(&mut self, who: usize) {
        self.zxid += 1;
        self.clients[who].credentials = vec![Id::new("ip", ADDRESS)];
        let session = self.clients[who].client.session.0;
        self.model.write(&self.context(who, &[]), &Request::CreateSession { timeout_ms: 10_000 });
        assert!(self.model.sessions().contains_key(&session));
    }

    fn context<'c>(&self, who: usize, credentials: &'c [Id<'static>]) -> Context<'c> {
        let session = self.clients[who].client.session.0;
        Context { zxid: self.zxid, time_ms: self.world.now.wall_ms, session, credentials }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Ask(who, request) => self.ask(*who, request),
            Step::Authenticate(who) => self.authenticate(*who),
            Step::Reconnect(who, lists) => self.reconnect(*who, lists),
            Step::Close(who) => self.close(*who),
            Step::Wait(ms) => self.world.advance_ms(*ms),
            Step::Hold => {
                self.holding = true;
                self.world.hold_log = true;
            }
            Step::Release => self.release(),
        }
        self.compare();
    }

    fn ask(&mut self, who: usize, request: &Request<'static>) {
        let client = &mut self.clients[who];
        client.next_xid += 1;
        let xid = client.next_xid;
        client.waiting.push_back((xid, Box::new(request.clone()), client.credentials.clone()));
        self.world.send(&client.client, xid, request);
        self.world.run();
        if is_write(request) {
            self.outstanding.push_back((who, self.world.now.wall_ms));
        }
        if self.holding { self.answer_reads(who) } else { self.apply_all() }
    }

    fn release(&mut self) {
        self.holding = false;
        self.world.release_log();
        self.apply_all();
    }

    fn apply_all(&mut self) {
        while let Some((who, time_ms)) = self.outstanding.pop_front() {
            self.apply(who, time_ms);
        }
        (0..self.clients.len()).for_each(|who| self.answer_reads(who));
    }

    fn apply(&mut self, who: usize, time_ms: i64) {
        let (xid, request, credentials) = self.clients[who].waiting.pop_front().expect("a write waits");
        self.zxid += 1;
        let context = Context { time_ms, ..self.context(who, &credentials) };
        let outcome = self.model.write(&context, &request);
        for change in &outcome.changes {
            let clients = &self.clients;
            for event in self.watches.fire(change, |conn| &clients[conn].credentials) {
                self.tell(event, self.zxid);
            }
        }
        self.reply(who, xid, self.zxid, &outcome.answer);
        self.answer_reads(who);
    }

    fn tell(&mut self, event: model::Event<usize>, zxid: i64) {
        let record = WatcherEvent { event_type: event.kind, state: 3, path: Some(event.path.into()) };
        let reply = Reply { xid: NOTIFICATION_XID, zxid, err: 0, body: record.to_bytes() };
        self.clients[event.to].frames.push(reply);
    }

    /// Answers what does not wait for a write.
    fn answer_reads(&mut self, who: usize) {
        while self.clients[who].waiting.front().is_some_and(|(_, request, _)| !is_write(request)) {
            let (xid, request, credentials) = self.clients[who].waiting.pop_front().expect("a read waits");
            let answer = self.answer(who, &request, &credentials);
            let xid = if matches!(*request, Request::Ping) { -2 } else { xid };
            self.reply(who, xid, self.zxid, &answer);
        }
    }

    fn answer(
        &mut self,
        who: usize,
        request: &Request<'static>,
        credentials: &[Id<'static>],
    ) -> Result<Response<'static>, ErrorCode> {
        let text = |path: &Ustring<'static>| path.clone().unwrap_or_default().into_owned();
        let session = self.clients[who].client.session.0;
        match request {
            Request::AddWatch { path, mode } => {
                self.watches.add_watch(who, &text(path), *mode);
                Ok(Response::Int(0))
            }
            Request::CheckWatches { path, watch_type } => {
                let found = self.watches.contains(who, &text(path), *watch_type);
                if found { Ok(Response::Empty) } else { Err(ErrorCode::NoWatcher) }
            }
            Request::RemoveWatches { path, watch_type } => {
                let found = self.watches.remove(who, &text(path), *watch_type);
                if found { Ok(Response::Empty) } else { Err(ErrorCode::NoWatcher) }
            }
            _ => {
                let answer = self.model.read(session, credentials, request);
                self.watch(who, request, &answer);
                answer
            }
        }
    }

    /// The watch that a read leaves behind.
    fn watch(
        &mut self,
        who: usize,
        request: &Request<'static>,
        answer: &Result<Response<'static>, ErrorCode>,
    ) {
        let (path, table) = match request {
            Request::Exists { path, watch: true } => (path, WatchTable::Data),
            Request::GetData { path, watch: true } => (path, WatchTable::Data),
            Request::GetChildren { path, watch: true } | Request::GetChildren2 { path, watch: true } => {
                (path, WatchTable::Child)
            }
            _ => return,
        };
        let missing = matches!((request, answer), (Request::Exists { .. }, Err(ErrorCode::NoNode)));
        if answer.is_ok() || missing {
            self.watches.add(who, path.as_deref().unwrap_or(""), table, WatchMode::Standard);
        }
    }

    fn reply(&mut self, who: usize, xid: i32, zxid: i64, answer: &Result<Response<'static>, ErrorCode>) {
        let (err, body) = match answer {
            Ok(response) => (0, response.to_bytes()),
            Err(code) => (code.code(), Vec::new()),
        };
        self.clients[who].frames.push(Reply { xid, zxid, err, body });
    }

    fn authenticate(&mut self, who: usize) {
        self.release();
        self.compare();
        let reply = self.world.call(&self.clients[who].client.clone(), &auth("digest", "alice:secret"));
        assert_eq!((reply.zxid, reply.err), (0, 0));
        let id = Id::new("digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
        if !self.clients[who].credentials.contains(&id) {
            self.clients[who].credentials.push(id);
        }
    }

    fn reconnect(&mut self, who: usize, lists: &SetWatches<'static>) {
        self.release();
        self.compare();
        self.watches.forget(who);
        let again = self.world.reconnect(&self.clients[who].client.clone());
        let client = &mut self.clients[who];
        client.client = again;
        client.credentials.truncate(1);
        self.world.send(&again, -8, &Request::SetWatches2(lists.clone()));
        self.world.run();
        let credentials = self.clients[who].credentials.clone();
        for event in self.watches.set(who, &self.model, &credentials, lists) {
            self.tell(event, -1);
        }
        self.reply(who, -8, self.zxid, &Ok(Response::Empty));
    }

    fn close(&mut self, who: usize) {
        self.release();
        self.compare();
        self.ask(who, &Request::CloseSession);
        self.compare();
        assert!(self.world.is_closed(&self.clients[who].client));
        self.watches.forget(who);
        self.clients[who].client = self.world.connect();
        self.begin(who);
    }

    /// What arrived is what was expected, on every connection; so is the tree.
    fn compare(&mut self) {
        for (who, client) in self.clients.iter_mut().enumerate() {
            let expected = std::mem::take(&mut client.frames);
            let mut arrived = self.world.replies(&client.client);
            arrived.iter_mut().zip(&expected).for_each(|(reply, expected)| sort_names(reply, &expected.body));
            assert_eq!(arrived, expected, "client {who}");
        }
        if self.outstanding.is_empty() {
            let tree = self.world.node().tree();
            assert_eq!(tree.digest(), self.model.digest());
            for path in self.model.usage_nodes() {
                let text = |data: Option<&[u8]>| data.map(String::from_utf8_lossy).map(String::from);
                let counted = tree.node(&path).map(|node| text(node.data()));
                assert_eq!(counted, self.model.node(&path).map(|node| text(node.data.as_deref())), "{path}");
            }
        }
    }
}

/// Names come in no particular order: as long as they are the same ones, that of the model will do.
fn sort_names(reply: &mut Reply, expected: &[u8]) {
    for op in [OpCode::GetChildren, OpCode::GetChildren2, OpCode::MultiRead] {
        let sorted = |bytes| {
            let mut reader = wire::Reader::new(bytes);
            Response::decode(op, &mut reader).ok().filter(|_| reader.is_empty()).map(sorted)
        };
        if sorted(&reply.body).is_some_and(|names| Some(names) == sorted(expected)) {
            reply.body = expected.to_vec();
        }
    }
}

fn sorted(mut response: Response<'_>) -> Response<'_> {
    match &mut response {
        Response::Children(Some(names)) | Response::Children2(Some(names), _) => names.sort(),
        Response::Multi(results) => results.iter_mut().for_each(|result| {
            if let MultiResult::GetChildren { children: Some(names) } = result {
                names.sort();
            }
        }),
        _ => {}
    }
    response
}

fn is_write(request: &Request<'_>) -> bool {
    matches!(
        request,
        Request::Create { .. }
            | Request::Delete { .. }
            | Request::SetData { .. }
            | Request::SetAcl { .. }
            | Request::Multi { .. }
            | Request::CloseSession
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_is_the_models(steps in prop::collection::vec(step(), 1..80)) {
        let mut both = Both::new();
        steps.iter().for_each(|step| both.take(step));
        both.take(&Step::Release);
    }
}

/// The comparison can fail: the server has TTL nodes switched on, the model has not.
#[test]
#[should_panic(expected = "client 0")]
fn a_difference_is_noticed() {
    let mut both = Both::with_model(Options::default());
    let request = Request::Create {
        op: OpCode::CreateTtl,
        path: Some("/a".into()),
        data: None,
        acl: Some(vec![Acl::open()]),
        flags: CreateMode::PersistentWithTtl.flags(),
        ttl: 100,
    };
    both.take(&Step::Ask(0, Box::new(request)));
}
