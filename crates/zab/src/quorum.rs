//! When is a set of servers a quorum? (reference: quorum-protocol §1.4, §1.5)

use crate::ServerId;
use std::collections::{BTreeMap, BTreeSet};

/// How one configuration counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QuorumRule {
    /// More than half of the voters.
    Majority {
        /// Who votes.
        voters: BTreeSet<ServerId>,
    },
    /// More than half of the groups that weigh anything, each by more than half of its weight.
    Hierarchical {
        /// Who belongs to which group; only voters.
        groups: BTreeMap<i64, BTreeSet<ServerId>>,
        /// A server's weight; 1 where nothing is said.
        weights: BTreeMap<ServerId, i64>,
    },
}

impl QuorumRule {
    /// Does the set hold a quorum? Servers that do not vote are ignored.
    pub fn contains_quorum(&self, set: &BTreeSet<ServerId>) -> bool {
        self.is_met_by(&|server| set.contains(&server))
    }

    /// Do the servers for which `has` is true make a quorum? Only voters are asked.
    pub fn is_met_by(&self, has: &dyn Fn(ServerId) -> bool) -> bool {
        match self {
            QuorumRule::Majority { voters } => {
                voters.iter().filter(|server| has(**server)).count() > voters.len() / 2
            }
            QuorumRule::Hierarchical { groups, .. } => {
                let weight = |servers: &mut dyn Iterator<Item = &ServerId>| {
                    servers.map(|server| self.weight(*server)).sum::<i64>()
                };
                let weights = groups.values().map(|group| {
                    (weight(&mut group.iter()), weight(&mut group.iter().filter(|server| has(**server))))
                });
                let (mut weighty, mut won) = (0, 0);
                for (all, have) in weights.filter(|(all, _)| *all > 0) {
                    weighty += 1;
                    won += usize::from(have > all / 2);
                }
                won > weighty / 2
            }
        }
    }

    /// A server's weight: one that does not vote weighs nothing.
    pub fn weight(&self, server: ServerId) -> i64 {
        match self {
            QuorumRule::Majority { voters } => i64::from(voters.contains(&server)),
            QuorumRule::Hierarchical { groups, weights } => {
                let votes = groups.values().any(|group| group.contains(&server));
                if votes { weights.get(&server).copied().unwrap_or(1) } else { 0 }
            }
        }
    }

    /// Does the server vote here?
    pub fn is_voter(&self, server: ServerId) -> bool {
        match self {
            QuorumRule::Majority { voters } => voters.contains(&server),
            QuorumRule::Hierarchical { groups, .. } => groups.values().any(|group| group.contains(&server)),
        }
    }

    /// Everyone who votes.
    pub fn voters(&self) -> BTreeSet<ServerId> {
        match self {
            QuorumRule::Majority { voters } => voters.clone(),
            QuorumRule::Hierarchical { groups, .. } => groups.values().flatten().copied().collect(),
        }
    }
}

/// The rules that must all agree: the committed configuration, and the one being proposed while a reconfiguration is
/// under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quorums {
    /// What is in force.
    pub committed: QuorumRule,
    /// What was last seen proposed, if it is newer.
    pub last_seen: Option<QuorumRule>,
}

impl Quorums {
    /// One rule alone.
    pub fn of(committed: QuorumRule) -> Quorums {
        Quorums { committed, last_seen: None }
    }

    /// Does the set hold a quorum by every rule?
    pub fn contain_quorum(&self, set: &BTreeSet<ServerId>) -> bool {
        self.rules().all(|rule| rule.contains_quorum(set))
    }

    /// Do the servers for which `has` is true make a quorum by every rule?
    pub fn are_met_by(&self, has: &dyn Fn(ServerId) -> bool) -> bool {
        self.rules().all(|rule| rule.is_met_by(has))
    }

    /// Does the server vote by any rule?
    pub fn is_voter(&self, server: ServerId) -> bool {
        self.rules().any(|rule| rule.is_voter(server))
    }

    /// Everyone who votes by any rule.
    pub fn voters(&self) -> BTreeSet<ServerId> {
        self.rules().flat_map(QuorumRule::voters).collect()
    }

    fn rules(&self) -> impl Iterator<Item = &QuorumRule> {
        std::iter::once(&self.committed).chain(&self.last_seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[i64]) -> BTreeSet<ServerId> {
        ids.iter().map(|id| ServerId(*id)).collect()
    }

    fn majority(ids: &[i64]) -> QuorumRule {
        QuorumRule::Majority { voters: set(ids) }
    }

    /// All subsets of the servers 1 to `n`.
    fn subsets(n: i64) -> impl Iterator<Item = BTreeSet<ServerId>> {
        (0..1_u32 << n).map(move |bits| (1..=n).filter(|i| bits >> (i - 1) & 1 == 1).map(ServerId).collect())
    }

    #[test]
    fn a_majority_is_more_than_half() {
        assert!(!majority(&[1, 2, 3]).contains_quorum(&set(&[1])));
        assert!(majority(&[1, 2, 3]).contains_quorum(&set(&[1, 3])));
        assert!(!majority(&[1, 2, 3, 4]).contains_quorum(&set(&[1, 2])));
        assert!(!majority(&[1, 2, 3]).contains_quorum(&set(&[3, 7, 8])), "strangers do not count");
    }

    #[test]
    fn groups_count_by_weight_and_weightless_groups_do_not_count() {
        let rule = QuorumRule::Hierarchical {
            groups: [(1, set(&[1, 2, 3])), (2, set(&[4, 5, 6])), (3, set(&[7]))].into(),
            weights: [(ServerId(7), 0), (ServerId(1), 3)].into(),
        };
        assert!(rule.contains_quorum(&set(&[1, 4, 5])), "server 1 alone carries group 1");
        assert!(!rule.contains_quorum(&set(&[2, 3, 4, 5])), "two of five in group 1");
        assert!(!rule.contains_quorum(&set(&[])));
        assert_eq!(rule.weight(ServerId(99)), 0, "a stranger weighs nothing");
    }

    #[test]
    fn any_two_quorums_meet() {
        let groups = QuorumRule::Hierarchical {
            groups: [(1, set(&[1, 2])), (2, set(&[3, 4])), (3, set(&[5, 6]))].into(),
            weights: [(ServerId(2), 2), (ServerId(6), 0)].into(),
        };
        for rule in [majority(&[1, 2, 3, 4, 5, 6]), majority(&[1, 2, 3]), groups] {
            let quorums: Vec<_> = subsets(6).filter(|s| rule.contains_quorum(s)).collect();
            assert!(!quorums.is_empty());
            for a in &quorums {
                assert!(quorums.iter().all(|b| a.intersection(b).next().is_some()), "{rule:?}: {a:?}");
            }
        }
    }

    /// The same for any groups and weights: without it two leaders could both have a quorum.
    #[test]
    fn any_two_quorums_meet_whatever_the_groups_and_weights() {
        let mut random = 7_u64;
        let mut below = |n: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % n
        };
        let mut met = 0;
        for _ in 0..300 {
            let mut groups: BTreeMap<i64, BTreeSet<ServerId>> = BTreeMap::new();
            let mut weights = BTreeMap::new();
            for id in 1..=7 {
                groups.entry(below(4) as i64).or_default().insert(ServerId(id));
                if below(2) == 0 {
                    weights.insert(ServerId(id), below(4) as i64);
                }
            }
            let rule = QuorumRule::Hierarchical { groups, weights };
            let quorums: Vec<_> = subsets(7).filter(|set| rule.contains_quorum(set)).collect();
            for a in &quorums {
                let others = quorums.iter().filter(|b| a.is_disjoint(b));
                assert_eq!(others.count(), 0, "{rule:?}: {a:?}");
            }
            met += quorums.len();
        }
        assert!(met > 3000, "there were quorums: {met}");
    }

    #[test]
    fn during_a_reconfiguration_both_rules_must_agree() {
        let both = Quorums { committed: majority(&[1, 2, 3]), last_seen: Some(majority(&[3, 4, 5])) };
        assert!(!both.contain_quorum(&set(&[1, 2])));
        assert!(!both.contain_quorum(&set(&[3, 4, 5])));
        assert!(both.contain_quorum(&set(&[2, 3, 4])));
        assert_eq!(both.voters(), set(&[1, 2, 3, 4, 5]));
    }
}
