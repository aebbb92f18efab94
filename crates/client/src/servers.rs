//! The list of servers a client may use.

use crate::Error;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// The port when none is written.
const DEFAULT_PORT: u16 = 2181;

/// `host:port,host:port/chroot` taken apart: at least one server, and the path that every request's path is put behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Servers {
    hosts: Vec<(String, u16)>,
    chroot: Option<String>,
}

impl Servers {
    /// The servers, as written (the port filled in), in order.
    pub fn hosts(&self) -> &[(String, u16)] {
        &self.hosts
    }

    /// The chroot, starting with `/` and not ending with it; `None` for none or a bare `/`.
    pub fn chroot(&self) -> Option<&str> {
        self.chroot.as_deref()
    }

    /// All addresses the names stand for, in order.
    ///
    /// # Errors
    /// [`Error::Address`] when not one of the names can be resolved.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let mut out = Vec::new();
        let mut failed = None;
        for (host, port) in &self.hosts {
            match (host.as_str(), *port).to_socket_addrs() {
                Ok(found) => out.extend(found),
                Err(e) => failed = Some(Error::Address(format!("cannot resolve {host:?}: {e}"))),
            }
        }
        match failed {
            Some(e) if out.is_empty() => Err(e),
            _ => Ok(out),
        }
    }
}

impl FromStr for Servers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Servers, Error> {
        let (list, chroot) = match text.find('/') {
            Some(at) => (&text[..at], Some(text[at..].trim_end_matches('/'))),
            None => (text, None),
        };
        let hosts =
            list.split(',').map(|entry| host_and_port(entry.trim())).collect::<Result<Vec<_>, _>>()?;
        let chroot = chroot.filter(|c| !c.is_empty()).map(str::to_owned);
        if chroot.as_deref().is_some_and(|c| c.contains("//")) {
            return Err(Error::Address(format!("the chroot of {text:?} has an empty component")));
        }
        Ok(Servers { hosts, chroot })
    }
}

fn host_and_port(entry: &str) -> Result<(String, u16), Error> {
    let bad = || Error::Address(format!("{entry:?} is not host, host:port or [ipv6]:port"));
    let port = |text: &str| text.parse::<u16>().map_err(|_| bad());
    let (host, port) = if let Some(rest) = entry.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or_else(bad)?;
        match tail.strip_prefix(':') {
            Some(p) => (host, port(p)?),
            None if tail.is_empty() => (host, DEFAULT_PORT),
            None => return Err(bad()),
        }
    } else {
        match entry.split_once(':') {
            Some((host, p)) if !p.contains(':') => (host, port(p)?),
            Some(_) => (entry, DEFAULT_PORT),
            None => (entry, DEFAULT_PORT),
        }
    };
    if host.is_empty() { Err(bad()) } else { Ok((host.to_owned(), port)) }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if host.contains(':') {
                write!(f, "{comma}[{host}]:{port}")?;
            } else {
                write!(f, "{comma}{host}:{port}")?;
            }
        }
        f.write_str(self.chroot.as_deref().unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Servers {
        text.parse().expect("a list of servers")
    }

    #[test]
    fn lists_ports_and_chroots() {
        let servers = parse("a:1,b, [::1]:3,::1/app/x/");
        assert_eq!(servers.to_string(), "a:1,b:2181,[::1]:3,[::1]:2181/app/x");
        assert_eq!(servers.chroot(), Some("/app/x"));
        assert_eq!(parse("a/").chroot(), None);
    }

    #[test]
    fn mistakes_are_named() {
        for wrong in ["", "a:", "a:70000", "a,,b", "[::1", "[::1]x", ":5", "a//b"] {
            assert!(wrong.parse::<Servers>().is_err(), "{wrong:?}");
        }
    }
}
