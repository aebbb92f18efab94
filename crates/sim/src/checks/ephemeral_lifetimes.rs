//! C8, lifetimes of ephemeral nodes: their session is there as long as they are, its end takes all of them and nothing
//! else, and no dead session makes one (reference: simulation §2.8 C8; client-protocol §8.2). Counted from the transactions
//! alone, without the model.

use super::multi_atomicity::is_whole;
use super::{Held, Violation};
use std::collections::{BTreeMap, BTreeSet};
use wire::{SessionId, Txn, TxnRecord, Zxid};

const CHECK: &str = "C8 ephemeral lifetimes";
const SOURCE: &str = "client protocol §8.2: a session's end deletes its ephemeral nodes";
/// Longer lists are cut in the record (`docs/differences.md`).
const LIST_BYTES_MAX: usize = 512 << 10;

/// C8.
#[derive(Clone, Debug, Default)]
pub(crate) struct EphemeralLifetimes {
    alive: BTreeSet<SessionId>,
    over: BTreeSet<SessionId>,
    owners: BTreeMap<String, SessionId>,
    /// The transactions that made sessions.
    born: BTreeMap<SessionId, Zxid>,
    last: Zxid,
    /// Sessions whose end a leader has proposed or was asked for, whatever became of it.
    ending: BTreeSet<SessionId>,
    /// Sessions that a client was told are gone, while nobody had a reason to end them.
    told_gone: BTreeSet<SessionId>,
}

impl EphemeralLifetimes {
    pub(crate) fn committed(&mut self, record: &TxnRecord<'_>) -> Result<(), Violation> {
        let (zxid, session) = (record.header.zxid, record.header.client_id);
        self.last = zxid;
        match &record.txn {
            Txn::CreateSession { .. } => {
                if self.over.contains(&session) || !self.alive.insert(session) {
                    return objection(format!("{zxid} creates session {session}, which was there already"));
                }
                self.born.insert(session, zxid);
                Ok(())
            }
            Txn::CloseSession { paths } => self.closed(zxid, session, paths.as_deref()),
            Txn::Multi { ops } if !is_whole(ops) => Ok(()),
            Txn::Multi { ops } => ops.iter().try_for_each(|op| self.one(zxid, session, op)),
            txn => self.one(zxid, session, txn),
        }
    }

    fn one(&mut self, zxid: Zxid, session: SessionId, txn: &Txn<'_>) -> Result<(), Violation> {
        match txn {
            Txn::Create { create, .. } if create.ephemeral => {
                let path = create.path.as_deref().unwrap_or_default();
                if !self.alive.contains(&session) {
                    return objection(format!(
                        "{zxid} creates {path} for session {session}, which is not there"
                    ));
                }
                self.owners.insert(path.to_owned(), session);
            }
            Txn::Delete { path } | Txn::DeleteContainer { path } => {
                self.owners.remove(path.as_deref().unwrap_or_default());
            }
            _ => {}
        }
        Ok(())
    }

    fn closed(
        &mut self,
        zxid: Zxid,
        session: SessionId,
        paths: Option<&[wire::Ustring<'_>]>,
    ) -> Result<(), Violation> {
        let owned: BTreeSet<&str> = self
            .owners
            .iter()
            .filter(|(_, owner)| **owner == session)
            .map(|(path, _)| path.as_str())
            .collect();
        let told: Option<BTreeSet<&str>> =
            paths.map(|paths| paths.iter().map(|path| path.as_deref().unwrap_or_default()).collect());
        let is_cut = owned.iter().map(|path| path.len() + 4).sum::<usize>() > LIST_BYTES_MAX;
        if told.as_ref().is_some_and(|told| *told != owned && !is_cut) {
            return objection(format!("{zxid} ends session {session} with {told:?}, but it owns {owned:?}"));
        }
        self.owners.retain(|_, owner| *owner != session);
        self.alive.remove(&session);
        self.over.insert(session);
        Ok(())
    }

    /// Was the session ever there for all servers?
    pub(crate) fn is_global(&self, session: SessionId) -> bool {
        self.alive.contains(&session) || self.over.contains(&session)
    }

    /// A client was given a new session.
    pub(crate) fn given(&self, session: SessionId) -> Result<(), Violation> {
        if self.is_global(session) {
            return Ok(());
        }
        objection(format!("session {session} is given to a client before its creation is committed"))
    }

    /// A leader proposes the end of a session, or its client asks for it. From then on the leader refuses the session, as
    /// Apache's does (`SessionTrackerImpl.touchSession` says no to a closing session), and when it loses its quorum the end
    /// may never happen: the next leader lets the session live until its time is over. A leader that has lost all its
    /// learners and does not know it tells nobody of what it proposes; that it was asked for the end must do.
    pub(crate) fn ending(&mut self, session: SessionId) {
        self.ending.insert(session);
    }

    /// A server whose history ends there answers for a session. A leader that was deposed and does not know it yet, or whoever
    /// follows it, has never heard of the sessions of later epochs; a client that has not seen any zxid cannot be told from one
    /// whose session has ended long ago, and Apache's leader refuses it too (`Leader.revalidateSession`).
    pub(crate) fn answered_from(&mut self, session: SessionId, last: Zxid) {
        if self.born.get(&session).is_some_and(|born| born.epoch() > last.epoch()) {
            self.ending(session);
        }
    }

    /// A client was told that its session is gone. Where it was silent for its timeout, a leader may have decided so by
    /// itself and, again, have told nobody.
    pub(crate) fn expired(&mut self, session: SessionId, was_silent: bool) {
        if !was_silent && !self.ending.contains(&session) {
            self.told_gone.insert(session);
        }
    }

    /// What clients were told of their sessions has come true.
    pub(crate) fn finish_expired(&self) -> Result<(), Violation> {
        match self.told_gone.intersection(&self.alive).next() {
            None => Ok(()),
            Some(session) => {
                objection(format!("a client was told that session {session} is gone, and it is not"))
            }
        }
    }

    /// What a server holds at the end, if it is at the end.
    pub(crate) fn finish(&self, held: &Held) -> Result<(), Violation> {
        let server = held.server;
        let owned: BTreeMap<&str, SessionId> = held
            .nodes
            .iter()
            .filter(|(_, node)| is_session(node.stat.ephemeral_owner))
            .map(|(path, node)| (path.as_str(), SessionId(node.stat.ephemeral_owner)))
            .collect();
        if let Some((path, owner)) = owned.iter().find(|(_, owner)| !held.sessions.contains_key(&owner.0)) {
            return objection(format!(
                "server {server} has {path} of session {owner}, which it does not have"
            ));
        }
        if held.last_zxid < self.last {
            return Ok(());
        }
        let expected = self.owners.iter().map(|(path, owner)| (path.as_str(), *owner)).collect();
        if owned != expected {
            return objection(format!(
                "server {server} has the ephemerals {owned:?} instead of {expected:?}"
            ));
        }
        let sessions: BTreeSet<SessionId> = held.sessions.keys().map(|id| SessionId(*id)).collect();
        if sessions != self.alive {
            return objection(format!(
                "server {server} has sessions {sessions:?} instead of {:?}",
                self.alive
            ));
        }
        Ok(())
    }
}

/// Not a container's mark, and not a time to live.
fn is_session(owner: i64) -> bool {
    owner != 0 && owner != i64::MIN && (owner as u64) >> 56 != 0xff
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, delete, get, given, is, session};
    use crate::clients::ClientEvent;
    use wire::{CreateMode, Request, SessionId, Txn, Ustring, Zxid};

    const TIMEOUT_US: u64 = 4_000_000;

    /// Client 0 owns `/a` and `/b`, client 1 owns `/c`.
    fn owners() -> Story {
        let mut story = Story::of(2);
        for (client, path) in [(0, "/a"), (0, "/b"), (1, "/c")] {
            story.write(client, create(path, CreateMode::Ephemeral));
        }
        story
    }

    fn close(paths: &'static [&'static str]) -> Txn<'static> {
        let paths: Vec<Ustring<'static>> = paths.iter().map(|path| Some((*path).into())).collect();
        Txn::CloseSession { paths: Some(paths) }
    }

    #[test]
    fn a_good_history() {
        let mut story = owners();
        story.write(1, delete("/a"));
        story.checks.finish(&[story.held()]).expect("all are there");
        story.commit_next(session(0), 0, close(&["/b"])).expect("what it owns");
        story.commit_next(session(0), 0, close(&[])).expect("a second end is an empty one");
    }

    #[test]
    fn one_is_forgotten_or_one_too_many_goes() {
        is("C8", owners().commit_next(session(0), 0, close(&["/a"])));
        is("C8", owners().commit_next(session(0), 0, close(&["/a", "/b", "/c"])));
    }

    #[test]
    fn a_dead_session_makes_one() {
        let mut story = owners();
        let xid = story.ask(1, create("/late", CreateMode::Ephemeral));
        story.commit_next(session(1), 0, close(&["/c"])).expect("it expires");
        let created = wire::CreateTxn {
            path: Some("/late".into()),
            data: None,
            acl: None,
            ephemeral: true,
            parent_cversion: 1,
        };
        let txn = Txn::Create { op: wire::OpCode::Create, create: created };
        is("C8", story.commit_next(session(1), xid, txn));
    }

    #[test]
    fn an_orphan_at_the_end() {
        let story = &mut owners();
        let mut held = story.held();
        held.sessions.remove(&session(1).0);
        is("C8", story.checks.finish(&[held]));
        let mut held = story.held();
        held.nodes.remove("/c");
        is("C8", story.checks.finish(&[held]));
    }

    #[test]
    fn sessions_are_given_and_taken_for_good_reasons() {
        let mut story = Story::of(0);
        story.connect(0, 0, None);
        is("C8", story.see(0, given(0)));
        let mut story = Story::of(1);
        story.reconnect(0, 1);
        let gone = ClientEvent::SessionExpired { session: session(0) };
        story.see(0, gone).expect("its end may be on its way");
        is("C8", story.checks.finish(&[story.held()]));
        let mut story = Story::of(1);
        story.reconnect(0, 1);
        story.checks.ending(session(0));
        let gone = ClientEvent::SessionExpired { session: session(0) };
        story.see(0, gone).expect("its leader has proposed the end");
        story.checks.finish(&[story.held()]).expect("the end was lost with its leader");
        let again = Txn::CreateSession { timeout_ms: 1 };
        is("C8", Story::of(1).commit_next(SessionId(session(0).0), 0, again));
    }

    /// A leader without learners, which does not know yet that it has none, tells nobody of the end that it proposes.
    #[test]
    fn an_end_that_nobody_else_heard_of() {
        let mut asked = Story::of(1);
        asked.ask(0, Request::CloseSession);
        refused(&mut asked);
        asked.checks.finish(&[asked.held()]).expect("the end that it has asked for was lost with its leader");

        let [mut too_early, mut silent] = [1000, 0].map(|early_us| {
            let mut story = Story::of(1);
            story.read_now(0, get("/", false)).expect("a sign of life");
            story.at_us += TIMEOUT_US - early_us;
            story
        });
        refused(&mut too_early);
        is("C8", too_early.checks.finish(&[too_early.held()]));
        refused(&mut silent);
        silent.checks.finish(&[silent.held()]).expect("the end in time was lost with its leader");
    }

    #[test]
    fn a_deposed_leader_does_not_know_later_sessions() {
        for (last, is_deposed) in [(Zxid::from_parts(1, 0), false), (Zxid::from_parts(0, 9), true)] {
            let mut story = Story::of(0);
            story.zxid = 1 << 32;
            story.connect(0, 0, None);
            story.create_session(0).expect("a new session");
            story.see(0, given(0)).expect("a committed session");
            story.checks.answered_from(session(0), last);
            refused(&mut story);
            let judged = story.checks.finish(&[story.held()]);
            if is_deposed { judged.expect("it cannot know better") } else { is("C8", judged) }
        }
    }

    /// Client 0 comes back and hears that its session is gone.
    fn refused(story: &mut Story) {
        story.see(0, ClientEvent::Lost { outstanding: Vec::new(), by_client: false }).expect("that happens");
        story.connect(0, 1, Some(session(0)));
        story.see(0, ClientEvent::SessionExpired { session: session(0) }).expect("judged in the end");
    }
}
