//! C3, monotonic view of a session: no answer and no event shows a session an older state than it was answered from, whichever
//! server it comes from, and on one connection none older than an event (reference: simulation §2.8 C3; client-protocol §2.2, §10.4).

use super::Violation;
use std::collections::BTreeMap;
use wire::{SessionId, Zxid};

const CHECK: &str = "C3 monotonic sessions";
const SOURCE: &str = "client protocol §10.4: a session never goes back in time";

/// C3.
#[derive(Clone, Debug, Default)]
pub(crate) struct MonotonicSessions {
    /// By answers, which clients remember from server to server.
    answered: BTreeMap<SessionId, (Zxid, usize)>,
    /// By answers and events of one connection. No client tells the next server of an event (client-protocol §8).
    on_connection: BTreeMap<SessionId, (u64, Zxid)>,
}

impl MonotonicSessions {
    /// An answer from a server at `zxid`, on the connection with this number.
    pub(crate) fn answer(
        &mut self,
        session: SessionId,
        (server, conn): (usize, u64),
        zxid: Zxid,
    ) -> Result<(), Violation> {
        self.event(session, (server, conn), zxid)?;
        self.answered.insert(session, (zxid, server));
        Ok(())
    }

    /// An event from a server at `zxid`.
    pub(crate) fn event(
        &mut self,
        session: SessionId,
        (server, conn): (usize, u64),
        zxid: Zxid,
    ) -> Result<(), Violation> {
        let before = self.answered.get(&session).copied();
        let here = self.on_connection.get(&session).filter(|(on, _)| *on == conn);
        let here = here.map(|(_, zxid)| (*zxid, server));
        for (seen, by) in [before, here].into_iter().flatten() {
            if zxid < seen {
                let facts = format!(
                    "session {session} has seen {seen} at server {by}, and server {server} shows it {zxid}"
                );
                return Err(Violation::new(CHECK, SOURCE, facts));
            }
        }
        self.on_connection.insert(session, (conn, zxid));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, get, is};
    use wire::CreateMode;

    fn seen() -> Story {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        story
    }

    #[test]
    fn a_good_history() {
        let mut story = seen();
        story.reconnect(0, 1);
        story.read_now(0, get("/a", false)).expect("the same state");
    }

    #[test]
    fn a_server_that_is_behind() {
        let mut story = seen();
        story.reconnect(0, 1);
        let xid = story.ask(0, get("/a", false));
        is("C3", story.answer_with(0, xid, (1, wire::ErrorCode::NoNode.code(), Vec::new())));
    }

    #[test]
    fn an_event_of_the_past() {
        let mut story = seen();
        is("C3", story.event(0, 1, wire::event_type::NODE_CREATED, "/a"));
    }
}
