//! Reading a bundle.

use super::classes::Class;
use super::definition::to_index;
use super::digest::sha256;
use super::error::{BundleError, Kind, Part};
use super::format::{self, DIGEST_AT, DIGEST_END, Header};
use super::image;
use super::kernels::{Arches, ClassId, Kernels, Lookup};
use super::provenance::Provenance;
use super::types::{Columns, Library};
use crate::Arch;

/// A bundle: kernels → classes → tailored BTF, read in place.
///
/// Nothing of it is inflated until it is asked for, and then only the section that
/// answers. Every part is checked against its checksum whenever it is read, so
/// that a damaged bundle gives an error, never another kernel's BTF.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    /// The whole file; empty in [`Bundle::EMPTY`] alone.
    data: &'a [u8],
}

impl<'a> Bundle<'a> {
    /// A bundle without any kernel: what an optional bundle is where there is
    /// no archive.
    pub const EMPTY: Bundle<'static> = Bundle { data: &[] };

    /// The bundle in `data`, a file embedded by the compiler.
    ///
    /// Looks at magic, format version and length, which is what constant
    /// evaluation can afford; `include_bundle!` has verified the digest before.
    ///
    /// # Panics
    /// When it is no bundle of this version: in constant evaluation, where this
    /// is meant to be called, a compile error.
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

    /// The bundle in `data`, from anywhere (a file beside the program). Checks
    /// header, digest, provenance and index.
    ///
    /// # Errors
    /// When it is no bundle, one of another version, or damaged.
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

    /// The bundle's SHA-256 digest as its header says it: of everything but
    /// these 32 bytes themselves. All zero in [`Bundle::EMPTY`].
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

    /// How many classes it holds.
    ///
    /// # Errors
    /// When the header is damaged.
    pub fn class_count(&self) -> Result<u32, BundleError> {
        Ok(self.header()?.map_or(0, |header| header.classes))
    }

    /// How many kernels it serves.
    ///
    /// # Errors
    /// When the header is damaged.
    pub fn kernel_count(&self) -> Result<u32, BundleError> {
        Ok(self.header()?.map_or(0, |header| header.kernels))
    }

    /// Whether this is a development bundle that holds only part of the kernels.
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

    /// All kernels: by architecture, then by the form of the release (so that
    /// those of one series stand together) and its numbers, then by
    /// distribution and version. After an error nothing more comes.
    pub fn kernels(&self) -> Kernels<'a> {
        Kernels::new(self.header())
    }

    /// The kernels of exactly this architecture and release (`uname -r`), by
    /// distribution and version: none, one, or several when distributions use
    /// one release string for builds of their own.
    pub fn lookup<'q>(&self, arch: Arch<'q>, release: &'q str) -> Lookup<'a, 'q> {
        self.entries_of(Some(arch), release)
    }

    /// The same, of all architectures if none is given.
    pub(crate) fn entries_of<'q>(
        &self,
        arch: Option<Arch<'q>>,
        release: &'q str,
    ) -> Lookup<'a, 'q> {
        Lookup::new(self.kernels(), arch, release)
    }

    /// The architectures that it has kernels of, each once.
    pub fn arches(&self) -> Arches<'a> {
        Arches::new(self.kernels())
    }

    /// The tailored BTF of a class: a complete BTF file image.
    ///
    /// # Errors
    /// When there is no such class, or what it is made from is damaged.
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

/// The BTF of a class out of the types' section.
fn rebuild(content: &[u8], class: ClassId) -> Option<Vec<u8>> {
    let columns = Columns::read(content)?;
    match columns.classes.get(to_index(class.0))? {
        Class::Bytes(bytes) => Some(bytes.to_vec()),
        Class::Definitions {
            big_endian,
            members,
        } => {
            let library = Library::read(columns, Some(&members))?;
            image::emit(&library, big_endian, &members)
        }
    }
}
