//! The type definitions of many kernels, each stored once: a whole archive in a few megabytes.
//!
//! ```text
//! numbers     a type for the numbers of each table
//! names       hashes of names; table: which number a hash has
//! survey      a kernel → its definitions, hashed; which types are equal
//! describe    a type → the words of its definition
//! collect     definitions of many kernels, each once
//! write       canonical numbers → the file (encode, delta, sets, kernels, modules, pack)
//! read        the file → definitions, when asked for (decode, holdings)
//! scope       what some names reach; project: definitions → BTF (owner);
//!             extract: a kernel's
//! build       archives → an atlas, and back again (base)
//! text, diff  definitions to read, and what changed
//! ```
//!
//! Neighbouring kernels differ in a handful of definitions. So an atlas takes a
//! fiftieth of the archive, and tailoring from it neither decompresses nor
//! parses the kernels' BTF: [`Atlas::scope_of`] puts kernels together that are
//! equal in all that some relocations reach, and gives one small BTF for each.
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
