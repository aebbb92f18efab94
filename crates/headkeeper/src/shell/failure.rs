//! What went wrong, in words that say what to do next, and as an exit code.

use client::Error;
use serde_json::{Value, json};
use std::fmt;
use std::io::ErrorKind;
use wire::ErrorCode;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    path: Option<String>,
    code: Option<ErrorCode>,
    exit: u8,
}

/// The server refused, or anything without a number of its own.
const REFUSED: u8 = 1;
const ARGUMENTS: u8 = 2;
const CONNECTION: u8 = 3;

impl Failure {
    /// Arguments that make no sense.
    pub fn arguments(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), hint: None, path: None, code: None, exit: ARGUMENTS }
    }

    /// Something else that stands in the way.
    pub fn refused(message: impl Into<String>, hint: &str) -> Failure {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Failure { message: message.into(), hint, path: None, code: None, exit: REFUSED }
    }

    /// No server let us in.
    pub fn no_connection(e: &Error) -> Failure {
        let hint = match e {
            Error::Address(_) => "servers are written host:port,host:port/chroot",
            Error::NoServer(_, why) if hung_up(why) => {
                "a server is running there and does not serve: as a member of an ensemble it waits for a quorum of the \
                 others, and its log says which it cannot reach; or it has as many connections as maxCnxns and \
                 maxClientCnxns allow"
            }
            _ => "is a server running there? `headkeeper` alone starts one on this machine; -s names another",
        };
        Failure { message: e.to_string(), hint: Some(hint.into()), path: None, code: None, exit: CONNECTION }
    }

    /// A request about `path` failed.
    pub fn of(e: Error, path: &str) -> Failure {
        let Error::Server(code) = e else {
            let hint = match e {
                Error::Closed => Some(
                    "whether the request was carried out is not known: look before doing it again".into(),
                ),
                Error::Timeout => Some("the server does not answer, or none can be reached".into()),
                _ => None,
            };
            return Failure {
                message: e.to_string(),
                hint,
                path: Some(path.into()),
                code: None,
                exit: CONNECTION,
            };
        };
        let (message, hint) = words(code, path);
        Failure {
            message,
            hint: hint.map(str::to_owned),
            path: Some(path.into()),
            code: Some(code),
            exit: exit(code),
        }
    }

    /// The server's code, if it was the server.
    pub fn code(&self) -> Option<ErrorCode> {
        self.code
    }

    /// The same with another hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it on stderr; returns the exit code.
    pub fn print(&self, json: bool) -> u8 {
        if json {
            eprintln!("{}", self.json());
        } else {
            eprintln!("{self}");
        }
        self.exit
    }

    fn json(&self) -> Value {
        json!({"error": {
            "name": self.code.map(ErrorCode::name),
            "code": self.code.map(ErrorCode::code),
            "path": self.path,
            "message": self.message,
            "hint": self.hint,
            "exit": self.exit,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  ({hint})"),
            None => Ok(()),
        }
    }
}

fn exit(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::NoNode => 4,
        ErrorCode::NodeExists => 5,
        ErrorCode::BadVersion => 6,
        ErrorCode::NoAuth | ErrorCode::AuthFailed => 7,
        ErrorCode::NotEmpty => 8,
        _ => REFUSED,
    }
}

/// zkCli's words where it has any, and a way on.
fn words(code: ErrorCode, path: &str) -> (String, Option<&'static str>) {
    match code {
        ErrorCode::NoNode => (format!("Node does not exist: {path}"), None),
        ErrorCode::NodeExists => (format!("Node already exists: {path}"), Some("`set` changes its data")),
        ErrorCode::NotEmpty => {
            (format!("Node not empty: {path}"), Some("`deleteall` deletes the children too"))
        }
        ErrorCode::NoChildrenForEphemerals => (format!("Ephemerals cannot have children: {path}"), None),
        ErrorCode::NoAuth => (
            format!("Insufficient permission : {path}"),
            Some("`getAcl` shows who may; `addauth digest user:password` shows the server who you are"),
        ),
        ErrorCode::InvalidAcl => (
            format!("Acl is not valid : {path}"),
            Some("known schemes are world, ip, digest and auth; auth needs an `addauth` before"),
        ),
        ErrorCode::BadArguments => (format!("Arguments are not valid : {path}"), None),
        ErrorCode::BadVersion => (
            format!("version No is not valid : {path}"),
            Some("someone has changed it meanwhile; `stat` shows the version it has now"),
        ),
        ErrorCode::QuotaExceeded => (
            format!("Quota has exceeded : {path}"),
            Some("`listquota` on the subtree's top shows limits and usage"),
        ),
        ErrorCode::NotReadOnly => {
            (format!("Not a read-only call: {path}"), Some("this server has lost its ensemble"))
        }
        ErrorCode::AuthFailed => {
            ("Authentication failed".into(), Some("the server does not know the scheme, or refuses it"))
        }
        ErrorCode::NoWatcher => (format!("No such watcher for {path}"), Some("watches belong to a session")),
        ErrorCode::Unimplemented => (
            format!("The server does not do this: {path}"),
            Some("TTL nodes need extendedTypesEnabled=true in the server's configuration"),
        ),
        code => (format!("{code}: {path}"), None),
    }
}

/// The connection was taken and closed again, in whichever way the system tells it.
fn hung_up(e: &Error) -> bool {
    match e {
        Error::Closed => true,
        Error::Io(_, e) => matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        _ => false,
    }
}
