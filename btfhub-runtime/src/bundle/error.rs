//! What can be wrong with a bundle.

use core::fmt;

/// Why a bundle, or a part of one, was refused.
///
/// A bundle that was compiled into the program was checked at compile time. So at run time this
/// means a damaged binary, or a damaged or foreign sidecar file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BundleError(pub(super) Kind);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Fewer bytes than the fixed header.
    Short { len: usize },
    /// The magic is missing.
    Foreign,
    /// It has the magic of a shard.
    Shard,
    /// A format version this crate does not know.
    Version { found: u16, known: u16 },
    /// The header's length and the data's.
    Length { header: u32, data: usize },
    /// The header's checksum does not match the stored one.
    Header,
    /// A section does not inflate to the stated length.
    Section { part: Part, offset: usize },
    /// The digest of the whole file does not match the stored one.
    Digest,
    /// The checksums match, but the content breaks a rule of the format.
    Malformed(Part),
    /// No such class.
    NoClass { class: u32, count: u32 },
}

/// A part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    // As `format::SECTIONS` has them.
    Provenance,
    Kernels,
    Types,
    Programs,
    Header,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provenance => "words on its origin",
            Self::Kernels => "kernels",
            Self::Types => "types",
            Self::Programs => "programs that fail",
            Self::Header => "header's fields",
        })
    }
}

impl BundleError {
    /// The file was written by a newer btfhub: its format version is unknown here. Update
    /// btfhub-runtime.
    pub fn is_unknown_version(&self) -> bool {
        matches!(self.0, Kind::Version { .. })
    }

    /// The data is not a bundle at all.
    pub fn is_foreign(&self) -> bool {
        matches!(self.0, Kind::Foreign | Kind::Shard | Kind::Short { .. })
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Short { len } => write!(
                f,
                "not a btfhub bundle: {len} bytes are fewer than its header"
            ),
            Kind::Foreign => f.write_str("not a btfhub bundle: its magic is missing"),
            Kind::Shard => f.write_str(
                "not a bundle but a shard of one: join all shards with `cargo btfhub merge`",
            ),
            Kind::Version { found, known } => write!(
                f,
                "bundle of format version {found}, but this btfhub-runtime reads version {known}: \
                 build bundle and program with the same btfhub version"
            ),
            Kind::Length { header, data } => write!(
                f,
                "damaged bundle: {data} bytes, but its header says {header}"
            ),
            Kind::Header => {
                f.write_str("damaged bundle: the checksum of its header does not match")
            }
            Kind::Section { part, offset } => {
                write!(
                    f,
                    "damaged bundle: its {part} (at byte {offset}) can't be inflated"
                )
            }
            Kind::Digest => f.write_str("damaged bundle: its SHA-256 digest does not match"),
            Kind::Malformed(part) => {
                write!(f, "malformed bundle: its {part} break a rule of the format")
            }
            Kind::NoClass { class, count } => {
                write!(f, "the bundle has no class {class}, only {count} classes")
            }
        }
    }
}

/// The same text, because `main` prints it when it returns the error.
impl fmt::Debug for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for BundleError {}
