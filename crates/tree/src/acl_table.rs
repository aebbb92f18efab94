//! The ACL table: equal lists are held once, and a node names its list by number (reference: storage-formats §3.3).

use crate::acl::{DENY, OPEN};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use wire::{Acl, perms};

/// The slot of nodes that were created without a list: `world:anyone` with everything, id -1 in snapshots.
pub(crate) const UNSET: u32 = u32::MAX;
/// The id of [`UNSET`] in snapshots.
const UNSET_ID: i64 = -1;

struct Slot {
    /// The number in snapshots; never used again while the server runs.
    id: i64,
    /// `None`: a node names the id, but no list came with it. Such a node is closed until a replay mends it.
    list: Option<Box<[Acl<'static>]>>,
    /// How many nodes name it; 0 is a free slot.
    users: u64,
}

/// All lists in use.
pub(crate) struct AclTable {
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hash: FixedState,
    /// The slot of an explicit `world:anyone` 31, the commonest list by far.
    open: Option<u32>,
    last_id: i64,
}

impl AclTable {
    pub(crate) fn new(hash_seed: u64) -> AclTable {
        AclTable {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hash: FixedState::with_seed(hash_seed),
            open: None,
            last_id: 0,
        }
    }

    /// The slot of a list, with one more user.
    pub(crate) fn intern(&mut self, list: Option<&[Acl<'_>]>) -> u32 {
        let Some(list) = list else { return UNSET };
        let slot = match self.open {
            Some(open) if is_open(list) => open,
            _ => self.find(list).unwrap_or_else(|| self.add(self.last_id + 1, Some(owned(list)))),
        };
        self.slots[slot as usize].users += 1;
        slot
    }

    fn find(&self, list: &[Acl<'_>]) -> Option<u32> {
        let hash = hash(&self.hash, list);
        self.index.find(hash, |&slot| self.slots[slot as usize].list.as_deref() == Some(list)).copied()
    }

    fn add(&mut self, id: i64, list: Option<Box<[Acl<'static>]>>) -> u32 {
        self.last_id = self.last_id.max(id);
        let new = Slot { id, list, users: 0 };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = new;
                slot
            }
            None => {
                self.slots.push(new);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(list) = self.slots[slot as usize].list.as_deref() {
            if is_open(list) {
                self.open = Some(slot);
            }
            let (slots, state) = (&self.slots, &self.hash);
            let of = |&slot: &u32| hash(state, slots[slot as usize].list.as_deref().unwrap_or(&[]));
            self.index.insert_unique(hash(state, list), slot, of);
        }
        slot
    }

    /// One user less; a list without users is dropped.
    pub(crate) fn release(&mut self, slot: u32) {
        if slot == UNSET {
            return;
        }
        let entry = &mut self.slots[slot as usize];
        assert!(entry.users > 0, "every user is counted");
        entry.users -= 1;
        if entry.users == 0 {
            self.drop_slot(slot);
        }
    }

    fn drop_slot(&mut self, slot: u32) {
        if let Some(list) = self.slots[slot as usize].list.take() {
            let hash = hash(&self.hash, &list);
            if let Ok(entry) = self.index.find_entry(hash, |&other| other == slot) {
                entry.remove();
            }
            if self.open == Some(slot) {
                self.open = None;
            }
        }
        self.free.push(slot);
    }

    /// The list in a slot.
    pub(crate) fn list(&self, slot: u32) -> &[Acl<'static>] {
        match slot {
            UNSET => &OPEN,
            _ => self.slots[slot as usize].list.as_deref().unwrap_or(&DENY),
        }
    }

    /// The number of a slot in snapshots.
    pub(crate) fn id(&self, slot: u32) -> i64 {
        if slot == UNSET { UNSET_ID } else { self.slots[slot as usize].id }
    }

    /// All lists with their numbers, in rising order.
    pub(crate) fn entries(&self) -> Vec<(i64, Vec<Acl<'static>>)> {
        let in_use = self.slots.iter().filter(|slot| slot.users > 0);
        let mut entries: Vec<_> =
            in_use.filter_map(|slot| Some((slot.id, slot.list.as_deref()?.to_vec()))).collect();
        entries.sort_by_key(|(id, _)| *id);
        entries
    }
}

/// Is it exactly `world:anyone` with all permissions?
pub(crate) fn is_open(list: &[Acl<'_>]) -> bool {
    matches!(list, [Acl { perms: perms::ALL, id }]
        if id.scheme.as_deref() == Some("world") && id.id.as_deref() == Some("anyone"))
}

fn owned(list: &[Acl<'_>]) -> Box<[Acl<'static>]> {
    list.iter().map(|entry| entry.clone().into_owned()).collect()
}

fn hash(state: &FixedState, list: &[Acl<'_>]) -> u64 {
    let mut hasher = state.build_hasher();
    for entry in list {
        hasher.write_i32(entry.perms);
        for text in [&entry.id.scheme, &entry.id.id] {
            let text = text.as_deref().unwrap_or("\0");
            hasher.write_usize(text.len());
            hasher.write(text.as_bytes());
        }
    }
    hasher.finish()
}

/// The numbers of a snapshot being loaded.
#[derive(Default)]
pub(crate) struct LoadedIds {
    slots: BTreeMap<i64, u32>,
}

impl LoadedIds {
    /// An entry of the snapshot's ACL map; the last of equal numbers counts.
    pub(crate) fn insert(&mut self, table: &mut AclTable, id: i64, list: Vec<Acl<'static>>) {
        let slot = table.add(id, Some(list.into_boxed_slice()));
        self.slots.insert(id, slot);
    }

    /// The slot of a number a node names, with one more user.
    pub(crate) fn user(&mut self, table: &mut AclTable, id: i64) -> u32 {
        if id == UNSET_ID {
            return UNSET;
        }
        let slot = *self.slots.entry(id).or_insert_with(|| table.add(id, None));
        table.slots[slot as usize].users += 1;
        slot
    }

    /// Drops the lists that no node names. Nothing has been released yet, so a slot without users is in use.
    pub(crate) fn finish(self, table: &mut AclTable) {
        assert!(table.free.is_empty(), "loading releases nothing");
        for slot in 0..table.slots.len() as u32 {
            if table.slots[slot as usize].users == 0 {
                table.drop_slot(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(id: &str) -> Vec<Acl<'static>> {
        vec![Acl::new(31, "digest", id.to_owned())]
    }

    #[test]
    fn equal_lists_share_a_slot_and_numbers_are_not_used_again() {
        let mut table = AclTable::new(1);
        let (a, b) = (list("a:x"), list("b:x"));
        let first = table.intern(Some(&a));
        assert_eq!(table.intern(Some(&a)), first);
        let second = table.intern(Some(&b));
        assert_eq!((table.id(first), table.id(second)), (1, 2));
        table.release(second);
        let third = table.intern(Some(&list("c:x")));
        assert_eq!(table.id(third), 3);
        assert_eq!(table.entries().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn no_list_is_not_the_same_number_as_the_open_list() {
        let mut table = AclTable::new(1);
        let unset = table.intern(None);
        assert_eq!((unset, table.id(unset)), (UNSET, -1));
        let open = table.intern(Some(&[Acl::open()]));
        assert_eq!(table.id(open), 1);
        assert_eq!(table.intern(Some(&[Acl::open()])), open);
        assert_eq!(table.list(unset), table.list(open));
        table.release(open);
        table.release(open);
        assert_eq!(table.entries(), []);
        let again = table.intern(Some(&[Acl::open()]));
        assert_eq!(table.id(again), 2);
    }

    #[test]
    fn a_number_without_a_list_denies_and_is_kept() {
        let (mut table, mut ids) = (AclTable::new(1), LoadedIds::default());
        ids.insert(&mut table, 4, list("unused:x"));
        let lost = ids.user(&mut table, 7);
        ids.finish(&mut table);
        assert_eq!((table.list(lost), table.id(lost)), (&DENY[..], 7));
        assert_eq!(table.entries(), []);
        let next = table.intern(Some(&list("a:x")));
        assert_eq!(table.id(next), 8);
    }
}
