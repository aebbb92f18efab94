//! C11, multi is atomic: all of its operations have happened at one zxid, or none has and each has its error
//! (reference: simulation §2.8 C11; client-protocol §5.2).

use super::{Violation, shown};
use wire::{ErrorCode, MultiOp, MultiResult, Reader, Txn, TxnRecord};

const CHECK: &str = "C11 atomic multi";
const SOURCE: &str = "client protocol §5.2: one zxid, one transaction; a failure applies nothing";

/// A transaction: whole, or with the operations in front of the failing one as they would have been, and errors from there
/// to the end.
pub(crate) fn committed(record: &TxnRecord<'_>) -> Result<(), Violation> {
    let Txn::Multi { ops } = &record.txn else { return Ok(()) };
    let behind = ops.iter().skip_while(|op| !matches!(op, Txn::Error { .. })).skip(1);
    let none = Txn::Error { code: ErrorCode::RuntimeInconsistency.code() };
    match behind.into_iter().find(|op| **op != none) {
        None => Ok(()),
        Some(op) => {
            let zxid = record.header.zxid;
            objection(format!(
                "transaction {zxid} is a multi that failed, and behind that it holds {}",
                shown(op)
            ))
        }
    }
}

/// Has it happened?
pub(crate) fn is_whole(ops: &[Txn<'_>]) -> bool {
    !ops.iter().any(|op| matches!(op, Txn::Error { .. }))
}

/// The answer to a multi: header, and results by position.
pub(crate) fn answered(ops: &[MultiOp<'_>], zxid: i64, err: i32, body: &[u8]) -> Result<(), Violation> {
    if err != 0 {
        return objection(format!("a multi at 0x{zxid:x} is answered with the error {err} in the header"));
    }
    let results = match MultiResult::decode_all(&mut Reader::new(body)) {
        Ok(results) => results,
        Err(error) => return objection(format!("the results of a multi at 0x{zxid:x}: {error}")),
    };
    let wrong = if results.len() != ops.len() {
        Some("another number of results")
    } else if results.iter().any(|result| matches!(result, MultiResult::Error(_))) {
        (!is_failure(&results)).then_some("errors that do not tell one failure")
    } else {
        results
            .iter()
            .any(|result| at(result).is_some_and(|at| at != zxid))
            .then_some("a result of another zxid")
    };
    match wrong {
        None => Ok(()),
        Some(wrong) => objection(format!("{wrong} for a multi at 0x{zxid:x}: {}", shown(&results))),
    }
}

/// Code 0, then one real error, then -2 to the end.
fn is_failure(results: &[MultiResult<'_>]) -> bool {
    let codes: Option<Vec<i32>> = results
        .iter()
        .map(|result| match result {
            MultiResult::Error(code) => Some(code.map_or(0, ErrorCode::code)),
            _ => None,
        })
        .collect();
    let Some(codes) = codes else { return false };
    let behind = codes.iter().skip_while(|code| **code == 0).skip(1);
    codes.iter().any(|code| *code != 0)
        && behind.into_iter().all(|code| *code == ErrorCode::RuntimeInconsistency.code())
}

/// When a result says that it happened.
fn at(result: &MultiResult<'_>) -> Option<i64> {
    match result {
        MultiResult::Create2 { stat, .. } => Some(stat.czxid),
        MultiResult::SetData { stat } => Some(stat.mzxid),
        _ => None,
    }
}

fn objection(facts: String) -> Result<(), Violation> {
    Err(Violation::new(CHECK, SOURCE, facts))
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, is, session};
    use wire::{CreateMode, Encode, ErrorCode, MultiOp, MultiResult, Request, Response, Txn};

    fn set(path: &'static str) -> MultiOp<'static> {
        MultiOp::SetData { path: Some(path.into()), data: None, version: -1 }
    }

    /// `/a` is there, `/b` is not.
    fn asked(paths: &[&'static str]) -> (Story, i32) {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        let xid = story.ask(0, Request::Multi { ops: paths.iter().map(|path| set(path)).collect() });
        (story, xid)
    }

    fn errors(codes: &[Option<ErrorCode>]) -> Vec<u8> {
        Response::Multi(codes.iter().map(|code| MultiResult::Error(*code)).collect()).to_bytes()
    }

    #[test]
    fn a_good_history() {
        for paths in [&["/a", "/a"][..], &["/a", "/b", "/a"]] {
            let (mut story, xid) = asked(paths);
            story.commit(0, xid).expect("whole, or one error and nothing behind it");
            story.answer(0, xid).expect("results by position");
        }
    }

    #[test]
    fn a_transaction_that_goes_on_behind_an_error() {
        let (mut story, xid) = asked(&["/b", "/a"]);
        let done = Txn::SetData { path: Some("/a".into()), data: None, version: 1 };
        let failed = Txn::Error { code: ErrorCode::NoNode.code() };
        is("C11", story.commit_next(session(0), xid, Txn::Multi { ops: vec![failed, done] }));
    }

    #[test]
    fn an_error_in_the_header() {
        let (mut story, xid) = asked(&["/b"]);
        let zxid = story.commit(0, xid).expect("an error");
        is("C11", story.answer_with(0, xid, (zxid, ErrorCode::NoNode.code(), Vec::new())));
    }

    #[test]
    fn results_that_tell_no_failure() {
        let no_node = Some(ErrorCode::NoNode);
        for codes in [&[no_node, None][..], &[no_node, no_node], &[None, None], &[no_node]] {
            let (mut story, xid) = asked(&["/b", "/a"]);
            let zxid = story.commit(0, xid).expect("an error");
            is("C11", story.answer_with(0, xid, (zxid, 0, errors(codes))));
        }
    }

    #[test]
    fn a_part_of_another_transaction() {
        let (mut story, xid) = asked(&["/a"]);
        let zxid = story.commit(0, xid).expect("a write");
        let (_, _, body) = story.reply(0, xid);
        is("C11", story.answer_with(0, xid, (zxid - 1, 0, body)));
    }
}
