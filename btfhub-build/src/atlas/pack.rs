//! Sections of the file: deflate, or xz without a check of its own, because the
//! index has a digest of each.

use std::io::Read;

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

use super::error::{AtlasError, Part, Why};
use super::format::{CODEC_AT, DEFLATE, STORED};
use crate::archive::Digest;

/// More than all sections of an atlas expand to.
pub(super) const MAX_RAW: u64 = 1 << 30;

/// Level 3 makes a fortieth less of an atlas, in one and a half times the time.
const DEFLATE_LEVEL: u8 = 2;

/// How hard the writer tries to make it small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Effort {
    /// Not at all, for a file that this machine writes and reads again: some five
    /// times as large.
    Stored,
    /// For a file that is kept on this machine: little time, a fifth larger than
    /// the best.
    Fast,
    /// For a file that is given away: as small as it gets.
    #[default]
    Best,
}

/// Where a section is, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Section {
    /// Offset in the file.
    pub(super) start: u64,
    /// Bytes in the file.
    pub(super) packed: u64,
    /// Bytes expanded.
    pub(super) raw: u64,
    /// The first half of the BLAKE3 digest of the bytes in the file.
    pub(super) digest: [u8; 16],
}

/// The first half of the BLAKE3 digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    let whole = Digest::of(bytes);
    let (half, _) = whole.as_bytes().split_at(16);
    half.try_into().unwrap_or([0; 16])
}

/// The bytes of a section as they are in the file, which have its digest.
pub(super) fn packed<'a>(
    file: &'a [u8],
    section: &Section,
    part: Part,
) -> Result<&'a [u8], AtlasError> {
    let start = usize::try_from(section.start).ok();
    let len = usize::try_from(section.packed).ok();
    let end = start
        .zip(len)
        .and_then(|(start, len)| start.checked_add(len));
    let packed = start.zip(end).and_then(|(start, end)| file.get(start..end));
    let packed = packed.ok_or_else(|| {
        AtlasError(Why::Short {
            need: section.start.saturating_add(section.packed),
            have: file.len() as u64,
        })
    })?;
    if digest(packed) != section.digest {
        return Err(AtlasError(Why::Digest(part)));
    }
    Ok(packed)
}

/// The bytes of a section, expanded.
pub(super) fn expand(file: &[u8], section: &Section, part: Part) -> Result<Vec<u8>, AtlasError> {
    let packed = packed(file, section, part)?;
    let unpack = |why: String| AtlasError(Why::Unpack { part, why });
    if section.raw > MAX_RAW {
        return Err(unpack("it claims to be larger than 1 GiB".to_owned()));
    }
    let raw = match file.get(CODEC_AT) {
        Some(&STORED) => packed.to_vec(),
        Some(&DEFLATE) => {
            let limit = usize::try_from(section.raw.saturating_add(1)).unwrap_or(usize::MAX);
            match decompress_to_vec_with_limit(packed, limit) {
                Ok(raw) => raw,
                // One byte more than there should be.
                Err(error) if error.status == TINFLStatus::HasMoreOutput => error.output,
                Err(error) => return Err(unpack(error.to_string())),
            }
        }
        _ => {
            let reader = crate::archive::xz::reader(packed);
            let mut raw = Vec::new();
            reader
                .and_then(|reader| {
                    let limit = section.raw.saturating_add(1);
                    reader.take(limit).read_to_end(&mut raw)
                })
                .map_err(|error| unpack(error.to_string()))?;
            raw
        }
    };
    if raw.len() as u64 != section.raw {
        return Err(unpack(
            "it has not the length that the index tells".to_owned(),
        ));
    }
    Ok(raw)
}

/// The bytes of a section for the file.
pub(super) fn pack(raw: &[u8], effort: Effort) -> Result<Vec<u8>, AtlasError> {
    match effort {
        Effort::Stored => Ok(raw.to_vec()),
        Effort::Fast => Ok(miniz_oxide::deflate::compress_to_vec(raw, DEFLATE_LEVEL)),
        Effort::Best => compress(raw),
    }
}

#[cfg(feature = "liblzma")]
fn compress(raw: &[u8]) -> Result<Vec<u8>, AtlasError> {
    use std::io::Write;
    use xz2::stream::{Check, Filters, LzmaOptions, Stream};
    use xz2::write::XzEncoder;

    let failed = |why: String| AtlasError(Why::Pack(why));
    let preset = 9 | 1 << 31; // LZMA_PRESET_EXTREME
    let mut options = LzmaOptions::new_preset(preset).map_err(|e| failed(e.to_string()))?;
    let window = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    // Numbers of varying length: no position is special.
    options
        .dict_size(window.clamp(1 << 12, 1 << 26))
        .position_bits(0);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::None)
        .map_err(|error| failed(error.to_string()))?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder
        .write_all(raw)
        .and_then(|()| encoder.finish())
        .map_err(|error| failed(error.to_string()))
}

#[cfg(all(feature = "lzma-rust2", not(feature = "liblzma")))]
fn compress(raw: &[u8]) -> Result<Vec<u8>, AtlasError> {
    use lzma_rust2::{CheckType, XzOptions, XzWriter};
    use std::io::Write;

    let failed = |why: String| AtlasError(Why::Pack(why));
    let mut options = XzOptions::with_preset(9);
    options.set_check_sum_type(CheckType::None);
    let window = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    options.lzma_options.dict_size = window.clamp(1 << 12, 1 << 26);
    options.lzma_options.pb = 0;
    let mut writer =
        XzWriter::new(Vec::new(), options).map_err(|error| failed(error.to_string()))?;
    writer
        .write_all(raw)
        .and_then(|()| writer.finish())
        .map_err(|error| failed(error.to_string()))
}
