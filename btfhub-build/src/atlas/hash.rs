//! A fast keyed 128-bit hash of words, to find equal definitions.
//!
//! It serves only for lookups: nothing is sorted by it, and it is never written. Every process
//! draws a new key, so that nobody can prepare two different definitions with equal hashes.

use std::hash::{BuildHasher as _, RandomState};

use crate::btf::first_nul;

/// The random key of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey([u64; 3]);

impl HashKey {
    pub(super) fn random() -> Self {
        let state = RandomState::new();
        // The highest bit, as a small multiplier mixes badly; the lowest, so that none is even.
        Self([1u64, 2, 3].map(|n| state.hash_one(n) | 1 << 63 | 1))
    }

    /// Hashes a byte string.
    pub(super) fn bytes(self, bytes: &[u8]) -> u64 {
        self.more_bytes(self.0[0], bytes, bytes.len())
    }

    /// The same for the bytes before the first NUL. Also returns their number: finding the NUL
    /// while hashing saves a pass over the string.
    pub(super) fn text(self, bytes: &[u8]) -> (u64, usize) {
        let mut hash = self.0[0];
        let mut rest = bytes;
        let mut len = 0;
        while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            if let Some(more) = first_nul(word) {
                len += more;
                let last = word & !(u64::MAX << (8 * more));
                return (self.end(hash, last, len), len);
            }
            hash = fold(hash ^ word, self.0[1]);
            len += 8;
            rest = tail;
        }
        let mut more = 0;
        while more < rest.len() && rest[more] != 0 {
            more += 1;
        }
        len += more;
        (self.more_bytes(hash, &rest[..more], len), len)
    }

    /// Adds the last bytes of a string of `len` bytes.
    fn more_bytes(self, mut hash: u64, bytes: &[u8], len: usize) -> u64 {
        let mut rest = bytes;
        while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
            hash = fold(hash ^ u64::from_le_bytes(*chunk), self.0[1]);
            rest = tail;
        }
        let mut last = 0;
        let mut at = rest.len();
        while at > 0 {
            at -= 1;
            last = last << 8 | u64::from(rest[at]);
        }
        self.end(hash, last, len)
    }

    #[inline(always)]
    fn end(self, hash: u64, last: u64, len: usize) -> u64 {
        fold(hash ^ last, self.0[2] ^ len as u64)
    }

    /// Starts a hash of words.
    #[inline(always)]
    pub(super) fn start(self, tag: u64) -> Hash {
        Hash {
            low: self.0[0] ^ tag,
            high: self.0[1],
            key: self,
        }
    }
}

/// An unfinished hash.
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
        self.add_two(word, 0);
    }

    /// Adds two words, as fast as one.
    #[inline(always)]
    pub(super) fn add_two(&mut self, word: u64, other: u64) {
        self.low = fold(self.low ^ word, self.key.0[1] ^ other);
        self.high = fold(self.high.rotate_left(29) ^ word, self.key.0[2] ^ other);
    }

    /// Adds the name, place and type of a member, as fast as one word. Name and type are hashes;
    /// the place is not, so it is spread over all bits.
    #[inline(always)]
    pub(super) fn add_member(&mut self, name: u64, place: u64, ty: u64) {
        self.add_two(name, ty.wrapping_add(place.wrapping_mul(self.key.0[0])));
    }

    /// 64 bits of it, never 0.
    #[inline(always)]
    pub(super) fn short(self) -> u64 {
        (self.low ^ self.high.rotate_left(32)) | 1
    }

    /// All of it, the higher half first.
    #[inline(always)]
    pub(super) fn halves(self) -> [u64; 2] {
        [self.low, self.high]
    }

    /// The same as one number.
    #[inline(always)]
    pub(super) fn long(self) -> u128 {
        u128::from(self.low) << 64 | u128::from(self.high)
    }
}

/// The two halves of a 128-bit product, XORed.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    // The low and the high half.
    #[allow(clippy::cast_possible_truncation)]
    {
        product as u64 ^ (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::HashKey;

    #[test]
    fn a_string_has_one_hash_whatever_follows_it() {
        let key = HashKey::random();
        let name = b"a_name_of_twenty_bytes";
        for len in 0..name.len() {
            let hash = key.bytes(&name[..len]);
            for more in 0..10 {
                let mut bytes = name[..len].to_vec();
                assert!(more == 0 || key.bytes(&[&bytes[..], &[0]].concat()) != hash);
                bytes.resize(len + more, 0);
                assert_eq!(key.text(&bytes), (hash, len));
            }
        }
    }
}
