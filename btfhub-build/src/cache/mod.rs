//! Results of earlier builds.
//!
//! ```text
//! <directory>/digests           which files have which digest, by their times
//! <directory>/tailored/<key>/   the results for entries, for one set of relocations
//! <directory>/atlas/<engine>/   the definitions of entries, for any relocations
//! <directory>/facts/<key>       facts about entries, for verdicts
//! ```
//!
//! An entry whose result is known is not read. An entry whose definitions are in an atlas is
//! tailored from there, without being decompressed or parsed. Only the others are decoded, and
//! their definitions are stored in the same pass.
//!
//! Everything is keyed by content: the digest of an entry's file, the fingerprint of the
//! relocations, and the engine of this crate. Names and places of anything play no part, so a
//! cache may be moved, copied and shared.
//!
//! Files here are immutable and appear by renaming; each has a digest of itself,
//! at its end or, of an atlas, as its name. So several builds may use one cache
//! at once and any of them may be killed: a file is there and whole, or it is as
//! if it were not, and a damaged one is removed. Before a result is used, the
//! tailored BTF is resolved again and must give what it was kept with. What
//! cannot be written is not kept; that makes a later build slower and nothing
//! else.

mod atlases;
mod digests;
mod directory;
mod facts;
mod file;
mod tailored;

pub(crate) use atlases::{Atlases, Location};
pub(crate) use digests::Digests;
pub(crate) use facts::Facts;
pub(crate) use tailored::{ResultWriter, Results, TailoredBtf};
