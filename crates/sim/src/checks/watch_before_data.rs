//! C6, watch before data: a connection is told of the first change behind a watch before it gets any packet from that
//! state, of every change where the watch persists, once, and in the order of transactions
//! (reference: simulation §2.8 C6; client-protocol §7.4).

use super::Violation;
use super::timeline::Timeline;
use super::watches::{Due, Watched};
use wire::{ErrorCode, Request, Zxid};

const CHECK: &str = "C6 watch before data";
const SOURCE: &str = "client protocol §7.4: a client never sees the new value before the event";

/// An event of a transaction has come.
pub(crate) fn notified(
    client: usize,
    watched: &mut Watched,
    event: &Due,
    timeline: &Timeline,
) -> Result<(), Violation> {
    if event.zxid > timeline.last() {
        return objection(client, format!("is told {event:?}, which is not committed"));
    }
    watched.advance(event.zxid, timeline);
    match watched.due.pop_front() {
        Some(due) if due == *event => Ok(()),
        Some(due) => objection(client, format!("is told {event:?}, but {due:?} comes first")),
        None => objection(client, format!("is told {event:?}, and watches no such thing")),
    }
}

/// An answer from a server at `zxid` has come: nothing up to there may be due any more.
pub(crate) fn packet(
    client: usize,
    watched: &mut Watched,
    zxid: Zxid,
    timeline: &Timeline,
) -> Result<(), Violation> {
    watched.advance(zxid, timeline);
    match watched.due.front() {
        None => Ok(()),
        Some(due) => objection(client, format!("gets an answer from {zxid}, and was not told {due:?}")),
    }
}

/// checkWatches, removeWatches and addWatch must answer from the watches that there are.
pub(crate) fn answered(
    client: usize,
    watched: &Watched,
    request: &Request<'_>,
    err: i32,
    body: &[u8],
) -> Result<(), Violation> {
    let (expected, record): (i32, &[u8]) = match request {
        Request::CheckWatches { path, watch_type } | Request::RemoveWatches { path, watch_type } => {
            (if watched.has(path, *watch_type) { 0 } else { ErrorCode::NoWatcher.code() }, &[])
        }
        Request::AddWatch { .. } => (0, &[0; 4]),
        _ => return Ok(()),
    };
    if err == expected && body == record {
        return Ok(());
    }
    objection(
        client,
        format!("asks {request:?} and gets error {err}, {body:?} instead of {expected}, {record:?}"),
    )
}

fn objection(client: usize, facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, format!("client {client} {facts}")))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, delete, get, is, set};
    use wire::event_type::{NODE_CHILDREN_CHANGED, NODE_CREATED, NODE_DATA_CHANGED, NODE_DELETED};
    use wire::{CreateMode, ErrorCode, Request};

    /// Client 1 watches the data of `/a`.
    fn watched() -> Story {
        let mut story = Story::of(2);
        story.write(0, create("/a", CreateMode::Persistent));
        story.read_now(1, get("/a", true)).expect("a read");
        story
    }

    #[test]
    fn a_good_history() {
        let mut story = watched();
        let zxid = story.write(0, set("/a", "x"));
        story.event(1, zxid, NODE_DATA_CHANGED, "/a").expect("what it watches");
        story.write(0, set("/a", "y"));
        story.read_now(1, get("/a", false)).expect("it was told once, that is all");
    }

    #[test]
    fn persistent_and_recursive() {
        let mut story = watched();
        for mode in [0, 1] {
            story.read_now(1, Request::AddWatch { path: Some("/a".into()), mode }).expect("a watch");
        }
        let made = story.write(0, create("/a/b", CreateMode::Persistent));
        story.event(1, made, NODE_CREATED, "/a/b").expect("recursive");
        story.event(1, made, NODE_CHILDREN_CHANGED, "/a").expect("persistent");
        let gone = story.write(0, delete("/a/b"));
        story.event(1, gone, NODE_DELETED, "/a/b").expect("recursive");
        is("C6", story.event(1, gone, NODE_CHILDREN_CHANGED, "/a/b"));
    }

    #[test]
    fn data_before_the_event() {
        let mut story = watched();
        story.write(0, set("/a", "x"));
        is("C6", story.read_now(1, get("/a", false)));
    }

    #[test]
    fn twice_or_for_nothing_or_too_early() {
        let mut story = watched();
        let zxid = story.write(0, set("/a", "x"));
        story.event(1, zxid, NODE_DATA_CHANGED, "/a").expect("what it watches");
        is("C6", story.event(1, zxid, NODE_DATA_CHANGED, "/a"));
        let mut story = watched();
        let zxid = story.write(0, set("/a", "x"));
        is("C6", story.event(1, zxid, NODE_DELETED, "/a"));
        is("C6", watched().event(1, 9, NODE_DATA_CHANGED, "/a"));
    }

    #[test]
    fn in_the_order_of_transactions() {
        let mut story = watched();
        story.read_now(1, Request::Exists { path: Some("/b".into()), watch: true }).expect("NONODE");
        story.write(0, create("/b", CreateMode::Persistent));
        let later = story.write(0, set("/a", "x"));
        is("C6", story.event(1, later, NODE_DATA_CHANGED, "/a"));
    }

    #[test]
    fn removed_watches_are_known() {
        let mut story = watched();
        let remove = || Request::RemoveWatches { path: Some("/a".into()), watch_type: 2 };
        let xid = story.ask(1, remove());
        story.answer_with(1, xid, (3, 0, Vec::new())).expect("there is one");
        let xid = story.ask(1, remove());
        story.answer_with(1, xid, (3, ErrorCode::NoWatcher.code(), Vec::new())).expect("there is none");
        let xid = story.ask(1, remove());
        is("C6", story.answer_with(1, xid, (3, 0, Vec::new())));
    }
}
