//! What the bits of coded data are spent on.

use super::coder::{Coder, Decoder};
use super::model::Set;

/// A decoder that keeps account of what the data's bits are spent on.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    decoder: Decoder<'a>,
    set: Set,
    /// By [`Set`], in 1/256 bits.
    spent: [u64; Set::COUNT],
}

impl<'a> Meter<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            decoder: Decoder::new(data),
            set: Set::Bytes,
            spent: [0; Set::COUNT],
        }
    }

    /// What was spent on each [`Set`], in 1/256 bits.
    pub(super) fn spent(&self) -> &[u64; Set::COUNT] {
        &self.spent
    }
}

impl Coder for Meter<'_> {
    const WRITES: bool = false;

    fn bit(&mut self, p1: u16, bit: bool) -> bool {
        let bit = self.decoder.bit(p1, bit);
        let p = if bit {
            u32::from(p1)
        } else {
            0x1_0000 - u32::from(p1)
        };
        // The binary logarithm of 65536 / p, by a parabola between powers of two.
        let whole = p.max(1).leading_zeros() - 15;
        let part = ((p << whole) & 0xffff) >> 8;
        let part = part + ((part * (256 - part) * 88) >> 16);
        if let Some(spent) = self.spent.get_mut(self.set as usize) {
            *spent += u64::from(whole << 8).saturating_sub(u64::from(part));
        }
        bit
    }

    fn next_is(&mut self, set: Set) {
        self.set = set;
    }

    fn spend(&mut self, steps: usize) {
        self.decoder.spend(steps);
    }

    fn overrun(&self) -> bool {
        self.decoder.overrun()
    }
}
