//! The limits of a number that is not constant.

use crate::insn::{Insn, JMP32};

/// The numbers from the first one up to the last, with or without sign: what follows the largest
/// is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Limits {
    first: u64,
    last: u64,
    /// `u32::MAX` if this is about the lower 32 bits alone.
    mask: u64,
}

const LOW: u64 = 0xffff_ffff;

impl Limits {
    /// All numbers of 64 bits.
    pub(super) const ANY: Self = Self::up_to(0, u64::MAX);

    pub(super) const fn up_to(first: u64, last: u64) -> Self {
        Self {
            first,
            last,
            mask: u64::MAX,
        }
    }

    /// What either allows.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::ANY }
    }

    /// What remains where a comparison with `right` holds, or does not; `None` if nothing does.
    pub(super) fn where_it(self, insn: Insn, right: u64, holds: bool) -> Option<Self> {
        let its = self.of_bits(if insn.class() == JMP32 { LOW } else { u64::MAX });
        let right = right & its.mask;
        let (largest, least_signed) = (its.mask, (its.mask >> 1) + 1);
        let allowed = |first: u64, last: u64| its.and(first, last);
        let above = |last: u64| (right != last).then(|| its.and(right.wrapping_add(1), last))?;
        let below = |first: u64| (right != first).then(|| its.and(first, right.wrapping_sub(1)))?;
        match (insn.op(), holds) {
            (0x10, true) | (0x50, false) => allowed(right, right),
            (0x10, false) | (0x50, true) => allowed(right.wrapping_add(1), right.wrapping_sub(1)),
            (0x20, true) | (0xb0, false) => above(largest),
            (0x20, false) | (0xb0, true) => allowed(0, right),
            (0x30, true) | (0xa0, false) => allowed(right, largest),
            (0x30, false) | (0xa0, true) => below(0),
            (0x60, true) | (0xd0, false) => above(least_signed - 1),
            (0x60, false) | (0xd0, true) => allowed(least_signed, right),
            (0x70, true) | (0xc0, false) => allowed(right, least_signed - 1),
            (0x70, false) | (0xc0, true) => below(least_signed),
            _ => Some(its),
        }
    }

    /// The limits of its lower 32 bits.
    pub(super) fn low(self) -> Self {
        self.of_bits(LOW)
    }

    fn of_bits(self, mask: u64) -> Self {
        let fits = self.first <= self.last && self.last <= mask;
        match self.mask == mask || (mask == LOW && fits) {
            true => Self { mask, ..self },
            false => Self {
                first: 0,
                last: mask,
                mask,
            },
        }
    }

    /// What is also from `first` to `last`; all of it, if that leaves two ranges.
    fn and(self, first: u64, last: u64) -> Option<Self> {
        // Relative to its first number.
        let from = |number: u64| number.wrapping_sub(self.first) & self.mask;
        let (first, last, end) = (from(first), from(last), from(self.last));
        let (first, last) = match (first <= last, first <= end) {
            (true, true) => (first, last.min(end)),
            (true, false) => return None,
            (false, true) => (0, end),
            (false, false) => (0, last.min(end)),
        };
        let at = |number: u64| self.first.wrapping_add(number) & self.mask;
        Some(Self {
            first: at(first),
            last: at(last),
            ..self
        })
    }
}
