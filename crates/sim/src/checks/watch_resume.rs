//! C7, watch resume: setWatches on a new connection tells exactly what was missed, before its own answer and with
//! nothing else in between (reference: simulation §2.8 C7; client-protocol §7.6).

use super::Violation;
use super::watches::Due;

const CHECK: &str = "C7 watch resume";
const SOURCE: &str = "client protocol §7.6: every missed change, by its type's rule, and before the reply";

/// What has come of the events that belong to the next answer to a setWatches.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchResume {
    told: Vec<Due>,
}

impl WatchResume {
    /// An event without a transaction.
    pub(crate) fn notified(&mut self, event: Due) {
        self.told.push(event);
    }

    /// Anything but such an event and the answer to a setWatches.
    pub(crate) fn other_packet(&self, client: usize) -> Result<(), Violation> {
        match self.told.first() {
            None => Ok(()),
            Some(event) => objection(format!("client {client} is told {event:?} outside any setWatches")),
        }
    }

    /// The answer to a setWatches, which had to tell `missed`.
    pub(crate) fn answered(
        &mut self,
        client: usize,
        missed: &[Due],
        err: i32,
        body: &[u8],
    ) -> Result<(), Violation> {
        let told = std::mem::take(&mut self.told);
        if err != 0 || !body.is_empty() {
            return objection(format!("setWatches of client {client} is answered {err}, {body:?}"));
        }
        if told == missed {
            return Ok(());
        }
        objection(format!("client {client} is told {told:?}, but has missed {missed:?}"))
    }
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, get, is, set};
    use wire::event_type::{NODE_CREATED, NODE_DATA_CHANGED, NODE_DELETED};
    use wire::{CreateMode, Request, SET_WATCHES_XID, SetWatches, Ustring};

    /// Client 1 has watched `/a` and the absent `/b`, and comes back when `/a` was set.
    fn back() -> Story {
        let mut story = Story::of(2);
        let zxid = story.write(0, create("/a", CreateMode::Persistent));
        story.read_now(1, get("/a", true)).expect("a read");
        story.reconnect(1, 1);
        story.write(0, set("/a", "x"));
        let list = |path: &'static str| -> Option<Vec<Ustring<'static>>> { Some(vec![Some(path.into())]) };
        let lists = SetWatches {
            relative_zxid: zxid,
            data: list("/a"),
            exist: list("/b"),
            child: Some(Vec::new()),
            ..SetWatches::default()
        };
        story.ask_as(1, SET_WATCHES_XID, Request::SetWatches(lists));
        story
    }

    #[test]
    fn a_good_history() {
        let mut story = back();
        story.event(1, -1, NODE_DATA_CHANGED, "/a").expect("missed");
        story.answer(1, SET_WATCHES_XID).expect("the rest is watched");
        let zxid = story.write(0, create("/b", CreateMode::Persistent));
        story.event(1, zxid, NODE_CREATED, "/b").expect("watched again");
    }

    #[test]
    fn a_change_that_stays_missed() {
        is("C7", back().answer(1, SET_WATCHES_XID));
    }

    #[test]
    fn a_change_that_was_none() {
        let mut story = back();
        story.event(1, -1, NODE_DATA_CHANGED, "/a").expect("missed");
        story.event(1, -1, NODE_DELETED, "/b").expect("judged with the answer");
        is("C7", story.answer(1, SET_WATCHES_XID));
    }

    #[test]
    fn another_packet_in_between() {
        let mut story = back();
        story.event(1, -1, NODE_DATA_CHANGED, "/a").expect("missed");
        is("C7", story.event(1, 4, NODE_CREATED, "/b"));
    }
}
