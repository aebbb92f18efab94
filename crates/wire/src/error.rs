//! Error codes (reference: client-protocol §14).

use std::fmt;

macro_rules! error_codes {
    ($($name:ident = $code:literal, $text:literal, $doc:literal;)*) => {
        /// A ZooKeeper error code. `0` is success and is not in this type.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(i32)]
        pub enum ErrorCode { $(#[doc = $doc] $name = $code,)* }

        impl ErrorCode {
            /// All codes, in falling order.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            /// The code for a number on the wire; `None` for 0 and for numbers nobody assigned.
            pub fn from_code(code: i32) -> Option<ErrorCode> {
                match code { $($code => Some(ErrorCode::$name),)* _ => None }
            }

            /// The name without the Java suffix, such as `NONODE`.
            pub fn name(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)* }
            }
        }
    };
}

error_codes! {
    SystemError = -1, "SYSTEMERROR", "Marks the range of system errors; never sent.";
    RuntimeInconsistency = -2, "RUNTIMEINCONSISTENCY", "In a failed multi: the operations after the failing one.";
    DataInconsistency = -3, "DATAINCONSISTENCY", "Never sent in practice.";
    ConnectionLoss = -4, "CONNECTIONLOSS", "Made by clients.";
    MarshallingError = -5, "MARSHALLINGERROR", "The record cannot be decoded.";
    Unimplemented = -6, "UNIMPLEMENTED", "Unknown operation, or one that is switched off.";
    OperationTimeout = -7, "OPERATIONTIMEOUT", "Made by clients.";
    BadArguments = -8, "BADARGUMENTS", "Bad path, flags, ttl or reconfig arguments.";
    UnknownSession = -12, "UNKNOWNSESSION", "Internal.";
    NewConfigNoQuorum = -13, "NEWCONFIGNOQUORUM", "The new configuration has no synced quorum.";
    ReconfigInProgress = -14, "RECONFIGINPROGRESS", "Another reconfiguration is under way.";
    ApiError = -100, "APIERROR", "Marks the range of API errors; never sent.";
    NoNode = -101, "NONODE", "The node does not exist.";
    NoAuth = -102, "NOAUTH", "The ACL does not allow it.";
    BadVersion = -103, "BADVERSION", "The expected version is not the current one.";
    NoChildrenForEphemerals = -108, "NOCHILDRENFOREPHEMERALS", "An ephemeral node has no children.";
    NodeExists = -110, "NODEEXISTS", "The node exists.";
    NotEmpty = -111, "NOTEMPTY", "The node has children.";
    SessionExpired = -112, "SESSIONEXPIRED", "The session is closing.";
    InvalidCallback = -113, "INVALIDCALLBACK", "Made by clients.";
    InvalidAcl = -114, "INVALIDACL", "The ACL list is not valid.";
    AuthFailed = -115, "AUTHFAILED", "Authentication failed.";
    SessionMoved = -118, "SESSIONMOVED", "Internal: turned into a close.";
    NotReadOnly = -119, "NOTREADONLY", "A write at a read-only server.";
    EphemeralOnLocalSession = -120, "EPHEMERALONLOCALSESSION", "A local session cannot own ephemeral nodes.";
    NoWatcher = -121, "NOWATCHER", "No such watch is registered.";
    RequestTimeout = -122, "REQUESTTIMEOUT", "Made by clients.";
    ReconfigDisabled = -123, "RECONFIGDISABLED", "Reconfiguration is switched off.";
    SessionClosedRequireSaslAuth = -124, "SESSIONCLOSEDREQUIRESASLAUTH", "The connection lacks a required authentication.";
    QuotaExceeded = -125, "QUOTAEXCEEDED", "A hard quota would be exceeded.";
    ThrottledOp = -127, "THROTTLEDOP", "The request waited too long in the throttle.";
}

impl ErrorCode {
    /// The number on the wire.
    pub fn code(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

impl std::error::Error for ErrorCode {}
