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

impl Role {
    /// `participant` or `observer` in any case.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &str) -> Result<Role, SpecError> {
        match text.to_ascii_lowercase().as_str() {
            "participant" => Ok(Role::Participant),
            "observer" => Ok(Role::Observer),
            _ => Err(SpecError(format!("Unrecognised peertype: {text}"))),
        }
    }
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

/// Why a `server.N` line is not one: Apache's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpecError(pub String);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SpecError {}

impl ServerSpec {
    /// Reads the value of a `server.N` line: `addr1[|addr2…][;[clientHost:]clientPort][;[secureHost:]securePort]`, where each
    /// `addr` is `host:quorumPort:electionPort[:participant|observer]`. The number is only for the message.
    ///
    /// # Errors
    /// When it has another form, when the roles of several addresses differ, or when a quorum port equals its election
    /// port.
    pub fn parse(number: i64, text: &str) -> Result<ServerSpec, SpecError> {
        let mut parts = text.split(';');
        let servers = parts.next().unwrap_or_default();
        let client = parts.next().map(|part| client_address(part, text)).transpose()?.flatten();
        let secure_client = parts.next().map(|part| client_address(part, text)).transpose()?.flatten();
        if parts.next().is_some() {
            return Err(shape(text));
        }
        let mut addresses = Vec::new();
        let mut role = None;
        for address in servers.split('|') {
            let (quorum, election, this_role) = server_address(number, address, text)?;
            match role {
                Some(role) if role != this_role => {
                    let text = format!("Multiple addresses should have similar roles: {role} vs {this_role}");
                    return Err(SpecError(text));
                }
                _ => role = Some(this_role),
            }
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

fn shape(text: &str) -> SpecError {
    SpecError(format!(
        "{text} does not have the form server_config or server_config;client_config where server_config is \
         the pipe separated list of host:port:port or host:port:port:type and client_config is port or host:port"
    ))
}

/// `host:quorumPort:electionPort[:role]`
fn server_address(number: i64, part: &str, whole: &str) -> Result<(Address, Address, Role), SpecError> {
    let fields = host_and_rest(part).ok_or_else(|| shape(whole))?;
    let (host, quorum, election, role) = match fields[..] {
        [host, quorum, election] => (host, quorum, election, Role::Participant),
        [host, quorum, election, role] => (host, quorum, election, Role::parse(role)?),
        _ => return Err(shape(whole)),
    };
    let (quorum, election) = (port(host, quorum)?, port(host, election)?);
    if quorum == election {
        return Err(SpecError(format!(
            "Client and election port must be different! Please update the configuration file on server.{number}"
        )));
    }
    let address = |port| Address { host: host.to_owned(), port };
    Ok((address(quorum), address(election), role))
}

/// `port`, `host:port`, or nothing; without a host it is every address.
fn client_address(part: &str, whole: &str) -> Result<Option<Address>, SpecError> {
    if part.is_empty() {
        return Ok(None);
    }
    match host_and_rest(part).ok_or_else(|| shape(whole))?[..] {
        [only] => Ok(Some(Address { host: ANY_HOST.to_owned(), port: port("null", only)? })),
        [host, last] => {
            let port = port(host, last)?;
            let host = if host.is_empty() { ANY_HOST } else { host };
            Ok(Some(Address { host: host.to_owned(), port }))
        }
        _ => Err(shape(whole)),
    }
}

const ANY_HOST: &str = "0.0.0.0";

/// Splits at colons, the host first; `[…]` around an IPv6 address keeps its colons together.
fn host_and_rest(text: &str) -> Option<Vec<&str>> {
    let Some(inside) = text.strip_prefix('[') else {
        return Some(text.split(':').collect());
    };
    let (host, rest) = inside.split_once(']')?;
    let rest = rest.strip_prefix(':')?;
    (!host.is_empty()).then(|| std::iter::once(host).chain(rest.split(':')).collect())
}

fn port(host: &str, text: &str) -> Result<u16, SpecError> {
    let number: i32 = text.parse().map_err(|_| SpecError(format!("Address unresolved: {host}:{text}")))?;
    u16::try_from(number).map_err(|_| SpecError(format!("port out of range:{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        ServerSpec::parse(1, text).unwrap_or_else(|e| panic!("{text}: {e}")).text(false)
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
        let both = ServerSpec::parse(1, "a:1:2;2181;2281").expect("three parts");
        assert_eq!(both.text(false), "a:1:2:participant;0.0.0.0:2181");
        assert_eq!(both.text(true), "a:1:2:participant;0.0.0.0:2181;0.0.0.0:2281");
        let secure = ServerSpec::parse(1, "a:1:2;;2281").expect("an empty second part");
        assert_eq!(secure.text(true), "a:1:2:participant;;0.0.0.0:2281");
    }

    fn wrong(text: &str) -> String {
        ServerSpec::parse(1, text).expect_err(text).to_string()
    }

    #[test]
    fn a_wrong_shape_quotes_the_whole_value() {
        for text in [
            "a",
            "a:1",
            "a:1:2:participant:x",
            "a:1:2;1:2:3",
            "a:1:2;1;2;3",
            "[::1",
            "[]:1:2",
            "",
            "a:1:2|",
            "[::1]x",
        ] {
            assert!(
                wrong(text).starts_with(&format!("{text} does not have the form server_config or ")),
                "{text}"
            );
        }
    }

    #[test]
    fn ports_are_numbers_in_range_and_differ() {
        assert_eq!(wrong("a:x:2"), "Address unresolved: a:x");
        assert_eq!(wrong("a:1:2;x"), "Address unresolved: null:x");
        assert_eq!(wrong("a:1:2;h:x"), "Address unresolved: h:x");
        assert_eq!(wrong("a:1:70000"), "port out of range:70000");
        assert_eq!(
            wrong("a:1:1;1"),
            "Client and election port must be different! Please update the configuration file on server.1"
        );
    }

    #[test]
    fn roles_are_known_and_equal() {
        assert_eq!(wrong("a:1:2:foo"), "Unrecognised peertype: foo");
        assert!(wrong("a:1:2:observer|b:3:4").starts_with("Multiple addresses should have similar roles: "));
    }
}
