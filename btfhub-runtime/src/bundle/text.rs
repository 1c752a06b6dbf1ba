//! Characters, in the alphabet that C identifiers and kernel releases need.

use super::coder::Coder;
use super::model::{Mixer, Set, hash};

/// Ends a text.
pub(super) const END: u32 = 0;
const UNDERSCORE: u32 = 27;
const DIGIT: u32 = 28;
/// Changes between upper and lower case.
const CASE: u32 = 38;
/// Punctuation, from here on.
const OTHER: u32 = 39;
/// A byte that is not in the alphabet follows.
const ESCAPE: u32 = 63;
/// The zero byte stands for a number in the patterns of releases.
const OTHERS: &[u8] = b"\0-.+ /~:()*,=";

/// What the model knows of the text so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    /// The last four bytes.
    last: u32,
    /// Hash of the bytes since the last underscore.
    pub(super) word: u32,
    upper: bool,
}

impl History {
    /// What comes after `byte`.
    pub(super) fn push(&mut self, byte: u8) {
        self.last = self.last << 8 | u32::from(byte);
        self.word = if byte == b'_' {
            0
        } else {
            hash(self.word, u32::from(byte))
        };
    }

    pub(super) fn last_two(&self) -> u32 {
        self.last & 0xffff
    }

    pub(super) fn last_three(&self) -> u32 {
        self.last & 0xff_ffff
    }

    /// The symbol by which the next byte is coded; [`END`] for none.
    pub(super) fn symbol(&self, next: Option<u8>) -> u32 {
        let Some(byte) = next else {
            return END;
        };
        match byte {
            b'a'..=b'z' if !self.upper => u32::from(byte - b'a') + 1,
            b'A'..=b'Z' if self.upper => u32::from(byte - b'A') + 1,
            b'a'..=b'z' | b'A'..=b'Z' => CASE,
            b'_' => UNDERSCORE,
            b'0'..=b'9' => u32::from(byte - b'0') + DIGIT,
            other => (OTHER..)
                .zip(OTHERS)
                .find_map(|(symbol, byte)| (*byte == other).then_some(symbol))
                .unwrap_or(ESCAPE),
        }
    }

    /// Codes a symbol.
    pub(super) fn code_symbol<C: Coder>(
        &self,
        c: &mut C,
        model: &mut Mixer<'_>,
        symbol: u32,
    ) -> u32 {
        let upper = u32::from(self.upper);
        let contexts = [
            (10, upper),
            (11, self.word),
            (12, self.last & 0xff | upper << 8),
            (13, self.last_three()),
        ];
        model.tree(c, Set::Char, &contexts, 6, symbol)
    }

    /// What a symbol stands for: a byte, or nothing where it only changes the
    /// case. `next` is the byte behind an escape.
    pub(super) fn byte<C: Coder>(
        &mut self,
        c: &mut C,
        model: &mut Mixer<'_>,
        symbol: u32,
        next: Option<u8>,
    ) -> Option<u8> {
        let letter = |first: u8, at: u32| u8::try_from(at).map_or(first, |at| first + at);
        Some(match symbol {
            CASE => {
                self.upper = !self.upper;
                return None;
            }
            1..=26 if self.upper => letter(b'A', symbol - 1),
            1..=26 => letter(b'a', symbol - 1),
            UNDERSCORE => b'_',
            DIGIT..CASE => letter(b'0', symbol - DIGIT),
            ESCAPE => {
                let byte = model.tree(c, Set::Char, &[(14, 0)], 8, next.unwrap_or(0).into());
                u8::try_from(byte).unwrap_or(0)
            }
            _ => usize::try_from(symbol - OTHER)
                .ok()
                .and_then(|at| OTHERS.get(at).copied())
                .unwrap_or(b'?'),
        })
    }
}
