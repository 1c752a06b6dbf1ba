//! The adaptive model: how likely the next bit is, learnt from the bits before
//! it, the same way while writing and while reading.
//!
//! For each bit the caller names a few contexts (what is known and might
//! matter). Every context has a counter, found by hash; the counters'
//! opinions are weighed by a small online-trained mixer, as in the PAQ family
//! of compressors. All arithmetic is in integers, so that every machine comes
//! to the same numbers.
//!
//! Every bit of a bundle goes through here, in build scripts too, which are
//! compiled without optimisation: tables are statics, because a constant is
//! copied whole for each look then, and loops are plain.

use std::sync::Once;
use std::sync::atomic::{AtomicI16, Ordering::Relaxed};

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

/// Mixer weights: rows by how many counters have an opinion.
const WEIGHTS: usize = CONTEXTS * (CONTEXTS + 1);

/// Counters and mixer weights. The slots are a power of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model<S> {
    /// Per slot: probability (16 bits, the highest toggled so that zero is a
    /// fresh slot), count (6 bits), check (10 bits).
    slots: S,
    /// Of each [`Set`].
    weights: [i32; WEIGHTS * Set::COUNT],
    /// Room for what the contexts of a bit say.
    inputs: [Input; CONTEXTS],
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

// What codes values is not inlined, here and below: it is used in some forty
// places.
impl<S: AsMut<[u32]>> Model<S> {
    fn with(slots: S) -> Self {
        STRETCH_MADE.call_once(make_stretch);
        let none = Input {
            at: 0,
            slot: 0,
            opinion: 0,
        };
        Self {
            slots,
            weights: first_weights(),
            inputs: [none; CONTEXTS],
        }
    }

    /// The model without its type.
    pub(super) fn mixer(&mut self) -> Mixer<'_> {
        Mixer {
            slots: self.slots.as_mut(),
            weights: &mut self.weights,
            inputs: &mut self.inputs,
        }
    }

    /// See [`Mixer::bit`].
    #[inline(never)]
    pub(super) fn bit<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        node: u32,
        bit: bool,
    ) -> bool {
        self.mixer().bit(coder, set, contexts, node, bit)
    }

    /// See [`Mixer::tree`].
    #[inline(never)]
    pub(super) fn tree<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        bits: u32,
        value: u32,
    ) -> u32 {
        self.mixer().tree(coder, set, contexts, bits, value)
    }

    /// See [`Mixer::choice`].
    #[inline(never)]
    pub(super) fn choice<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        count: u32,
        value: u32,
    ) -> u32 {
        self.mixer().choice(coder, set, contexts, count, value)
    }

    /// See [`Mixer::number`].
    #[inline(never)]
    pub(super) fn number<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        value: u32,
    ) -> u32 {
        self.mixer().number(coder, set, contexts, value)
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
fn squash(x: i32) -> i32 {
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

/// The inverse of [`squash`]: ln(p / (1 - p)) in units of 1/256. Made with the
/// first model: as a constant it would be 8 KB of every program. Atomics are
/// how safe code writes to a static.
static STRETCH: [AtomicI16; 4096] = [const { AtomicI16::new(0) }; 4096];
static STRETCH_MADE: Once = Once::new();

fn make_stretch() {
    let mut x = -2047;
    for (p, stretched) in (0..).zip(&STRETCH) {
        while x < 2047 && squash(x.into()) < p {
            x += 1;
        }
        stretched.store(x, Relaxed);
    }
}

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

/// What each opinion weighs at first.
// Not inlined: there are two kinds of models.
#[inline(never)]
fn first_weights() -> [i32; WEIGHTS * Set::COUNT] {
    let mut weights = [0; WEIGHTS * Set::COUNT];
    for (at, weight) in weights.iter_mut().enumerate() {
        let percent = [100, 75, 50, 40, 35, 30, 28];
        *weight = ONE * percent[at / CONTEXTS % percent.len()] / 100;
    }
    weights
}

/// The hashes of what is known and might matter.
#[derive(Clone, Copy)]
struct Contexts {
    hashes: [u32; CONTEXTS],
    count: usize,
}

impl Contexts {
    #[inline(never)]
    fn of(known: &[(u32, u32)]) -> Self {
        let mut out = Self {
            hashes: [0; CONTEXTS],
            count: known.len().min(CONTEXTS),
        };
        let mut i = 0;
        while i < out.count {
            out.hashes[i] = hash(known[i].0, known[i].1);
            i += 1;
        }
        out
    }

    /// The same for another of the value's parts.
    fn of_part(mut self, part: u32) -> Self {
        let mut i = 0;
        while i < CONTEXTS {
            self.hashes[i] = hash(self.hashes[i], part);
            i += 1;
        }
        self
    }
}

/// A context's counter and its opinion, for one bit.
#[derive(Clone, Copy, Debug)]
struct Input {
    at: usize,
    slot: u32,
    opinion: i32,
}

/// A model, wherever its counters are: what codes values is compiled once. The
/// slices say nothing of how long they are, or its loops would be unrolled.
pub(super) struct Mixer<'m> {
    slots: &'m mut [u32],
    weights: &'m mut [i32],
    inputs: &'m mut [Input],
}

impl Mixer<'_> {
    /// Codes one bit. `contexts` are what is known and might matter, each with a
    /// number of its own, at most [`CONTEXTS`]; `node` tells this bit from the
    /// others of its value.
    #[inline(never)]
    pub(super) fn bit<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        node: u32,
        bit: bool,
    ) -> bool {
        self.node(coder, set, &Contexts::of(contexts), node, bit)
    }

    /// Codes one bit.
    // Nearly all time is spent here. Unoptimised, whatever is a function is a call:
    // hence operators, and casts.
    #[allow(
        clippy::cast_lossless,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::manual_clamp
    )] // all in ranges that the shifts and clamps beside them give
    #[inline(never)]
    fn node<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &Contexts,
        node: u32,
        bit: bool,
    ) -> bool {
        // Opaque, or the loops would be unrolled.
        let count = core::hint::black_box(contexts.count);
        let hashes = &contexts.hashes[..count];
        let inputs = &mut self.inputs[..count];
        let table = &mut *self.slots;
        let mask = table.len() - 1;
        let node = (node as u64 * 0x9e37_79b1) as u32;
        let mut known = 0;
        let mut i = 0;
        while i < count {
            let h = ((hashes[i] ^ node) as u64 * 0x85eb_ca6b) as u32;
            let at = (h >> 16) as usize & mask;
            let check = h & CHECK;
            let mut slot = table[at];
            if slot & CHECK != check {
                slot = check;
            }
            let p = (slot >> 16) ^ 0x8000;
            let n = (slot >> CHECK_BITS & COUNT_LIMIT) as usize;
            let stretched = STRETCH[(p >> 4) as usize].load(Relaxed) as i32;
            let opinion = (stretched * CONFIDENCE[n]) >> 8;
            inputs[i] = Input { at, slot, opinion };
            known += (n > 0) as usize;
            i += 1;
        }
        let row = set as usize * WEIGHTS + known * CONTEXTS;
        let weights = &mut self.weights[row..row + count];
        let mut dot = 0;
        i = 0;
        while i < count {
            dot += inputs[i].opinion * weights[i];
            i += 1;
        }
        let p = squash(dot / ONE);
        coder.next_is(set);
        let bit = coder.bit((p * 16) as u16, bit);

        let error = (((bit as i32) << 12) - p) * 8;
        // What a probability is to be seen from, and the sign of its way there.
        let (target, sign) = if bit {
            (0x8000 ^ 0xffff, 0)
        } else {
            (0x8000, -1)
        };
        i = 0;
        while i < count {
            let Input { at, slot, opinion } = inputs[i];
            let mut weight = weights[i] + ((opinion * error) >> 15);
            if weight > 4 * ONE {
                weight = 4 * ONE;
            } else if weight < -4 * ONE {
                weight = -4 * ONE;
            }
            weights[i] = weight;
            let n = slot >> CHECK_BITS & COUNT_LIMIT;
            let way = (((slot >> 16) ^ target) >> 1) as i32 * RATE[n as usize];
            let mut p = ((slot >> 16) ^ 0x8000) as i32 + (((way ^ sign) - sign) >> 15);
            if p > 65519 {
                p = 65519;
            } else if p < 16 {
                p = 16;
            }
            let mut counted = slot & 0xffff;
            if n < COUNT_LIMIT {
                counted += 1 << CHECK_BITS;
            }
            table[at] = (p as u32 ^ 0x8000) << 16 | counted;
            i += 1;
        }
        bit
    }

    /// Codes a value of `bits` bits, highest first.
    #[inline(never)]
    pub(super) fn tree<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        bits: u32,
        value: u32,
    ) -> u32 {
        self.nodes(coder, set, &Contexts::of(contexts), bits, value)
    }

    fn nodes<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &Contexts,
        bits: u32,
        value: u32,
    ) -> u32 {
        let mut node = 1u32;
        let mut left = bits;
        while left > 0 {
            left -= 1;
            let bit = self.node(coder, set, contexts, node, value >> left & 1 == 1);
            node = node << 1 | u32::from(bit);
        }
        node & !(1 << bits)
    }

    /// Codes which of `count` things, `count` being at least 1.
    #[inline(never)]
    pub(super) fn choice<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        count: u32,
        value: u32,
    ) -> u32 {
        let last = count.saturating_sub(1);
        let bits = 32 - last.leading_zeros();
        let contexts = Contexts::of(contexts).of_part(bits);
        self.nodes(coder, set, &contexts, bits, value).min(last)
    }

    /// Codes any number: how many bits it has, then these.
    #[inline(never)]
    pub(super) fn number<C: Coder>(
        &mut self,
        coder: &mut C,
        set: Set,
        contexts: &[(u32, u32)],
        value: u32,
    ) -> u32 {
        // Up to three bits one by one, small numbers being the commonest.
        const UNARY: u32 = 4;
        let contexts = Contexts::of(contexts);
        let wanted = 32 - value.leading_zeros();
        let mut bits = 0;
        while bits < UNARY && self.node(coder, set, &contexts, bits, bits < wanted) {
            bits += 1;
        }
        if bits == UNARY {
            let contexts = contexts.of_part(UNARY);
            let wanted = wanted.wrapping_sub(UNARY) & 31;
            let more = self.nodes(coder, set, &contexts, 5, wanted);
            bits = (UNARY + more).min(32);
        }
        let mut read = u32::from(bits > 0);
        for i in (0..bits.saturating_sub(1)).rev() {
            // The top bits see each other, those below only their place.
            let above = if bits - i <= 4 { read } else { 0 };
            let node = hash(0x100 | bits << 16 | i, above);
            let bit = self.node(coder, set, &contexts, node, value >> i & 1 == 1);
            read = read << 1 | u32::from(bit);
        }
        read
    }
}
