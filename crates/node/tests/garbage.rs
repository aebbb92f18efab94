//! Whatever a client sends, the server stays up and its books balance.

mod world;

use proptest::prelude::*;
use wire::{CreateMode, Encode, OpCode};
use world::{World, create, frame_of, get, new_session, set};

/// Something a client might send on an open session.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let op =
        prop_oneof![prop::sample::select(OpCode::ALL).prop_map(OpCode::code), any::<i32>(), -20..120i32,];
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        // Small numbers make lengths and counts that nearly fit.
        prop::collection::vec(prop::sample::select(&[0u8, 0, 0, 1, 2, 3, 4, 255, b'/', b'a'][..]), 0..120),
        Just(create("/a", CreateMode::Persistent).to_bytes()),
        Just(set("/a", "x", -1).to_bytes()),
        Just(get("/a", true).to_bytes()),
    ];
    (any::<i32>(), op, body).prop_map(|(xid, op, body)| frame_of(xid, op, &body))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_never_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..10)) {
        let mut world = World::new();
        let client = world.open();
        for piece in pieces {
            world.send_bytes(&client, &piece);
            world.run();
        }
    }

    #[test]
    fn random_frames_never_panic(frames in prop::collection::vec(frame(), 1..30), hold in any::<bool>()) {
        let mut world = World::new();
        let mut client = world.connect();
        world.hold_log = hold;
        for frame in frames {
            world.send_bytes(&client, &frame);
            world.run();
            if world.is_closed(&client) {
                world.release_log();
                client = world.connect();
                world.hold_log = hold;
            }
        }
        world.release_log();
        assert_eq!(world.node().server_stats().outstanding, 0);
        assert_eq!(world.halt, None);
    }

    #[test]
    fn random_connect_requests_never_panic(
        frame in prop::collection::vec(any::<u8>(), 0..60),
        cut in 0usize..64,
        flips in prop::collection::vec((0usize..45, any::<u8>()), 0..4),
    ) {
        let mut world = World::new();
        let client = world.open();
        world.send_frame(&client, &frame);
        world.run();
        let other = world.open();
        let mut request = new_session(10_000).to_bytes();
        for (at, value) in flips {
            request[at] = value;
        }
        request.truncate(cut);
        world.send_frame(&other, &request);
        world.run();
    }
}
