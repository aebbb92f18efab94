//! C13, sync: what a session reads behind a sync has everything that anybody was told before the sync was asked for. Only
//! where the run demands it (reference: simulation §2.8 C13).

use super::Violation;
use wire::{SessionId, Zxid};

const CHECK: &str = "C13 sync";
const SOURCE: &str =
    "simulation §2.8 C13: sync, then read, sees everything acknowledged before the sync was invoked";

/// The answer to a sync: `told` is the newest write that somebody knew of when it was asked for.
pub(crate) fn answered(session: SessionId, server: usize, zxid: Zxid, told: Zxid) -> Result<(), Violation> {
    if zxid >= told {
        return Ok(());
    }
    let facts = format!(
        "a sync of session {session} at server {server} is answered at {zxid}, but {told} was known when it was asked for"
    );
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::Expectations;
    use crate::checks::story::{Story, create, is};
    use wire::{CreateMode, Request};

    /// Client 1 asks for a sync when client 0 knows of `/a`, and is answered from before.
    fn behind(sync_sees_everything: bool) -> Result<(), crate::checks::Violation> {
        let mut story = Story::of(2);
        story.checks.expect(Expectations { sync_sees_everything, ..Expectations::default() });
        let zxid = story.write(0, create("/a", CreateMode::Persistent));
        let xid = story.ask(1, Request::Sync { path: Some("/".into()) });
        let (_, err, body) = story.reply(1, xid);
        story.answer_with(1, xid, (zxid - 1, err, body))
    }

    #[test]
    fn a_good_history() {
        let mut story = Story::of(2);
        let sync_sees_everything = true;
        story.checks.expect(Expectations { sync_sees_everything, ..Expectations::default() });
        story.write(0, create("/a", CreateMode::Persistent));
        story.read_now(1, Request::Sync { path: Some("/".into()) }).expect("the newest state");
    }

    #[test]
    fn a_server_that_is_behind() {
        is("C13", behind(true));
        behind(false).expect("Apache may do that");
    }
}
