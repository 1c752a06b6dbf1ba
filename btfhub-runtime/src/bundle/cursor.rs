//! Checked reading of bytes, varints (LEB128) and length-prefixed text.

/// A reading position inside the header or a section.
///
/// It returns `None` for anything it can't read, which means malformed: everything has exactly
/// one valid encoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is still to be read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// `None` unless everything was read.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// The bytes from here to `later`, a later position.
    pub(super) fn until(&self, later: &Self) -> Option<&'a [u8]> {
        self.0.get(..self.0.len().checked_sub(later.0.len())?)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// Bytes preceded by their length.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.length()?;
        self.take(len)
    }

    /// A cursor over such bytes.
    pub(super) fn column(&mut self) -> Option<Self> {
        self.bytes().map(Self)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    // Not inlined: there are many of them to be read.
    #[inline(never)]
    pub(super) fn varint(&mut self) -> Option<u32> {
        // Most varints are one byte, and an unoptimised program spends most of its time here.
        if let [byte @ 0..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Some(u32::from(*byte));
        }
        let mut value = 0u64;
        let mut shift = 0;
        while shift < 35 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// A number of at most `max`.
    pub(super) fn varint_up_to(&mut self, max: u32) -> Option<u32> {
        self.varint().filter(|number| *number <= max)
    }

    /// Text of at most `max` bytes.
    pub(super) fn text_up_to(&mut self, max: usize) -> Option<&'a str> {
        self.text().filter(|text| text.len() <= max)
    }

    /// A value given by its difference from another, modulo 2³².
    pub(super) fn after(&mut self, before: u32) -> Option<u32> {
        let zigzag = self.varint()?;
        let half = zigzag >> 1;
        Some(before.wrapping_add(if zigzag & 1 == 0 { half } else { !half }))
    }

    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    /// Skips varints.
    pub(super) fn skip(&mut self, count: u32) -> Option<()> {
        let mut left = count;
        while left > 0 {
            left -= u32::from(self.byte()? < 0x80);
        }
        Some(())
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

/// Appends the difference of two values modulo 2³², as [`Cursor::after`] reads it.
#[cfg(feature = "write")]
pub(super) fn put_after(out: &mut Vec<u8>, before: u32, value: u32) {
    let difference = value.wrapping_sub(before);
    let sign = if difference >> 31 == 1 { u32::MAX } else { 0 };
    put_varint(out, difference << 1 ^ sign);
}

/// Appends bytes preceded by their length.
#[cfg(feature = "write")]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    put_varint(out, u32::try_from(bytes.len()).ok()?);
    out.extend(bytes);
    Some(())
}
