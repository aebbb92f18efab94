//! Read-only mode: one of three servers is left.

use super::ensemble::Ensemble;
use super::teller::{Client, FOLLOWER, Hello, LEADER, NEW, OTHER, READER, Teller};
use crate::item::Frame;
use crate::stories::talk::{auth_frame, create, op_check, text};
use std::io;
use wire::{Acl, MultiOp, OpCode, Request, SetWatches};

/// The server that is left.
const LEFT: usize = FOLLOWER;

/// Where new sessions are local.
pub(super) fn with_local_sessions(ensemble: &mut Ensemble, teller: &mut Teller) -> io::Result<()> {
    let mut local = teller.connect(LEFT, READER)?;
    let mut global = teller.connect(LEFT, READER)?;
    teller.call(&mut global, &[Frame::of(&create(OpCode::Create, "/global", 1))]);
    lose_the_others(ensemble, teller, &mut [&mut local, &mut global])?;
    refuse_who_writes(teller)?;
    for session in [local.session, global.session, 0x0900_0000_0000_0009] {
        for right_password in [true, false] {
            let mut again = teller.connect(LEFT, Hello { session, right_password, ..READER })?;
            teller.end(&mut again);
        }
    }
    let mut reader = teller.connect(LEFT, READER)?;
    teller.words(ensemble, LEFT);
    reads_and_writes(ensemble, teller, &mut reader);
    let mut again = teller.connect(LEFT, Hello { session: reader.session, ..READER })?;
    teller.end(&mut reader);
    teller.call(&mut again, &look());

    let mut brief = teller.connect(LEFT, READER)?;
    teller.call(&mut brief, &[Frame::of(&Request::CloseSession)]);
    teller.end(&mut brief);
    let mut gone = teller.connect(LEFT, Hello { session: brief.session, ..READER })?;
    teller.end(&mut gone);
    let mut quiet = teller.connect(LEFT, Hello { timeout_ms: 500, ..READER })?;
    teller.end(&mut quiet);
    for odd in [Frame { op: 13, ..Frame::of(&Request::Ping) }, Frame { op: 999, ..Frame::of(&Request::Ping) }]
    {
        let mut reader = teller.connect(LEFT, READER)?;
        teller.call(&mut reader, &[odd]);
        teller.end(&mut reader);
    }
    come_back(ensemble, teller, &mut again)?;
    let mut gone = teller.connect(LEFT, Hello { session: again.session, ..READER })?;
    teller.end(&mut gone);
    let mut back = teller.connect(LEFT, Hello { session: global.session, ..READER })?;
    teller.call(&mut back, &look());
    Ok(())
}

/// Where a new session would be a write.
pub(super) fn with_global_sessions(ensemble: &mut Ensemble, teller: &mut Teller) -> io::Result<()> {
    let mut global = teller.connect(LEFT, READER)?;
    teller.call(&mut global, &[Frame::of(&create(OpCode::Create, "/global", 1))]);
    lose_the_others(ensemble, teller, &mut [&mut global])?;
    refuse_who_writes(teller)?;
    let mut refused = teller.connect(LEFT, Hello { timeout_ms: 1000, ..READER })?;
    teller.call(&mut refused, &[]);
    // It is closed at the end of a bucket of ten seconds, which nobody waits for here.
    teller.silence(&mut refused);
    for right_password in [true, false] {
        let mut again = teller.connect(LEFT, Hello { session: global.session, right_password, ..READER })?;
        teller.end(&mut again);
    }
    let unknown = Hello { session: 0x0900_0000_0000_0009, ..READER };
    let mut wrong = teller.connect(LEFT, Hello { right_password: false, ..unknown })?;
    teller.end(&mut wrong);
    let mut reader = teller.connect(LEFT, unknown)?;
    teller.words(ensemble, LEFT);
    reads_and_writes(ensemble, teller, &mut reader);
    teller.call(&mut reader, &[Frame::of(&Request::CloseSession)]);
    teller.call(&mut reader, &look());
    let mut again = teller.connect(LEFT, unknown)?;
    teller.end(&mut reader);
    come_back(ensemble, teller, &mut again)
}

/// Leader and other are killed: clients are cut, and after a while readers are taken.
fn lose_the_others(
    ensemble: &mut Ensemble,
    teller: &mut Teller,
    clients: &mut [&mut Client],
) -> io::Result<()> {
    let place = teller.place(LEFT);
    let before = ensemble.watch_isro(place, "rw")?;
    teller.say(format!("isro: {before:?}"));
    ensemble.kill(teller.place(OTHER));
    ensemble.kill(teller.place(LEADER));
    let looking = ensemble.watch_isro(place, "null")?;
    teller.say(format!("isro: {:?}", looking.last()));
    for client in clients {
        teller.end(client);
    }
    let mut early = teller.connect(LEFT, READER)?;
    teller.end(&mut early);
    let reading = ensemble.watch_isro(place, "ro")?;
    teller.say(format!("isro: {reading:?}"));
    Ok(())
}

/// The leader comes back: readers are cut, and everything is as before.
fn come_back(ensemble: &mut Ensemble, teller: &mut Teller, reader: &mut Client) -> io::Result<()> {
    ensemble.resume(teller.place(LEADER))?;
    teller.end(reader);
    let place = teller.place(LEFT);
    let answers = ensemble.watch_isro(place, "rw")?;
    teller.say(format!("isro: {:?}", answers.last()));
    Ok(())
}

fn refuse_who_writes(teller: &mut Teller) -> io::Result<()> {
    for hello in [NEW, Hello { read_only: None, ..NEW }, Hello { last_seen: i64::MAX, ..READER }] {
        let mut refused = teller.connect(LEFT, hello)?;
        teller.end(&mut refused);
    }
    Ok(())
}

fn reads_and_writes(ensemble: &Ensemble, teller: &mut Teller, reader: &mut Client) {
    let writes = writes();
    let frames = reads().into_iter().chain(writes.iter().map(Frame::of)).chain(reads());
    // One by one: at Apache some answers overtake others.
    frames.for_each(|frame| teller.call(reader, &[frame]));
    teller.words(ensemble, LEFT);
}

fn look() -> [Frame; 1] {
    [Frame::of(&Request::Exists { path: text("/global"), watch: false })]
}

fn reads() -> Vec<Frame> {
    let (path, nobody) = (|| text("/global"), || text("/nobody"));
    let watches = SetWatches {
        relative_zxid: 0,
        data: Some(vec![nobody()]),
        exist: Some(vec![nobody()]),
        child: Some(Vec::new()),
        ..SetWatches::default()
    };
    let requests = [
        Request::Exists { path: path(), watch: true },
        Request::Exists { path: nobody(), watch: true },
        Request::GetData { path: path(), watch: true },
        Request::GetAcl { path: path() },
        Request::GetChildren { path: text("/zookeeper"), watch: false },
        Request::GetChildren2 { path: text("/zookeeper"), watch: true },
        Request::GetAllChildrenNumber { path: text("/") },
        Request::GetEphemerals { prefix: text("/") },
        Request::WhoAmI,
        Request::MultiRead {
            ops: vec![MultiOp::GetData { path: path() }, MultiOp::GetData { path: nobody() }],
        },
        Request::AddWatch { path: path(), mode: 1 },
        Request::CheckWatches { path: path(), watch_type: 3 },
        Request::RemoveWatches { path: path(), watch_type: 3 },
        Request::RemoveWatches { path: path(), watch_type: 3 },
        Request::SetWatches(watches),
    ];
    let ping = Frame { xid: Some(-2), ..Frame::of(&Request::Ping) };
    requests.iter().map(Frame::of).chain([ping, auth_frame("digest", "a:b")]).collect()
}

fn writes() -> Vec<Request<'static>> {
    let path = || text("/global");
    vec![
        create(OpCode::Create, "/new", 0),
        create(OpCode::Create, "/new", 9),
        create(OpCode::Create2, "/new", 1),
        create(OpCode::CreateContainer, "/new", 4),
        Request::Delete { path: path(), version: -1 },
        Request::SetData { path: path(), data: None, version: -1 },
        Request::SetAcl { path: path(), acl: Some(vec![Acl::open()]), version: -1 },
        Request::Multi { ops: vec![op_check("/", -1)] },
        Request::Reconfig { joining: None, leaving: text("1"), new_members: None, config_id: -1 },
        Request::Sync { path: text("/") },
    ]
}
