//! Local sessions.

use super::ensemble::Ensemble;
use super::teller::{FOLLOWER, Hello, LEADER, NEW, OTHER, Teller};
use crate::item::Frame;
use crate::stories::talk::{create, op_check, op_create, text};
use std::io;
use wire::{OpCode, Request};

/// Every server a session can be local to, and another one.
const PLACES: [(usize, usize); 2] = [(LEADER, FOLLOWER), (FOLLOWER, OTHER)];

const PERSISTENT: i32 = 0;
const EPHEMERAL: i32 = 1;

fn make(path: &str, flags: i32) -> Frame {
    Frame::of(&create(OpCode::Create, path, flags))
}

fn multi(path: &str, flags: i32) -> Frame {
    Frame::of(&Request::Multi { ops: vec![op_check("/", -1), op_create(OpCode::Create, path, flags)] })
}

fn exists(path: &str) -> Frame {
    Frame::of(&Request::Exists { path: text(path), watch: false })
}

/// What a session may do without becoming global.
pub(super) fn sessions(ensemble: &mut Ensemble, teller: &mut Teller) -> io::Result<()> {
    for (home, away) in PLACES {
        let mut first = teller.connect(home, NEW)?;
        teller.words(ensemble, home);
        teller.words(ensemble, away);
        let path = format!("/by{home}");
        teller.call(&mut first, &[make(&path, PERSISTENT), exists(&path), make(&path, PERSISTENT)]);
        teller.call(&mut first, &[multi(&format!("{path}multi"), PERSISTENT)]);
        teller.call(&mut first, &[Frame::of(&Request::Sync { path: text("/") })]);
        teller.call(&mut first, &[Frame { xid: Some(-2), ..Frame::of(&Request::Ping) }]);

        let same = Hello { session: first.session, ..NEW };
        let mut again = teller.connect(home, Hello { timeout_ms: 20_000, ..same })?;
        teller.end(&mut first);
        teller.call(&mut again, &[exists(&path)]);
        let mut stranger = teller.connect(away, same)?;
        teller.end(&mut stranger);
        teller.call(&mut again, &[exists(&path)]);
        let mut wrong = teller.connect(home, Hello { right_password: false, ..same })?;
        teller.end(&mut wrong);
        teller.end(&mut again);
        let mut back = teller.connect(home, same)?;

        let path = format!("{path}last");
        teller.call(&mut back, &[make(&path, PERSISTENT), Frame::of(&Request::CloseSession)]);
        teller.end(&mut back);
        let mut gone = teller.connect(home, same)?;
        teller.end(&mut gone);
        teller.words(ensemble, home);

        let mut quiet = teller.connect(home, Hello { timeout_ms: 500, ..NEW })?;
        teller.end(&mut quiet);
        let mut gone = teller.connect(home, Hello { session: quiet.session, ..NEW })?;
        teller.end(&mut gone);
    }
    Ok(())
}

/// What makes a session global, and what it is then.
pub(super) fn upgrades(ensemble: &mut Ensemble, teller: &mut Teller) -> io::Result<()> {
    for (home, away) in PLACES {
        let mut client = teller.connect(home, NEW)?;
        let path = format!("/eph{home}");
        let prefix = Frame::of(&Request::GetEphemerals { prefix: text("/") });
        teller.call(&mut client, &[make(&path, 9)]);
        teller.words(ensemble, home);
        teller.call(&mut client, &[make(&path, EPHEMERAL), exists(&path), make(&path, EPHEMERAL), prefix]);
        for role in [home, away] {
            teller.words(ensemble, role);
        }
        let same = Hello { session: client.session, ..NEW };
        let mut moved = teller.connect(away, same)?;
        teller.silence(&mut client);
        teller.call(&mut moved, &[make(&format!("{path}moved"), EPHEMERAL)]);
        teller.call(&mut client, &[make(&format!("{path}late"), PERSISTENT)]);
        let mut back = teller.connect(home, same)?;
        teller.call(&mut back, &[exists(&path), Frame::of(&Request::CloseSession)]);
        teller.end(&mut back);
        teller.words(ensemble, home);

        let mut client = teller.connect(home, NEW)?;
        teller.call(&mut client, &[multi(&path, EPHEMERAL), exists(&path)]);
        teller.words(ensemble, away);
        teller.call(&mut client, &[Frame::of(&Request::CloseSession)]);

        // Long enough that it is there to write, even on a machine that stands still for a while.
        let mut client = teller.connect(home, Hello { timeout_ms: 10_000, ..NEW })?;
        teller.call(&mut client, &[make(&path, EPHEMERAL)]);
        teller.end(&mut client);
        let mut gone = teller.connect(home, Hello { session: client.session, ..NEW })?;
        teller.end(&mut gone);
        teller.words(ensemble, away);
    }
    Ok(())
}

/// Where no session may become global.
pub(super) fn refusals(ensemble: &mut Ensemble, teller: &mut Teller) -> io::Result<()> {
    for (home, _) in PLACES {
        let mut client = teller.connect(home, NEW)?;
        let path = format!("/eph{home}");
        teller.call(&mut client, &[make(&path, EPHEMERAL), exists(&path)]);
        teller.call(&mut client, &[make("/none/eph", EPHEMERAL), make(&path, 9)]);
        teller.call(&mut client, &[multi(&path, EPHEMERAL), exists(&path)]);
        teller.call(&mut client, &[Frame::of(&create(OpCode::Create2, &path, 3))]);
        teller.call(&mut client, &[make(&path, PERSISTENT), multi(&format!("{path}multi"), PERSISTENT)]);
        teller.words(ensemble, home);
        teller.call(&mut client, &[Frame::of(&Request::CloseSession)]);
        teller.end(&mut client);
    }
    Ok(())
}
