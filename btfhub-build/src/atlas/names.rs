//! Hashes of the names that a survey meets again and again.

use super::hash::HashKey;
use crate::btf::{Btf, StrOffset, essential_name};

/// Hashes of the strings of a BTF. Equal strings may have several offsets.
pub(super) struct StringHashes<'a> {
    btf: &'a Btf,
    key: HashKey,
    /// The last string with these low bits of the offset, and its hash.
    cache: Vec<(u32, u64)>,
}

/// So few that they stay in a processor's own cache.
const CACHED: usize = 1 << 13;

impl<'a> StringHashes<'a> {
    pub(super) fn new(btf: &'a Btf, key: HashKey) -> Self {
        Self {
            btf,
            key,
            cache: vec![(0, key.bytes(b"")); CACHED],
        }
    }

    #[inline(always)]
    pub(super) fn plain(&mut self, offset: u32) -> u64 {
        let slot = slot(offset);
        let (known, hash) = self.cache[slot];
        if known == offset {
            return hash;
        }
        let (hash, _) = self.key.text(self.btf.string_tail(StrOffset(offset)));
        self.cache[slot] = (offset, hash);
        hash
    }

    /// The hash of a name without its flavor.
    pub(super) fn essential(&mut self, offset: u32) -> u64 {
        let tail = self.btf.string_tail(StrOffset(offset));
        let (hash, len) = self.key.text(tail);
        self.cache[slot(offset)] = (offset, hash);
        let name = &tail[..len];
        if may_have_flavor(name) {
            self.key.bytes(essential_name(name))
        } else {
            hash
        }
    }
}

/// Where the string at an offset is in the cache.
#[inline(always)]
fn slot(offset: u32) -> usize {
    (offset as usize ^ (offset as usize >> 13)) % CACHED
}

/// Whether three underscores stand in a row somewhere.
fn may_have_flavor(name: &[u8]) -> bool {
    let mut at = 2;
    while at < name.len() {
        if name[at] == b'_' {
            let mut start = at;
            while start > 0 && name[start - 1] == b'_' {
                start -= 1;
            }
            let mut end = at + 1;
            while end < name.len() && name[end] == b'_' {
                end += 1;
            }
            if end - start >= 3 {
                return true;
            }
        }
        at += 3;
    }
    false
}
