//! A connection against a server that plays a script, frame by frame.

use client::{Connection, Error, Options, four_letter_word};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use wire::{
    ConnectResponse, Encode, ErrorCode, NOTIFICATION_XID, ReplyHeader, Request, Response, SessionId, Stat,
    WatcherEvent, Writer, session_password,
};

const SESSION: SessionId = SessionId(0x0100_0000_0000_0007);

fn server(script: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    (address, thread::spawn(move || script(listener.accept().expect("a client").0)))
}

fn take_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a length");
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).expect("a frame");
    frame
}

fn frame(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let at = wire::start_frame(&mut out);
    fill(&mut Writer::new(&mut out));
    wire::finish_frame(&mut out, at);
    out
}

fn reply(xid: i32, zxid: i64, err: i32, record: &impl Encode) -> Vec<u8> {
    frame(|w| {
        w.record(&ReplyHeader { xid, zxid, err });
        w.record(record);
    })
}

fn nothing() -> Response<'static> {
    Response::Empty
}

fn welcome(stream: &mut TcpStream) -> Vec<u8> {
    let request = take_frame(stream);
    let response = ConnectResponse {
        timeout_ms: 9000,
        session_id: SESSION.0,
        password: session_password(SESSION),
        read_only: Some(false),
    };
    stream.write_all(&frame(|w| w.record(&response))).expect("sent");
    request
}

fn connect(address: SocketAddr) -> Connection {
    let options = Options { request_timeout: Duration::from_secs(5), ..Options::default() };
    Connection::connect_any(&[address], &options).expect("a session")
}

#[test]
fn a_handshake_is_45_bytes_and_names_the_session() {
    let (address, server) = server(|mut stream| assert_eq!(welcome(&mut stream).len(), 45));
    let connection = connect(address);
    assert_eq!((connection.session(), connection.timeout_ms()), (SESSION, 9000));
    assert_eq!(connection.password(), session_password(SESSION));
    server.join().expect("the script");
}

#[test]
fn pipelined_answers_come_in_order_and_events_are_kept() {
    let (address, server) = server(|mut stream| {
        welcome(&mut stream);
        let (first, second) = (take_frame(&mut stream), take_frame(&mut stream));
        assert_eq!((&first[..8], &second[..4]), (&[0, 0, 0, 1, 0, 0, 0, 3][..], &[0, 0, 0, 2][..]));
        let event = WatcherEvent { event_type: 1, state: 3, path: Some("/a".into()) };
        let mut bytes = reply(NOTIFICATION_XID, 5, 0, &event);
        bytes.extend(reply(1, 5, 0, &Response::Stat(Stat { version: 3, ..Stat::default() })));
        bytes.extend(reply(2, 6, -101, &nothing()));
        // In two pieces, cut inside a frame.
        let (head, tail) = bytes.split_at(50);
        stream.write_all(head).expect("sent");
        thread::sleep(Duration::from_millis(20));
        stream.write_all(tail).expect("sent");
    });
    let mut connection = connect(address);
    connection.send(&Request::Exists { path: Some("/a".into()), watch: true }).expect("buffered");
    connection.send(&Request::GetData { path: Some("/b".into()), watch: false }).expect("buffered");
    let first = connection.recv().expect("an answer");
    assert!(matches!(first.response(), Ok(Response::Stat(Stat { version: 3, .. }))));
    let second = connection.recv().expect("an answer");
    assert_eq!(second.check().expect_err("a refusal").code(), Some(ErrorCode::NoNode));
    assert_eq!(connection.last_zxid(), 6);
    let events = connection.take_notifications();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].zxid, events[0].event.path.as_deref()), (5, Some("/a")));
    server.join().expect("the script");
    assert!(matches!(connection.recv(), Err(Error::Closed)));
}

#[test]
fn a_ping_answer_may_overtake_but_others_may_not() {
    let (address, server) = server(|mut stream| {
        welcome(&mut stream);
        for _ in 0..3 {
            take_frame(&mut stream);
        }
        let mut bytes = reply(-2, 1, 0, &nothing());
        bytes.extend(reply(2, 1, 0, &nothing()));
        stream.write_all(&bytes).expect("sent");
    });
    let mut connection = connect(address);
    for request in [Request::WhoAmI, Request::Ping, Request::WhoAmI] {
        connection.send(&request).expect("buffered");
    }
    assert_eq!(connection.recv().expect("the ping").header.xid, -2);
    let wrong = connection.recv().expect_err("out of order");
    assert_eq!(wrong.to_string(), "the server broke the protocol: xid 2 answered before xid 1");
    server.join().expect("the script");
}

#[test]
fn the_invalid_answer_is_an_expired_session() {
    let (address, server) = server(|mut stream| {
        take_frame(&mut stream);
        stream.write_all(&frame(|w| w.record(&ConnectResponse::invalid(Some(false))))).expect("sent");
    });
    let options = Options { session: Some((SESSION, [1; 16])), ..Options::default() };
    assert!(matches!(Connection::connect_any(&[address], &options), Err(Error::SessionExpired)));
    server.join().expect("the script");
}

#[test]
fn the_next_server_is_tried_when_one_is_down() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let (address, server) = server(|mut stream| drop(welcome(&mut stream)));
    let connection = Connection::connect_any(&[unused, address], &Options::default());
    assert_eq!(connection.expect("the second server").session(), SESSION);
    server.join().expect("the script");
}

#[test]
fn much_pipelined_in_both_directions_does_not_lock_up() {
    const REQUESTS: usize = 60;
    let (address, server) = server(|mut stream| {
        welcome(&mut stream);
        // Every answer is written before the next request is read: full pipes both ways.
        for i in 0..REQUESTS {
            take_frame(&mut stream);
            let data = vec![7; 200_000];
            stream
                .write_all(&reply(i as i32 + 1, 1, 0, &Response::Data(Some(data.into()), Stat::default())))
                .expect("sent");
        }
    });
    let mut connection = connect(address);
    for _ in 0..REQUESTS {
        let data = Some(vec![9; 200_000].into());
        let request = Request::SetData { path: Some("/a".into()), data, version: -1 };
        connection
            .send_record(connection_xid(&connection), 5, wire::OpCode::GetData, &request.to_bytes())
            .expect("sent");
    }
    for _ in 0..REQUESTS {
        assert!(
            matches!(connection.recv().expect("an answer").response(), Ok(Response::Data(Some(d), _)) if d.len() == 200_000)
        );
    }
    server.join().expect("the script");
}

fn connection_xid(connection: &Connection) -> i32 {
    connection.open_requests() as i32 + 1
}

#[test]
fn four_letter_words_are_read_to_the_end() {
    let (address, server) = server(|mut stream| {
        let mut word = [0; 4];
        stream.read_exact(&mut word).expect("the word");
        assert_eq!(&word, b"ruok");
        stream.write_all(b"imok").expect("sent");
    });
    assert_eq!(four_letter_word(address, "ruok", Duration::from_secs(5)).expect("an answer"), "imok");
    server.join().expect("the script");
}
