//! BPF Type Format: the kernel's description of its own types.
//!
//! One file per section of the format, reading and writing apart
//! (Documentation/bpf/btf.rst of the kernel):
//!
//! ```text
//! error    what can be wrong with a BTF, and where
//! kind     the kinds of types and how long their records are
//! header   magic, byte order, where the sections are
//! strings  the string section, names, essential names
//! types    one type record
//! read     bytes → Btf
//! check    whether every reference leads somewhere
//! references  the strings and types that a record refers to
//! join     a kernel's BTF and those of its modules → one
//! distilled  a module's BTF with a base of its own → one for this kernel
//! size     skipping modifiers, sizes, the pointer size
//! write    type records → bytes
//! ext      .BTF.ext: CO-RE relocations and line info of an object
//! ```

mod check;
mod distilled;
mod error;
mod ext;
mod header;
mod join;
mod kind;
mod read;
mod references;
mod size;
mod strings;
mod types;
mod write;

pub use distilled::DistilledError;
pub use error::{BtfError, BtfErrorKind};
pub use ext::{BtfExt, CoreRelo, LineInfo, SectionRecords};
pub use header::Endian;
pub use join::JoinError;
pub use kind::Kind;
pub use read::Btf;
pub(crate) use read::NameFilter;
pub use size::SizeError;
pub use strings::essential_name;
pub(crate) use strings::first_nul;
pub use types::{Array, Enumerator, IntEncoding, Member, Param, Type};
pub use write::{BtfWriter, TypeRecord, WriteError};

/// The number of a type in one BTF. 0 is `void`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// `void`, which has no record.
    pub const VOID: Self = Self(0);
}

impl std::fmt::Display for TypeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

/// A byte offset into the string section of one BTF. 0 is the empty string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StrOffset(pub u32);
