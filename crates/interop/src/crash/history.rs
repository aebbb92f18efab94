//! What a subtree must look like: the acknowledged operations, and those under way.

use crate::rng::Rng;
use std::collections::{BTreeMap, VecDeque};
use wire::{Acl, Id, MultiOp, OpCode, Request, perms};

/// A child of the worker's directory, as its only writer knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Child {
    pub(super) data: Vec<u8>,
    pub(super) version: i32,
    pub(super) ephemeral: bool,
    /// Known once the write is acknowledged.
    pub(super) mzxid: Option<i64>,
}

pub(super) type Children = BTreeMap<String, Child>;

/// One change to one child.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Create { name: String, data: Vec<u8>, ephemeral: bool },
    Set { name: String, data: Vec<u8>, version: i32 },
    Delete { name: String },
}

/// One request: a single step, or a multi of several.
pub(super) type Operation = Vec<Step>;

/// The worker's memory.
#[derive(Clone, Default, Debug)]
pub(super) struct History {
    /// After every acknowledged operation.
    pub(super) acknowledged: Children,
    /// Sent and not acknowledged, oldest first.
    pub(super) under_way: VecDeque<Operation>,
    /// After those as well, if all succeed: what the next operation is chosen on.
    pub(super) expected: Children,
    serial: u64,
}

impl History {
    /// Chooses an operation that succeeds after all those before it.
    pub(super) fn choose(&mut self, random: &mut Rng) -> Operation {
        let steps = if random.below(5) == 0 { 1 + random.below(4) } else { 1 };
        let operation: Operation = (0..steps)
            .map(|_| {
                let step = self.choose_step(random);
                apply(&mut self.expected, &step, None);
                step
            })
            .collect();
        self.under_way.push_back(operation.clone());
        operation
    }

    fn choose_step(&mut self, random: &mut Rng) -> Step {
        self.serial += 1;
        let mut data = format!("{:x} ", self.serial).into_bytes();
        data.resize(data.len() + random.below(200), b'.');
        let count = self.expected.len();
        let victim = self.expected.iter().nth(random.below(count));
        match (victim, random.below(10)) {
            (Some((name, _)), 0..=1) if count > 50 || random.below(3) == 0 => {
                Step::Delete { name: name.clone() }
            }
            (Some((name, child)), 2..=5) => Step::Set { name: name.clone(), data, version: child.version },
            _ => {
                Step::Create { name: format!("n{:06}", self.serial), data, ephemeral: random.below(10) == 0 }
            }
        }
    }

    /// The oldest operation under way is acknowledged with this zxid.
    pub(super) fn acknowledge(&mut self, zxid: i64) {
        if let Some(operation) = self.under_way.pop_front() {
            for step in &operation {
                apply(&mut self.acknowledged, step, Some(zxid));
            }
        }
    }

    /// What the server shows after a crash is the truth if it is the acknowledged state plus the first `k` operations
    /// under way; returns `k` and forgets the others.
    pub(super) fn settle(&mut self, shown: &Children) -> Option<usize> {
        let mut candidate = self.acknowledged.clone();
        for k in 0..=self.under_way.len() {
            if same(&candidate, shown) {
                self.acknowledged = shown.clone();
                self.expected = shown.clone();
                self.under_way.clear();
                return Some(k);
            }
            for step in self.under_way.get(k).into_iter().flatten() {
                apply(&mut candidate, step, None);
            }
        }
        None
    }
}

fn same(candidate: &Children, shown: &Children) -> bool {
    candidate.len() == shown.len()
        && candidate.iter().zip(shown).all(|((name, child), (shown_name, shown))| {
            name == shown_name
                && child.data == shown.data
                && child.version == shown.version
                && child.ephemeral == shown.ephemeral
                && (child.mzxid.is_none() || child.mzxid == shown.mzxid)
        })
}

fn apply(children: &mut Children, step: &Step, zxid: Option<i64>) {
    match step {
        Step::Create { name, data, ephemeral } => {
            let child = Child { data: data.clone(), version: 0, ephemeral: *ephemeral, mzxid: zxid };
            children.insert(name.clone(), child);
        }
        Step::Set { name, data, version } => {
            if let Some(child) = children.get_mut(name) {
                *child = Child {
                    data: data.clone(),
                    version: version + 1,
                    ephemeral: child.ephemeral,
                    mzxid: zxid,
                };
            }
        }
        Step::Delete { name } => {
            children.remove(name);
        }
    }
}

/// The operation as a request on the directory.
pub(super) fn request(directory: &str, operation: &Operation) -> Request<'static> {
    let mut ops: Vec<MultiOp<'static>> = operation.iter().map(|step| multi_op(directory, step)).collect();
    if ops.len() > 1 {
        return Request::Multi { ops };
    }
    match ops.remove(0) {
        MultiOp::Create { op, path, data, acl, flags, ttl } => {
            Request::Create { op, path, data, acl, flags, ttl }
        }
        MultiOp::SetData { path, data, version } => Request::SetData { path, data, version },
        MultiOp::Delete { path, version } => Request::Delete { path, version },
        MultiOp::Check { .. } | MultiOp::GetData { .. } | MultiOp::GetChildren { .. } => {
            unreachable!("never chosen")
        }
    }
}

fn multi_op(directory: &str, step: &Step) -> MultiOp<'static> {
    let path = |name: &String| Some(format!("{directory}/{name}").into());
    match step {
        Step::Create { name, data, ephemeral } => MultiOp::Create {
            op: OpCode::Create,
            path: path(name),
            data: Some(data.clone().into()),
            acl: Some(open_acl()),
            flags: i32::from(*ephemeral),
            ttl: -1,
        },
        Step::Set { name, data, version } => {
            MultiOp::SetData { path: path(name), data: Some(data.clone().into()), version: *version }
        }
        Step::Delete { name } => MultiOp::Delete { path: path(name), version: -1 },
    }
}

/// Everybody may do everything.
pub(super) fn open_acl() -> Vec<Acl<'static>> {
    vec![Acl { perms: perms::ALL, id: Id::new("world", "anyone") }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(name: &str) -> Operation {
        vec![Step::Create { name: name.to_owned(), data: b"x".to_vec(), ephemeral: false }]
    }

    fn sent(operations: &[Operation]) -> History {
        let mut history = History::default();
        for operation in operations {
            for step in operation {
                apply(&mut history.expected, step, None);
            }
            history.under_way.push_back(operation.clone());
        }
        history
    }

    fn shown(names: &[&str]) -> Children {
        let child = Child { data: b"x".to_vec(), version: 0, ephemeral: false, mzxid: Some(7) };
        names.iter().map(|name| ((*name).to_owned(), child.clone())).collect()
    }

    #[test]
    fn any_first_part_of_what_was_under_way_may_have_happened() {
        for (names, applied) in [(&[][..], 0), (&["a"], 1), (&["a", "b"], 2)] {
            assert_eq!(sent(&[create("a"), create("b")]).settle(&shown(names)), Some(applied));
        }
    }

    #[test]
    fn a_gap_is_a_violation() {
        assert_eq!(sent(&[create("a"), create("b")]).settle(&shown(&["b"])), None);
    }

    #[test]
    fn a_lost_acknowledged_write_is_a_violation() {
        let mut history = sent(&[create("a"), create("b")]);
        history.acknowledge(7);
        assert_eq!(history.clone().settle(&shown(&[])), None);
        assert_eq!(history.clone().settle(&shown(&["a", "b"])), Some(1));
        history.acknowledge(8);
        assert_eq!(history.settle(&shown(&["a", "b"])), None, "b was acknowledged with another zxid");
    }

    #[test]
    fn half_a_multi_is_a_violation() {
        let multi: Operation = [create("a"), create("b")].concat();
        assert_eq!(sent(std::slice::from_ref(&multi)).settle(&shown(&["a"])), None);
        assert_eq!(sent(&[multi]).settle(&shown(&["a", "b"])), Some(1));
    }
}
