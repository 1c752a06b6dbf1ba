//! A binary arithmetic coder, and the one trait through which a model runs
//! forwards (writing) and backwards (reading).
//!
//! Every rule of the compact form is written once, as a function that is
//! generic over [`Coder`]: while writing it is given the value and codes it,
//! while reading the given value is ignored and the coded one returned. Writer
//! and reader can't disagree that way. A program that only reads holds nothing
//! of what looks at given values: see [`Coder::wanted`].

use super::model::Set;

/// One direction of coding.
pub(super) trait Coder {
    /// Whether values are written (and have to be given).
    const WRITES: bool;

    /// What is to be coded; nothing while reading, as the compiler can see.
    fn wanted<T>(given: Option<T>) -> Option<T> {
        if Self::WRITES { given } else { None }
    }

    /// Codes one bit, of which `p1` / 65536 is the probability to be set.
    fn bit(&mut self, p1: u16, bit: bool) -> bool;

    /// Says what the next bit is part of.
    fn next_is(&mut self, _: Set) {}

    /// Counts work that grows with what was decoded before, as bits count by
    /// themselves.
    fn spend(&mut self, steps: usize);

    /// The data ended long ago, or takes more than [`STEPS_MAX`]: what comes now
    /// is invented.
    fn overrun(&self) -> bool;
}

/// Steps that decoding a block may take: bits, and 32 things looked at to know
/// what a bit means. A byte may hold thousands of bits that were expected, so
/// that without a bound a small file could say as much as would fill memory.
/// The largest real classes take some 10,000.
pub(super) const STEPS_MAX: usize = 1 << 21;

/// The interval of the coder; both directions narrow it alike.
#[derive(Clone, Copy, Debug)]
struct Interval {
    low: u32,
    high: u32,
}

impl Interval {
    const FULL: Self = Self {
        low: 0,
        high: u32::MAX,
    };

    fn split(self, p1: u16) -> u32 {
        let range = self.high - self.low;
        let part = (u64::from(range) * u64::from(p1)) >> 16;
        // part < range, for p1 < 65536
        self.low + u32::try_from(part).unwrap_or(0)
    }

    fn narrow(&mut self, middle: u32, bit: bool) {
        if bit {
            self.high = middle;
        } else {
            self.low = middle.saturating_add(1);
        }
    }

    /// Drops the leading byte when it is settled.
    fn shift(&mut self) -> Option<u8> {
        let [settled, ..] = self.low.to_be_bytes();
        if (self.low ^ self.high) >> 24 != 0 {
            return None;
        }
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
        Some(settled)
    }
}

/// Zero bytes that the encoder may leave out at the end.
const DROPPED_ZEROS: u32 = 4;
/// Bytes that the decoder holds before they are needed.
const LOOK_AHEAD: u32 = 4;

/// Reads bits back. Behind the end of the data there are zero bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoder<'a> {
    interval: Interval,
    code: u32,
    rest: &'a [u8],
    /// Zero bytes invented so far.
    invented: u32,
    /// Steps that may still be taken.
    left: usize,
}

impl<'a> Decoder<'a> {
    // Not inlined: its loop is unrolled.
    #[inline(never)]
    pub(super) fn new(data: &'a [u8]) -> Self {
        let mut decoder = Self {
            interval: Interval::FULL,
            code: 0,
            rest: data,
            invented: 0,
            left: STEPS_MAX,
        };
        for _ in 0..LOOK_AHEAD {
            decoder.pull();
        }
        decoder
    }

    fn pull(&mut self) {
        let byte = match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                *byte
            }
            None => {
                self.invented = self.invented.saturating_add(1);
                0
            }
        };
        self.code = self.code << 8 | u32::from(byte);
    }
}

impl Coder for Decoder<'_> {
    const WRITES: bool = false;

    fn bit(&mut self, p1: u16, _: bool) -> bool {
        self.left = self.left.saturating_sub(1);
        let middle = self.interval.split(p1);
        let bit = self.code <= middle;
        self.interval.narrow(middle, bit);
        while self.interval.shift().is_some() {
            self.pull();
        }
        bit
    }

    fn spend(&mut self, steps: usize) {
        self.left = self.left.saturating_sub(steps);
    }

    fn overrun(&self) -> bool {
        self.invented > DROPPED_ZEROS + LOOK_AHEAD || self.left == 0
    }
}

/// Writes bits.
#[cfg(feature = "write")]
#[derive(Debug)]
pub(super) struct Encoder {
    interval: Interval,
    out: Vec<u8>,
    bits: usize,
    /// Steps that are no bits.
    spent: usize,
}

#[cfg(feature = "write")]
impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            interval: Interval::FULL,
            out: Vec::new(),
            bits: 0,
            spent: 0,
        }
    }

    /// How many bits were coded: what decoding will cost.
    pub(super) fn bits(&self) -> usize {
        self.bits
    }

    /// Whether a reader would take it.
    pub(super) fn is_readable(&self) -> bool {
        self.bits.saturating_add(self.spent) < STEPS_MAX
    }

    /// The shortest bytes that, with zeros behind them, name the interval.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let Interval { low, high } = self.interval;
        if low != 0 {
            for kept in [8, 16, 24, 32] {
                let unit = 1u64 << (32 - kept);
                let value = u64::from(low).div_ceil(unit) * unit;
                if value <= u64::from(high) {
                    let bytes = u32::try_from(value).unwrap_or(low).to_be_bytes();
                    self.out.extend(bytes.iter().take(kept / 8));
                    break;
                }
            }
        }
        for _ in 0..DROPPED_ZEROS {
            if self.out.last() == Some(&0) {
                self.out.pop();
            }
        }
        self.out
    }
}

#[cfg(feature = "write")]
impl Coder for Encoder {
    const WRITES: bool = true;

    fn bit(&mut self, p1: u16, bit: bool) -> bool {
        let middle = self.interval.split(p1);
        self.interval.narrow(middle, bit);
        self.bits += 1;
        while let Some(byte) = self.interval.shift() {
            self.out.push(byte);
        }
        bit
    }

    fn spend(&mut self, steps: usize) {
        self.spent = self.spent.saturating_add(steps);
    }

    fn overrun(&self) -> bool {
        false
    }
}
