//! C12, durability: in the end every server holds the state of a committed transaction that is not before the last one
//! that anybody was told of, so every acknowledged write is there, or what came over it
//! (reference: simulation §2.8 C12).

use super::timeline::Timeline;
use super::{Held, Violation, shown};
use std::collections::BTreeSet;
use wire::Zxid;

const CHECK: &str = "C12 durability";
const SOURCE: &str = "simulation §2.8 C12: every acknowledged write is visible after recovery";
/// Every server writes its own configuration there.
const CONFIG: &str = "/zookeeper/config";

/// C12.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durability {
    told: Zxid,
}

impl Durability {
    /// Somebody was told of the state behind `zxid`.
    pub(crate) fn told(&mut self, zxid: Zxid) {
        self.told = self.told.max(zxid);
    }

    pub(crate) fn finish(&self, held: &Held, timeline: &mut Timeline) -> Result<(), Violation> {
        let (server, last) = (held.server, held.last_zxid);
        if timeline.count(last) < timeline.count(self.told) {
            return objection(format!(
                "server {server} is at {last}, but clients were told of {}",
                self.told
            ));
        }
        if !timeline.is_reached(last) {
            let end = timeline.last();
            return objection(format!(
                "server {server} is at {last}, but nothing behind {end} was committed"
            ));
        }
        let at_the_end = timeline.count(last) == timeline.steps().len();
        if at_the_end && *timeline.now().sessions() != held.sessions {
            let (found, expected) = (&held.sessions, timeline.now().sessions());
            return objection(format!(
                "server {server} has the sessions {found:x?} instead of {expected:x?}"
            ));
        }
        let expected = timeline.at(last).nodes();
        let paths: BTreeSet<&String> = expected.keys().chain(held.nodes.keys()).collect();
        for path in paths.into_iter().filter(|path| *path != CONFIG) {
            let (found, expected) = (held.nodes.get(path), expected.get(path));
            if found != expected {
                let (found, expected) = (shown(&found), shown(&expected));
                return objection(format!(
                    "server {server} at {last} has {path} as {found} instead of {expected}"
                ));
            }
        }
        Ok(())
    }
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, is, session, set};
    use wire::{CreateMode, Zxid};

    fn written() -> Story {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        story.write(0, set("/a", "x"));
        story
    }

    #[test]
    fn a_good_history() {
        let mut story = written();
        let all = story.held();
        let xid = story.ask(0, set("/a", "y"));
        story.commit(0, xid).expect("a write");
        // Nobody was told of the last write: it may be here and not there.
        story.checks.finish(&[all, story.held()]).expect("everything is there");
    }

    #[test]
    fn an_acknowledged_write_is_missing() {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let before = story.held();
        story.write(0, set("/a", "x"));
        is("C12", story.checks.finish(&[before]));
    }

    #[test]
    fn another_state_with_the_right_zxid() {
        let mut story = written();
        let mut held = story.held();
        held.nodes.get_mut("/a").expect("it is there").data = None;
        is("C12", story.checks.finish(&[held]));
        let mut held = story.held();
        let timeout_ms = held.sessions.get_mut(&session(0).0).expect("it is there");
        *timeout_ms += 1;
        is("C12", story.checks.finish(&[held]));
    }

    #[test]
    fn more_than_was_ever_committed() {
        let mut story = written();
        let mut held = story.held();
        held.last_zxid = Zxid(99);
        is("C12", story.checks.finish(&[held]));
    }
}
