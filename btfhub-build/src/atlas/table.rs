//! Numbers for hashes. A survey looks up millions of them, usually in a build script that is not
//! optimised, so these are plain loops over vectors.

use super::numbers::DefinitionNumber;

/// A key that is a hash already.
pub(super) trait Hashed: Copy + PartialEq {
    /// 64 bits that differ for different keys, with negligible exceptions.
    fn bits(self) -> u64;
}

impl Hashed for u64 {
    #[inline(always)]
    fn bits(self) -> u64 {
        // Short hashes are odd.
        self >> 1
    }
}

impl Hashed for u128 {
    #[inline(always)]
    fn bits(self) -> u64 {
        // Half of a hash is a hash.
        #[allow(clippy::cast_possible_truncation)]
        {
            self as u64
        }
    }
}

/// A hash table that gives out numbers from 0. It stores only 32 bits of each hash; what a
/// number stands for is elsewhere in memory, and is compared only if these bits are equal.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    /// In the upper half the bits of the hash, in the lower half 1 + the number. 0 is a free
    /// slot. The length is a power of two; at most half of the slots are taken.
    slots: Vec<u64>,
    taken: usize,
}

impl Slots {
    /// Makes room for this many numbers.
    pub(super) fn with_room(numbers: usize) -> Self {
        Self {
            slots: vec![0; (2 * numbers).next_power_of_two().max(16)],
            taken: 0,
        }
    }

    /// The number with this hash that `is_it` accepts, or else the slot for a new one.
    #[inline(always)]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let part = part(hash);
        let mut slot = part as usize & mask;
        loop {
            let taken = self.slots[slot];
            if taken == 0 {
                return Err(slot);
            }
            // The lower half.
            #[allow(clippy::cast_possible_truncation)]
            let number = (taken as u32).wrapping_sub(1);
            if (taken >> 32) as u32 == part && is_it(number) {
                return Ok(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Gives the next number to a hash that was not found; `slot` is from [`Self::find`].
    pub(super) fn fill(&mut self, slot: usize, hash: u64) -> u32 {
        let number = u32::try_from(self.taken).unwrap_or(u32::MAX);
        self.slots[slot] = u64::from(part(hash)) << 32 | u64::from(number.saturating_add(1));
        self.taken += 1;
        if 2 * self.taken > self.slots.len() {
            self.grow();
        }
        number
    }

    fn grow(&mut self) {
        let mut slots = vec![0; 2 * self.slots.len()];
        let mask = slots.len() - 1;
        let mut at = 0;
        while at < self.slots.len() {
            let taken = self.slots[at];
            at += 1;
            if taken == 0 {
                continue;
            }
            let mut slot = (taken >> 32) as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = taken;
        }
        self.slots = slots;
    }
}

/// The bits of a hash that are stored, and that select its slot.
#[inline(always)]
fn part(hash: u64) -> u32 {
    #[allow(clippy::cast_possible_truncation)]
    {
        hash as u32
    }
}

/// Keys, numbered from 0 in order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Table<K> {
    keys: Vec<K>,
    slots: Slots,
}

impl<K: Hashed> Table<K> {
    /// Makes room for this many keys.
    pub(super) fn with_room(keys: usize) -> Self {
        Self {
            keys: Vec::with_capacity(keys),
            slots: Slots::with_room(keys),
        }
    }

    /// The number of a key, if it has one.
    #[inline]
    pub(super) fn get(&self, key: K) -> Option<u32> {
        self.find(key).ok()
    }

    /// The key with a number.
    #[inline]
    pub(super) fn key(&self, number: u32) -> Option<K> {
        self.keys.get(number as usize).copied()
    }

    /// The number of a key; a key without one gets the next.
    pub(super) fn number(&mut self, key: K) -> u32 {
        match self.find(key) {
            Ok(number) => number,
            Err(slot) => {
                self.keys.push(key);
                self.slots.fill(slot, key.bits())
            }
        }
    }

    #[inline(always)]
    fn find(&self, key: K) -> Result<u32, usize> {
        let is_it = |number: u32| self.keys[number as usize] == key;
        self.slots.find(key.bits(), is_it)
    }
}

/// Sorts numbers: a radix sort, which is fast without optimisation.
pub(super) fn sort(numbers: &mut Vec<DefinitionNumber>) {
    const BITS: u32 = 11;
    const MASK: u32 = (1 << BITS) - 1;
    let mut largest = 0;
    for &number in numbers.iter() {
        largest |= number.0;
    }
    let mut from = std::mem::take(numbers);
    let mut to = from.clone();
    let mut shift = 0;
    while shift < u32::BITS && largest >> shift != 0 {
        // Where the numbers with each digit begin.
        let mut places = vec![0usize; 2 + MASK as usize];
        let mut at = 0;
        while at < from.len() {
            places[(from[at].0 >> shift & MASK) as usize + 1] += 1;
            at += 1;
        }
        let mut digits = 1;
        while digits < places.len() {
            places[digits] += places[digits - 1];
            digits += 1;
        }
        at = 0;
        while at < from.len() {
            let place = &mut places[(from[at].0 >> shift & MASK) as usize];
            to[*place] = from[at];
            *place += 1;
            at += 1;
        }
        std::mem::swap(&mut from, &mut to);
        shift += BITS;
    }
    *numbers = from;
}

#[cfg(test)]
mod tests {
    use super::{DefinitionNumber, Table, sort};

    #[test]
    fn keys_are_numbered_as_they_arrive() {
        let mut table: Table<u64> = Table::with_room(0);
        // Their lower bits are equal, so they compete for one slot.
        let keys = (0..1000).map(|key| key << 40 | 1);
        for (number, key) in (0..).zip(keys.clone()) {
            assert_eq!(table.get(key), None);
            assert_eq!(table.number(key), number);
            assert_eq!(table.number(key), number);
        }
        for (number, key) in (0..).zip(keys) {
            assert_eq!(table.get(key), Some(number));
        }
    }

    #[test]
    fn sorts_like_the_standard_library() {
        for step in [1, 977, 0x9e37_79b1u32] {
            let numbers = (0..5000u32).map(|n| DefinitionNumber(n.wrapping_mul(step)));
            let mut numbers: Vec<_> = numbers.collect();
            let mut expect = numbers.clone();
            expect.sort_unstable();
            sort(&mut numbers);
            assert_eq!(numbers, expect);
        }
        let mut none = Vec::new();
        sort(&mut none);
        assert!(none.is_empty());
    }
}
