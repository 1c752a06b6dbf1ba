//! A fast keyed 128-bit hash of words: how equal definitions are found.
//!
//! Only a lookup key: it orders nothing and is written nowhere. The key is
//! drawn anew by every process, so that nobody can prepare two definitions
//! that would be taken for one.

use std::hash::{BuildHasher as _, RandomState};

/// The random key of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey([u64; 3]);

impl HashKey {
    pub(super) fn random() -> Self {
        let state = RandomState::new();
        // A multiplier with few bits would mix badly; odd numbers are never 0.
        Self([1u64, 2, 3].map(|n| state.hash_one(n) | 1 << 63 | 1))
    }

    /// Hash of a byte string.
    pub(super) fn bytes(self, bytes: &[u8]) -> u64 {
        let mut hash = self.0[0] ^ bytes.len() as u64;
        let mut rest = bytes;
        while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
            hash = fold(hash ^ u64::from_le_bytes(*chunk), self.0[1]);
            rest = tail;
        }
        let mut last = 0;
        let mut at = 0;
        while at < rest.len() {
            last = last << 8 | u64::from(rest[at]);
            at += 1;
        }
        fold(hash ^ last, self.0[2])
    }

    /// The start of a hash of words.
    #[inline(always)]
    pub(super) fn start(self, tag: u64) -> Hash {
        Hash {
            low: self.0[0] ^ tag,
            high: self.0[1],
            key: self,
        }
    }
}

/// A hash under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash {
    low: u64,
    high: u64,
    key: HashKey,
}

impl Hash {
    /// Adds a word.
    #[inline(always)]
    pub(super) fn add(&mut self, word: u64) {
        self.low = fold(self.low ^ word, self.key.0[1]);
        self.high = fold(self.high.rotate_left(29) ^ word, self.key.0[2]);
    }

    /// 64 bits of it, never 0.
    #[inline(always)]
    pub(super) fn short(self) -> u64 {
        (self.low ^ self.high.rotate_left(32)) | 1
    }

    /// All of it.
    #[inline(always)]
    pub(super) fn long(self) -> u128 {
        u128::from(self.low) << 64 | u128::from(self.high)
    }
}

/// The two halves of a 128-bit product, one upon the other.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    // The low and the high half.
    #[allow(clippy::cast_possible_truncation)]
    {
        product as u64 ^ (product >> 64) as u64
    }
}
