//! The header: byte order and where the sections are.

use super::error::{BtfError, BtfErrorKind};

/// The byte order of the machine that a BTF or an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first (s390x).
    Big,
}

impl Endian {
    /// The order of the machine that runs this.
    pub const NATIVE: Self = if cfg!(target_endian = "big") {
        Self::Big
    } else {
        Self::Little
    };

    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// `BTF_MAGIC`.
pub(super) const MAGIC: u16 = 0xeb9f;
/// The header of every BTF so far: up to and with `str_len`.
pub(super) const SHORT_HEADER: u32 = 24;
/// The header with `layout_off` and `layout_len`.
pub(super) const LAYOUT_HEADER: u32 = 32;

/// Where the sections are, in bytes from the beginning of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) endian: Endian,
    pub(super) types: std::ops::Range<usize>,
    pub(super) strings: std::ops::Range<usize>,
    pub(super) layout: std::ops::Range<usize>,
}

impl Header {
    /// Reads and checks the header as libbpf's `btf_parse_hdr` does, and the
    /// layout section as libbpf 1.8 does. Fields of a still longer header are
    /// not looked at.
    pub(super) fn parse(data: &[u8]) -> Result<Self, BtfError> {
        let (Some(magic), Some(_)) = (data.first_chunk::<2>(), data.get(..SHORT_HEADER as usize))
        else {
            return Err(truncated(u64::from(SHORT_HEADER), data.len()));
        };
        let endian = if Endian::Little.u16(*magic) == MAGIC {
            Endian::Little
        } else if Endian::Big.u16(*magic) == MAGIC {
            Endian::Big
        } else {
            return Err(BtfError::new(
                0,
                BtfErrorKind::Magic(Endian::Little.u16(*magic)),
            ));
        };
        let word = |offset: usize| -> u32 {
            data.get(offset..)
                .and_then(<[u8]>::first_chunk::<4>)
                .map_or(0, |bytes| endian.u32(*bytes))
        };
        let header_len = word(4);
        if header_len < SHORT_HEADER {
            return Err(BtfError::new(
                4,
                BtfErrorKind::Header("its own length is less than 24 bytes"),
            ));
        }
        if u64::from(header_len) > data.len() as u64 {
            return Err(truncated(u64::from(header_len), data.len()));
        }
        let (layout_off, layout_len) = if header_len >= LAYOUT_HEADER {
            (word(24), word(28))
        } else {
            (0, 0)
        };

        let section = |off: u32, len: u32| -> Result<std::ops::Range<usize>, BtfError> {
            let start = u64::from(header_len) + u64::from(off);
            let end = start + u64::from(len);
            if end > data.len() as u64 {
                return Err(truncated(end, data.len()));
            }
            // Both are at most the length of a slice.
            #[allow(clippy::cast_possible_truncation)]
            Ok(start as usize..end as usize)
        };
        let types = section(word(8), word(12))?;
        let strings = section(word(16), word(20))?;
        // An offset without a length means nothing.
        let layout = if layout_len > 0 {
            section(layout_off, layout_len)?
        } else {
            types.end..types.end
        };
        if word(8) % 4 != 0 {
            return Err(BtfError::new(
                8,
                BtfErrorKind::Header("the type section is not aligned to 4 bytes"),
            ));
        }
        if types.end > strings.start {
            return Err(BtfError::new(
                8,
                BtfErrorKind::Header("the type section overlaps the string section"),
            ));
        }
        if layout_len > 0 {
            if layout_off % 4 != 0 || layout_len % 4 != 0 {
                return Err(BtfError::new(
                    24,
                    BtfErrorKind::Header("the layout section is not aligned to 4 bytes"),
                ));
            }
            if layout.start < types.end || layout.end > strings.start {
                return Err(BtfError::new(
                    24,
                    BtfErrorKind::Header("the layout section overlaps another section"),
                ));
            }
        }
        Ok(Self {
            endian,
            types,
            strings,
            layout,
        })
    }
}

fn truncated(need: u64, have: usize) -> BtfError {
    BtfError::new(
        have as u64,
        BtfErrorKind::Truncated {
            need,
            have: have as u64,
        },
    )
}
