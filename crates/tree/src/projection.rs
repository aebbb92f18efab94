//! The state as it will be when everything prepared so far is applied, and the way from a request to a transaction.

use crate::Tree;
use wire::{ErrorCode, Id, Request, SessionId, TxnRecord, Zxid};

/// What the session of a request may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// A global session.
    Valid,
    /// It is closing, expired or was never there: every write is SESSIONEXPIRED.
    Closing,
    /// Another server owns it by now: every write is SESSIONMOVED.
    Moved,
    /// A local session. It cannot own ephemeral nodes: who may upgrade it does so before preparing such a request
    /// (`upgradable` is then still true for the other requests and changes nothing here).
    Local {
        /// `localSessionsUpgradingEnabled`.
        upgradable: bool,
    },
}

/// Who asks, and what the leader gives the transaction.
#[derive(Clone, Copy, Debug)]
pub struct PrepContext<'a> {
    /// The session that asks; 0 for the server's own sweeps.
    pub session: SessionId,
    /// What it may do.
    pub session_state: SessionState,
    /// The request's xid.
    pub cxid: i32,
    /// The transaction's zxid: the next one.
    pub zxid: Zxid,
    /// The leader's wall clock in ms since 1970.
    pub time_ms: i64,
    /// The connection's credentials when the request arrived.
    pub credentials: &'a [Id<'static>],
}

/// The changes prepared and not yet applied.
#[derive(Default)]
pub struct Projection {}

impl Projection {
    /// Nothing outstanding.
    pub fn new() -> Projection {
        Projection::default()
    }

    /// Checks a write against the tree and everything outstanding, and makes its transaction. What fails becomes an error
    /// transaction, a multi that fails a multi of its errors; both consume the zxid.
    pub fn prepare<'r>(
        &mut self,
        _tree: &Tree,
        ctx: &PrepContext<'_>,
        _request: Request<'r>,
    ) -> TxnRecord<'r> {
        self.prepare_error(ctx, ErrorCode::Unimplemented)
    }

    /// An error transaction.
    pub fn prepare_error(&mut self, ctx: &PrepContext<'_>, code: ErrorCode) -> TxnRecord<'static> {
        let header = wire::TxnHeader {
            client_id: ctx.session,
            cxid: ctx.cxid,
            zxid: ctx.zxid,
            time_ms: ctx.time_ms,
            txn_type: wire::TXN_ERROR,
        };
        TxnRecord { header, txn: wire::Txn::Error { code: code.code() }, digest: None }
    }

    /// The creation of session `ctx.session`.
    pub fn prepare_create_session(
        &mut self,
        _tree: &Tree,
        ctx: &PrepContext<'_>,
        _timeout_ms: i32,
    ) -> TxnRecord<'static> {
        self.prepare_error(ctx, ErrorCode::Unimplemented)
    }

    /// The end of session `ctx.session`, asked for or expired: from now on its writes are SESSIONEXPIRED.
    pub fn prepare_close_session(&mut self, _tree: &Tree, ctx: &PrepContext<'_>) -> TxnRecord<'static> {
        self.prepare_error(ctx, ErrorCode::Unimplemented)
    }

    /// The removal of an empty container or TTL node by the server's own sweep.
    pub fn prepare_delete_container<'r>(
        &mut self,
        _tree: &Tree,
        ctx: &PrepContext<'_>,
        _path: &'r str,
    ) -> TxnRecord<'r> {
        self.prepare_error(ctx, ErrorCode::Unimplemented)
    }

    /// Is the session's end prepared and not yet applied?
    pub fn is_closing(&self, _session: SessionId) -> bool {
        false
    }

    /// Forgets what is in the tree by now: everything up to and including `upto`.
    pub fn applied(&mut self, _upto: Zxid) {}

    /// Forgets everything: the server leaves its role.
    pub fn clear(&mut self) {}
}
