//! Why a kernel's types or an atlas are refused.

use std::fmt;
use std::ops::RangeInclusive;

use btfhub_runtime::Printable;

use crate::archive::Digest;

/// Why a kernel's types are refused. No compiler writes such types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyError {
    id: u32,
    what: &'static str,
}

impl SurveyError {
    pub(super) fn new(id: u32, what: &'static str) -> Self {
        Self { id, what }
    }

    /// A VAR, FUNC, DATASEC, tag or unknown kind where the type of a value belongs.
    pub(super) fn no_value(id: u32) -> Self {
        Self::new(id, "is not the type of a value, but is used as one")
    }
}

impl fmt::Display for SurveyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type [{}] {}", self.id, self.what)
    }
}

impl std::error::Error for SurveyError {}

/// A part of an atlas, named in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilePart {
    Header,
    Index,
    Kernels,
    Modules,
    Definitions(usize),
    Strings(usize),
}

impl fmt::Display for FilePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Index => f.write_str("the index"),
            Self::Kernels => f.write_str("the list of kernels"),
            Self::Modules => f.write_str("the list of modules"),
            Self::Definitions(block) => write!(f, "the definitions of block {block}"),
            Self::Strings(block) => write!(f, "the strings of block {block}"),
        }
    }
}

/// Why an atlas can't be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtlasError(pub(super) Cause);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Foreign,
    Version {
        found: u16,
        known: u16,
    },
    Codec {
        found: u8,
        known: RangeInclusive<u8>,
    },
    Short {
        need: u64,
        have: u64,
    },
    Digest(FilePart),
    Pin {
        wanted: String,
        found: Digest,
    },
    Malformed {
        part: FilePart,
        offset: usize,
        what: &'static str,
    },
    Unpack {
        part: FilePart,
        why: String,
    },
    Pack(String),
    TooMany(&'static str),
    Twice(String),
    NoKernel(String),
}

impl AtlasError {
    pub(super) fn malformed(part: FilePart, offset: usize, what: &'static str) -> Self {
        Self(Cause::Malformed { part, offset, what })
    }
}

impl fmt::Display for AtlasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Foreign => f.write_str("not an atlas: it lacks the magic number"),
            Cause::Version { found, known } => write!(
                f,
                "atlas format {found}, but this btfhub reads format {known}: use a btfhub at \
                 least as new as the one that wrote it"
            ),
            Cause::Codec { found, known } => write!(
                f,
                "atlas codec {found}, but this btfhub reads codecs {} to {}",
                known.start(),
                known.end()
            ),
            Cause::Short { need, have } => write!(
                f,
                "atlas of {have} bytes, but its index describes {need}: truncated or mixed up"
            ),
            Cause::Digest(part) => write!(f, "damaged atlas: the digest of {part} does not match"),
            Cause::Pin { wanted, found } => {
                let wanted = Printable(wanted);
                write!(f, "not the pinned atlas: pinned {wanted}, found {found}")
            }
            Cause::Malformed { part, offset, what } => {
                write!(f, "malformed atlas: {part}, byte {offset}: {what}")
            }
            Cause::Unpack { part, why } => write!(f, "damaged atlas: {part}: {}", Printable(why)),
            Cause::Pack(why) => write!(f, "the atlas can't be compressed: {why}"),
            Cause::TooMany(what) => write!(f, "too many {what} for an atlas"),
            Cause::Twice(kernel) => write!(f, "{:#} occurs twice", Printable(kernel)),
            Cause::NoKernel(kernel) => write!(f, "the atlas has no kernel {:#}", Printable(kernel)),
        }
    }
}

impl std::error::Error for AtlasError {}
