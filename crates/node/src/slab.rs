//! Values in numbered places that are used again, and the hash function of the indexes on them.

/// Values in reusable numbered places.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value in some place.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(value);
            return slot;
        }
        assert!(self.slots.len() < u32::MAX as usize, "a slab has fewer than 2^32 places");
        self.slots.push(Some(value));
        self.slots.len() as u32 - 1
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.slots.get_mut(slot as usize)?.take();
        if value.is_some() {
            self.free.push(slot);
        }
        value
    }

    /// The value, if the place is taken.
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The value, if the place is taken.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The value in a place that must be taken.
    pub(crate) fn at(&self, slot: u32) -> &T {
        self.get(slot).expect("the place is taken")
    }

    /// The value in a place that must be taken.
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut T {
        self.get_mut(slot).expect("the place is taken")
    }

    /// All values with their places, in the order of the places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().enumerate().filter_map(|(i, v)| Some((i as u32, v.as_ref()?)))
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// The folded multiplication of wyhash-like functions.
pub(crate) fn mix(v: u64) -> u64 {
    let product = u128::from(v ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product as u64) ^ ((product >> 64) as u64)
}
