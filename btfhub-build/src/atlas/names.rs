//! The names that a survey meets again and again: their hashes, their numbers.

use super::hash::HashKey;
use crate::btf::{Btf, StrOffset, essential_name};

/// What strings of a BTF come to, by offset: of each slot the last one. Equal
/// strings may have several offsets.
pub(super) struct Recent<T>(Box<[(u32, T); SLOTS]>);

/// So few that they stay in a processor's own cache.
const SLOTS: usize = 1 << 13;

impl<T: Copy> Recent<T> {
    /// With what the empty string comes to, which is at 0.
    pub(super) fn new(empty: T) -> Self {
        Self(Box::new([(0, empty); SLOTS]))
    }

    #[inline(always)]
    pub(super) fn get(&self, offset: u32) -> Option<T> {
        let (known, value) = self.0[slot(offset)];
        (known == offset).then_some(value)
    }

    #[inline(always)]
    pub(super) fn put(&mut self, offset: u32, value: T) {
        self.0[slot(offset)] = (offset, value);
    }
}

/// Where the string at an offset is.
#[inline(always)]
fn slot(offset: u32) -> usize {
    (offset as usize ^ (offset as usize >> 13)) % SLOTS
}

/// Hashes of the strings of a BTF.
pub(super) struct StringHashes<'a> {
    btf: &'a Btf,
    key: HashKey,
    recent: Recent<u64>,
}

impl<'a> StringHashes<'a> {
    pub(super) fn new(btf: &'a Btf, key: HashKey) -> Self {
        Self {
            btf,
            key,
            recent: Recent::new(key.bytes(b"")),
        }
    }

    #[inline(always)]
    pub(super) fn plain(&mut self, offset: u32) -> u64 {
        if let Some(hash) = self.recent.get(offset) {
            return hash;
        }
        let (hash, _) = self.key.text(self.btf.string_tail(StrOffset(offset)));
        self.recent.put(offset, hash);
        hash
    }

    /// The hash of a name without its flavor.
    pub(super) fn essential(&mut self, offset: u32) -> u64 {
        let tail = self.btf.string_tail(StrOffset(offset));
        let (hash, len) = self.key.text(tail);
        self.recent.put(offset, hash);
        let name = &tail[..len];
        if may_have_flavor(name) {
            self.key.bytes(essential_name(name))
        } else {
            hash
        }
    }
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
