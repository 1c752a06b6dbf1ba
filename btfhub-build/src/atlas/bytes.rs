//! Numbers in bytes: varints (LEB128), zigzag, checked reading.

use super::error::{AtlasError, FilePart};

/// Appends a varint.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Appends a length.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize) {
    put(out, len as u64);
}

/// Reinterprets the bits.
pub(super) fn to_signed(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

/// Reinterprets the bits.
pub(super) fn to_unsigned(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}

/// Extends a signed 32-bit value to 64 bits.
pub(super) fn sign_extended(value: u32) -> u64 {
    to_unsigned(i64::from(i32::from_ne_bytes(value.to_ne_bytes())))
}

/// Signed → unsigned: 0, -1, 1, -2, … become 0, 1, 2, 3, …
pub(super) fn zigzag(value: i64) -> u64 {
    to_unsigned((value << 1) ^ (value >> 63))
}

/// The reverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    to_signed(value >> 1) ^ -to_signed(value & 1)
}

/// A reading position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    part: FilePart,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], part: FilePart) -> Self {
        Self { bytes, at: 0, part }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn error(&self, what: &'static str) -> AtlasError {
        AtlasError::malformed(self.part, self.at, what)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, AtlasError> {
        // Most numbers take one byte.
        if let Some(&byte) = self.bytes.get(self.at) {
            if byte < 0x80 {
                self.at += 1;
                return Ok(u64::from(byte));
            }
        }
        let mut value = 0;
        let mut shift = 0;
        loop {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.error("it ends within a number"));
            };
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(self.error("a number of more than 64 bits"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, AtlasError> {
        let value = self.varint()?;
        u32::try_from(value).map_err(|_| self.error("a number of more than 32 bits"))
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u32, what: &'static str) -> Result<u32, AtlasError> {
        let value = self.u32()?;
        if value < limit {
            Ok(value)
        } else {
            Err(self.error(what))
        }
    }

    pub(super) fn signed(&mut self) -> Result<i64, AtlasError> {
        Ok(unzigzag(self.varint()?))
    }

    pub(super) fn len(&mut self) -> Result<usize, AtlasError> {
        let value = self.varint()?;
        usize::try_from(value).map_err(|_| self.error("a length beyond the address space"))
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], AtlasError> {
        let end = self.at.checked_add(len);
        let Some(bytes) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(self.error("it ends within a string"));
        };
        self.at += len;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], AtlasError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
}
