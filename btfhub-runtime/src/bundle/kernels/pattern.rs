//! A release, split into its text without the numbers, and the numbers.
//!
//! `5.4.0-84-generic` is the pattern `#.#.#-#-generic` with 5, 4, 0 and 84.
//! Kernels of one series share the pattern, and their numbers grow.

use super::RELEASE_MAX;

/// The most numbers that are extracted from one release; further ones remain text.
pub(super) const NUMBERS: usize = 12;
/// The most digits of a number that is extracted.
const DIGITS: usize = 9;
/// What replaces a number in the pattern.
pub(super) const NUMBER: u8 = 0;

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    text: [u8; RELEASE_MAX],
    len: usize,
    /// How many numbers there are; the rest are 0.
    pub(super) count: usize,
    pub(super) numbers: [u32; NUMBERS],
}

impl Pattern {
    pub(super) const EMPTY: Self = Self {
        text: [0; RELEASE_MAX],
        len: 0,
        count: 0,
        numbers: [0; NUMBERS],
    };

    /// Takes a release apart. Nothing when it is longer than [`RELEASE_MAX`] or
    /// holds a zero byte.
    pub(super) fn of(release: &str) -> Option<Self> {
        let mut out = Self::EMPTY;
        let mut rest = release.as_bytes();
        if rest.len() > RELEASE_MAX || rest.contains(&NUMBER) {
            return None;
        }
        while let Some((first, later)) = rest.split_first() {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            // A leading zero would be lost.
            let fits = match first {
                b'0' => digits == 1,
                _ => (1..=DIGITS).contains(&digits),
            };
            let slot = out.numbers.get_mut(out.count);
            let (run, after) = rest.split_at(digits.max(1));
            if let (true, Some(slot)) = (fits, slot) {
                *slot = run.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
                out.push(NUMBER)?;
                out.count += 1;
                rest = after;
            } else if digits > 0 {
                for byte in run {
                    out.push(*byte)?;
                }
                rest = after;
            } else {
                out.push(*first)?;
                rest = later;
            }
        }
        Some(out)
    }

    /// The pattern with this text, its numbers 0. Nothing when it is too long, or
    /// has too many of them.
    pub(super) fn of_text(text: &[u8]) -> Option<Self> {
        let mut out = Self::EMPTY;
        for byte in text {
            out.push(*byte)?;
        }
        out.count = text.iter().filter(|byte| **byte == NUMBER).count();
        (out.count <= NUMBERS).then_some(out)
    }

    /// The pattern without its numbers.
    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or(&[])
    }

    /// Appends a byte to the text, while there is room.
    fn push(&mut self, byte: u8) -> Option<()> {
        *self.text.get_mut(self.len)? = byte;
        self.len += 1;
        Some(())
    }

    /// The release, byte by byte.
    pub(super) fn write(&self, mut out: impl FnMut(u8) -> Option<()>) -> Option<()> {
        let mut numbers = self.numbers.iter();
        for byte in self.text() {
            if *byte != NUMBER {
                out(*byte)?;
                continue;
            }
            let number = *numbers.next()?;
            let mut unit = 1;
            while number / unit >= 10 {
                unit *= 10;
            }
            while unit > 0 {
                out(b'0' + u8::try_from(number / unit % 10).unwrap_or(0))?;
                unit /= 10;
            }
        }
        Some(())
    }

    /// The order of the kernels: by pattern, then by the numbers.
    #[cfg(feature = "write")]
    pub(super) fn order(&self, other: &Self) -> core::cmp::Ordering {
        (self.text().cmp(other.text())).then_with(|| self.numbers.cmp(&other.numbers))
    }
}
