//! Observers of the leader: they serve and have no vote.

use sim::ensemble::{Setup, World};
use wire::{OpCode, Request, Response};

#[test]
fn an_observer_serves_and_does_not_vote() {
    let mut world = World::new(Setup::calm(1, 3, 1));
    [0, 1, 3].into_iter().for_each(|server| world.start(server));
    world.settle();
    assert_eq!(world.mode(3), "observer");
    let client = world.connect(3);
    assert_eq!(world.create(&client, "/a").err, 0);
    let reply = world.call(&client, &Request::GetChildren { path: Some("/".into()), watch: false });
    let Response::Children(Some(names)) = reply.response(OpCode::GetChildren) else { panic!("{reply:?}") };
    assert_eq!(names.len(), 2);
    world.kill(0);
    world.pass_ms(20_000);
    assert_eq!((world.mode(1), world.mode(3)), ("looking", "looking"));
}
