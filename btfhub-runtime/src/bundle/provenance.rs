//! Where a bundle comes from.

use super::cursor::Cursor;
use super::error::BundleError;

/// An eBPF object that a bundle was made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectDigest {
    /// The object's name (a file name, no path of the building machine).
    pub name: String,
    /// SHA-256 of the object file.
    pub sha256: [u8; 32],
}

/// What a bundle says about its origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// One line for each archive: its pin (commit, tree hash or lock digest).
    pub pins: Vec<String>,
    /// The objects whose relocations the tailored BTFs serve.
    pub objects: Vec<ObjectDigest>,
    /// Fingerprint of the distinct relocations of all objects.
    pub relocations: [u8; 32],
    /// Name and version of the tool that wrote the bundle.
    pub tool: String,
    /// A development bundle: it holds only part of the kernels.
    pub partial: bool,
}

impl Provenance {
    pub(super) fn read(mut from: Cursor<'_>, partial: bool) -> Result<Self, BundleError> {
        let relocations = from.array()?;
        let tool = from.text()?.to_owned();
        let mut pins = Vec::new();
        for _ in 0..from.varint()? {
            pins.push(from.text()?.to_owned());
        }
        let mut objects = Vec::new();
        for _ in 0..from.varint()? {
            objects.push(ObjectDigest {
                name: from.text()?.to_owned(),
                sha256: from.array()?,
            });
        }
        if !from.is_empty() {
            return Err(from.malformed("bytes after its end"));
        }
        Ok(Self {
            pins,
            objects,
            relocations,
            tool,
            partial,
        })
    }

    /// Pins and objects are written sorted, so that the order of naming them
    /// leaves no trace.
    #[cfg(feature = "write")]
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        use super::cursor::{put_bytes, put_varint};
        let mut out = self.relocations.to_vec();
        put_bytes(&mut out, self.tool.as_bytes())?;
        put_varint(&mut out, u32::try_from(self.pins.len()).ok()?);
        let mut pins: Vec<_> = self.pins.iter().collect();
        pins.sort();
        for pin in pins {
            put_bytes(&mut out, pin.as_bytes())?;
        }
        put_varint(&mut out, u32::try_from(self.objects.len()).ok()?);
        let mut objects: Vec<_> = self.objects.iter().collect();
        objects.sort();
        for object in objects {
            put_bytes(&mut out, object.name.as_bytes())?;
            out.extend(object.sha256);
        }
        Some(out)
    }
}
