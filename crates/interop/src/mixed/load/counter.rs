//! A number that is read and written again, one higher, if nobody has written meanwhile.

use super::{Bench, set, unanswered};
use crate::mixed::claims::Claim;
use client::{Error, Session};
use wire::{ErrorCode, Request, Response};

pub(super) fn work(bench: &Bench) -> Result<Vec<Claim>, String> {
    let session = bench.session(|_| {})?;
    let path = bench.path("");
    bench.make(&session, &path, b"0")?;
    let (mut acknowledged, mut unknown) = (0, 0);
    while bench.shared.goes_on() {
        let (number, version) = match read(&session, &path) {
            Ok(read) => read,
            Err(error) => {
                unanswered(error)?;
                continue;
            }
        };
        if number < acknowledged || number > acknowledged + unknown {
            return Err(format!(
                "{number} was read after {acknowledged} writes and {unknown} without an answer"
            ));
        }
        let next = (number + 1).to_string();
        match session.call(&set(&path, next.as_bytes(), version)).and_then(|reply| reply.check()) {
            Ok(()) => {
                bench.shared.wrote();
                acknowledged += 1;
            }
            // A write that was not answered came behind the reading.
            Err(Error::Server(ErrorCode::BadVersion)) if unknown > 0 => {}
            Err(error) => {
                unanswered(error)?;
                unknown += 1;
            }
        }
    }
    Ok(vec![Claim::Between(path, acknowledged, acknowledged + unknown)])
}

fn read(session: &Session, path: &str) -> Result<(u64, i32), Error> {
    let reply = session.call(&Request::GetData { path: Some(path.into()), watch: false })?;
    match reply.response()? {
        Response::Data(Some(data), stat) => {
            let number = std::str::from_utf8(&data).ok().and_then(|text| text.parse().ok());
            let number = number.ok_or_else(|| Error::Protocol(format!("{path} holds {data:?}")))?;
            Ok((number, stat.version))
        }
        other => Err(Error::Protocol(format!("an odd answer to getData: {other:?}"))),
    }
}
