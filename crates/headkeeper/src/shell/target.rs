//! The session a shell talks through.

use super::ShellArgs;
use super::failure::Failure;
use client::{Error, Options, Reply, Servers, Session, SessionEvent, subtree};
use std::sync::Arc;
use std::time::Duration;
use wire::{Request, Response};

/// A session and the chroot in front of every path.
pub struct Target {
    session: Arc<Session>,
    chroot: String,
}

impl Target {
    /// Connects as the arguments say, and shows the credentials they hold.
    pub fn connect(
        args: &ShellArgs,
        on_event: impl FnMut(SessionEvent) + Send + 'static,
    ) -> Result<Target, Failure> {
        let servers: Servers = args.server.parse().map_err(|e| Failure::no_connection(&e))?;
        let options = Options {
            session_timeout_ms: args.timeout,
            request_timeout: Duration::from_secs(30),
            read_only: Some(args.read_only),
            ..Options::default()
        };
        let session = Session::open(&servers, &options, on_event).map_err(|e| Failure::no_connection(&e))?;
        for credential in &args.auth {
            let (scheme, auth) = credential.split_once(':').ok_or_else(|| {
                Failure::arguments(format!("{credential:?} does not have the form scheme:auth"))
            })?;
            session.authenticate(scheme, auth.as_bytes()).map_err(|e| Failure::of(e, ""))?;
        }
        let chroot = servers.chroot().unwrap_or("").to_owned();
        Ok(Target { session: Arc::new(session), chroot })
    }

    /// The session.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The path on the server of a path as typed.
    pub fn absolute(&self, path: &str) -> Result<String, Failure> {
        if !path.starts_with('/') {
            return Err(Failure::arguments(format!("Path must start with / character: {path:?}")));
        }
        if path.len() > 1 && path.ends_with('/') {
            return Err(Failure::arguments(format!("Path must not end with / character: {path:?}")));
        }
        Ok(self.below_chroot(path))
    }

    /// The same without checks, for prefixes and sequential names.
    pub fn below_chroot(&self, path: &str) -> String {
        match path {
            "/" if !self.chroot.is_empty() => self.chroot.clone(),
            _ => format!("{}{path}", self.chroot),
        }
    }

    /// The path as the user knows it.
    pub fn shown(&self, path: &str) -> String {
        shown(&self.chroot, path)
    }

    /// The chroot; empty for none.
    pub fn chroot(&self) -> &str {
        &self.chroot
    }

    /// Sends a request about `path` (as typed) and returns the answer if it is good.
    pub fn call(&self, path: &str, request: &Request<'_>) -> Result<Reply, Failure> {
        let reply = self.session.call(request).map_err(|e| Failure::of(e, path))?;
        reply.check().map_err(|e| Failure::of(e, path))?;
        Ok(reply)
    }

    /// All paths at and below one, as on the server.
    pub fn subtree(&self, path: &str) -> Result<Vec<String>, Failure> {
        let mut caller = self.session.as_ref();
        subtree::list(&mut caller, &self.absolute(path)?).map_err(|e| Failure::of(e, path))
    }

    /// Ends the session, if it is not used elsewhere any more.
    pub fn close(self) -> Result<(), Failure> {
        match Arc::try_unwrap(self.session) {
            Ok(session) => session.close().map_err(|e| Failure::of(e, "")),
            Err(_) => Ok(()),
        }
    }
}

/// A server's path without the chroot.
pub fn shown(chroot: &str, path: &str) -> String {
    match path.strip_prefix(chroot) {
        Some("") => "/".into(),
        Some(rest) => rest.into(),
        None => path.into(),
    }
}

/// The answer to an answer of another kind than the request's: the server is broken.
pub fn unexpected(path: &str, response: &Response<'_>) -> Failure {
    Failure::of(Error::Protocol(format!("an answer of another kind: {response:?}")), path)
}
