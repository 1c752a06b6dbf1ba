//! What kernels are compressed with.

use std::io::Read;

/// No kernel unpacks to more.
const LIMIT: u64 = 1 << 30;

/// A compression of the kernel's build (CONFIG_KERNEL_*).
#[derive(Debug)]
pub(super) struct Codec {
    pub(super) name: &'static str,
    /// How its data begins.
    pub(super) magic: &'static [u8],
    /// Unpacks the data at the beginning of the slice; what follows it is not looked at.
    pub(super) unpack: fn(&[u8]) -> Option<Vec<u8>>,
}

/// All that are known.
pub(super) const CODECS: [Codec; 6] = [
    Codec {
        name: "gzip",
        magic: &[0x1f, 0x8b, 8],
        unpack: |data| read(flate2::read::GzDecoder::new(data)),
    },
    Codec {
        name: "xz",
        magic: &[0xfd, b'7', b'z', b'X', b'Z', 0],
        unpack: unxz,
    },
    Codec {
        name: "zstd",
        magic: &[0x28, 0xb5, 0x2f, 0xfd],
        unpack: unzstd,
    },
    Codec {
        name: "lz4",
        magic: &LZ4_LEGACY,
        unpack: unlz4,
    },
    Codec {
        name: "bzip2",
        magic: b"BZh",
        unpack: |data| read(bzip2::read::BzDecoder::new(data)),
    },
    Codec {
        name: "lzma",
        magic: &[0x5d, 0, 0],
        unpack: unlzma,
    },
];

pub(super) fn unxz(data: &[u8]) -> Option<Vec<u8>> {
    let decoder = xz2::stream::Stream::new_stream_decoder(LIMIT, 0).ok()?;
    read(xz2::read::XzDecoder::new_stream(data, decoder))
}

/// The format has no magic number; three bytes are found everywhere. So the rest of the
/// header must make sense too: a dictionary of 2ⁿ or 2ⁿ + 2ⁿ⁻¹ bytes, and a size that is
/// unknown or possible.
fn unlzma(data: &[u8]) -> Option<Vec<u8>> {
    let dictionary = u32::from_le_bytes(*data.get(1..)?.first_chunk()?);
    let size = u64::from_le_bytes(*data.get(5..)?.first_chunk()?);
    let is_usual = dictionary >= 1 << 12
        && (dictionary.is_power_of_two() || (dictionary / 3 * 2).is_power_of_two());
    if !is_usual || (size > LIMIT && size != u64::MAX) {
        return None;
    }
    let decoder = xz2::stream::Stream::new_lzma_decoder(LIMIT).ok()?;
    read(xz2::read::XzDecoder::new_stream(data, decoder))
}

/// Kernels are packed with `zstd -22 --ultra`: a window of 128 MiB.
fn unzstd(data: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(data)
        .ok()?
        .single_frame();
    decoder.window_log_max(27).ok()?;
    read(decoder)
}

const LZ4_LEGACY: [u8; 4] = [2, 0x21, 0x4c, 0x18];
/// A block of the legacy format unpacks to no more.
const LZ4_BLOCK: usize = 8 << 20;

/// The legacy frame format that `lz4 -l` writes: blocks, each behind its length, to the
/// end of the data; the kernel appends the unpacked size, which reads as one more length.
fn unlz4(data: &[u8]) -> Option<Vec<u8>> {
    let mut rest = data.strip_prefix(&LZ4_LEGACY)?;
    let mut unpacked = Vec::new();
    let mut block = vec![0; LZ4_BLOCK];
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        if *len == LZ4_LEGACY {
            rest = tail;
            continue;
        }
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let Some(packed) = tail.get(..len).filter(|packed| !packed.is_empty()) else {
            break;
        };
        let Ok(filled) = lz4_flex::block::decompress_into(packed, &mut block) else {
            break;
        };
        unpacked.extend_from_slice(block.get(..filled)?);
        if unpacked.len() as u64 > LIMIT {
            return None;
        }
        rest = tail.get(len..)?;
    }
    (!unpacked.is_empty()).then_some(unpacked)
}

/// All that `from` gives. Data that ends badly after something that looked right is the
/// caller's to judge: images end in padding, and a magic number can be an accident.
fn read(from: impl Read) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let ended = from.take(LIMIT).read_to_end(&mut unpacked);
    (ended.is_ok() || unpacked.len() > 1 << 20).then_some(unpacked)
}
