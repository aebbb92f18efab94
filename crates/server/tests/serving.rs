//! A whole server in a thread, over TCP: what clients see, restarts, hostile and slow clients.

use client::{Connection, Error, Options, Servers, Session, SessionEvent, four_letter_word};
use server::testing::{TempDir, TestServer};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::{Acl, CreateMode, ErrorCode, Id, OpCode, Request, Response, Stat, event_type, perms};

const PATIENCE: Duration = Duration::from_secs(10);

fn connect(address: SocketAddr) -> Connection {
    Connection::connect_any(&[address], &Options::default()).unwrap()
}

fn open_acl() -> Option<Vec<Acl<'static>>> {
    Some(vec![Acl { perms: perms::ALL, id: Id::new("world", "anyone") }])
}

fn create<'a>(path: &'a str, data: &'a [u8], flags: i32) -> Request<'a> {
    Request::Create {
        op: OpCode::Create,
        path: Some(path.into()),
        data: Some(data.into()),
        acl: open_acl(),
        flags,
        ttl: -1,
    }
}

fn get(connection: &mut Connection, path: &str) -> Result<(Vec<u8>, Stat), Error> {
    let reply = connection.call(&Request::GetData { path: Some(path.into()), watch: false })?;
    match reply.response()? {
        Response::Data(data, stat) => Ok((data.unwrap_or_default().into_owned(), stat)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_can_be_read_and_watched() {
    let dir = TempDir::new();
    let server = TestServer::start(&TestServer::config(&dir));
    let mut writer = connect(server.address());
    let mut watcher = connect(server.address());
    writer.call(&create("/a", b"one", 0)).unwrap().check().unwrap();
    let watch = watcher.call(&Request::GetData { path: Some("/a".into()), watch: true }).unwrap();
    watch.check().unwrap();
    let set = Request::SetData { path: Some("/a".into()), data: Some(b"two".into()), version: 0 };
    writer.call(&set).unwrap().check().unwrap();
    let event = watcher.next_notification(PATIENCE).unwrap().unwrap().event;
    assert_eq!((event.event_type, event.path.as_deref()), (event_type::NODE_DATA_CHANGED, Some("/a")));
    let (data, stat) = get(&mut watcher, "/a").unwrap();
    assert_eq!((data.as_slice(), stat.version), (&b"two"[..], 1));
    let refused = writer.call(&set).unwrap().check().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::BadVersion));
    server.stop();
}

#[test]
fn a_restart_keeps_data_and_sessions() {
    let dir = TempDir::new();
    let config = TestServer::config(&dir);
    let server = TestServer::start(&config);
    let mut client = connect(server.address());
    client.call(&create("/kept", b"data", 0)).unwrap().check().unwrap();
    client.call(&create("/mine", b"", 1)).unwrap().check().unwrap();
    let before = get(&mut client, "/kept").unwrap();
    let session = (client.session(), client.password());
    server.stop();

    let server = TestServer::start(&config);
    let options = Options { session: Some(session), ..Options::default() };
    let mut again = Connection::connect_any(&[server.address()], &options).unwrap();
    assert_eq!(again.session(), session.0);
    assert_eq!(get(&mut again, "/kept").unwrap(), before);
    assert_eq!(get(&mut again, "/mine").unwrap().1.ephemeral_owner, session.0.0);
    again.close().unwrap();
    let mut other = connect(server.address());
    assert_eq!(get(&mut other, "/mine").unwrap_err().code(), Some(ErrorCode::NoNode));
    server.stop();
}

/// The session comes back to a server that was away, and what happened meanwhile is told to its watches.
#[test]
fn a_session_reconnects_and_sets_its_watches_again() {
    let dir = TempDir::new();
    let server = TestServer::start(&TestServer::config(&dir));
    let address = server.address();
    let mut writer = connect(address);
    writer.call(&create("/changed", b"one", 0)).unwrap().check().unwrap();
    writer.call(&create("/kept", b"one", 0)).unwrap().check().unwrap();
    let (tell, events) = std::sync::mpsc::channel();
    let servers: Servers = address.to_string().parse().unwrap();
    let session = Session::open(&servers, &Options::default(), move |event| drop(tell.send(event))).unwrap();
    let watch = |request: Request<'_>| session.call(&request).unwrap();
    for path in ["/changed", "/kept"] {
        watch(Request::GetData { path: Some(path.into()), watch: true }).check().unwrap();
    }
    watch(Request::Exists { path: Some("/missing".into()), watch: true }).check().unwrap_err();
    watch(Request::AddWatch { path: Some("/".into()), mode: 1 }).check().unwrap();
    let id = session.id();

    let mut config = server.stop();
    config.listen.client_port = Some(address.port());
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), SessionEvent::Disconnected);
    // Somebody writes before the session is back.
    let elsewhere = TestServer::start(&{
        let mut config = config.clone();
        config.listen.client_port = Some(0);
        config
    });
    let mut writer = connect(elsewhere.address());
    let set = |path: &'static str| Request::SetData {
        path: Some(path.into()),
        data: Some(b"two"[..].into()),
        version: -1,
    };
    writer.call(&set("/changed")).unwrap().check().unwrap();
    elsewhere.stop();

    let server = TestServer::start(&config);
    let next = || events.recv_timeout(PATIENCE).unwrap();
    let told = || match next() {
        SessionEvent::Watch(notification) => {
            (notification.event.event_type, notification.event.path.as_deref().unwrap_or_default().to_owned())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(next(), SessionEvent::Connected { new_session: false });
    assert_eq!(session.id(), id);
    assert_eq!(told(), (event_type::NODE_DATA_CHANGED, "/changed".to_owned()), "what was missed");
    let mut writer = connect(address);
    writer.call(&set("/kept")).unwrap().check().unwrap();
    assert_eq!(told(), (event_type::NODE_DATA_CHANGED, "/kept".to_owned()));
    writer.call(&create("/missing", b"", 0)).unwrap().check().unwrap();
    assert_eq!(told(), (event_type::NODE_CREATED, "/missing".to_owned()));
    writer.call(&create("/missing/below", b"", 0)).unwrap().check().unwrap();
    assert_eq!(
        told(),
        (event_type::NODE_CREATED, "/missing/below".to_owned()),
        "only the recursive watch sees it"
    );
    let text = four_letter_word(address, "wchc", PATIENCE).unwrap();
    assert!(text.starts_with(&format!("{id}\n\t/\n")), "{text}");
    session.close().unwrap();
    server.stop();
}

#[test]
fn a_snapshot_and_its_log_make_the_same_tree() {
    let dir = TempDir::new();
    let mut config = TestServer::config(&dir);
    config.storage.snap_count = 50;
    let server = TestServer::start(&config);
    let mut client = connect(server.address());
    for i in 0..1000 {
        client.send(&create(&format!("/n{i:04}"), &[b'x'; 100], 0)).unwrap();
    }
    for _ in 0..1000 {
        client.recv().unwrap().check().unwrap();
    }
    // One of the start, and one more at least: while a snapshot is under way no other one begins, so there may have to be more
    // transactions.
    let files = || -> Vec<String> {
        let entries = std::fs::read_dir(config.snap_version_dir()).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let deadline = Instant::now() + PATIENCE;
    while files().iter().filter(|f| f.starts_with("snapshot.")).count() < 2 {
        assert!(Instant::now() < deadline, "{:?}", files());
        client.send(&create("/more-", b"", CreateMode::PersistentSequential.flags())).unwrap();
        client.recv().unwrap().check().unwrap();
    }
    server.stop();
    let server = TestServer::start(&config);
    let mut client = connect(server.address());
    for i in 0..1000 {
        assert_eq!(get(&mut client, &format!("/n{i:04}")).unwrap().0, [b'x'; 100]);
    }
    server.stop();
}

#[test]
fn a_second_server_on_the_directory_is_refused() {
    let dir = TempDir::new();
    let config = TestServer::config(&dir);
    let server = TestServer::start(&config);
    let Err(refusal) = server::Server::open(&config) else { panic!("two servers on one directory") };
    assert_eq!(refusal.exit_code, 3);
    assert!(refusal.message.starts_with("Another headkeeper is running on"), "{refusal}");
    server.stop();
}

#[test]
fn words_are_answered_before_and_after_garbage() {
    let dir = TempDir::new();
    let server = TestServer::start(&TestServer::config(&dir));
    let word = |w: &str| four_letter_word(server.address(), w, PATIENCE).unwrap();
    assert_eq!(word("ruok"), "imok");
    assert!(word("srvr").contains("Mode: standalone"), "{}", word("srvr"));
    assert!(word("mntr").contains("zk_server_state\tstandalone"));
    assert_eq!(word("abcd"), "");
    assert_eq!(word("ruok"), "imok");
    server.stop();
}

#[test]
fn a_client_that_shuts_down_its_side_still_gets_a_word() {
    let dir = TempDir::new();
    let server = TestServer::start(&TestServer::config(&dir));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"ruok\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "imok");
    server.stop();
}

/// Ten thousand connections that say nothing sensible, some of which never say anything or never go.
#[test]
fn garbage_disturbs_nobody() {
    let dir = TempDir::new();
    let server = TestServer::start(&TestServer::config(&dir));
    let address = server.address();
    let mut good = connect(address);
    good.call(&create("/good", b"still here", 0)).unwrap().check().unwrap();
    let hostile: Vec<_> = (0..4u64)
        .map(|i| {
            std::thread::spawn(move || {
                let mut state = 0x9E37_79B9_7F4A_7C15 ^ i;
                let mut kept = Vec::new();
                for n in 0..2500 {
                    let Ok(mut stream) = TcpStream::connect(address) else { continue };
                    let mut bytes = vec![0; 1 + n % 97];
                    for byte in &mut bytes {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        *byte = (state >> 56) as u8;
                    }
                    match n % 4 {
                        // a length that fits, then rubbish; a handshake cut short; noise; silence
                        0 => bytes.splice(0..0, [0, 0, 0, 45]).for_each(drop),
                        1 => bytes.splice(0..0, [0, 0, 0, 200]).for_each(drop),
                        2 => {}
                        _ => bytes.clear(),
                    }
                    let _ = stream.write_all(&bytes);
                    if n % 50 == 0 {
                        kept.push(stream);
                    }
                }
                kept
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    let mut asked = 0;
    while hostile.iter().any(|h| !h.is_finished()) {
        let started = Instant::now();
        assert_eq!(get(&mut good, "/good").unwrap().0, b"still here");
        slowest = slowest.max(started.elapsed());
        asked += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(asked > 10);
    assert!(slowest < Duration::from_secs(2), "a good client waited {slowest:?}");
    drop(hostile.into_iter().map(|h| h.join().unwrap()).collect::<Vec<_>>());
    assert_eq!(four_letter_word(address, "ruok", PATIENCE).unwrap(), "imok");
    server.stop();
}

/// A client that asks for much and reads nothing costs bounded memory and holds up nobody.
#[test]
fn a_client_that_does_not_read_is_no_trouble() {
    let dir = TempDir::new();
    let server = TestServer::start(&TestServer::config(&dir));
    let mut good = connect(server.address());
    good.call(&create("/big", &vec![b'b'; 500_000], 0)).unwrap().check().unwrap();
    let mut slow = connect(server.address());
    for _ in 0..400 {
        slow.send(&Request::GetData { path: Some("/big".into()), watch: false }).unwrap();
    }
    slow.flush().unwrap();
    for i in 0..100 {
        let started = Instant::now();
        good.call(&create(&format!("/n{i}"), b"", 0)).unwrap().check().unwrap();
        assert!(started.elapsed() < Duration::from_secs(2));
    }
    for _ in 0..400 {
        slow.recv().unwrap().check().unwrap();
    }
    server.stop();
}

#[test]
fn a_thousand_clients_at_once() {
    let dir = TempDir::new();
    let server = TestServer::start(&TestServer::config(&dir));
    let mut clients: Vec<Connection> = (0..1000).map(|_| connect(server.address())).collect();
    clients[0].call(&create("/c", b"", 0)).unwrap().check().unwrap();
    let paths: Vec<String> = (0..1000).map(|i| format!("/c/{i}")).collect();
    for (client, path) in clients.iter_mut().zip(&paths) {
        client.send(&create(path, b"x", 1)).unwrap();
        client.flush().unwrap();
    }
    for client in &mut clients {
        client.recv().unwrap().check().unwrap();
    }
    let mut last = clients.pop().unwrap();
    for client in clients {
        client.close().unwrap();
    }
    let reply = last.call(&Request::GetChildren { path: Some("/c".into()), watch: false }).unwrap();
    assert_eq!(reply.response().unwrap(), Response::Children(Some(vec![Some("999".into())])));
    server.stop();
}
