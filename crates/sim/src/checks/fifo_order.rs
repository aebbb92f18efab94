//! C2, FIFO client order: a connection's answers come in the order of its requests, its writes take effect in that order,
//! and of the writes under way when it broke those that happened are a prefix
//! (reference: simulation §2.8 C2; client-protocol §10.1).

use super::Violation;
use super::requests::Name;
use std::collections::BTreeMap;
use wire::{SessionId, Zxid};

const CHECK: &str = "C2 FIFO client order";
const SOURCE: &str = "client protocol §10.1: a session's requests are processed in the order of arrival";

/// C2.
#[derive(Clone, Debug, Default)]
pub(crate) struct FifoOrder {
    sessions: BTreeMap<SessionId, Line>,
}

/// A session's writes.
#[derive(Clone, Debug, Default)]
struct Line {
    /// By xid, which rises: the connection's serial number, and what has become of it.
    writes: BTreeMap<i32, (u64, Fate)>,
    /// The newest that has taken effect.
    last: Option<(i32, Zxid)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Nothing yet, or nothing ever: refused for a session that lives elsewhere.
    None,
    /// An error. Some are found before anybody asks where the session lives, and they do no harm.
    Failed,
    Happened,
}

impl FifoOrder {
    /// A write is asked for on the connection with this serial number.
    pub(crate) fn asked(&mut self, (session, xid): Name, conn: u64) {
        self.sessions.entry(session).or_default().writes.insert(xid, (conn, Fate::None));
    }

    /// A write is a transaction that changes nothing.
    pub(crate) fn failed(&mut self, (session, xid): Name) {
        if let Some(write) = self.sessions.entry(session).or_default().writes.get_mut(&xid) {
            write.1 = Fate::Failed;
        }
    }

    /// A write has taken effect.
    pub(crate) fn happened(&mut self, (session, xid): Name, zxid: Zxid) -> Result<(), Violation> {
        let line = self.sessions.entry(session).or_default();
        if let Some((before, at)) = line.last
            && before > xid
        {
            return objection(format!(
                "request {xid} of session {session} is transaction {zxid}, behind request {before}, which is {at}"
            ));
        }
        line.last = Some((xid, zxid));
        let Some(write) = line.writes.get_mut(&xid) else { return Ok(()) };
        write.1 = Fate::Happened;
        let conn = write.0;
        let before = line.writes.range(..xid).rev().take_while(|(_, (of, _))| *of == conn);
        match before.into_iter().find(|(_, (_, fate))| *fate == Fate::None) {
            None => Ok(()),
            Some((skipped, _)) => objection(format!(
                "request {xid} of session {session} is transaction {zxid}, but request {skipped}, sent before it on \
                 the same connection, has not happened"
            )),
        }
    }

    /// An answer that was not the next one's.
    pub(crate) fn out_of_turn(client: usize, xid: i32, waiting: &[i32]) -> Result<(), Violation> {
        objection(format!(
            "client {client} gets the answer to request {xid}, but waits for {waiting:?} first"
        ))
    }

    /// A read is answered from behind a write that was asked for later.
    pub(crate) fn ahead(client: usize, xid: i32, zxid: Zxid, later: i32) -> Result<(), Violation> {
        objection(format!(
            "client {client} gets the answer to read {xid} from {zxid}, behind its own later write {later}"
        ))
    }

    /// The session is over.
    pub(crate) fn closed(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, get, is, session, set};
    use wire::{CreateMode, ErrorCode, Txn};

    fn two_writes() -> (Story, i32, i32) {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let (first, second) = (story.ask(0, set("/a", "x")), story.ask(0, set("/a", "y")));
        (story, first, second)
    }

    #[test]
    fn a_good_history() {
        let (mut story, first, second) = two_writes();
        story.commit(0, first).expect("in order");
        story.commit(0, second).expect("in order");
        story.answer(0, first).expect("in order");
        story.answer(0, second).expect("in order");
        // The rest of what was under way never happens, and later writes do.
        story.ask(0, set("/a", "lost"));
        story.reconnect(0, 1);
        story.write(0, set("/a", "z"));
    }

    /// The server found some mistakes before it asked where the session lives: no harm is done by them, whatever their order.
    #[test]
    fn errors_behind_a_session_that_has_moved() {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let (refused, wrong) =
            (story.ask(0, set("/a", "x")), story.ask(0, create("/t", CreateMode::PersistentWithTtl)));
        story.reconnect(0, 1);
        let moved = Txn::Error { code: ErrorCode::SessionMoved.code() };
        story.commit_next(session(0), refused, moved).expect("nobody is told");
        story.write(0, set("/a", "y"));
        story.commit(0, wrong).expect("it changes nothing");
        story.write(0, set("/a", "z"));
    }

    #[test]
    fn a_read_behind_a_later_write() {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let (read, write) = (story.ask(0, get("/a", false)), story.ask(0, set("/a", "x")));
        story.commit(0, write).expect("a write");
        is("C2", story.answer(0, read));
    }

    #[test]
    fn answers_out_of_turn() {
        let (mut story, first, second) = two_writes();
        story.commit(0, first).expect("in order");
        story.commit(0, second).expect("in order");
        is("C2", story.answer(0, second));
    }

    #[test]
    fn a_write_that_was_left_out() {
        let (mut story, _, second) = two_writes();
        is("C2", story.commit(0, second));
    }

    #[test]
    fn a_write_of_an_earlier_connection_comes_late() {
        let (mut story, first, _) = two_writes();
        story.reconnect(0, 1);
        story.write(0, set("/a", "z"));
        is("C2", story.commit(0, first));
    }
}
