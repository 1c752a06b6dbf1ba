//! The adaptive model: how likely the next bit is, learnt from the bits before
//! it, the same way while writing and while reading.
//!
//! For each bit the caller names a few contexts (hashes of what is known and
//! might matter). Every context has a counter, found by hash; the counters'
//! opinions are weighed by a small online-trained mixer, as in the PAQ family
//! of compressors. All arithmetic is in integers, so that every machine comes
//! to the same numbers.
//!
//! Every bit of a bundle goes through here, in build scripts too, which are
//! compiled without optimisation: tables are statics, because a constant is
//! copied whole for each look then, and loops are plain.

use super::coder::Coder;

/// The most contexts for one bit.
const CONTEXTS: usize = 6;
/// A weight of one.
const ONE: i32 = 1 << 14;
const COUNT_LIMIT: u32 = 63;
const CHECK_BITS: u32 = 10;
const CHECK: u32 = (1 << CHECK_BITS) - 1;

/// What kind of value a bit belongs to; each has mixer weights of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Set {
    /// Text, its guessed characters, and which known name it is.
    Char,
    Guess,
    Name,
    Symbol,
    Type,
    Field,
    Item,
    Shift,
    Value,
    Class,
    Variant,
    Bytes,
    /// The index: series, numbers of a release, publisher, class.
    Series,
    Number,
    Publisher,
    Serves,
}

impl Set {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Serves as usize + 1;
}

/// Mixer weights by how many counters have an opinion.
type Weights = [[i32; CONTEXTS]; CONTEXTS + 1];

/// Counters and mixer weights. The slots are a power of two.
#[derive(Clone, Debug)]
pub(super) struct Model<S> {
    /// Per slot: probability (16 bits, the highest toggled so that zero is a
    /// fresh slot), count (6 bits), check (10 bits).
    slots: S,
    weights: [Weights; Set::COUNT],
}

/// The model of definitions and classes.
pub(super) type LargeModel = Model<Vec<u32>>;
/// The model of the index: nothing on the heap.
pub(super) type SmallModel = Model<[u32; 2048]>;

impl LargeModel {
    pub(super) fn large() -> Self {
        Self::with(vec![0; 1 << 16])
    }
}

impl SmallModel {
    pub(super) fn small() -> Self {
        Self::with([0; 2048])
    }
}

/// Mixes a number into a hash.
pub(super) fn hash(seed: u32, value: u32) -> u32 {
    let mixed = (seed ^ value.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b);
    mixed ^ mixed >> 15
}

/// A length as a number to be coded.
pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A coded number as a place.
pub(super) fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// 4096 / (1 + e^(-x/256)), by interpolation between exact values.
const fn squash(x: i32) -> i32 {
    static TABLE: [i32; 33] = [
        1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994,
        3348, 3607, 3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
    ];
    if x > 2047 {
        return 4095;
    }
    if x < -2047 {
        return 1;
    }
    let w = x & 127;
    let at = (x >> 7) + 16;
    #[allow(clippy::cast_sign_loss)] // 0 ≤ at ≤ 31
    let at = at as usize;
    (TABLE[at] * (128 - w) + TABLE[at + 1] * w + 64) >> 7
}

/// The inverse of [`squash`]: ln(p / (1 - p)) in units of 1/256.
static STRETCH: [i16; 4096] = {
    let mut table = [0i16; 4096];
    let mut from = 0;
    let mut x = -2047;
    while x <= 2047 {
        #[allow(clippy::cast_sign_loss)] // 1 ≤ squash(x) ≤ 4095
        let v = squash(x) as usize;
        while from <= v {
            #[allow(clippy::cast_possible_truncation)] // -2047 ≤ x ≤ 2047
            {
                table[from] = x as i16;
            }
            from += 1;
        }
        x += 1;
    }
    while from < 4096 {
        table[from] = 2047;
        from += 1;
    }
    table
};

/// How much a counter that has seen `n` bits moves towards the next, in 1/65536.
static RATE: [i32; 64] = {
    let mut table = [0; 64];
    let mut n = 0;
    while n < 64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // n < 64
        let seen = n as i32;
        table[n] = 655_360 / (seen * 10 + 14);
        n += 1;
    }
    table
};

/// How much the opinion of a counter that has seen `n` bits counts, in 1/256.
static CONFIDENCE: [i32; 64] = {
    let mut table = [256; 64];
    table[0] = 0;
    table[1] = 300;
    table[3] = 230;
    table
};

/// What each opinion weighs at first, by how many counters have one.
const FIRST_WEIGHTS: [i32; CONTEXTS + 1] = {
    let mut table = [0; CONTEXTS + 1];
    let mut known = 0;
    while known <= CONTEXTS {
        let percent = [100, 75, 50, 40, 35, 30, 28, 26];
        table[known] = ONE * percent[known] / 100;
        known += 1;
    }
    table
};

impl<S: AsRef<[u32]> + AsMut<[u32]>> Model<S> {
    fn with(slots: S) -> Self {
        Self {
            slots,
            weights: [FIRST_WEIGHTS.map(|weight| [weight; CONTEXTS]); Set::COUNT],
        }
    }

    /// Codes one bit. `contexts` are hashes of what might matter; `node` tells
    /// this bit from the others of its value.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )] // all in ranges that the shifts and clamps beside them give
    pub(super) fn bit<C: Coder, const N: usize>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[u32; N],
        node: u32,
        bit: bool,
    ) -> bool {
        let mut at = [0usize; N];
        let mut slots = [0u32; N];
        let mut inputs = [0i32; N];
        let mut known = 0;
        let node = node.wrapping_mul(0x9e37_79b1);
        let table = self.slots.as_mut();
        let mask = table.len() - 1;
        let mut i = 0;
        while i < N {
            let h = (contexts[i] ^ node).wrapping_mul(0x85eb_ca6b);
            at[i] = (h >> 16) as usize & mask;
            let check = h & CHECK;
            let mut slot = table[at[i]];
            if slot & CHECK != check {
                slot = check;
            }
            slots[i] = slot;
            let p = (slot >> 16) ^ 0x8000;
            let n = (slot >> CHECK_BITS & COUNT_LIMIT) as usize;
            inputs[i] = (i32::from(STRETCH[(p >> 4) as usize]) * CONFIDENCE[n]) >> 8;
            known += usize::from(n > 0);
            i += 1;
        }
        let weights = &mut self.weights[set as usize][known];
        let mut dot = 0;
        i = 0;
        while i < N {
            dot += inputs[i] * weights[i];
            i += 1;
        }
        let p = squash(dot / ONE);
        coder.next_is(set);
        let bit = coder.bit((p * 16) as u16, bit);

        let error = ((i32::from(bit) << 12) - p) * 8;
        let target = if bit { 65535 } else { 0 };
        i = 0;
        while i < N {
            weights[i] = (weights[i] + ((inputs[i] * error) >> 15)).clamp(-4 * ONE, 4 * ONE);
            let slot = slots[i];
            let p = ((slot >> 16) ^ 0x8000) as i32;
            let n = slot >> CHECK_BITS & COUNT_LIMIT;
            let p = p + (((target - p) / 2 * RATE[n as usize]) >> 15);
            let p = (p.clamp(16, 65519) as u32) ^ 0x8000;
            let n = (n + 1).min(COUNT_LIMIT);
            table[at[i]] = p << 16 | n << CHECK_BITS | slot & CHECK;
            i += 1;
        }
        bit
    }

    /// Codes a value of `bits` bits, highest first.
    pub(super) fn tree<C: Coder, const N: usize>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[u32; N],
        bits: u32,
        value: u32,
    ) -> u32 {
        let mut node = 1u32;
        let mut left = bits;
        while left > 0 {
            left -= 1;
            let bit = self.bit(coder, set, contexts, node, value >> left & 1 == 1);
            node = node << 1 | u32::from(bit);
        }
        node & !(1 << bits)
    }

    /// Codes which of `count` things, `count` being at least 1.
    pub(super) fn choice<C: Coder, const N: usize>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[u32; N],
        count: u32,
        value: u32,
    ) -> u32 {
        let last = count.saturating_sub(1);
        let bits = 32 - last.leading_zeros();
        let contexts = contexts.map(|context| hash(context, bits));
        self.tree(coder, set, &contexts, bits, value).min(last)
    }

    /// Codes any number: how many bits it has, then these.
    pub(super) fn number<C: Coder, const N: usize>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[u32; N],
        value: u32,
    ) -> u32 {
        // Up to three bits one by one, small numbers being the commonest.
        const UNARY: u32 = 4;
        let wanted = 32 - value.leading_zeros();
        let mut bits = 0;
        while bits < UNARY && self.bit(coder, set, contexts, bits, bits < wanted) {
            bits += 1;
        }
        if bits == UNARY {
            let contexts = contexts.map(|context| hash(context, UNARY));
            let more = self.tree(coder, set, &contexts, 5, wanted.wrapping_sub(UNARY) & 31);
            bits = (UNARY + more).min(32);
        }
        let mut read = u32::from(bits > 0);
        for i in (0..bits.saturating_sub(1)).rev() {
            // The top bits see each other, those below only their place.
            let above = if bits - i <= 4 { read } else { 0 };
            let node = hash(0x100 | bits << 16 | i, above);
            let bit = self.bit(coder, set, contexts, node, value >> i & 1 == 1);
            read = read << 1 | u32::from(bit);
        }
        read
    }
}
