//! The type definitions of many kernels, each stored once: a whole archive in a few megabytes.
//!
//! ```text
//! numbers     a type for the numbers of each table
//! survey      a kernel → its definitions, hashed; which of its types are equal
//! describe    a type → the words of its definition
//! collect     the definitions of many kernels, each once (names, table, chunks)
//! write       canonical numbers → the file (encode, delta, sets, kernels, modules, pack)
//! read        the file → definitions, on demand (decode, holdings)
//! file        its digest, its parts, whether it is damaged
//! scope       the definitions that some names lead to
//! project     these definitions → BTF (owner); extract: for one kernel
//! build       archives → an atlas; an atlas checked against its archive
//! base        an older atlas → part of a new one
//! text, diff  definitions as text, and what changed
//! ```
//!
//! Neighbouring kernels differ in a handful of definitions. So an atlas takes a fiftieth of
//! the archive, and tailoring from it neither decompresses nor parses the BTF of each kernel:
//! [`Atlas::scope_of`] groups the kernels that are equal in everything that some relocations
//! can reach, and makes one small BTF for each group.
//!
#![doc = include_str!("FORMAT.md")]

mod base;
mod build;
mod bytes;
mod chunks;
mod collect;
mod columns;
mod decode;
mod definition;
mod delta;
mod describe;
mod diff;
mod encode;
mod error;
mod extract;
mod file;
mod format;
mod hash;
mod holdings;
mod kernels;
mod modules;
mod names;
mod numbers;
mod owner;
mod pack;
mod project;
mod read;
mod scope;
mod sets;
mod survey;
mod table;
mod text;
mod write;

pub use build::{AtlasBuilder, Built, Difference};
pub use collect::{AtlasWriter, SourceEntry, Surveyor};
pub use diff::{Change, Side, diff};
pub use error::{AtlasError, SurveyError};
pub use numbers::KernelNumber;
pub use pack::Effort;
pub use read::Atlas;
pub use scope::Scope;
pub use survey::KernelDefinitions;
pub use text::DefinitionText;
