//! The fixed header: where everything else is.

use super::checksum::crc32;
use super::error::{BundleError, Kind, Part};

/// The first eight bytes. The control characters catch transfers that rewrite
/// line ends or strip the eighth bit.
pub(super) const MAGIC: [u8; 8] = *b"BTFHUB\x1a\n";
/// The version of the format this crate reads and writes.
pub(super) const VERSION: u16 = 1;
/// The codec of the sections this crate reads and writes.
pub(super) const CODEC: u8 = 1;
/// Flag: a development build's bundle with only part of the kernels.
pub(super) const FLAG_PARTIAL: u8 = 1;

/// Where the digest lies; it covers everything before and after it.
pub(super) const DIGEST_AT: usize = 16;
/// The first byte after the digest.
pub(super) const DIGEST_END: usize = DIGEST_AT + 32;
const SECTIONS_AT: usize = DIGEST_END + 8;
const HEADER_CRC_AT: usize = SECTIONS_AT + SECTIONS * 8;
/// The sections of a file, in file order.
pub(super) const SECTIONS: usize = 3;
/// Length of the fixed header.
pub(super) const HEADER_LEN: usize = HEADER_CRC_AT + 4;

/// The header's fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) partial: bool,
    pub(super) kernels: u32,
    pub(super) classes: u32,
    /// Length and CRC-32 of provenance, index and classes.
    pub(super) sections: [(u32, u32); SECTIONS],
}

impl Header {
    /// Reads and checks the header; `data` is the whole file.
    pub(super) fn read(data: &[u8]) -> Result<Self, BundleError> {
        check_start(data).map_err(BundleError)?;
        let Some((header, rest)) = data.split_first_chunk::<HEADER_LEN>() else {
            return Err(BundleError(Kind::Short { len: data.len() }));
        };
        let crc = crc32(&[&header[..DIGEST_AT], &header[DIGEST_END..HEADER_CRC_AT]]);
        if crc != u32_at(header, HEADER_CRC_AT) {
            return Err(BundleError(Kind::Checksum {
                part: Part::Header,
                offset: 0,
            }));
        }
        let flags = header[10];
        if flags & !FLAG_PARTIAL != 0 {
            return Err(malformed("an unknown flag is set"));
        }
        let mut sections = [(0, 0); SECTIONS];
        let mut sum = 0u64;
        for (i, section) in sections.iter_mut().enumerate() {
            let at = SECTIONS_AT + i * 8;
            *section = (u32_at(header, at), u32_at(header, at + 4));
            sum += u64::from(section.0);
        }
        if u64::try_from(rest.len()).ok() != Some(sum) {
            return Err(malformed("the sections do not fill the file"));
        }
        Ok(Self {
            partial: flags & FLAG_PARTIAL != 0,
            kernels: u32_at(header, DIGEST_END),
            classes: u32_at(header, DIGEST_END + 4),
            sections,
        })
    }

    /// The bytes of section `index` and their offset in the file, unchecked.
    pub(super) fn section<'a>(&self, data: &'a [u8], index: usize) -> (&'a [u8], usize) {
        let mut at = HEADER_LEN;
        for (len, _) in self.sections.iter().take(index) {
            at = at.saturating_add(usize::try_from(*len).unwrap_or(usize::MAX));
        }
        let len = self.sections.get(index).map_or(0, |s| s.0);
        let end = at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        (data.get(at..end).unwrap_or(&[]), at)
    }
}

fn malformed(what: &'static str) -> BundleError {
    BundleError(Kind::Malformed {
        part: Part::Header,
        offset: 0,
        what,
    })
}

/// Little-endian, at a constant offset inside the fixed header.
const fn u32_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// What can be checked in constant evaluation: magic, version, codec, length.
pub(super) const fn check_start(data: &[u8]) -> Result<(), Kind> {
    if data.len() < HEADER_LEN {
        return Err(Kind::Short { len: data.len() });
    }
    let mut i = 0;
    while i < MAGIC.len() {
        if data[i] != MAGIC[i] {
            return Err(Kind::Foreign);
        }
        i += 1;
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

/// The whole file out of its sections.
///
/// # Errors
/// When it would be longer than its 32-bit length can say.
#[cfg(feature = "write")]
pub(super) fn assemble(
    partial: bool,
    kernels: u32,
    classes: u32,
    sections: [&[u8]; SECTIONS],
) -> Option<Vec<u8>> {
    let total = sections.iter().map(|s| s.len()).sum::<usize>() + HEADER_LEN;
    let mut out = Vec::with_capacity(total);
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.push(if partial { FLAG_PARTIAL } else { 0 });
    out.push(CODEC);
    out.extend(u32::try_from(total).ok()?.to_le_bytes());
    out.extend([0; 32]);
    out.extend(kernels.to_le_bytes());
    out.extend(classes.to_le_bytes());
    for section in sections {
        out.extend(u32::try_from(section.len()).ok()?.to_le_bytes());
        out.extend(crc32(&[section]).to_le_bytes());
    }
    let crc = crc32(&[&out[..DIGEST_AT], &out[DIGEST_END..]]);
    out.extend(crc.to_le_bytes());
    for section in sections {
        out.extend(section);
    }
    let digest = super::checksum::sha256(&[&out[..DIGEST_AT], &out[DIGEST_END..]]);
    out[DIGEST_AT..DIGEST_END].copy_from_slice(&digest);
    Some(out)
}
