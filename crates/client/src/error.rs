//! What can go wrong between a client and its server.

use std::{fmt, io};
use wire::{DecodeError, ErrorCode};

/// Why an exchange with a server failed. After anything but [`Error::Server`] and [`Error::Timeout`] the connection is of no
/// further use.
#[derive(Debug)]
pub enum Error {
    /// The operating system's answer to a socket call, and what was being done.
    Io(&'static str, io::Error),
    /// No server of the list let us in: the last address tried and why it failed.
    NoServer(String, Box<Error>),
    /// The server closed the connection.
    Closed,
    /// Nothing came within the time allowed. A later call may still receive it.
    Timeout,
    /// The server does not know the session any more, or the password is wrong: it answers both alike.
    SessionExpired,
    /// The server sent bytes that are not what they should be.
    Decode(DecodeError),
    /// The server broke the rules of the protocol in some other way.
    Protocol(String),
    /// The server's refusal, for one request.
    Server(ErrorCode),
    /// The server's refusal with a number nobody assigned.
    UnknownCode(i32),
    /// The list of servers, or one of them, is not written as it should be.
    Address(String),
}

impl Error {
    /// The code for a reply's `err`; `Ok` for 0.
    ///
    /// # Errors
    /// [`Error::Server`] or [`Error::UnknownCode`].
    pub fn check(err: i32) -> Result<(), Error> {
        match (err, ErrorCode::from_code(err)) {
            (0, _) => Ok(()),
            (_, Some(code)) => Err(Error::Server(code)),
            (_, None) => Err(Error::UnknownCode(err)),
        }
    }

    /// The server's refusal, if this is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Server(code) => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(what, e) => write!(f, "cannot {what}: {e}"),
            Error::NoServer(address, e) => write!(f, "no connection to {address}: {e}"),
            Error::Closed => f.write_str("the server closed the connection"),
            Error::Timeout => f.write_str("no answer in time"),
            Error::SessionExpired => f.write_str("the session has expired"),
            Error::Decode(e) => write!(f, "the server's answer cannot be read: {e}"),
            Error::Protocol(what) => write!(f, "the server broke the protocol: {what}"),
            Error::Server(code) => write!(f, "{code}"),
            Error::UnknownCode(code) => write!(f, "unknown error code {code}"),
            Error::Address(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(_, e) => Some(e),
            Error::NoServer(_, e) => Some(e),
            Error::Decode(e) => Some(e),
            _ => None,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(e: DecodeError) -> Error {
        Error::Decode(e)
    }
}
