//! Reading a bundle.

use super::classes::Class;
use super::definition::to_index;
use super::digest::sha256;
use super::error::{BundleError, Kind, Part};
use super::format::{self, DIGEST_AT, DIGEST_END, Header};
use super::kernels::{Arches, ClassId, Kernels, Lookup};
use super::provenance::Provenance;
use super::rebuild;
use super::types::{Columns, Definitions};
use crate::Arch;

/// A bundle: kernels → classes → tailored BTF, read in place.
///
/// Sections are inflated only when needed. Every part is checked against its checksum each time
/// it is read, so a damaged bundle causes an error, never another kernel's BTF.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    /// The whole file; empty only in [`Bundle::EMPTY`].
    data: &'a [u8],
}

impl<'a> Bundle<'a> {
    /// A bundle without kernels. An optional bundle is empty if there is no archive.
    pub const EMPTY: Bundle<'static> = Bundle { data: &[] };

    /// The bundle in `data`, a file embedded by the compiler.
    ///
    /// Checks only magic, format version and length, because this runs in constant evaluation;
    /// `include_bundle!` has already verified the digest.
    ///
    /// # Panics
    /// If it is not a bundle of this version. This function is meant for constant evaluation,
    /// where that is a compile error.
    pub const fn from_embedded(data: &'a [u8]) -> Self {
        match format::check_start(data) {
            Ok(()) => Self { data },
            Err(Kind::Short { .. } | Kind::Foreign) => {
                panic!("the embedded file is not a btfhub bundle")
            }
            Err(Kind::Shard) => panic!(
                "the embedded file is not a bundle but a shard of one: \
                 join all shards with `cargo btfhub merge`"
            ),
            Err(Kind::Length { .. }) => panic!("the embedded btfhub bundle is truncated"),
            Err(_) => panic!(
                "the embedded bundle has another format version than this btfhub-runtime: \
                 use the same version of btfhub-build and btfhub-runtime"
            ),
        }
    }

    /// The bundle in `data`, from any source, such as a file next to the program. Checks
    /// header, digest, provenance and index.
    ///
    /// # Errors
    /// If it is not a bundle, has another version, or is damaged.
    pub fn parse(data: &'a [u8]) -> Result<Self, BundleError> {
        let bundle = Self { data };
        Header::read(data)?;
        if data.get(DIGEST_AT..DIGEST_END) != Some(&bundle.computed_digest()[..]) {
            return Err(BundleError(Kind::Digest));
        }
        bundle.provenance()?;
        for entry in bundle.kernels() {
            entry?;
        }
        Ok(bundle)
    }

    fn computed_digest(&self) -> [u8; 32] {
        let head = self.data.get(..DIGEST_AT).unwrap_or(&[]);
        let tail = self.data.get(DIGEST_END..).unwrap_or(&[]);
        sha256(&[head, tail])
    }

    /// The bundle's SHA-256 digest, as stated in its header: over everything except these 32
    /// bytes themselves. All zero in [`Bundle::EMPTY`].
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = [0; 32];
        if let Some(stored) = self.data.get(DIGEST_AT..DIGEST_END) {
            digest.copy_from_slice(stored);
        }
        digest
    }

    /// The whole file; nothing for [`Bundle::EMPTY`].
    pub fn as_bytes(&self) -> &'a [u8] {
        self.data
    }

    pub(super) fn header(&self) -> Result<Option<Header<'a>>, BundleError> {
        if self.data.is_empty() {
            return Ok(None);
        }
        Header::read(self.data).map(Some)
    }

    /// How many classes the bundle holds.
    ///
    /// # Errors
    /// When the header is damaged.
    pub fn class_count(&self) -> Result<u32, BundleError> {
        Ok(self.header()?.map_or(0, |header| header.classes))
    }

    /// How many kernels the bundle serves.
    ///
    /// # Errors
    /// When the header is damaged.
    pub fn kernel_count(&self) -> Result<u32, BundleError> {
        Ok(self.header()?.map_or(0, |header| header.kernels))
    }

    /// Whether this is a development bundle, which holds only some of the kernels.
    ///
    /// # Errors
    /// When the header is damaged.
    pub fn is_partial(&self) -> Result<bool, BundleError> {
        Ok(self.header()?.is_some_and(|header| header.partial))
    }

    /// Where the bundle comes from.
    ///
    /// # Errors
    /// When that part is damaged.
    pub fn provenance(&self) -> Result<Provenance, BundleError> {
        match self.header()? {
            None => Ok(Provenance::default()),
            Some(header) => Provenance::read(&header),
        }
    }

    /// All kernels, ordered by architecture, then by the form of the release (so that a series
    /// stays together) and its numbers, then by distribution and version. An error ends the
    /// iteration.
    pub fn kernels(&self) -> Kernels<'a> {
        Kernels::new(self.header())
    }

    /// The kernels with exactly this architecture and release (`uname -r`), ordered by
    /// distribution and version. There can be several, because distributions may use the same
    /// release string for their own builds.
    pub fn lookup<'q>(&self, arch: Arch<'q>, release: &'q str) -> Lookup<'a, 'q> {
        self.entries_of(Some(arch), release)
    }

    /// The same; for all architectures if none is given.
    pub(crate) fn entries_of<'q>(
        &self,
        arch: Option<Arch<'q>>,
        release: &'q str,
    ) -> Lookup<'a, 'q> {
        Lookup::new(self.kernels(), arch, release)
    }

    /// The architectures of its kernels, each once.
    pub fn arches(&self) -> Arches<'a> {
        Arches::new(self.kernels())
    }

    /// The tailored BTF of a class: a complete BTF file image.
    ///
    /// # Errors
    /// If there is no such class, or if its data is damaged.
    pub fn btf(&self, class: ClassId) -> Result<Vec<u8>, BundleError> {
        let no_class = |count| {
            BundleError(Kind::NoClass {
                class: class.0,
                count,
            })
        };
        let header = self.header()?.ok_or(no_class(0))?;
        if class.0 >= header.classes {
            return Err(no_class(header.classes));
        }
        let content = header.inflate(Part::Types)?;
        rebuild(&content, class).ok_or(BundleError(Kind::Malformed(Part::Types)))
    }
}

/// The BTF of a class, from the types section.
fn rebuild(content: &[u8], class: ClassId) -> Option<Vec<u8>> {
    let columns = Columns::read(content)?;
    match columns.classes.get(to_index(class.0))? {
        Class::Bytes(bytes) => Some(bytes.to_vec()),
        Class::Definitions {
            big_endian,
            members,
        } => {
            let definitions = Definitions::read(columns, Some(&members))?;
            rebuild::rebuild(&definitions, big_endian, &members)
        }
    }
}
