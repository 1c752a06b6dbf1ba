//! Objects and their ids.

use std::cell::Cell;
use std::fmt;
use std::io;

use hmac_sha256::Hash as Sha256;
use sha1_checked::{Digest as _, Sha1};

use crate::input::ReadError;

/// The largest object that is read: a folder of 200,000 files.
pub(super) const LARGEST_OBJECT: usize = 16 << 20;

/// The hash that a repository names its objects by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::archive) enum Format {
    Sha1,
    Sha256,
}

impl Format {
    /// How long an id is.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// The id of an object: the hash of its kind, its length and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectId {
    format: Format,
    /// Zeros after a SHA-1.
    bytes: [u8; 32],
}

impl ObjectId {
    /// The id in these bytes, if they are as many as an id has.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let format = match bytes.len() {
            20 => Format::Sha1,
            32 => Format::Sha256,
            _ => return None,
        };
        let mut id = Self {
            format,
            bytes: [0; 32],
        };
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(id)
    }

    /// Reads 40 or 64 hexadecimal digits.
    pub(in crate::archive) fn from_hex(hex: &str) -> Option<Self> {
        let digits = hex.chars().map(|digit| digit.to_digit(16));
        let digits: Vec<u32> = digits.collect::<Option<_>>()?;
        if digits.len() % 2 != 0 {
            return None;
        }
        let bytes = digits.chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from((high << 4) | low).ok(),
            _ => None,
        });
        Self::from_bytes(&bytes.collect::<Option<Vec<u8>>>()?)
    }

    /// The id of an object of this kind (`blob`, `tree`, …) with these bytes.
    ///
    /// `None` if the bytes contain a collision attack on SHA-1: other bytes then have the same
    /// id.
    pub(in crate::archive) fn of(format: Format, kind: &str, bytes: &[u8]) -> Option<Self> {
        let head = format!("{kind} {}\0", bytes.len());
        match format {
            Format::Sha1 => {
                let mut hasher = Sha1::new();
                hasher.update(&head);
                hasher.update(bytes);
                let hashed = hasher.try_finalize();
                if hashed.has_collision() {
                    return None;
                }
                Self::from_bytes(hashed.hash())
            }
            Format::Sha256 => {
                let mut hasher = Sha256::new();
                hasher.update(&head);
                hasher.update(bytes);
                Self::from_bytes(&hasher.finalize())
            }
        }
    }

    /// Like [`of`](Self::of), for a blob, in the format of this id.
    pub(in crate::archive) fn of_blob_like(self, bytes: &[u8]) -> Option<Self> {
        Self::of(self.format, "blob", bytes)
    }

    pub(in crate::archive) fn format(self) -> Format {
        self.format
    }

    /// Its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.format.len()).unwrap_or_default()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    pub(in crate::archive) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// An object as it was found.
#[derive(Debug)]
pub(in crate::archive) struct Object {
    pub(in crate::archive) kind: Kind,
    pub(in crate::archive) bytes: Vec<u8>,
}

/// How many bytes are inflated and made of deltas for all objects that are read from a store,
/// false ones included: thirty times what the trees of the largest archive take in the deepest
/// chains that git makes.
#[derive(Debug)]
pub(super) struct Work(Cell<usize>);

impl Work {
    pub(super) fn new() -> Self {
        Self(Cell::new(1 << 30))
    }

    /// Takes some of what is left.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Flaw> {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(Flaw::TooMuchWork)
    }
}

/// Why one place does not give an object.
#[derive(Debug)]
pub(super) enum Flaw {
    Damaged,
    TooLarge,
    Read(ReadError),
    /// What [`Work`] allows is used up.
    TooMuchWork,
}

impl From<ReadError> for Flaw {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A pack that was cut off, or a place that no file has.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => Self::Damaged,
            _ => Self::Read(error.into()),
        }
    }
}
