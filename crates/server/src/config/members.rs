//! The member list: `server.N`, `group.G`, `weight.N` (reference: operations §1.3).

use super::numbers::parse_decimal;
use std::collections::BTreeMap;
use std::fmt;

/// How a server takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It votes.
    Participant,
    /// It only follows.
    Observer,
}

impl Role {
    /// `participant` or `observer` in any case.
    ///
    /// # Errors
    /// Apache's words for anything else.
    pub fn parse(text: &str) -> Result<Role, String> {
        match text.to_ascii_lowercase().as_str() {
            "participant" => Ok(Role::Participant),
            "observer" => Ok(Role::Observer),
            _ => Err(format!("Unrecognised peertype: {text}")),
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

/// A host and a port as written; nothing is resolved here. An IPv6 address has no brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPort {
    /// A name or an address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

/// One address of a server towards the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAddress {
    /// A name or an address.
    pub host: String,
    /// Where the leader listens.
    pub quorum_port: u16,
    /// Where elections are held.
    pub election_port: u16,
}

/// The value of one `server.N`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// At least one address.
    pub addresses: Vec<PeerAddress>,
    /// The same for every address.
    pub role: Role,
    /// Where clients connect, if the line says so.
    pub client: Option<HostPort>,
    /// Where TLS clients connect, if the line says so.
    pub secure_client: Option<HostPort>,
}

impl Member {
    /// Reads `addr1[|addr2…][;[clientHost:]clientPort][;[secureHost:]securePort]`.
    ///
    /// # Errors
    /// Apache's words for what is wrong.
    pub fn parse(id: i64, text: &str) -> Result<Member, String> {
        let shape = || {
            format!(
                "{text} does not have the form server_config or server_config;client_config where server_config is \
                 the pipe separated list of host:port:port or host:port:port:type and client_config is port or host:port"
            )
        };
        let mut parts = text.split(';');
        let servers = parts.next().unwrap_or_default();
        let client = parts.next().map(|part| client_address(part, shape)).transpose()?.flatten();
        let secure_client = parts.next().map(|part| client_address(part, shape)).transpose()?.flatten();
        if parts.next().is_some() {
            return Err(shape());
        }
        let mut addresses = Vec::new();
        let mut role = None;
        for part in servers.split('|') {
            let (address, its_role) = peer_address(id, part, shape)?;
            if role.is_some_and(|known| known != its_role) {
                return Err(format!(
                    "Multiple addresses should have similar roles: {its_role} vs {}",
                    !its_role
                ));
            }
            role = Some(its_role);
            addresses.push(address);
        }
        Ok(Member { addresses, role: role.unwrap_or(Role::Participant), client, secure_client })
    }
}

impl std::ops::Not for Role {
    type Output = Role;
    fn not(self) -> Role {
        match self {
            Role::Participant => Role::Observer,
            Role::Observer => Role::Participant,
        }
    }
}

impl fmt::Display for Member {
    /// The form of the config node, of `conf` and of dynamic files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.addresses.iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            let host = bracketed(&address.host);
            write!(f, "{separator}{host}:{}:{}:{}", address.quorum_port, address.election_port, self.role)?;
        }
        match (&self.client, &self.secure_client) {
            (None, None) => Ok(()),
            (Some(client), None) => write!(f, ";{client}"),
            (Some(client), Some(secure)) => write!(f, ";{client};{secure}"),
            (None, Some(secure)) => write!(f, ";;{secure}"),
        }
    }
}

/// Everything the member lines say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Members {
    /// By server id.
    pub servers: BTreeMap<i64, Member>,
    /// Group of a server id, if there are groups.
    pub groups: BTreeMap<i64, i64>,
    /// Weights that are written; 1 where none is.
    pub weights: BTreeMap<i64, i64>,
    /// Whether there is any `group` or `weight` line, which makes the quorum hierarchical.
    pub hierarchical: bool,
}

impl Members {
    /// Takes `server.<suffix>=value`.
    ///
    /// # Errors
    /// Apache's words for what is wrong.
    pub fn add_server(&mut self, suffix: &str, value: &str) -> Result<(), String> {
        let id = number(suffix)?;
        let member = Member::parse(id, value)?;
        self.servers.insert(id, member);
        Ok(())
    }

    /// Takes `group.<suffix>=a:b:c`.
    ///
    /// # Errors
    /// A suffix or member that is not a number, or a server in two groups.
    pub fn add_group(&mut self, suffix: &str, value: &str) -> Result<(), String> {
        let group = number(suffix)?;
        self.hierarchical = true;
        if value.is_empty() {
            return Err("a group without members (For input string: \"\")".to_owned());
        }
        for id in value.split(':') {
            let id = number(id)?;
            if self.groups.insert(id, group).is_some() {
                return Err(format!("Server {id} is in multiple groups"));
            }
        }
        Ok(())
    }

    /// Takes `weight.<suffix>=n`.
    ///
    /// # Errors
    /// A suffix or weight that is not a number.
    pub fn add_weight(&mut self, suffix: &str, value: &str) -> Result<(), String> {
        let id = number(suffix)?;
        self.hierarchical = true;
        self.weights.insert(id, number(value)?);
        Ok(())
    }

    /// How many servers vote.
    pub fn participants(&self) -> usize {
        self.servers.values().filter(|member| member.role == Role::Participant).count()
    }

    /// How many servers observe.
    pub fn observers(&self) -> usize {
        self.servers.len() - self.participants()
    }
}

fn number(text: &str) -> Result<i64, String> {
    parse_decimal(text).ok_or_else(|| format!("For input string: {text:?}"))
}

fn peer_address(id: i64, text: &str, shape: impl Fn() -> String) -> Result<(PeerAddress, Role), String> {
    let parts = host_and_rest(text).ok_or_else(&shape)?;
    let (host, quorum, election, role) = match parts.as_slice() {
        [host, quorum, election] => (host, quorum, election, None),
        [host, quorum, election, role] => (host, quorum, election, Some(role)),
        _ => return Err(shape()),
    };
    let quorum_port = port(host, quorum)?;
    let election_port = port(host, election)?;
    if quorum_port == election_port {
        return Err(format!(
            "Client and election port must be different! Please update the configuration file on server.{id}"
        ));
    }
    let role = role.map_or(Ok(Role::Participant), |role| Role::parse(role))?;
    Ok((PeerAddress { host: host.clone(), quorum_port, election_port }, role))
}

/// `port` or `host:port`; nothing at all is no address.
fn client_address(text: &str, shape: impl Fn() -> String) -> Result<Option<HostPort>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match host_and_rest(text).ok_or_else(&shape)?.as_slice() {
        [only] => Ok(Some(HostPort { host: "0.0.0.0".to_owned(), port: port("null", only)? })),
        [host, last] => Ok(Some(HostPort { host: host.clone(), port: port(host, last)? })),
        _ => Err(shape()),
    }
}

/// Splits at colons, the host first; `[…]` around an IPv6 address keeps its colons together.
fn host_and_rest(text: &str) -> Option<Vec<String>> {
    let Some(inside) = text.strip_prefix('[') else {
        return Some(text.split(':').map(str::to_owned).collect());
    };
    let (host, rest) = inside.split_once(']')?;
    let rest = rest.strip_prefix(':')?;
    if host.is_empty() {
        return None;
    }
    Some(std::iter::once(host).chain(rest.split(':')).map(str::to_owned).collect())
}

fn port(host: &str, text: &str) -> Result<u16, String> {
    let number = parse_decimal(text).filter(|&number| i32::try_from(number).is_ok());
    let number = number.ok_or_else(|| format!("Address unresolved: {host}:{text}"))?;
    u16::try_from(number).map_err(|_| format!("port out of range:{number}"))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        Member::parse(1, text).unwrap().to_string()
    }

    fn wrong(text: &str) -> String {
        Member::parse(1, text).unwrap_err()
    }

    #[test]
    fn the_canonical_form_always_names_the_role() {
        assert_eq!(rendered("zk1:2888:3888"), "zk1:2888:3888:participant");
        assert_eq!(rendered("zk1:2888:3888:OBSERVER"), "zk1:2888:3888:observer");
        assert_eq!(rendered("zk1:2888:3888;2181"), "zk1:2888:3888:participant;0.0.0.0:2181");
        assert_eq!(rendered("zk1:2888:3888;h:2181;2281"), "zk1:2888:3888:participant;h:2181;0.0.0.0:2281");
        assert_eq!(rendered("zk1:2888:3888;;2281"), "zk1:2888:3888:participant;;0.0.0.0:2281");
        assert_eq!(rendered("a:1:2|b:3:4"), "a:1:2:participant|b:3:4:participant");
        assert_eq!(rendered("[::1]:1:2;[fe80::1]:3"), "[::1]:1:2:participant;[fe80::1]:3");
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
        let same =
            "Client and election port must be different! Please update the configuration file on server.1";
        assert_eq!(wrong("a:1:1;1"), same);
    }

    #[test]
    fn roles_are_known_and_equal() {
        assert_eq!(wrong("a:1:2:foo"), "Unrecognised peertype: foo");
        assert!(wrong("a:1:2:observer|b:3:4").starts_with("Multiple addresses should have similar roles: "));
    }

    #[test]
    fn ids_groups_and_weights_are_numbers() {
        let mut members = Members::default();
        assert_eq!(members.add_server("a", "a:1:2"), Err("For input string: \"a\"".into()));
        assert_eq!(members.add_weight("1", "x"), Err("For input string: \"x\"".into()));
        assert_eq!(members.add_group("1", "1:2"), Ok(()));
        assert_eq!(members.add_group("2", "3:1"), Err("Server 1 is in multiple groups".into()));
        assert_eq!(members.add_weight("3", "0"), Ok(()));
        assert!(members.hierarchical);
        assert_eq!(members.weights[&3], 0);
    }

    #[test]
    fn voters_and_observers_are_counted() {
        let mut members = Members::default();
        for (id, value) in [("1", "a:1:2"), ("2", "b:1:2"), ("-3", "c:1:2:observer")] {
            members.add_server(id, value).unwrap();
        }
        assert_eq!((members.participants(), members.observers()), (2, 1));
    }
}
