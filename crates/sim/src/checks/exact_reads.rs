//! C4, exact reads: a read is answered with the state at the zxid of its answer, no older and no newer
//! (reference: simulation §2.8 C4; client-protocol §10.4).

use super::linearizable_writes::answer;
use super::timeline::Timeline;
use super::{Violation, shown};
use wire::{Id, Request, Response, SessionId, Ustring, Zxid};

const CHECK: &str = "C4 exact reads";
const SOURCE: &str = "simulation §2.8 C4: we promise the state exactly at the zxid of the answer";

/// Who read where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) session: SessionId,
    pub(crate) server: usize,
    pub(crate) credentials: &'a [Id<'static>],
}

/// Judges an answer to a read.
pub(crate) fn answered(
    reader: Reader<'_>,
    request: &Request<'_>,
    (zxid, err, body): (i64, i32, &[u8]),
    timeline: &mut Timeline,
) -> Result<(), Violation> {
    let zxid = Zxid(zxid);
    let what = format!("session {} reads {} at server {}", reader.session, shown(request), reader.server);
    if !timeline.is_reached(zxid) {
        let last = timeline.last();
        return objection(format!("{what} at {zxid}, but nothing behind {last} is committed"));
    }
    let expected = timeline.at(zxid).read(reader.session.0, reader.credentials, request).map(sorted);
    match answer(request, err, body).map(|found| found.map(sorted)) {
        Ok(found) if found == expected => Ok(()),
        found => objection(format!(
            "{what} and gets {}, but the state at {zxid} is {}{}",
            shown(&found),
            shown(&expected),
            nearest(reader, request, zxid, found.ok(), timeline)
        )),
    }
}

/// To help whoever looks into it: the state that the answer shows, if there is one around.
fn nearest(
    reader: Reader<'_>,
    request: &Request<'_>,
    zxid: Zxid,
    found: Option<Result<Response<'_>, wire::ErrorCode>>,
    timeline: &mut Timeline,
) -> String {
    let Some(found) = found else { return String::new() };
    let zxids: Vec<Zxid> = timeline.steps().iter().map(|step| step.zxid).collect();
    let mut shows = |zxid: &Zxid| {
        timeline.at(*zxid).read(reader.session.0, reader.credentials, request).map(sorted) == found
    };
    match zxids.iter().rev().find(|at| shows(at)) {
        Some(at) if *at < zxid => format!("; it is the state at {at}"),
        Some(at) => format!("; it is a later state, such as that at {at}"),
        None => "; it was never so".to_owned(),
    }
}

/// Servers give names in any order.
fn sorted(mut response: Response<'_>) -> Response<'_> {
    let sort =
        |names: &mut Option<Vec<Ustring<'_>>>| names.iter_mut().for_each(|names| names.sort_unstable());
    match &mut response {
        Response::Children(names) | Response::Children2(names, _) => sort(names),
        Response::Multi(results) => {
            for result in results {
                if let wire::MultiResult::GetChildren { children } = result {
                    sort(children);
                }
            }
        }
        _ => {}
    }
    response
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, get, is, set};
    use wire::{CreateMode, Encode, ErrorCode, Request, Response};

    #[test]
    fn a_good_history() {
        let mut story = Story::of(2);
        story.read_now(0, get("/a", false)).expect("NONODE");
        story.write(0, create("/a", CreateMode::Persistent));
        let xid = story.ask(1, get("/a", false));
        let old = story.reply(1, xid);
        story.write(0, set("/a", "x"));
        story.answer_with(1, xid, old).expect("an earlier state, and it says so");
        for path in ["/", "/a"] {
            story
                .read_now(1, Request::GetChildren2 { path: Some(path.into()), watch: false })
                .expect("names");
            story.read_now(1, Request::Exists { path: Some(path.into()), watch: false }).expect("a stat");
            story.read_now(1, Request::GetAcl { path: Some(path.into()) }).expect("an ACL");
        }
        story.read_now(1, Request::Sync { path: Some("/b".into()) }).expect("an echo");
    }

    #[test]
    fn a_stale_read_with_a_new_zxid() {
        let mut story = Story::of(2);
        story.write(0, create("/a", CreateMode::Persistent));
        let xid = story.ask(1, get("/a", false));
        let (_, err, body) = story.reply(1, xid);
        let zxid = story.write(0, set("/a", "x"));
        let outcome = story.answer_with(1, xid, (zxid, err, body));
        assert!(format!("{outcome:?}").contains("it is the state at 0x3"), "{outcome:?}");
        is("C4", outcome);
    }

    #[test]
    fn a_read_of_the_future() {
        let mut story = Story::of(2);
        let zxid = story.write(0, create("/a", CreateMode::Persistent));
        story.write(0, set("/a", "x"));
        let xid = story.ask(1, get("/a", false));
        let (_, err, body) = story.reply(1, xid);
        is("C4", story.answer_with(1, xid, (zxid, err, body)));
    }

    #[test]
    fn an_error_that_is_none() {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let xid = story.ask(0, get("/a", false));
        is("C4", story.answer_with(0, xid, (2, ErrorCode::NoNode.code(), Vec::new())));
    }

    #[test]
    fn a_name_that_is_missing() {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let xid = story.ask(0, Request::GetChildren { path: Some("/".into()), watch: false });
        let body = Response::Children(Some(vec![Some("a".into())])).to_bytes();
        is("C4", story.answer_with(0, xid, (2, 0, body)));
    }
}
