//! A session that does nothing but stay, with an ephemeral node.

use super::{Bench, create, unanswered};
use crate::mixed::claims::Claim;
use wire::CreateMode;

pub(super) fn work(bench: &Bench) -> Result<Vec<Claim>, String> {
    let session = bench.session(|_| {})?;
    let path = bench.path("");
    while let Err(error) =
        session.call(&create(&path, b"", CreateMode::Ephemeral)).and_then(|reply| reply.check())
    {
        if error.code() == Some(wire::ErrorCode::NodeExists) {
            break;
        }
        unanswered(error)?;
    }
    while bench.shared.goes_on() {}
    let owner = session.id();
    Ok(vec![Claim::Owned(path, owner), Claim::Alive(Box::new(session))])
}
