//! What need not be done again.
//!
//! ```text
//! <directory>/digests           which files have which digest, by their times
//! <directory>/tailored/<key>/   what entries came to, for one set of relocations
//! ```
//!
//! Results are keyed by content: the digest of an entry's file, the
//! fingerprint of the relocations, and the engine of this crate. Names and
//! places of anything play no part, so a cache may be moved, copied and shared.
//!
//! Files here are immutable and appear by renaming; each ends with a digest of
//! itself. So several builds may use one cache at once and any of them may be
//! killed: a file is there and whole, or it is as if it were not, and a damaged
//! one is removed. Before a result is used, the tailored BTF is resolved again
//! and must give what the full BTF gave. What cannot be written is not kept;
//! that makes a later build slower and nothing else.

mod digests;
mod file;
mod tailored;

pub(crate) use digests::Digests;
pub(crate) use tailored::{Known, Results};
