//! Where a bundle comes from.
//!
//! Digests can't be compressed, and those of fifty objects would take more space than all their
//! BTF. So there is one digest over all objects, and for each object just enough to tell which
//! one changed.

use super::cursor::Cursor;
use super::digest::sha256;
use super::error::{BundleError, Kind, Part};
use super::format::Header;

/// An eBPF object that a bundle was made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectDigest {
    /// The object's name (a file name, not a path on the build machine).
    pub name: String,
    /// The first bytes of the SHA-256 of the object file; see
    /// [`Provenance::objects_sha256`] for the proof.
    pub sha256_start: [u8; 4],
}

/// What a bundle says about its origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// One line per archive: its pin (commit, tree hash or lock digest).
    pub pins: Vec<String>,
    /// The objects whose relocations the tailored BTFs serve, by name.
    pub objects: Vec<ObjectDigest>,
    /// SHA-256 over all objects, ordered by name: for each, its name, a zero byte, and the
    /// SHA-256 of its file. Zero without objects.
    pub objects_sha256: [u8; 32],
    /// Fingerprint of the distinct relocations of all objects.
    pub relocations: [u8; 32],
    /// Name and version of the tool that wrote the bundle.
    pub tool: String,
    /// A development bundle: it holds only part of the kernels.
    pub partial: bool,
}

/// Computes [`Provenance::objects_sha256`] for these objects, given by name and SHA-256 of the
/// file. With feature `write`.
#[cfg(feature = "write")]
pub fn objects_sha256(objects: &[(&str, [u8; 32])]) -> [u8; 32] {
    let mut sorted = objects.to_vec();
    sorted.sort_unstable();
    sorted_objects_sha256(&sorted)
}

/// The same, for objects ordered by name.
pub(super) fn sorted_objects_sha256(objects: &[(&str, [u8; 32])]) -> [u8; 32] {
    if objects.is_empty() {
        return [0; 32];
    }
    let parts = objects.iter();
    let parts = parts.flat_map(|(name, digest)| [name.as_bytes(), b"\0", digest]);
    sha256(&parts.collect::<Vec<_>>())
}

impl Provenance {
    /// Sets the objects, given by name and SHA-256 of the file. With feature `write`.
    #[cfg(feature = "write")]
    #[must_use]
    pub fn with_objects(mut self, objects: &[(&str, [u8; 32])]) -> Self {
        self.objects_sha256 = objects_sha256(objects);
        let digests = objects.iter().map(|(name, [a, b, c, d, ..])| ObjectDigest {
            name: (*name).to_owned(),
            sha256_start: [*a, *b, *c, *d],
        });
        self.objects = digests.collect();
        self.objects.sort();
        self
    }

    pub(super) fn read(header: &Header<'_>) -> Result<Self, BundleError> {
        let content = header.inflate(Part::Provenance)?;
        let malformed = BundleError(Kind::Malformed(Part::Provenance));
        Self::fields(&content, header.partial).ok_or(malformed)
    }

    fn fields(content: &[u8], partial: bool) -> Option<Self> {
        let mut from = Cursor::new(content);
        let mut out = Self {
            partial,
            relocations: from.array()?,
            tool: from.text()?.to_owned(),
            ..Self::default()
        };
        for _ in 0..from.varint()? {
            out.pins.push(from.text()?.to_owned());
        }
        let objects = from.varint()?;
        if objects > 0 {
            out.objects_sha256 = from.array()?;
        }
        for _ in 0..objects {
            out.objects.push(ObjectDigest {
                name: from.text()?.to_owned(),
                sha256_start: [0; 4],
            });
        }
        for object in &mut out.objects {
            object.sha256_start = from.array()?;
        }
        from.end()?;
        Some(out)
    }

    /// Pins and objects are written sorted, so that their original order does not matter.
    #[cfg(feature = "write")]
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        use super::cursor::{put_bytes, put_varint};
        let mut out = self.relocations.to_vec();
        put_bytes(&mut out, self.tool.as_bytes())?;
        let mut pins: Vec<_> = self.pins.iter().collect();
        pins.sort();
        put_varint(&mut out, u32::try_from(pins.len()).ok()?);
        for pin in pins {
            put_bytes(&mut out, pin.as_bytes())?;
        }
        let mut objects: Vec<_> = self.objects.iter().collect();
        objects.sort();
        put_varint(&mut out, u32::try_from(objects.len()).ok()?);
        if !objects.is_empty() {
            out.extend(self.objects_sha256);
        }
        for object in &objects {
            put_bytes(&mut out, object.name.as_bytes())?;
        }
        for object in &objects {
            out.extend(object.sha256_start);
        }
        Some(out)
    }
}
