//! Compresses and expands sections. Xz is used without its own check, because the index has a
//! digest of each section.

use std::io::Read;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::error::{AtlasError, Cause, FilePart};
use crate::archive::Digest;

/// The codecs of index and sections: uncompressed, xz and deflate.
pub(super) const STORED: u8 = 0;
pub(super) const XZ: u8 = 1;
pub(super) const DEFLATE: u8 = 2;
/// Offset of the codec in the header.
pub(super) const CODEC_AT: usize = 10;

/// The most bytes that all sections of an atlas together may expand to.
pub(super) const MAX_RAW: u64 = 1 << 30;
/// How long the names of all kernels may be in total, in bytes, and likewise those of all
/// types: as names share prefixes, a few bytes in the file can expand to a long name.
pub(super) const MAX_NAMES: u64 = 1 << 28;

/// Level 3 makes an atlas 2.5 % smaller, but takes 50 % longer.
const DEFLATE_LEVEL: u8 = 2;

const OTHER_LENGTH: &str = "its length is not the one in the index";

/// How hard the writer compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Effort {
    /// Not at all, for a file that only this machine reads: about five times as large.
    Stored,
    /// Fast, for a file that stays on this machine: a fifth larger than [`Best`](Self::Best).
    Fast,
    /// As small as possible, for a file that is distributed.
    #[default]
    Best,
}

/// A section, as the index describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Section {
    /// Offset in the file.
    pub(super) start: u64,
    /// Its length in the file.
    pub(super) packed: u64,
    /// Its length when expanded.
    pub(super) raw: u64,
    /// The first half of the BLAKE3 digest of its bytes in the file.
    pub(super) digest: [u8; 16],
}

impl Section {
    /// Whether the codec can compress this much. The expanded length is used before the section
    /// is expanded, so it must be plausible.
    pub(super) fn is_possible(&self, codec: u8) -> bool {
        let times = match codec {
            STORED => 1,
            // At best, two bits stand for 258 bytes.
            DEFLATE => 1032,
            // At best, 14 bits stand for 273 bytes, and the range coder stores each in
            // log2(2048 / 2017) of a bit.
            _ => 8192,
        };
        self.raw <= self.packed.saturating_mul(times)
    }
}

/// The first half of the BLAKE3 digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> [u8; 16] {
    let whole = Digest::of(bytes);
    let (half, _) = whole.as_bytes().split_at(16);
    half.try_into().unwrap_or([0; 16])
}

/// The bytes of a section as they are in the file, after checking their digest.
pub(super) fn packed<'a>(
    file: &'a [u8],
    section: &Section,
    part: FilePart,
) -> Result<&'a [u8], AtlasError> {
    let start = usize::try_from(section.start).ok();
    let len = usize::try_from(section.packed).ok();
    let end = start
        .zip(len)
        .and_then(|(start, len)| start.checked_add(len));
    let packed = start.zip(end).and_then(|(start, end)| file.get(start..end));
    let packed = packed.ok_or_else(|| {
        AtlasError(Cause::Short {
            need: section.start.saturating_add(section.packed),
            have: file.len() as u64,
        })
    })?;
    if digest(packed) != section.digest {
        return Err(AtlasError(Cause::Digest(part)));
    }
    Ok(packed)
}

/// The bytes of a section, expanded.
pub(super) fn expand(
    file: &[u8],
    section: &Section,
    part: FilePart,
) -> Result<Vec<u8>, AtlasError> {
    let packed = packed(file, section, part)?;
    let unpack = |why: String| AtlasError(Cause::Unpack { part, why });
    if section.raw > MAX_RAW {
        return Err(unpack("it claims to expand to more than 1 GiB".to_owned()));
    }
    let codec = file.get(CODEC_AT).copied().unwrap_or(STORED);
    if !section.is_possible(codec) {
        return Err(unpack("it claims to expand too much".to_owned()));
    }
    let raw = match codec {
        STORED => packed.to_vec(),
        DEFLATE => inflate(packed, section.raw).map_err(|why| unpack(why.to_owned()))?,
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
        return Err(unpack(OTHER_LENGTH.to_owned()));
    }
    Ok(raw)
}

/// Expands deflate data, which must give exactly `len` bytes.
fn inflate(packed: &[u8], len: u64) -> Result<Vec<u8>, &'static str> {
    let len = usize::try_from(len).map_err(|_| "it is larger than this machine's memory")?;
    let mut raw = vec![0; len];
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut decoder = Box::<DecompressorOxide>::default();
    let (status, read, written) = decompress(&mut decoder, packed, &mut raw, 0, flags);
    match status {
        TINFLStatus::Done if read < packed.len() => Err("data after its end"),
        TINFLStatus::Done if written == len => Ok(raw),
        TINFLStatus::Done | TINFLStatus::HasMoreOutput => Err(OTHER_LENGTH),
        _ => Err("invalid deflate data"),
    }
}

/// Compresses a section.
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

    let failed = |why: String| AtlasError(Cause::Pack(why));
    let preset = 9 | 1 << 31; // LZMA_PRESET_EXTREME
    let mut options = LzmaOptions::new_preset(preset).map_err(|e| failed(e.to_string()))?;
    let window = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    // The numbers have different lengths, so alignment means nothing.
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

    let failed = |why: String| AtlasError(Cause::Pack(why));
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
