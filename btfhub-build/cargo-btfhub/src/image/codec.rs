//! The compression formats of kernels.

use std::cell::Cell;
use std::io::{self, Read};

/// The budget for one image, in bytes: all input and output of decoders, over all places where
/// compressed data could begin. The largest kernels unpack to about 150 MB.
pub(super) const BUDGET: u64 = 512 << 20;

/// No ELF file unpacks to so many times its size.
pub(super) const DENSEST: u64 = 64;

/// The cost of starting a decoder.
const SETUP: usize = 64 << 10;

/// The largest dictionary of a decoder; kernels are packed with dictionaries of up to 128 MiB.
const MEMORY: u64 = 256 << 20;

/// The remaining budget for one image.
#[derive(Debug)]
pub(super) struct Budget(Cell<u64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(BUDGET))
    }
}

impl Budget {
    /// The budget for a file of so many bytes that is compressed as a whole. ELF files, and the
    /// DWARF in them, pack to a tenth or a fifth.
    pub(super) fn of_packed(bytes: usize) -> Self {
        let work = (bytes as u64).saturating_mul(DENSEST);
        Self(Cell::new(work.saturating_add(SETUP as u64).min(BUDGET)))
    }

    /// Takes from the budget; false if that is more than was left.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes as u64);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// A reader whose bytes come from the budget.
struct Metered<'a, R> {
    reader: R,
    budget: &'a Budget,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        if self.budget.spend(count) {
            Ok(count)
        } else {
            Err(io::ErrorKind::FileTooLarge.into())
        }
    }
}

/// A compression of the kernel's build (CONFIG_KERNEL_*).
#[derive(Clone, Copy, Debug)]
pub(super) struct Codec {
    pub(super) name: &'static str,
    /// The first bytes of its data.
    pub(super) magic: &'static [u8],
    /// Unpacks the data at the beginning of the slice; what follows it is ignored.
    pub(super) unpack: fn(&[u8], &Budget) -> Option<Vec<u8>>,
}

/// All known formats.
pub(super) const CODECS: [Codec; 6] = [
    Codec {
        name: "gzip",
        magic: &[0x1f, 0x8b, 8],
        unpack: |data, budget| read(data, budget, |data| Ok(flate2::read::GzDecoder::new(data))),
    },
    Codec {
        name: "xz",
        magic: &[0xfd, b'7', b'z', b'X', b'Z', 0],
        unpack: |data, budget| {
            read(data, budget, |data| {
                let decoder = xz2::stream::Stream::new_stream_decoder(MEMORY, 0)?;
                Ok(xz2::read::XzDecoder::new_stream(data, decoder))
            })
        },
    },
    Codec {
        name: "zstd",
        magic: &[0x28, 0xb5, 0x2f, 0xfd],
        unpack: |data, budget| {
            read(data, budget, |data| {
                let mut decoder = zstd::stream::read::Decoder::new(data)?.single_frame();
                // Kernels are packed with `zstd -22 --ultra`: a window of 128 MiB.
                decoder.window_log_max(27)?;
                Ok(decoder)
            })
        },
    },
    Codec {
        name: "lz4",
        magic: &LZ4_LEGACY,
        unpack: unlz4,
    },
    Codec {
        name: "bzip2",
        magic: b"BZh",
        unpack: |data, budget| read(data, budget, |data| Ok(bzip2::read::BzDecoder::new(data))),
    },
    Codec {
        name: "lzma",
        magic: &[0x5d, 0, 0],
        unpack: unlzma,
    },
];

/// The format has no magic number, and its first three bytes occur everywhere. So the rest of
/// the header must make sense too: a dictionary of 2ⁿ or 2ⁿ + 2ⁿ⁻¹ bytes, and a size that is
/// unknown or possible.
fn unlzma(data: &[u8], budget: &Budget) -> Option<Vec<u8>> {
    let dictionary = u32::from_le_bytes(*data.get(1..)?.first_chunk()?);
    let size = u64::from_le_bytes(*data.get(5..)?.first_chunk()?);
    let is_usual = dictionary >= 1 << 12
        && (dictionary.is_power_of_two() || (dictionary / 3 * 2).is_power_of_two());
    if !is_usual || (size > BUDGET && size != u64::MAX) {
        return None;
    }
    read(data, budget, |data| {
        let decoder = xz2::stream::Stream::new_lzma_decoder(MEMORY)?;
        Ok(xz2::read::XzDecoder::new_stream(data, decoder))
    })
}

const LZ4_LEGACY: [u8; 4] = [2, 0x21, 0x4c, 0x18];
/// A block of the legacy format unpacks to no more.
const LZ4_BLOCK: usize = 8 << 20;

/// The legacy frame format that `lz4 -l` writes: blocks, each preceded by its length, to the
/// end of the data. The kernel appends the unpacked size, which looks like one more length.
fn unlz4(data: &[u8], budget: &Budget) -> Option<Vec<u8>> {
    let mut rest = data.strip_prefix(&LZ4_LEGACY)?;
    let mut unpacked = Vec::new();
    let mut block = Vec::new();
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        if !budget.spend(len.len()) {
            break;
        }
        if *len == LZ4_LEGACY {
            rest = tail;
            continue;
        }
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let Some(packed) = tail.get(..len).filter(|packed| !packed.is_empty()) else {
            break;
        };
        block.resize(LZ4_BLOCK, 0);
        let filled = lz4_flex::block::decompress_into(packed, &mut block);
        // A damaged block may have cost as much as a good one.
        let cost = filled.as_ref().map_or(LZ4_BLOCK, |filled| *filled);
        let (true, Ok(filled)) = (budget.spend(packed.len().saturating_add(cost)), filled) else {
            break;
        };
        unpacked.extend_from_slice(block.get(..filled)?);
        rest = tail.get(len..)?;
    }
    (!unpacked.is_empty()).then_some(unpacked)
}

/// Everything that a decoder returns, even if it fails later: images end in padding, and a magic
/// number can be an accident, so the caller judges the data.
fn read<'a, D: Read>(
    data: &'a [u8],
    budget: &'a Budget,
    decoder: impl FnOnce(Metered<'a, &'a [u8]>) -> io::Result<D>,
) -> Option<Vec<u8>> {
    budget.spend(SETUP);
    let reader = decoder(Metered {
        reader: data,
        budget,
    });
    let reader = reader.ok()?;
    let mut unpacked = Vec::new();
    let ended = Metered { reader, budget }.read_to_end(&mut unpacked);
    (ended.is_ok() || unpacked.len() > 1 << 20).then_some(unpacked)
}
