//! The fixed header: where everything else is.

use super::checksum::crc32;
use super::cursor::Cursor;
use super::error::{BundleError, Kind, Part};

/// The first eight bytes. The control characters catch transfers that rewrite
/// line ends or strip the eighth bit.
pub(super) const MAGIC: [u8; 8] = *b"BTFHUB\x1a\n";
/// The first eight bytes of a shard, which `cargo btfhub bundle --shard` writes:
/// known here to be refused by its name.
pub(super) const SHARD_MAGIC: [u8; 8] = *b"BTFHUB\x1aS";
/// The version of the format this crate reads and writes.
pub(super) const VERSION: u16 = 1;
/// The codec of the sections this crate reads and writes.
pub(super) const CODEC: u8 = 1;
/// Flag: a development build's bundle with only part of the kernels.
const FLAG_PARTIAL: u8 = 1;
const FLAGS_AT: usize = 10;

/// Where the digest lies; it covers everything before and after it.
pub(super) const DIGEST_AT: usize = 16;
/// The first byte after the digest.
pub(super) const DIGEST_END: usize = DIGEST_AT + 32;
/// The shortest header: four numbers and its checksum after the digest.
const HEADER_MIN: usize = DIGEST_END + 4 + 4;

/// The header's fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) partial: bool,
    pub(super) kernels: u32,
    pub(super) classes: u32,
    /// The sections with their checksums, not yet checked.
    pub(super) provenance: Section<'a>,
    pub(super) index: Section<'a>,
    pub(super) class_blocks: Section<'a>,
}

/// A section: its bytes and where they lie in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) part: Part,
    pub(super) at: usize,
}

impl<'a> Section<'a> {
    /// The content, after its checksum was found to fit.
    pub(super) fn checked(&self) -> Result<Cursor<'a>, BundleError> {
        let mut cursor = self.unchecked();
        let crc = u32::from_le_bytes(cursor.array()?);
        if crc32(&[cursor.rest()]) != crc {
            return Err(self.unchecked().damaged());
        }
        Ok(cursor)
    }

    /// The section from its start, for one that has checksums of its own.
    pub(super) fn unchecked(&self) -> Cursor<'a> {
        Cursor::new(self.bytes, self.part, self.at)
    }
}

impl<'a> Header<'a> {
    /// Reads and checks the header; `data` is the whole file.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, BundleError> {
        check_start(data).map_err(BundleError)?;
        let mut from = Cursor::new(data, Part::Header, 0);
        let start = from.take(DIGEST_AT)?;
        from.take(DIGEST_END - DIGEST_AT)?;
        let before = from;
        let kernels = from.varint()?;
        let classes = from.varint()?;
        let provenance = from.length()?;
        let index = from.length()?;
        let numbers = before.until(&from);
        if crc32(&[start, numbers]) != u32::from_le_bytes(from.array()?) {
            return Err(before.damaged());
        }
        let flags = start.get(FLAGS_AT).copied().unwrap_or(0);
        if flags & !FLAG_PARTIAL != 0 {
            return Err(before.malformed("an unknown flag is set"));
        }
        let mut section = |part, length| -> Result<Section<'a>, BundleError> {
            let at = from.at();
            let bytes = from.take(length)?;
            Ok(Section { bytes, part, at })
        };
        let provenance = section(Part::Provenance, provenance)?;
        let index = section(Part::Index, index)?;
        let class_blocks = Section {
            bytes: from.rest(),
            part: Part::Classes,
            at: from.at(),
        };
        Ok(Self {
            partial: flags & FLAG_PARTIAL != 0,
            kernels,
            classes,
            provenance,
            index,
            class_blocks,
        })
    }
}

/// Little-endian, at a constant offset inside the fixed part of the header.
const fn u32_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// `starts_with`, as constant evaluation can do it; `data` is no shorter.
const fn begins_with(data: &[u8], magic: [u8; 8]) -> bool {
    let mut i = 0;
    while i < magic.len() {
        if data[i] != magic[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// What can be checked in constant evaluation: magic, version, codec, length.
pub(super) const fn check_start(data: &[u8]) -> Result<(), Kind> {
    if data.len() < HEADER_MIN {
        return Err(Kind::Short { len: data.len() });
    }
    if !begins_with(data, MAGIC) {
        return Err(if begins_with(data, SHARD_MAGIC) {
            Kind::Shard
        } else {
            Kind::Foreign
        });
    }
    let version = u16::from_le_bytes([data[8], data[9]]);
    if version != VERSION {
        return Err(Kind::Version(version));
    }
    if data[11] != CODEC {
        return Err(Kind::Codec(data[11]));
    }
    let header = u32_at(data, 12);
    #[allow(clippy::cast_possible_truncation)] // compared in both directions
    if header as u64 != data.len() as u64 {
        return Err(Kind::Length {
            header,
            data: data.len(),
        });
    }
    Ok(())
}

/// The whole file out of its sections, to the first two of which their
/// checksums are added.
///
/// Nothing when it would be longer than its 32-bit length can say.
#[cfg(feature = "write")]
pub(super) fn assemble(
    partial: bool,
    (kernels, classes): (u32, u32),
    provenance: &[u8],
    index: &[u8],
    class_blocks: &[u8],
) -> Option<Vec<u8>> {
    use super::cursor::put_varint;
    const CRC_LEN: usize = 4;
    let mut numbers = Vec::new();
    put_varint(&mut numbers, kernels);
    put_varint(&mut numbers, classes);
    for section in [provenance, index] {
        put_varint(&mut numbers, u32::try_from(section.len() + CRC_LEN).ok()?);
    }
    let total = DIGEST_END
        + (numbers.len() + CRC_LEN)
        + (provenance.len() + CRC_LEN)
        + (index.len() + CRC_LEN)
        + class_blocks.len();
    let mut out = Vec::with_capacity(total);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.push(if partial { FLAG_PARTIAL } else { 0 });
    out.push(CODEC);
    out.extend(u32::try_from(total).ok()?.to_le_bytes());
    let crc = crc32(&[&out, &numbers]);
    out.extend([0; DIGEST_END - DIGEST_AT]);
    out.extend(numbers);
    out.extend(crc.to_le_bytes());
    for section in [provenance, index] {
        out.extend(crc32(&[section]).to_le_bytes());
        out.extend(section);
    }
    out.extend(class_blocks);
    let (start, digest) = out.split_at_mut_checked(DIGEST_AT)?;
    let (digest, rest) = digest.split_at_mut_checked(DIGEST_END - DIGEST_AT)?;
    digest.copy_from_slice(&super::checksum::sha256(&[start, rest]));
    Some(out)
}
