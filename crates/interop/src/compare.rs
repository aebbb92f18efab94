//! Are two lists of frames the same, or is what parts them in the table?

use crate::side::{Awaited, End, Kind, Seen};
use crate::tolerate::Tolerance;
use std::collections::BTreeSet;
use wire::{ErrorCode, OpCode};

/// What one server did with a batch.
pub type Outcome = (Vec<Seen>, End);

/// What parts two outcomes that are allowed to differ; `None` when they differ in earnest. `a` is the judge.
pub fn compare(a: &Outcome, b: &Outcome, awaited: &[Awaited]) -> Option<BTreeSet<Tolerance>> {
    let mut needed = BTreeSet::new();
    if a == b {
        return Some(needed);
    }
    if a.1 != b.1 {
        return None;
    }
    let (mut left, mut right) = (a.0.clone(), b.0.clone());
    if let Some(close) = awaited.iter().position(|w| w.op == OpCode::CloseSession.code()) {
        let behind = |frame: &Seen| match frame.kind {
            Kind::Reply(place) => place > close,
            // A ping that is refused carries its own xid and not -2.
            Kind::Stray(_) => [ErrorCode::SessionExpired, ErrorCode::UnknownSession]
                .map(ErrorCode::code)
                .contains(&frame.err),
            _ => false,
        };
        if left.iter().chain(&right).any(behind) {
            left.retain(|frame| !behind(frame));
            right.retain(|frame| !behind(frame));
            needed.insert(Tolerance::BehindClose);
        }
    }
    let overtakes =
        |op: i32| matches!(OpCode::from_code(op), None | Some(OpCode::Auth | OpCode::Sasl | OpCode::Check));
    let place = |frame: &Seen| match frame.kind {
        Kind::Reply(place) => Some(place),
        _ => None,
    };
    if left != right && awaited.iter().any(|w| overtakes(w.op)) {
        let aside = |frame: &Seen| place(frame).is_some_and(|place| overtakes(awaited[place].op));
        for list in [&mut left, &mut right] {
            let (mut early, late): (Vec<_>, Vec<_>) = list.drain(..).partition(|frame| aside(frame));
            early.sort_by_key(|frame| place(frame));
            list.extend(early.into_iter().chain(late));
        }
        needed.insert(Tolerance::AuthOvertakes);
    }
    if left != right && sort_deletions(&mut left) | sort_deletions(&mut right) {
        needed.insert(Tolerance::CloseOrder);
    }
    if left != right && drop_partial_bodies(&mut left, awaited) | drop_partial_bodies(&mut right, awaited) {
        needed.insert(Tolerance::PartialMultiRead);
    }
    if left != right && sort_acls(&mut left, awaited) | sort_acls(&mut right, awaited) {
        needed.insert(Tolerance::AclOrder);
    }
    if left != right && a.1 == End::Closed && awaited.len() > 1 && is_subsequence(&left, &right) {
        needed.insert(Tolerance::SwallowedReplies);
        return Some(needed);
    }
    (left == right).then_some(needed)
}

/// Sorts runs of deletion events (with those of their parents) that share a zxid; true if there was one.
fn sort_deletions(frames: &mut [Seen]) -> bool {
    let mut found = false;
    for run in frames.chunk_by_mut(|x, y| x.zxid == y.zxid && deletion(x) && deletion(y)) {
        if run.len() > 1 {
            found = true;
            run.sort_by(|x, y| x.body.cmp(&y.body));
        }
    }
    found
}

fn deletion(frame: &Seen) -> bool {
    frame.kind == Kind::Event && matches!(frame.body.get(3), Some(2 | 4)) && frame.zxid > 0
}

fn is_subsequence(part: &[Seen], whole: &[Seen]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|frame| rest.any(|other| other == frame))
}

fn drop_partial_bodies(frames: &mut [Seen], awaited: &[Awaited]) -> bool {
    let mut found = false;
    for frame in frames {
        if let Kind::Reply(place) = frame.kind
            && awaited[place].op == OpCode::MultiRead.code()
            && frame.err != 0
        {
            frame.body.clear();
            found = true;
        }
    }
    found
}

fn sort_acls(frames: &mut [Seen], awaited: &[Awaited]) -> bool {
    let mut found = false;
    for frame in frames {
        if let Kind::Reply(place) = frame.kind
            && awaited[place].op == OpCode::GetAcl.code()
            && let Some(sorted) = sorted_acl(&frame.body)
        {
            found = true;
            frame.body = sorted;
        }
    }
    found
}

/// The body of a getACL reply with its list in order.
pub fn sorted_acl(body: &[u8]) -> Option<Vec<u8>> {
    let mut r = wire::Reader::new(body);
    let wire::Response::Acl(Some(mut list), stat) = wire::Response::decode(OpCode::GetAcl, &mut r).ok()?
    else {
        return None;
    };
    list.sort();
    Some(wire::Encode::to_bytes(&wire::Response::Acl(Some(list), stat)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(place: usize, err: i32) -> Seen {
        Seen { kind: Kind::Reply(place), zxid: 7, err, body: vec![] }
    }

    #[test]
    fn what_comes_behind_closesession_is_a_race() {
        let awaited = [-11, 11, 3].map(|op| Awaited { xid: 1, op });
        let stray = |err| Seen { kind: Kind::Stray(2), ..reply(0, err) };
        let judge = |more: &[Seen]| ([&[reply(0, 0)], more].concat(), End::Closed);
        let subject = judge(&[]);
        let raced = Some(BTreeSet::from([Tolerance::BehindClose]));
        assert_eq!(compare(&judge(&[stray(-12), reply(2, -12)]), &subject, &awaited), raced);
        assert_eq!(compare(&judge(&[stray(-112), reply(2, -101)]), &subject, &awaited), raced);
        assert_eq!(compare(&judge(&[stray(0)]), &subject, &awaited), None);
        assert_eq!(compare(&subject, &subject, &awaited), Some(BTreeSet::new()));
    }

    #[test]
    fn ours_may_send_more_before_a_close_and_never_less() {
        let awaited = [1, 99].map(|op| Awaited { xid: 1, op });
        let (lost, all) = (vec![reply(1, -6)], vec![reply(0, 0), reply(1, -6)]);
        let swallowed = compare(&(lost.clone(), End::Closed), &(all.clone(), End::Closed), &awaited);
        assert!(swallowed.is_some_and(|needed| needed.contains(&Tolerance::SwallowedReplies)));
        assert_eq!(compare(&(all, End::Closed), &(lost, End::Closed), &awaited), None);
    }

    #[test]
    fn deletions_of_one_transaction_have_no_order() {
        let event = |zxid, name| Seen { kind: Kind::Event, zxid, err: 0, body: vec![0, 0, 0, 2, name] };
        let outcome = |frames: &[Seen]| (frames.to_vec(), End::Open);
        let one = outcome(&[event(5, b'a'), event(5, b'b')]);
        let other = outcome(&[event(5, b'b'), event(5, b'a')]);
        assert_eq!(compare(&one, &other, &[]), Some(BTreeSet::from([Tolerance::CloseOrder])));
        let later = outcome(&[event(6, b'b'), event(5, b'a')]);
        assert_eq!(compare(&one, &later, &[]), None);
    }
}
