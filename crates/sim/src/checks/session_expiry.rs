//! C9, session expiry: a session is not ended before its client was silent for its timeout, and does not outlive its client
//! for long (reference: simulation §2.8 C9; client-protocol §8.1). How long is for the run to say ([`ExpiryBounds`]).

use super::{ExpiryBounds, Violation};
use std::collections::BTreeMap;
use wire::SessionId;

const CHECK: &str = "C9 session expiry";
const SOURCE: &str =
    "client protocol §8.1: expiry is detected between timeout and timeout + tick after the last touch";

/// C9.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionExpiry {
    sessions: BTreeMap<SessionId, Life>,
    /// Ended by the server, to be judged when it is known what time it was at most.
    ended: Vec<(SessionId, Life)>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    timeout_us: u64,
    /// A server has surely heard of it then, or later.
    heard_us: u64,
    /// The last that was sent.
    sent_us: u64,
}

impl SessionExpiry {
    pub(crate) fn created(&mut self, now_us: u64, session: SessionId, timeout_ms: i32) {
        let timeout_us = timeout_ms.max(0) as u64 * 1000;
        self.sessions.insert(session, Life { timeout_us, heard_us: 0, sent_us: now_us });
    }

    /// A server answered what was sent at `sent_us`.
    pub(crate) fn heard(&mut self, session: SessionId, sent_us: u64) {
        if let Some(life) = self.sessions.get_mut(&session) {
            life.heard_us = life.heard_us.max(sent_us);
        }
    }

    pub(crate) fn sent(&mut self, session: SessionId, now_us: u64) {
        if let Some(life) = self.sessions.get_mut(&session) {
            life.sent_us = now_us;
        }
    }

    /// Has no server answered anything that was sent within the timeout?
    pub(crate) fn is_silent(&self, session: SessionId, now_us: u64) -> bool {
        self.sessions.get(&session).is_some_and(|life| life.heard_us + life.timeout_us <= now_us)
    }

    /// The end is committed; `asked` when the client wanted it.
    pub(crate) fn closed(&mut self, session: SessionId, asked: bool) {
        let life = self.sessions.remove(&session);
        self.ended.extend(life.filter(|_| !asked).map(|life| (session, life)));
    }

    /// It is `now_us`, and what was committed so far was so before.
    pub(crate) fn pass_time(&mut self, now_us: u64, bounds: Option<ExpiryBounds>) -> Result<(), Violation> {
        for (session, life) in std::mem::take(&mut self.ended) {
            let Some(bounds) = bounds else { continue };
            if now_us + bounds.early_us < life.heard_us + life.timeout_us {
                let ms = (now_us - life.heard_us) / 1000;
                let timeout_ms = life.timeout_us / 1000;
                return objection(format!(
                    "session {session} was ended at most {ms} ms after it was heard of; its timeout is {timeout_ms} ms"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&self, now_us: u64, bounds: Option<ExpiryBounds>) -> Result<(), Violation> {
        let Some(bounds) = bounds else { return Ok(()) };
        let too_long = |life: &Life| life.sent_us + life.timeout_us + bounds.late_us < now_us;
        match self.sessions.iter().find(|(_, life)| too_long(life)) {
            None => Ok(()),
            Some((session, life)) => objection(format!(
                "session {session} is there {} ms after its client last sent anything; its timeout is {} ms",
                (now_us - life.sent_us) / 1000,
                life.timeout_us / 1000
            )),
        }
    }
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, get, is, session};
    use crate::checks::{Expectations, ExpiryBounds};
    use crate::clients::ClientEvent;
    use wire::Txn;

    const TIMEOUT_US: u64 = 4_000_000;

    fn story() -> Story {
        let mut story = Story::of(2);
        let expiry = Some(ExpiryBounds { early_us: 0, late_us: 1_000_000 });
        story.checks.expect(Expectations { expiry, ..Expectations::default() });
        story.read_now(0, get("/", false)).expect("a read");
        story
    }

    fn end() -> Txn<'static> {
        Txn::CloseSession { paths: Some(Vec::new()) }
    }

    #[test]
    fn a_good_history() {
        let mut story = story();
        story.at_us += TIMEOUT_US;
        story.read_now(1, get("/", false)).expect("it is late");
        story.commit_next(session(0), 0, end()).expect("the end of a silent session");
        story.read_now(1, get("/", false)).expect("late enough");
        story.read_now(1, get("/", false)).expect("late enough");
        let mut held = story.held();
        held.sessions.remove(&session(0).0);
        story.checks.finish(&[held]).expect("client 1 goes on");
    }

    #[test]
    fn too_early() {
        let mut story = story();
        story.at_us += TIMEOUT_US / 2;
        story.commit_next(session(0), 0, end()).expect("judged when the time is known");
        let event = ClientEvent::Asked { xid: 99, request: get("/", false) };
        is("C9", story.see(1, event));
    }

    #[test]
    fn never() {
        let mut story = story();
        story.at_us += TIMEOUT_US * 2;
        story.read_now(1, get("/", false)).expect("a long time");
        is("C9", story.checks.finish(&[story.held()]));
    }
}
