//! The outer form of every file of the cache: bytes and their digest.

use std::fs;
use std::path::Path;

use crate::input::{self, FILE_LIMIT};
use crate::output;

const DIGEST_LEN: usize = blake3::OUT_LEN;

/// Writes `content` so that [`read`] can tell whether it is complete. `false` if it can't be
/// written, which a cache may ignore.
pub(super) fn write(path: &Path, mut content: Vec<u8>) -> bool {
    let digest = blake3::hash(&content);
    content.extend(digest.as_bytes());
    output::replace(path, &content).is_ok()
}

/// The content of a whole file. A damaged one is removed. What is not a regular file, or too
/// long, is left to be replaced.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let mut content = input::read(path, FILE_LIMIT).ok()?;
    let whole = content.len().checked_sub(DIGEST_LEN).filter(|len| {
        let (bytes, digest) = content.split_at(*len);
        blake3::hash(bytes) == *digest
    });
    match whole {
        Some(len) => {
            content.truncate(len);
            Some(content)
        }
        None => {
            // If it stayed, it would be read and refused every time.
            let _ = fs::remove_file(path);
            None
        }
    }
}

/// Reads numbers and byte strings off a content.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend(bytes);
}
