//! The connections by their names: a dense slot in the low bits, a serial number above, so that a late event for a
//! connection that is gone never reaches its successor.

use super::conn::Conn;
use mio::Token;
use node::ConnId;

/// How many bits of a [`ConnId`] name the slot.
pub(crate) const SLOT_BITS: u32 = 24;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Option<(ConnId, Conn)>>,
    free: Vec<u32>,
    serial: u64,
}

impl Table {
    /// Reserves a name; `None` when sixteen million connections are open.
    pub(crate) fn reserve(&mut self) -> Option<ConnId> {
        let slot = match self.free.pop() {
            Some(slot) => u64::from(slot),
            None if self.slots.len() as u64 > SLOT_MASK => return None,
            None => {
                self.slots.push(None);
                self.slots.len() as u64 - 1
            }
        };
        self.serial += 1;
        Some(ConnId(self.serial << SLOT_BITS | slot))
    }

    /// Fills a reserved name.
    pub(crate) fn insert(&mut self, id: ConnId, conn: Conn) {
        self.slots[slot(id)] = Some((id, conn));
    }

    /// Gives a name back, with what it named.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let place = self.slots.get_mut(slot(id))?;
        let named = place.take_if(|(found, _)| *found == id)?;
        self.free.push((id.0 & SLOT_MASK) as u32);
        Some(named.1)
    }

    /// Gives back a name that was reserved and never filled.
    pub(crate) fn release(&mut self, id: ConnId) {
        self.free.push((id.0 & SLOT_MASK) as u32);
    }

    pub(crate) fn find(&mut self, id: ConnId) -> Option<&mut Conn> {
        match self.slots.get_mut(slot(id)) {
            Some(Some((found, conn))) if *found == id => Some(conn),
            _ => None,
        }
    }

    /// The names of all connections, oldest slot first.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.slots.iter().flatten().map(|(id, _)| *id).collect()
    }
}

/// The event token of a connection.
pub(crate) fn token(id: ConnId) -> Token {
    Token(id.0 as usize)
}

fn slot(id: ConnId) -> usize {
    (id.0 & SLOT_MASK) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_slot_gets_a_new_name() {
        let mut table = Table::default();
        let first = table.reserve().unwrap();
        table.release(first);
        let second = table.reserve().unwrap();
        assert_eq!(slot(first), slot(second));
        assert_ne!(first, second);
        assert!(table.find(second).is_none());
        assert!(table.remove(first).is_none());
    }
}
