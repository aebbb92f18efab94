//! Ephemeral nodes with numbers, which must rise over every change of leader.

use super::{Bench, create, unanswered};
use crate::mixed::claims::Claim;
use std::collections::VecDeque;
use wire::{CreateMode, Request, Response};

/// So many stay.
const KEPT: usize = 20;

pub(super) fn work(bench: &Bench) -> Result<Vec<Claim>, String> {
    let session = bench.session(|_| {})?;
    bench.make(&session, &bench.path(""), b"")?;
    let prefix = bench.path("/s-");
    let (mut kept, mut claims, mut last) = (VecDeque::new(), Vec::new(), None);
    while bench.shared.goes_on() {
        let made = session.call(&create(&prefix, b"", CreateMode::EphemeralSequential));
        let path = match made.as_ref().map(|reply| reply.response()) {
            Ok(Ok(Response::Path(Some(path)))) => path.into_owned(),
            Ok(Ok(other)) => return Err(format!("an odd answer to create: {other:?}")),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => {
                made.map(drop).or_else(unanswered)?;
                continue;
            }
        };
        bench.shared.wrote();
        let number: u64 = (path.strip_prefix(&prefix).and_then(|digits| digits.parse().ok()))
            .ok_or_else(|| format!("{path} has no number"))?;
        if last.is_some_and(|last| number <= last) {
            return Err(format!("{path} came behind number {last:?}"));
        }
        last = Some(number);
        kept.push_back(path);
        if kept.len() > KEPT {
            let path = kept.pop_front().expect("there are some");
            let delete = Request::Delete { path: Some(path.as_str().into()), version: -1 };
            match session.call(&delete).and_then(|reply| reply.check()) {
                Ok(()) => claims.push(Claim::Absent(path)),
                Err(error) => unanswered(error)?,
            }
        }
    }
    let owner = session.id();
    claims.extend(kept.into_iter().map(|path| Claim::Owned(path, owner)));
    // Who holds a session here holds it until everything has been judged.
    claims.push(Claim::Alive(Box::new(session)));
    Ok(claims)
}
