//! Creates, changes and deletes nodes, alone and in multis.

use super::{Bench, create, set, unanswered};
use crate::mixed::claims::Claim;
use client::Session;
use wire::{Acl, CreateMode, MultiOp, OpCode, Request};

/// So many nodes stay before the oldest is deleted.
const KEPT: u64 = 200;

pub(super) fn work(bench: &Bench) -> Result<Vec<Claim>, String> {
    let session = bench.session(|_| {})?;
    bench.make(&session, &bench.path(""), b"")?;
    let mut claims = Vec::new();
    let mut number = 0;
    while bench.shared.goes_on() {
        let name = |number: u64| bench.path(&format!("/n{number:06}"));
        let (one, two) = (name(number), format!("{}-twin", name(number)));
        claims.push(match number % 4 {
            0 => pair(bench, &session, one, two)?,
            _ => single(bench, &session, one)?,
        });
        if number % 4 == 1 && number > KEPT {
            claims.push(delete(bench, &session, name(number - KEPT))?);
        }
        number += 1;
    }
    // A node that was made and deleted is told of twice: the last word counts.
    Ok(claims)
}

fn single(bench: &Bench, session: &Session, path: String) -> Result<Claim, String> {
    let made = session.call(&create(&path, b"first", CreateMode::Persistent)).and_then(|reply| reply.check());
    if let Err(error) = made {
        unanswered(error)?;
        return Ok(Claim::Together(vec![path]));
    }
    bench.shared.wrote();
    let changed = session.call(&set(&path, b"second", 0)).and_then(|reply| reply.check());
    match changed {
        Ok(()) => {
            bench.shared.wrote();
            Ok(Claim::Holds(path, b"second".to_vec()))
        }
        Err(error) => unanswered(error).map(|()| Claim::Present(path)),
    }
}

fn pair(bench: &Bench, session: &Session, one: String, two: String) -> Result<Claim, String> {
    let op = |path: &str| MultiOp::Create {
        op: OpCode::Create,
        path: Some(path.to_owned().into()),
        data: None,
        acl: Some(vec![Acl::open()]),
        flags: CreateMode::Persistent.flags(),
        ttl: -1,
    };
    let request = Request::Multi { ops: vec![op(&one), op(&two)] };
    let made = session.call(&request).and_then(|reply| reply.check());
    if let Err(error) = made {
        unanswered(error)?;
        return Ok(Claim::Together(vec![one, two]));
    }
    bench.shared.wrote();
    Ok(Claim::AllOf(vec![one, two]))
}

fn delete(bench: &Bench, session: &Session, path: String) -> Result<Claim, String> {
    let request = Request::Delete { path: Some(path.as_str().into()), version: -1 };
    match session.call(&request).and_then(|reply| reply.check()) {
        Ok(()) => bench.shared.wrote(),
        // Its creation was not answered, and did not happen.
        Err(error) if error.code() == Some(wire::ErrorCode::NoNode) => {}
        Err(error) => return unanswered(error).map(|()| Claim::Together(vec![path])),
    }
    Ok(Claim::Absent(path))
}
