//! Who gets a session and who gets the door (reference: client-protocol §2, §15).

mod world;

use wire::{ConnectRequest, Encode, OpCode, Request, SessionId, session_password};
use world::{START_WALL_MS, World, auth, create, frame_of, get, new_session, renewal};

#[test]
fn a_new_session_gets_id_password_and_timeout() {
    let mut world = World::new();
    let client = world.open();
    let response = world.handshake(&client, &new_session(10_000)).expect("a session");
    assert_eq!(response.timeout_ms, 10_000);
    let id = response.session_id as u64;
    assert_eq!(id >> 56, 1, "the top byte is the server's id");
    assert_eq!((id >> 16) & 0xff_ffff_ffff, START_WALL_MS as u64 & 0xff_ffff_ffff);
    assert_eq!(response.password, session_password(SessionId(response.session_id)));
    assert_eq!(response.read_only, Some(false));
    assert_eq!(world.node().tree().last_zxid().0, 1, "zxid 1 is the first session's creation");
}

#[test]
fn the_answer_waits_for_the_disk() {
    let mut world = World::new();
    world.hold_log = true;
    let client = world.open();
    assert_eq!(world.handshake(&client, &new_session(10_000)), None);
    assert!(!world.is_closed(&client));
    world.release_log();
    assert!(world.frame(&client).is_some());
}

/// Surprise 45: clients before 3.4 do not know the read-only byte.
#[test]
fn the_old_handshake_gets_36_bytes_and_the_new_one_37() {
    let mut world = World::new();
    for (read_only, request_len, response_len) in [(None, 44, 36), (Some(true), 45, 37)] {
        let client = world.open();
        let request = ConnectRequest { read_only, ..new_session(10_000) }.to_bytes();
        assert_eq!(request.len(), request_len);
        world.send_frame(&client, &request);
        world.run();
        assert_eq!(world.frame(&client).expect("a response").len(), response_len);
    }
}

/// Surprise 44.
#[test]
fn the_timeout_is_clamped() {
    let mut world = World::new();
    for (asked, given) in [(0, 4000), (-5, 4000), (4001, 4001), (i32::MAX, 40_000)] {
        let client = world.open();
        let response = world.handshake(&client, &new_session(asked)).expect("a session");
        assert_eq!(response.timeout_ms, given);
    }
}

/// Surprise 43.
#[test]
fn a_client_that_has_seen_more_is_sent_away_without_a_word() {
    let mut world = World::new();
    let client = world.open();
    let ahead = ConnectRequest { last_zxid_seen: 1, ..new_session(10_000) };
    assert_eq!(world.handshake(&client, &ahead), None);
    assert!(world.is_closed(&client));
    assert_eq!(world.node().tree().last_zxid().0, 0);
}

#[test]
fn any_password_and_version_will_do_for_a_new_session() {
    let mut world = World::new();
    for password in [None, Some(vec![].into()), Some(vec![7; 1000].into())] {
        let client = world.open();
        let request = ConnectRequest { protocol_version: 42, password, ..new_session(10_000) };
        assert!(world.handshake(&client, &request).is_some());
    }
}

#[test]
fn a_connect_request_that_is_too_short_closes() {
    let mut world = World::new();
    for length in [0, 8, 27] {
        let client = world.open();
        world.send_frame(&client, &vec![0; length]);
        world.run();
        assert!(world.is_closed(&client), "{length} bytes");
        assert_eq!(world.unread_bytes(&client), 0);
    }
}

/// Surprise 46: clients do not wait for the answer.
#[test]
fn frames_behind_the_connect_request_are_processed_in_order() {
    let mut world = World::new();
    let client = world.open();
    world.hold_log = true;
    world.send_frame(&client, &new_session(10_000).to_bytes());
    world.send(&client, -4, &auth("digest", "bob:secret"));
    world.send(&client, 1, &Request::WhoAmI);
    world.send(&client, 2, &create("/a", wire::CreateMode::Ephemeral));
    world.run();
    assert_eq!(world.unread_bytes(&client), 0);
    world.release_log();
    world.frame(&client).expect("a connect response");
    let xids: Vec<i32> = world.replies(&client).iter().map(|reply| reply.xid).collect();
    assert_eq!(xids, [-4, 1, 2]);
}

#[test]
fn a_session_is_renewed_with_a_new_timeout() {
    let mut world = World::new();
    let first = world.connect();
    world.hang_up(&first);
    let again = world.open();
    let response = world.handshake(&again, &renewal(first.session, 20_000)).expect("an answer");
    assert_eq!((response.session_id, response.timeout_ms), (first.session.0, 20_000));
    assert_eq!(response.password, session_password(first.session));
    world.advance_ms(19_000);
    assert!(world.node().tree().sessions().contains_key(&first.session));
    assert_eq!(world.node().tree().sessions()[&first.session], 10_000, "the record keeps the old timeout");
}

/// Surprise 41.
#[test]
fn a_wrong_password_looks_like_an_expired_session() {
    let mut world = World::new();
    let first = world.connect();
    let wrong = ConnectRequest { password: Some(vec![1; 16].into()), ..renewal(first.session, 10_000) };
    let unknown = renewal(SessionId(0x77), 10_000);
    for request in [wrong, unknown] {
        let client = world.open();
        let response = world.handshake(&client, &request).expect("an answer");
        assert_eq!((response.timeout_ms, response.session_id, response.password), (0, 0, [0; 16]));
        assert!(world.is_closed(&client));
    }
}

/// Surprise 42.
#[test]
fn a_renewal_cuts_the_old_connection_even_with_a_wrong_password() {
    let mut world = World::new();
    let first = world.connect();
    let second = world.open();
    let wrong = ConnectRequest { password: None, ..renewal(first.session, 10_000) };
    assert_eq!(world.handshake(&second, &wrong).expect("an answer").session_id, 0);
    assert!(world.is_closed(&first));
    assert_eq!(world.unread_bytes(&first), 0, "without a frame");
    let third = world.open();
    let response = world.handshake(&third, &renewal(first.session, 10_000)).expect("an answer");
    assert_eq!(response.session_id, first.session.0, "the session lives on");
}

#[test]
fn a_session_that_is_being_created_cannot_be_renewed() {
    let mut world = World::new();
    let known = world.connect();
    world.hold_log = true;
    let first = world.open();
    world.handshake(&first, &new_session(10_000));
    let second = world.open();
    let guess = renewal(SessionId(known.session.0 + 1), 10_000);
    assert_eq!(world.handshake(&second, &guess).expect("an answer").session_id, 0);
}

/// §3: a second connect request decodes as operation 0.
#[test]
fn a_second_connect_request_is_an_unknown_operation() {
    let mut world = World::new();
    let client = world.connect();
    world.send_frame(&client, &new_session(10_000).to_bytes());
    world.run();
    let replies = world.replies(&client);
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].xid, replies[0].zxid, replies[0].err), (0, -1, -6));
    assert!(world.is_closed(&client));
}

#[test]
fn four_letter_words_are_commands_before_the_handshake_only() {
    let mut world = World::new();
    let operator = world.open();
    world.send_bytes(&operator, b"ru");
    world.send_bytes(&operator, b"ok\n");
    world.run();
    assert_eq!(world.words, [(operator.conn, *b"ruok")]);
    assert!(!world.is_closed(&operator), "the shell answers and closes");

    let stranger = world.open();
    world.send_bytes(&stranger, b"lead");
    world.run();
    assert!(world.is_closed(&stranger), "an unknown word is a length out of range");

    let client = world.connect();
    world.send_bytes(&client, b"ruok");
    world.run();
    assert!(world.is_closed(&client));
    assert_eq!(world.words.len(), 1);
}

/// `stmk` is followed by the new mask.
#[test]
fn the_trace_mask_can_be_set() {
    let mut world = World::new();
    assert_eq!(world.node().trace_mask(), 306);
    let operator = world.open();
    world.send_bytes(&operator, b"stmk");
    world.run();
    assert_eq!(world.words, []);
    world.send_bytes(&operator, &511i64.to_be_bytes());
    world.run();
    assert_eq!(world.words, [(operator.conn, *b"stmk")]);
    assert_eq!(world.node().trace_mask(), 511);
}

#[test]
fn frame_lengths_are_limited_inclusively() {
    let mut world = World::with(|config, _| config.jute_max_buffer = 1000);
    let client = world.connect();
    let fits = Request::Sync { path: Some("x".repeat(1000 - 12).into()) };
    assert_eq!(world.call(&client, &fits).err, 0);
    let bytes = frame_of(9, OpCode::Sync.code(), &[0; 993]);
    world.send_bytes(&client, &bytes);
    world.run();
    assert!(world.is_closed(&client));
    assert_eq!(world.unread_bytes(&client), 0);

    let client = world.connect();
    world.send_bytes(&client, &(-1i32).to_be_bytes());
    world.run();
    assert!(world.is_closed(&client));
}

#[test]
fn frames_may_be_cut_anywhere() {
    let mut world = World::new();
    let client = world.open();
    let mut bytes = Vec::new();
    let connect = new_session(10_000).to_bytes();
    bytes.extend_from_slice(&(connect.len() as i32).to_be_bytes());
    bytes.extend_from_slice(&connect);
    bytes.extend(frame_of(1, OpCode::GetData.code(), &get("/", false).to_bytes()));
    bytes.extend(frame_of(2, OpCode::Ping.code(), &[]));
    for byte in bytes {
        world.send_bytes(&client, &[byte]);
        world.run();
    }
    world.frame(&client).expect("a connect response");
    let xids: Vec<i32> = world.replies(&client).iter().map(|reply| reply.xid).collect();
    assert_eq!(xids, [1, -2]);
}

#[test]
fn too_many_connections_from_one_address_are_refused() {
    let mut world = World::with(|config, _| config.connections.per_address_max = 2);
    let first = world.open_from("10.0.0.1:1");
    let second = world.open_from("10.0.0.1:2");
    let third = world.open_from("10.0.0.1:3");
    let elsewhere = world.open_from("10.0.0.2:1");
    assert_eq!([first, second, third, elsewhere].map(|c| world.is_closed(&c)), [false, false, true, false]);
    world.hang_up(&first);
    let again = world.open_from("10.0.0.1:4");
    assert!(!world.is_closed(&again));
}

#[test]
fn too_many_connections_altogether_are_refused() {
    let mut world = World::with(|config, _| config.connections.total_max = 1);
    let first = world.open_from("10.0.0.1:1");
    let second = world.open_from("10.0.0.2:1");
    assert_eq!([first, second].map(|c| world.is_closed(&c)), [false, true]);
    assert!(world.notes.contains(&"Too many connections max allowed is 1".to_owned()), "{:?}", world.notes);
}

/// §12: 10 s, looked at every 10 s; sending bytes does not help.
#[test]
fn a_connection_must_ask_for_a_session_in_time() {
    let mut world = World::new();
    let client = world.open();
    world.advance_ms(9_000);
    world.send_bytes(&client, &[0]);
    world.advance_ms(1_000);
    assert!(!world.is_closed(&client));
    world.advance_ms(10_000);
    assert!(world.is_closed(&client));
    assert_eq!(world.node().metrics().sessionless_connections_expired, 1);
}

#[test]
fn the_token_bucket_closes_what_it_has_no_token_for() {
    let mut world = World::with(|config, _| {
        config.connections.throttle.tokens = 1;
        config.connections.throttle.fill_time_ms = 1000;
    });
    let first = world.open();
    assert!(world.handshake(&first, &new_session(10_000)).is_some());
    let second = world.open();
    assert_eq!(world.handshake(&second, &new_session(10_000)), None);
    assert!(world.is_closed(&second));
    world.advance_ms(1000);
    let third = world.open();
    assert!(world.handshake(&third, &new_session(10_000)).is_some());
}
