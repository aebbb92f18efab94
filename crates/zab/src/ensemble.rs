//! The configuration of an ensemble: who is a member, and how its quorums count (reference: quorum-protocol §1.2-§1.4).

use crate::{QuorumRule, Role, ServerId, ServerSpec, SpecError};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Members, groups and weights, with a version: the zxid of the reconfiguration that made it, 0 for a static one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ensemble {
    /// Everyone, voters and observers.
    pub members: BTreeMap<ServerId, ServerSpec>,
    /// `group.G` lines; empty for majority quorums.
    pub groups: BTreeMap<i64, BTreeSet<ServerId>>,
    /// `weight.N` lines.
    pub weights: BTreeMap<ServerId, i64>,
    /// The `version` line.
    pub version: i64,
}

/// Why lines are not a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnsembleError {
    /// The key of the line, such as `server.3`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for EnsembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

impl std::error::Error for EnsembleError {}

impl Ensemble {
    /// From the text of a notification, NEWLEADER or `/zookeeper/config`: `key=value` lines.
    ///
    /// # Errors
    /// For a line of another kind and for a configuration that [`Ensemble::check`] refuses. It comes from the network:
    /// whoever sent it is at fault, never this server.
    pub fn parse(text: &str) -> Result<Ensemble, EnsembleError> {
        let mut ensemble = Ensemble::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=').ok_or_else(|| fail(line, "the line has no '='"))?;
            ensemble.set(key.trim(), value.trim())?;
        }
        ensemble.check()?;
        Ok(ensemble)
    }

    /// Takes one line.
    ///
    /// # Errors
    /// When the key is none of `server.N`, `group.G`, `weight.N` and `version`, or when the value does not fit it.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), EnsembleError> {
        if let Some(id) = key.strip_prefix("server.") {
            let id = server_id(key, id)?;
            let spec = ServerSpec::parse(id.0, value).map_err(|SpecError(reason)| fail(key, &reason))?;
            self.members.insert(id, spec);
        } else if let Some(group) = key.strip_prefix("group.") {
            let group = number(key, group)?;
            if value.is_empty() {
                return Err(fail(key, "a group without members (For input string: \"\")"));
            }
            let servers =
                value.split(':').map(|id| server_id(key, id)).collect::<Result<BTreeSet<_>, _>>()?;
            let both = self.groups.values().find_map(|other| other.intersection(&servers).next());
            if let Some(both) = both {
                return Err(fail(key, &format!("Server {both} is in multiple groups")));
            }
            self.groups.insert(group, servers);
        } else if let Some(id) = key.strip_prefix("weight.") {
            let (id, weight) = (server_id(key, id)?, number(key, value)?);
            if weight < 0 {
                return Err(fail(key, "the weight is less than 0"));
            }
            self.weights.insert(id, weight);
        } else if key == "version" {
            let version = i64::from_str_radix(value, 16);
            self.version = version.map_err(|_| fail(key, "the version is not a hexadecimal number"))?;
        } else {
            return Err(fail(key, "only server.N, group.G, weight.N and version may stand here"));
        }
        Ok(())
    }

    /// Looks at the whole: every voter must be in a group if there are groups.
    ///
    /// # Errors
    /// Names the voter that is in none.
    pub fn check(&self) -> Result<(), EnsembleError> {
        if self.groups.is_empty() {
            return Ok(());
        }
        match self.voters().find(|id| !self.groups.values().any(|group| group.contains(id))) {
            Some(id) => Err(fail(&format!("server.{id}"), "every participant must be in a group")),
            None => Ok(()),
        }
    }

    /// The canonical text: members in order, groups, weights, and the version without a newline behind it.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (id, spec) in &self.members {
            out += &format!("server.{id}={}\n", spec.text(false));
        }
        for (group, servers) in &self.groups {
            let ids: Vec<_> = servers.iter().map(ServerId::to_string).collect();
            out += &format!("group.{group}={}\n", ids.join(":"));
        }
        for (id, weight) in &self.weights {
            out += &format!("weight.{id}={weight}\n");
        }
        out + &format!("version={:x}", self.version)
    }

    /// How quorums count here.
    pub fn rule(&self) -> QuorumRule {
        let voters: BTreeSet<_> = self.voters().collect();
        if self.groups.is_empty() && self.weights.is_empty() {
            return QuorumRule::Majority { voters };
        }
        let only_voters = |group: &BTreeSet<ServerId>| group.intersection(&voters).copied().collect();
        let groups = self.groups.iter().map(|(group, servers)| (*group, only_voters(servers))).collect();
        QuorumRule::Hierarchical { groups, weights: self.weights.clone() }
    }

    /// How many observe.
    pub fn observer_count(&self) -> usize {
        self.members.len() - self.voters().count()
    }

    /// Those that vote.
    pub fn voters(&self) -> impl Iterator<Item = ServerId> {
        self.members.iter().filter(|(_, spec)| spec.role == Role::Participant).map(|(id, _)| *id)
    }
}

fn fail(key: &str, reason: &str) -> EnsembleError {
    EnsembleError { key: key.to_owned(), reason: reason.to_owned() }
}

fn server_id(key: &str, id: &str) -> Result<ServerId, EnsembleError> {
    number(key, id).map(ServerId)
}

fn number(key: &str, text: &str) -> Result<i64, EnsembleError> {
    text.parse().map_err(|_| fail(key, &format!("For input string: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_and_prints_as_apache_sends_it() {
        let text = "server.1=127.0.0.1:25121:25141:participant\nserver.2=127.0.0.1:25122:25142:participant\n\
                    server.3=127.0.0.1:25123:25143:observer;0.0.0.0:2181\nversion=100000004";
        let ensemble = Ensemble::parse(text).expect("a configuration");
        assert_eq!(ensemble.text(), text);
        assert_eq!(ensemble.version, 0x1_0000_0004);
        assert_eq!(ensemble.rule(), QuorumRule::Majority { voters: [ServerId(1), ServerId(2)].into() });
    }

    #[test]
    fn groups_and_weights_make_a_hierarchical_rule() {
        let ensemble = Ensemble::parse(
            "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\ngroup.1=1:3\ngroup.2=2\nweight.1=2\nversion=0",
        )
        .expect("a configuration");
        let QuorumRule::Hierarchical { groups, .. } = ensemble.rule() else {
            panic!("groups make it hierarchical")
        };
        assert_eq!(groups[&1], [ServerId(1)].into(), "observers do not count");
        assert_eq!(ensemble.rule().weight(ServerId(1)), 2);
    }

    #[test]
    fn wrong_lines_name_their_key() {
        for (text, key) in [
            ("server.x=a:1:2", "server.x"),
            ("server.1=a", "server.1"),
            ("clientPort=2181", "clientPort"),
            ("version=xyz", "version"),
            ("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1", "server.2"),
            ("group.1=1:2\ngroup.2=2:3", "group.2"),
            ("weight.1=-1", "weight.1"),
        ] {
            assert_eq!(Ensemble::parse(text).expect_err(text).key, key);
        }
    }
}
