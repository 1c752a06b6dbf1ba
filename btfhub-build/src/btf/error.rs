//! What can be wrong with a BTF, and at which byte.

use std::fmt;

/// Why some bytes are no BTF that libbpf would read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BtfError {
    offset: u64,
    kind: BtfErrorKind,
}

/// The causes behind a [`BtfError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BtfErrorKind {
    /// Shorter than the header, or than the header says.
    Truncated {
        /// Bytes that are needed.
        need: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// The first two bytes are not `0xeb9f` in either byte order.
    Magic(u16),
    /// A header field contradicts another one or the file.
    Header(&'static str),
    /// The string section is empty, does not begin with an empty string, or
    /// does not end with a NUL.
    Strings(&'static str),
    /// A kind that neither this library nor the file's layout section knows.
    UnknownKind {
        /// The type with that kind.
        id: u32,
        /// Its number.
        kind: u8,
    },
    /// A type record runs over the end of the type section.
    TypeOverrun {
        /// The type.
        id: u32,
    },
    /// A type refers to a type that does not exist.
    TypeReference {
        /// The type with the reference.
        id: u32,
        /// What it refers to.
        target: u32,
    },
    /// A type refers to a string beyond the string section.
    StringReference {
        /// The type with the reference.
        id: u32,
        /// The string offset.
        target: u32,
    },
    /// A FUNC whose type is not a FUNC_PROTO.
    FuncWithoutProto {
        /// The FUNC.
        id: u32,
    },
    /// A `.BTF.ext` section contradicts itself.
    Ext(&'static str),
}

impl BtfError {
    pub(super) fn new(offset: u64, kind: BtfErrorKind) -> Self {
        Self { offset, kind }
    }

    /// The byte of the file (or of the `.BTF.ext` section) where the error is.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is wrong.
    pub fn kind(&self) -> &BtfErrorKind {
        &self.kind
    }
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            BtfErrorKind::Truncated { need, have } => {
                write!(f, "truncated: {need} bytes are needed, but it has {have}")
            }
            BtfErrorKind::Magic(magic) => {
                write!(f, "not BTF: it begins with {magic:#06x} instead of 0xeb9f")
            }
            BtfErrorKind::Header(what) => write!(f, "invalid BTF header: {what}"),
            BtfErrorKind::Strings(what) => write!(f, "invalid BTF string section: {what}"),
            BtfErrorKind::UnknownKind { id, kind } => write!(
                f,
                "type [{id}] has kind {kind}, which is unknown here, and the file has no layout \
                 section that tells its size"
            ),
            BtfErrorKind::TypeOverrun { id } => {
                write!(f, "type [{id}] runs over the end of the type section")
            }
            BtfErrorKind::TypeReference { id, target } => {
                write!(
                    f,
                    "type [{id}] refers to type [{target}], which does not exist"
                )
            }
            BtfErrorKind::StringReference { id, target } => write!(
                f,
                "type [{id}] refers to string {target}, beyond the string section"
            ),
            BtfErrorKind::FuncWithoutProto { id } => {
                write!(f, "function [{id}] has a type that is not a FUNC_PROTO")
            }
            BtfErrorKind::Ext(what) => write!(f, "invalid .BTF.ext: {what}"),
        }?;
        write!(f, " (at byte {:#x})", self.offset)
    }
}

impl std::error::Error for BtfError {}
