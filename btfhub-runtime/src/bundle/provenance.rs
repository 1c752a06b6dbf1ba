//! Where a bundle comes from.
//!
//! Digests can't be compressed, and fifty objects would outweigh all their BTF.
//! So one digest holds for all of them together, and of each just enough is
//! kept to tell which one changed.

use super::checksum::sha256;
use super::coder::{Coder, Decoder};
use super::cursor::Cursor;
use super::error::BundleError;
use super::model::{LargeModel, Set, count, place};
use super::names::Names;

/// An eBPF object that a bundle was made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectDigest {
    /// The object's name (a file name, no path of the building machine).
    pub name: String,
    /// The first bytes of the SHA-256 of the object file; see
    /// [`Provenance::objects_sha256`] for the proof.
    pub sha256_start: [u8; 4],
}

/// What a bundle says about its origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// One line for each archive: its pin (commit, tree hash or lock digest).
    pub pins: Vec<String>,
    /// The objects whose relocations the tailored BTFs serve, by name.
    pub objects: Vec<ObjectDigest>,
    /// SHA-256 over all objects: of, for each in the order of names, the name, a
    /// zero byte, and the SHA-256 of the file. Zero without objects.
    pub objects_sha256: [u8; 32],
    /// Fingerprint of the distinct relocations of all objects.
    pub relocations: [u8; 32],
    /// Name and version of the tool that wrote the bundle.
    pub tool: String,
    /// A development bundle: it holds only part of the kernels.
    pub partial: bool,
}

/// What [`Provenance::objects_sha256`] is for these objects, given by name and
/// SHA-256 of the file: the SHA-256 of, for each in the order of names, the
/// name, a zero byte, and the digest. With feature `write`.
#[cfg(feature = "write")]
pub fn objects_sha256(objects: &[(&str, [u8; 32])]) -> [u8; 32] {
    let mut sorted = objects.to_vec();
    sorted.sort_unstable();
    sorted_objects_sha256(&sorted)
}

/// The same of objects in the order of names.
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

    pub(super) fn read(mut from: Cursor<'_>, partial: bool) -> Result<Self, BundleError> {
        let mut out = Self {
            partial,
            relocations: from.array()?,
            ..Self::default()
        };
        let objects = from.length()?;
        if objects > 0 {
            out.objects_sha256 = from.array()?;
        }
        for _ in 0..objects {
            out.objects.push(ObjectDigest {
                name: String::new(),
                sha256_start: from.array()?,
            });
        }
        let mut texts = Texts::new(Decoder::new(from.rest()));
        let malformed = || from.malformed("text that is not UTF-8, or cut off");
        out.tool = texts.code("").ok_or_else(malformed)?;
        for _ in 0..texts.number(0) {
            out.pins.push(texts.code("").ok_or_else(malformed)?);
        }
        for object in &mut out.objects {
            object.name = texts.code("").ok_or_else(malformed)?;
        }
        Ok(out)
    }

    /// Pins and objects are written sorted, so that the order of naming them
    /// leaves no trace.
    #[cfg(feature = "write")]
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        use super::coder::Encoder;
        use super::cursor::put_varint;
        let mut out = self.relocations.to_vec();
        let mut objects: Vec<_> = self.objects.iter().collect();
        objects.sort();
        put_varint(&mut out, u32::try_from(objects.len()).ok()?);
        if !objects.is_empty() {
            out.extend(self.objects_sha256);
        }
        for object in &objects {
            out.extend(object.sha256_start);
        }
        let mut texts = Texts::new(Encoder::new());
        texts.code(&self.tool);
        let mut pins: Vec<_> = self.pins.iter().collect();
        pins.sort();
        texts.number(u32::try_from(pins.len()).ok()?);
        for pin in pins {
            texts.code(pin);
        }
        for object in objects {
            texts.code(&object.name);
        }
        out.extend(texts.coder.finish());
        Some(out)
    }
}

/// The coding of texts that may hold a long hexadecimal number.
struct Texts<C> {
    coder: C,
    model: LargeModel,
    names: Names,
}

impl<C: Coder> Texts<C> {
    fn new(coder: C) -> Self {
        Self {
            coder,
            model: LargeModel::large(),
            names: Names::new(),
        }
    }

    fn number(&mut self, wanted: u32) -> u32 {
        (self.model).number(&mut self.coder, Set::Field, &[(1, 0)], wanted)
    }

    /// Codes a text. Nothing when what was read is none.
    fn code(&mut self, wanted: &str) -> Option<String> {
        /// Shorter runs of hexadecimal digits are text.
        const HEX_MIN: usize = 16;
        let is_hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let bytes = wanted.as_bytes();
        let run = |at: usize| bytes.iter().skip(at).take_while(|b| is_hex(b)).count();
        let start = (0..bytes.len()).find(|at| run(*at) >= HEX_MIN);
        let len = start.map_or(0, run);
        let (mut start, mut len) = (start.unwrap_or(0), len);
        let hex = bytes.get(start..start + len)?;
        let mut plain = bytes.get(..start)?.to_vec();
        plain.extend(bytes.get(start + len..)?);

        self.names
            .spell(&mut self.coder, &mut self.model.mixer(), &plain);
        let mut text = self.names.get(self.names.count() - 1).to_vec();
        len = place(self.number(count(len)));
        if len > 0 {
            start = place(self.number(count(start)));
        }
        let mut digits = Vec::new();
        for at in 0..len {
            let digit = hex
                .get(at)
                .map_or(0, |b| (char::from(*b)).to_digit(16).unwrap_or(0));
            let mut read = 0;
            for bit in (0..4).rev() {
                let bit = self.coder.bit(1 << 15, digit >> bit & 1 == 1);
                read = read << 1 | u32::from(bit);
            }
            let digit = char::from_digit(read, 16)?;
            digits.push(u8::try_from(digit).ok()?);
            if self.coder.overrun() {
                return None;
            }
        }
        let tail = text.get(start..)?.to_vec();
        text.truncate(start);
        text.extend(digits);
        text.extend(tail);
        if self.coder.overrun() {
            return None;
        }
        String::from_utf8(text).ok()
    }
}
