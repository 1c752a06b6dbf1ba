//! Checked reading of bytes, varints (LEB128) and length-prefixed text.

use super::error::{BundleError, Kind, Part};

/// A reading position inside one part of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    part: Part,
    /// Offset of `rest` in the file, for errors.
    at: usize,
}

const TOO_LARGE: &str = "a number above 32 bits";

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], part: Part, at: usize) -> Self {
        Self {
            rest: bytes,
            part,
            at,
        }
    }

    /// What is still to be read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The position's offset in the file.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The bytes from here to `later`, a position further on.
    pub(super) fn until(&self, later: &Self) -> &'a [u8] {
        let len = later.at.saturating_sub(self.at);
        self.rest.get(..len).unwrap_or(&[])
    }

    pub(super) fn malformed(&self, what: &'static str) -> BundleError {
        BundleError(Kind::Malformed {
            part: self.part,
            offset: self.at,
            what,
        })
    }

    /// A checksum inside this part does not fit.
    pub(super) fn damaged(&self) -> BundleError {
        BundleError(Kind::Checksum {
            part: self.part,
            offset: self.at,
        })
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], BundleError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.malformed("it ends in the middle of a value"));
        };
        self.rest = rest;
        self.at += len;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BundleError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    // Not inlined: short, but there are many of them to be read.
    #[inline(never)]
    pub(super) fn varint(&mut self) -> Result<u32, BundleError> {
        let mut value = 0u64;
        let mut shift = 0;
        while shift < 35 {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.malformed(TOO_LARGE));
            }
        }
        Err(self.malformed(TOO_LARGE))
    }

    pub(super) fn length(&mut self) -> Result<usize, BundleError> {
        let len = self.varint()?;
        usize::try_from(len).map_err(|_| self.malformed("a length above the address space"))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, BundleError> {
        let len = self.length()?;
        let bytes = self.take(len)?;
        core::str::from_utf8(bytes).map_err(|_| self.malformed("text that is not UTF-8"))
    }
}

/// Appends a varint.
#[cfg(feature = "write")]
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends bytes with their length before them.
#[cfg(feature = "write")]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    put_varint(out, u32::try_from(bytes.len()).ok()?);
    out.extend(bytes);
    Some(())
}
