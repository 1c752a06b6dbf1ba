//! Which number a hash has. A plain loop over two vectors, because surveys look
//! things up a million times, mostly in build scripts that are not optimised.

/// Keys that are hashes already.
pub(super) trait Hashed: Copy + PartialEq {
    /// Bits that differ wherever keys do, as good as always.
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
        // Half of a hash is one.
        #[allow(clippy::cast_possible_truncation)]
        {
            self as u64
        }
    }
}

/// Keys, numbered from 0 in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Table<K> {
    keys: Vec<K>,
    /// 1 + the number of a key; 0 is free. A power of two of them, at most half
    /// of them taken.
    slots: Vec<u32>,
}

impl<K: Hashed> Table<K> {
    /// With room for so many keys.
    pub(super) fn with_room(keys: usize) -> Self {
        Self {
            keys: Vec::with_capacity(keys),
            slots: vec![0; (2 * keys).next_power_of_two().max(16)],
        }
    }

    /// The number of a key.
    #[inline]
    pub(super) fn get(&self, key: K) -> Option<u32> {
        self.slots[self.slot(key)].checked_sub(1)
    }

    /// The key with a number.
    #[inline]
    pub(super) fn key(&self, number: u32) -> Option<K> {
        self.keys.get(number as usize).copied()
    }

    /// The number of a key, a new one where it had none.
    pub(super) fn number(&mut self, key: K) -> u32 {
        let slot = self.slot(key);
        if let Some(number) = self.slots[slot].checked_sub(1) {
            return number;
        }
        let number = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.keys.push(key);
        self.slots[slot] = number.saturating_add(1);
        if 2 * self.keys.len() > self.slots.len() {
            self.grow();
        }
        number
    }

    /// The slot of a key, or a free one for it.
    #[inline]
    fn slot(&self, key: K) -> usize {
        let mask = self.slots.len() - 1;
        // As many bits of it as there are slots.
        #[allow(clippy::cast_possible_truncation)]
        let mut slot = key.bits() as usize & mask;
        loop {
            let taken = self.slots[slot];
            if taken == 0 || self.keys[taken as usize - 1] == key {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.slots = vec![0; 2 * self.slots.len()];
        let mut number = 0;
        while number < self.keys.len() {
            let slot = self.slot(self.keys[number]);
            number += 1;
            self.slots[slot] = u32::try_from(number).unwrap_or(u32::MAX);
        }
    }
}

/// Numbers in ascending order.
pub(super) fn sort(numbers: &mut Vec<u32>) {
    const BITS: u32 = 11;
    const MASK: u32 = (1 << BITS) - 1;
    let mut largest = 0;
    for &number in numbers.iter() {
        largest |= number;
    }
    let mut from = std::mem::take(numbers);
    let mut to = vec![0; from.len()];
    let mut shift = 0;
    while shift < u32::BITS && largest >> shift != 0 {
        // Where the numbers with these digits begin.
        let mut places = vec![0usize; 2 + MASK as usize];
        let mut at = 0;
        while at < from.len() {
            places[(from[at] >> shift & MASK) as usize + 1] += 1;
            at += 1;
        }
        let mut digits = 1;
        while digits < places.len() {
            places[digits] += places[digits - 1];
            digits += 1;
        }
        at = 0;
        while at < from.len() {
            let place = &mut places[(from[at] >> shift & MASK) as usize];
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
    use super::{Table, sort};

    #[test]
    fn numbers_in_the_order_of_coming() {
        let mut table: Table<u64> = Table::with_room(0);
        // Many in one slot.
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
    fn sorts_as_any_other() {
        for step in [1, 977, 0x9e37_79b1u32] {
            let mut numbers: Vec<u32> = (0..5000u32).map(|n| n.wrapping_mul(step)).collect();
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
