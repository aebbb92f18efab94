//! C10, sequential nodes: the number in a name is the count of children that the parent has ever had, so it is unique and
//! rises as long as the parent lives, whoever leads (reference: simulation §2.8 C10; client-protocol §6.2). Counted from
//! the transactions alone, without the model.

use super::Violation;
use super::multi_atomicity::is_whole;
use std::collections::BTreeMap;
use wire::{CreateMode, MultiOp, Request, Txn, TxnRecord, Ustring, Zxid};

const CHECK: &str = "C10 sequential nodes";
const SOURCE: &str = "client protocol §6.2: the suffix is the parent's count of children ever created";

/// C10.
#[derive(Clone, Debug, Default)]
pub(crate) struct SequentialNodes {
    /// Children ever made, by parent. A parent that is made again begins anew.
    made: BTreeMap<String, u64>,
}

impl SequentialNodes {
    pub(crate) fn committed(
        &mut self,
        record: &TxnRecord<'_>,
        request: Option<&Request<'_>>,
    ) -> Result<(), Violation> {
        let zxid = record.header.zxid;
        match (&record.txn, request) {
            (Txn::CloseSession { paths }, _) => {
                paths.iter().flatten().for_each(|path| self.gone(path));
                Ok(())
            }
            (Txn::Multi { ops }, _) if !is_whole(ops) => Ok(()),
            (Txn::Multi { ops }, Some(Request::Multi { ops: asked })) => {
                ops.iter().zip(asked).try_for_each(|(txn, asked)| {
                    let wish = match asked {
                        MultiOp::Create { path, flags, .. } => wish(path, *flags),
                        _ => None,
                    };
                    self.one(zxid, txn, wish)
                })
            }
            (txn, Some(Request::Create { path, flags, .. })) => self.one(zxid, txn, wish(path, *flags)),
            (txn, _) => self.one(zxid, txn, None),
        }
    }

    /// `wish`: the name without the number, of a sequential node.
    fn one(&mut self, zxid: Zxid, txn: &Txn<'_>, wish: Option<&str>) -> Result<(), Violation> {
        let made = match txn {
            Txn::Create { create, .. } => &create.path,
            Txn::CreateContainer { path, .. } | Txn::CreateTtl { path, .. } => path,
            Txn::Delete { path } | Txn::DeleteContainer { path } => {
                self.gone(path);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let path = made.as_deref().unwrap_or_default();
        let above = path.rfind('/').filter(|at| *at > 0).map_or("/", |at| &path[..at]);
        let count = self.made.entry(above.to_owned()).or_default();
        let number = *count;
        *count += 1;
        self.made.insert(path.to_owned(), 0);
        let expected = wish.map(|wish| format!("{wish}{number:010}"));
        if expected.as_ref().is_none_or(|expected| expected == path) {
            return Ok(());
        }
        let facts = format!("{zxid} creates {path}, but {above} has had {number} children");
        Err(Violation::new(CHECK, SOURCE, facts))
    }

    fn gone(&mut self, path: &Ustring<'_>) {
        self.made.remove(path.as_deref().unwrap_or_default());
    }
}

fn wish<'a>(path: &'a Ustring<'_>, flags: i32) -> Option<&'a str> {
    let sequential = CreateMode::from_flags(flags).is_some_and(CreateMode::is_sequential);
    path.as_deref().filter(|_| sequential)
}

#[cfg(test)]
mod tests {
    use crate::checks::story::{Story, create, delete, is, session};
    use wire::{CreateMode, CreateTxn, OpCode, Txn};

    const MODE: CreateMode = CreateMode::PersistentSequential;

    fn made(path: &'static str) -> Txn<'static> {
        let create = CreateTxn {
            path: Some(path.into()),
            data: None,
            acl: Some(vec![wire::Acl::open()]),
            ephemeral: false,
            parent_cversion: 1,
        };
        Txn::Create { op: OpCode::Create, create }
    }

    fn two() -> Story {
        let mut story = Story::of(1);
        story.write(0, create("/a", CreateMode::Persistent));
        story.write(0, create("/a/s-", MODE));
        story.write(0, create("/a/x", CreateMode::Persistent));
        story
    }

    #[test]
    fn a_good_history() {
        let mut story = two();
        story.write(0, create("/a/t-", MODE));
        story.write(0, delete("/a/t-0000000002"));
        story.write(0, create("/a/t-", MODE));
        for path in ["/a/t-0000000003", "/a/x", "/a/s-0000000000", "/a"] {
            story.write(0, delete(path));
        }
        story.write(0, create("/a", CreateMode::Persistent));
        let xid = story.ask(0, create("/a/s-", MODE));
        story.commit(0, xid).expect("a new parent counts from the beginning");
    }

    #[test]
    fn a_number_again_or_left_out() {
        for path in ["/a/s-0000000001", "/a/s-0000000003", "/a/s-2"] {
            let mut story = two();
            let xid = story.ask(0, create("/a/s-", MODE));
            is("C10", story.commit_next(session(0), xid, made(path)));
        }
    }
}
