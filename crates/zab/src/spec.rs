//! The value of a `server.N` line (reference: quorum-protocol §1.2).

use std::fmt;

/// Does a server vote?
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Role {
    /// Votes and acknowledges.
    #[default]
    Participant,
    /// Only learns.
    Observer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Participant => "participant",
            Role::Observer => "observer",
        })
    }
}

/// A host and a port. IPv6 hosts are kept without brackets and printed with them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    /// A name or an address; resolved by the shell at every connect.
    pub host: String,
    /// 0 to 65535.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a `server.N` line says of one server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ServerSpec {
    /// Quorum addresses, sorted by host; one unless `multiAddress.enabled`.
    pub quorum: Vec<Address>,
    /// Election addresses, in the same order.
    pub election: Vec<Address>,
    /// Voter or observer.
    pub role: Role,
    /// Where clients connect, if the line says it.
    pub client: Option<Address>,
    /// Where clients connect with TLS, if the line says it. Read always; printed only on request, since servers before 3.10
    /// refuse a line with it.
    pub secure_client: Option<Address>,
}

/// Why a `server.N` line is not one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpecError {
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; the form is host:quorumPort:electionPort[:participant|observer][|more addresses][;[clientHost:]clientPort]",
            self.reason
        )
    }
}

impl std::error::Error for SpecError {}

fn error<T>(reason: impl Into<String>) -> Result<T, SpecError> {
    Err(SpecError { reason: reason.into() })
}

impl ServerSpec {
    /// Reads the value of a `server.N` line.
    ///
    /// # Errors
    /// When it has another form, when the roles of several addresses differ, or when a quorum port equals its election
    /// port.
    pub fn parse(text: &str) -> Result<ServerSpec, SpecError> {
        let mut parts = text.split(';');
        let servers = parts.next().unwrap_or_default();
        let client = parts.next().map(client_address).transpose()?.flatten();
        let secure_client = parts.next().map(client_address).transpose()?.flatten();
        if parts.next().is_some() {
            return error(format!("'{text}' has more than three parts"));
        }
        let mut addresses = Vec::new();
        let mut role = None;
        for address in servers.split('|') {
            let (quorum, election, this_role) = server_address(address)?;
            if role.is_some_and(|role| role != this_role) {
                return error(format!("'{text}' gives one server two roles"));
            }
            role = Some(this_role);
            addresses.push((quorum, election));
        }
        addresses.sort();
        addresses.dedup();
        let (quorum, election) = addresses.into_iter().unzip();
        Ok(ServerSpec { quorum, election, role: role.unwrap_or_default(), client, secure_client })
    }

    /// The canonical text, as it stands in notifications and in `/zookeeper/config`.
    pub fn text(&self, with_secure: bool) -> String {
        let addresses: Vec<_> =
            self.quorum.iter().zip(&self.election).map(|(q, e)| format!("{q}:{}", e.port)).collect();
        let mut out = format!("{}:{}", addresses.join("|"), self.role);
        if let Some(client) = &self.client {
            out += &format!(";{client}");
        }
        if let (Some(secure), true) = (&self.secure_client, with_secure) {
            out += &format!("{};{secure}", if self.client.is_none() { ";" } else { "" });
        }
        out
    }
}

/// `host:quorumPort:electionPort[:role]`
fn server_address(text: &str) -> Result<(Address, Address, Role), SpecError> {
    let (host, rest) = split_host(text.trim())?;
    let fields: Vec<_> = rest.split(':').collect();
    let (quorum, election, role) = match fields[..] {
        [q, e] => (port(q)?, port(e)?, Role::Participant),
        [q, e, role] if role.eq_ignore_ascii_case("participant") => (port(q)?, port(e)?, Role::Participant),
        [q, e, role] if role.eq_ignore_ascii_case("observer") => (port(q)?, port(e)?, Role::Observer),
        [_, _, role] => return error(format!("'{role}' is not a role")),
        _ => return error(format!("'{text}' does not have two ports")),
    };
    if quorum == election {
        return error(format!("'{text}' uses port {quorum} for both quorum and election"));
    }
    Ok((Address { host: host.clone(), port: quorum }, Address { host, port: election }, role))
}

/// `port`, `host:port`, or nothing; an absent or empty host is every address.
fn client_address(text: &str) -> Result<Option<Address>, SpecError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let (host, port_text) =
        if text.contains(':') { split_host(text)? } else { (String::new(), text.to_owned()) };
    let host = if host.is_empty() { "0.0.0.0".to_owned() } else { host };
    Ok(Some(Address { host, port: port(&port_text)? }))
}

/// The host, without brackets, and what stands behind its colon.
fn split_host(text: &str) -> Result<(String, String), SpecError> {
    let split = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.split_once(':'),
    };
    match split {
        Some((host, rest)) => Ok((host.to_owned(), rest.to_owned())),
        None => error(format!("'{text}' has no host and port")),
    }
}

fn port(text: &str) -> Result<u16, SpecError> {
    text.trim().parse().or_else(|_| error(format!("'{text}' is not a port (0 to 65535)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        ServerSpec::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).text(false)
    }

    #[test]
    fn lines_print_in_their_canonical_form() {
        assert_eq!(canonical("zk1:2888:3888"), "zk1:2888:3888:participant");
        assert_eq!(canonical("zk1:2888:3888:OBSERVER;2181"), "zk1:2888:3888:observer;0.0.0.0:2181");
        assert_eq!(canonical("[::1]:1:2;[::]:2181"), "[::1]:1:2:participant;[::]:2181");
        assert_eq!(canonical("b:1:2|a:3:4"), "a:3:4|b:1:2:participant");
    }

    #[test]
    fn the_secure_part_is_read_but_printed_only_on_request() {
        let both = ServerSpec::parse("a:1:2;2181;2281").expect("three parts");
        assert_eq!(both.text(false), "a:1:2:participant;0.0.0.0:2181");
        assert_eq!(both.text(true), "a:1:2:participant;0.0.0.0:2181;0.0.0.0:2281");
        let secure = ServerSpec::parse("a:1:2;;2281").expect("an empty second part");
        assert_eq!(secure.text(true), "a:1:2:participant;;0.0.0.0:2281");
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (line, reason) in [
            ("a", "no host and port"),
            ("a:1", "two ports"),
            ("a:1:1", "both quorum and election"),
            ("a:1:2:leader", "not a role"),
            ("a:x:2", "not a port"),
            ("a:1:70000", "not a port"),
            ("a:1:2|b:1:2:observer", "two roles"),
            ("a:1:2;1;2;3", "more than three"),
        ] {
            let text = ServerSpec::parse(line).expect_err(line).to_string();
            assert!(text.contains(reason), "{line}: {text}");
        }
    }
}
