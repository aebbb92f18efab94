//! C14, availability: with a connected majority and no further faults, writes are answered soon, and no connection breaks
//! under one. Only from the time on that the run says is calm (reference: simulation §2.8 C14).

use super::requests::{Asked, is_write};
use super::{Calm, Violation};

const CHECK: &str = "C14 availability";
const SOURCE: &str =
    "simulation §2.8 C14: writes succeed within twice the election bound, 99 of 100 in a second";
/// Fewer tell nothing about one in a hundred.
const WRITES_MIN: usize = 200;

/// C14.
#[derive(Clone, Debug, Default)]
pub(crate) struct Availability {
    took_us: Vec<u64>,
}

impl Availability {
    /// A write is answered.
    pub(crate) fn answered(
        &mut self,
        now_us: u64,
        client: usize,
        asked: &Asked,
        calm: Option<Calm>,
    ) -> Result<(), Violation> {
        let Some(calm) = calm.filter(|calm| asked.at_us >= calm.from_us) else { return Ok(()) };
        self.took_us.push(now_us - asked.at_us);
        in_time(now_us, client, asked, calm)
    }

    /// A connection is gone with these requests under way.
    pub(crate) fn lost<'a>(
        now_us: u64,
        client: usize,
        by_client: bool,
        asked: impl IntoIterator<Item = &'a Asked>,
        calm: Option<Calm>,
    ) -> Result<(), Violation> {
        let Some(calm) = calm else { return Ok(()) };
        let writes =
            asked.into_iter().filter(|asked| asked.at_us >= calm.from_us && is_write(&asked.request));
        for write in writes {
            in_time(now_us, client, write, calm)?;
            if !by_client {
                return objection(format!(
                    "client {client} loses its connection and the answer to request {}",
                    write.xid
                ));
            }
        }
        Ok(())
    }

    /// The end, with these requests under way.
    pub(crate) fn finish<'a>(
        &mut self,
        now_us: u64,
        asked: impl IntoIterator<Item = (usize, &'a Asked)>,
        calm: Option<Calm>,
    ) -> Result<(), Violation> {
        let Some(calm) = calm else { return Ok(()) };
        for (client, asked) in asked {
            if asked.at_us >= calm.from_us && is_write(&asked.request) {
                in_time(now_us, client, asked, calm)?;
            }
        }
        self.took_us.sort_unstable();
        let p99_us = self.took_us.get(self.took_us.len() * 99 / 100).copied().unwrap_or_default();
        if self.took_us.len() >= WRITES_MIN && p99_us > calm.p99_us {
            return objection(format!(
                "one of a hundred writes took {p99_us} µs or more; allowed: {}",
                calm.p99_us
            ));
        }
        Ok(())
    }
}

fn in_time(now_us: u64, client: usize, asked: &Asked, calm: Calm) -> Result<(), Violation> {
    let took_us = now_us.saturating_sub(asked.at_us);
    if took_us <= calm.within_us {
        return Ok(());
    }
    objection(format!("request {} of client {client} has no answer for {took_us} µs", asked.xid))
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, is, set};
    use crate::checks::{Calm, Expectations};
    use crate::clients::ClientEvent;
    use wire::CreateMode;

    fn calm() -> Story {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let calm = Some(Calm { from_us: story.at_us, within_us: 1000, p99_us: 500 });
        story.checks.expect(Expectations { calm, ..Expectations::default() });
        story
    }

    fn lost(by_client: bool) -> ClientEvent {
        ClientEvent::Lost { outstanding: Vec::new(), by_client }
    }

    #[test]
    fn a_good_history() {
        let mut story = calm();
        for _ in 0..300 {
            story.write(0, set("/a", "x"));
        }
        story.ask(0, set("/a", "y"));
        story.checks.finish(&[story.held()]).expect("in time");
        story.see(0, lost(true)).expect("it has gone elsewhere");
    }

    #[test]
    fn too_slow_or_never() {
        let mut story = calm();
        let xid = story.ask(0, set("/a", "x"));
        story.commit(0, xid).expect("a write");
        story.at_us += 2000;
        is("C14", story.answer(0, xid));
        let mut story = calm();
        story.ask(0, set("/a", "x"));
        story.at_us += 2000;
        is("C14", story.see(0, lost(true)));
    }

    #[test]
    fn a_connection_breaks() {
        let mut story = calm();
        story.ask(0, set("/a", "x"));
        is("C14", story.see(0, lost(false)));
    }

    #[test]
    fn slow_in_general() {
        let mut story = calm();
        for _ in 0..300 {
            let xid = story.ask(0, set("/a", "x"));
            story.commit(0, xid).expect("a write");
            story.at_us += 700;
            story.answer(0, xid).expect("not too late by itself");
        }
        is("C14", story.checks.finish(&[story.held()]));
    }
}
