//! What an application tells the watches and the waiting client.

use wire::{Acl, ErrorCode, MultiResult, Stat};

/// What happened to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// It is new; its parent's children changed too.
    Created,
    /// It is gone; its parent's children changed too.
    Deleted,
    /// Its data was set.
    DataChanged,
}

/// One change of one node, told while its transaction is being applied (reference: client-protocol §7.2, §7.5).
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What happened.
    pub kind: ChangeKind,
    /// The node's path.
    pub path: &'a str,
    /// Bytes of data it has now; 0 of a deleted node.
    pub data_bytes: usize,
    /// The node's ACL; of a deleted node the one it had.
    pub acl: &'a [Acl<'static>],
    /// The parent's path, `/` for a node at the top.
    pub parent: &'a str,
    /// The parent's ACL.
    pub parent_acl: &'a [Acl<'static>],
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct TxnResult<'t> {
    /// Why nothing changed; `None` for success and for every multi, whose errors are in its results.
    pub err: Option<ErrorCode>,
    /// What the client is told besides.
    pub detail: TxnDetail<'t>,
}

/// What the client is told of a transaction that succeeded. Stats are those right after the application.
#[derive(Clone, PartialEq, Debug)]
pub enum TxnDetail<'t> {
    /// Nothing: sessions, deletions, checks and errors.
    None,
    /// Of create, create2, createContainer and createTTL.
    Create {
        /// The final path.
        path: &'t str,
        /// The new node's stat.
        stat: Stat,
    },
    /// Of setData.
    SetData(Stat),
    /// Of setACL.
    SetAcl(Stat),
    /// Of reconfig: the new configuration's text and the node's stat.
    Reconfig {
        /// The text.
        data: &'t [u8],
        /// The stat of `/zookeeper/config`.
        stat: Stat,
    },
    /// Of a multi, failed or not: ready to be sent.
    Multi(Vec<MultiResult<'t>>),
}

impl TxnResult<'_> {
    /// A failure.
    pub(crate) fn error(code: ErrorCode) -> TxnResult<'static> {
        TxnResult { err: Some(code), detail: TxnDetail::None }
    }

    /// A success.
    pub(crate) fn ok(detail: TxnDetail<'_>) -> TxnResult<'_> {
        TxnResult { err: None, detail }
    }
}
