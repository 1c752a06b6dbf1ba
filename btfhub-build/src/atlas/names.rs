//! Caches hashes and numbers of names, which a survey needs again and again.

use super::hash::HashKey;
use crate::btf::{Btf, StrOffset, essential_name};

/// A cache of values by the offset of a string in a BTF. Each slot has the value that was stored
/// there last. Equal strings may have different offsets.
pub(super) struct Recent<T>(Box<[(u32, T); SLOTS]>);

/// Few enough to stay in a processor's cache.
const SLOTS: usize = 1 << 13;

impl<T: Copy> Recent<T> {
    /// `empty` is the value of the empty string, at offset 0.
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

/// The slot of an offset.
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

    /// The hash of a name's essential part.
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

/// Whether a name has three underscores in a row.
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
