//! The coding of one entry of the index after another.
//!
//! Entries are in the order of (architecture, pattern, numbers, distribution,
//! version), so that within a series only numbers grow, mostly one of them by a
//! little, and mostly the class is that of the kernel before.

use super::RELEASE_MAX;
use super::pattern::Pattern;
use crate::bundle::coder::Coder;
use crate::bundle::model::{Set, SmallModel, count, hash, place};
use crate::bundle::text::{END, History};

/// Most (distribution, version) pairs of one block.
pub(super) const PUBLISHERS: usize = 48;
/// Slots of the guess which class numbers alike have.
const GUESSES: usize = 128;

/// An entry; texts by their place among the section's strings.
#[derive(Clone, Copy)]
pub(super) struct Coded {
    pub(super) arch: u32,
    pub(super) pattern: Pattern,
    pub(super) distro: u32,
    pub(super) version: u32,
    pub(super) class: u32,
}

#[derive(Clone, Copy, Default)]
struct Publisher {
    distro: u32,
    version: u32,
    /// The class of its last kernel, plus one.
    last: u32,
}

/// What is known from the entries before, in one block.
#[derive(Clone, Copy)]
pub(super) struct Coding {
    model: SmallModel,
    strings: u32,
    last: Coded,
    /// The numbers with which the series began.
    first: [u32; super::pattern::NUMBERS],
    publishers: [Publisher; PUBLISHERS],
    publisher_count: usize,
    publisher: usize,
    /// By hash of the numbers: the class of the last kernel with them, plus one.
    guesses: [u32; GUESSES],
    /// The lowest class number that no entry has had.
    next_class: u32,
}

impl Coding {
    /// A block's coding from its start. `strings` is how many there are.
    // Not inlined: it fills 13 KB, in two places.
    #[inline(never)]
    pub(super) fn new(strings: u32, next_class: u32) -> Self {
        Self {
            model: SmallModel::small(),
            strings,
            last: Coded {
                arch: 0,
                pattern: Pattern::EMPTY,
                distro: 0,
                version: 0,
                class: 0,
            },
            first: [0; super::pattern::NUMBERS],
            publishers: [Publisher::default(); PUBLISHERS],
            publisher_count: 0,
            publisher: 0,
            guesses: [0; GUESSES],
            next_class,
        }
    }

    /// Codes the next entry. Nothing when it breaks a bound of the format.
    pub(super) fn entry<C: Coder>(&mut self, c: &mut C, wanted: Option<&Coded>) -> Option<Coded> {
        let wanted = C::wanted(wanted);
        let changed = self.release(c, wanted)?;
        self.publisher(c, wanted, changed)?;
        self.class(c, wanted, changed)?;
        Some(self.last)
    }

    /// Codes architecture and release. Returns which number was the first to
    /// change, or a large one for a new series.
    fn release<C: Coder>(&mut self, c: &mut C, wanted: Option<&Coded>) -> Option<u32> {
        const NEW_SERIES: u32 = 100;
        let old = self.last.pattern;
        let same = wanted.is_some_and(|w| {
            w.arch == self.last.arch && w.pattern.text() == old.text() && old.count() > 0
        });
        let w_numbers = wanted.map_or([0; super::pattern::NUMBERS], |w| w.pattern.numbers);
        if !(self.model).bit(c, Set::Series, &[(1, 0)], 0, same) {
            self.series(c, wanted)?;
            let fields = self.last.pattern.count();
            for (i, w) in w_numbers.iter().enumerate().take(fields) {
                let expected = self.first.get(i).copied()?;
                *self.last.pattern.numbers.get_mut(i)? = self.number(c, i, expected, *w);
            }
            for unused in self.last.pattern.numbers.iter_mut().skip(fields) {
                *unused = 0;
            }
            self.first = self.last.pattern.numbers;
            return Some(NEW_SERIES);
        }
        let fields = old.count();
        let mut changed = None;
        for (i, w) in w_numbers.iter().enumerate().take(fields) {
            let expected = old.numbers.get(i).copied()?;
            let field = count(i) << 8 | count(fields);
            let value = if changed.is_some() {
                self.number(c, i, expected, *w)
            } else {
                let contexts = [(2, field), (3, hash(field, old.numbers[0]))];
                if !(self.model).bit(c, Set::Number, &contexts, 0, *w != expected) {
                    continue;
                }
                changed = Some(count(i));
                let contexts = [(4, field), (5, count(fields - i))];
                let step = w.wrapping_sub(expected).wrapping_sub(1);
                let step = (self.model).number(c, Set::Number, &contexts, step);
                expected.wrapping_add(step).wrapping_add(1)
            };
            *self.last.pattern.numbers.get_mut(i)? = value;
        }
        Some(changed.unwrap_or(NEW_SERIES - 1))
    }

    /// Codes a number that probably is `expected`.
    fn number<C: Coder>(&mut self, c: &mut C, field: usize, expected: u32, wanted: u32) -> u32 {
        let field = count(field);
        let contexts = [(6, field), (7, hash(field, expected))];
        if (self.model).bit(c, Set::Number, &contexts, 0, wanted == expected) {
            return expected;
        }
        let contexts = [(8, field), (9, expected.leading_zeros())];
        (self.model).number(c, Set::Number, &contexts, wanted)
    }

    /// Codes architecture and pattern, by what it shares with the last one.
    fn series<C: Coder>(&mut self, c: &mut C, wanted: Option<&Coded>) -> Option<()> {
        let arch = wanted.map_or(0, |w| w.arch);
        let contexts = [(20, self.last.arch)];
        self.last.arch = (self.model).choice(c, Set::Series, &contexts, self.strings, arch);
        let text = wanted.map_or(&[][..], |w| w.pattern.text());
        let old = self.last.pattern.text();
        let shared = text.iter().zip(old).take_while(|(a, b)| a == b).count();
        let shared = (self.model).number(c, Set::Series, &[(21, 0)], count(shared));
        self.last.pattern.truncate(place(shared));
        let mut history = History::default();
        for byte in self.last.pattern.text() {
            history.push(*byte);
        }
        let mut at = place(shared);
        while at <= RELEASE_MAX && !c.overrun() {
            let next = C::wanted(text.get(at).copied());
            let symbol = history.code_symbol(c, &mut self.model.mixer(), history.symbol(next));
            if symbol == END {
                return Some(());
            }
            if let Some(byte) = history.byte(c, &mut self.model.mixer(), symbol, next) {
                history.push(byte);
                self.last.pattern.push(byte)?;
                at += 1;
            }
        }
        None
    }

    fn publisher<C: Coder>(
        &mut self,
        c: &mut C,
        wanted: Option<&Coded>,
        changed: u32,
    ) -> Option<()> {
        let numbers = self.last.pattern.numbers;
        let series = hash(numbers[0], numbers[1]);
        let is =
            |p: &Publisher| wanted.is_some_and(|w| w.distro == p.distro && w.version == p.version);
        let known = self.publishers.get(..self.publisher_count)?;
        let same = known.get(self.publisher).is_some_and(is);
        let at = known.iter().position(is).unwrap_or(known.len());
        let contexts = [(30, changed), (31, hash(series, count(self.publisher)))];
        if !(self.model).bit(c, Set::Publisher, &contexts, 0, same) {
            let contexts = [(32, 0), (33, series)];
            let choices = count(self.publisher_count) + 1;
            let at = (self.model).choice(c, Set::Publisher, &contexts, choices, count(at));
            self.publisher = place(at);
            if self.publisher == self.publisher_count {
                let (distro, version) = wanted.map_or((0, 0), |w| (w.distro, w.version));
                let strings = self.strings;
                let mut text = |seed, wanted| {
                    let contexts = [(34, seed)];
                    (self.model).choice(c, Set::Publisher, &contexts, strings, wanted)
                };
                let new = Publisher {
                    distro: text(0, distro),
                    version: text(1, version),
                    last: 0,
                };
                *self.publishers.get_mut(self.publisher)? = new;
                self.publisher_count += 1;
            }
        }
        let publisher = self.publishers.get(self.publisher)?;
        self.last.distro = publisher.distro;
        self.last.version = publisher.version;
        Some(())
    }

    /// Codes the class: that of a kernel with the same numbers, that of the
    /// publisher's last kernel, the next that none has had, or any.
    fn class<C: Coder>(&mut self, c: &mut C, wanted: Option<&Coded>, changed: u32) -> Option<()> {
        let wanted = wanted.map_or(0, |w| w.class);
        let numbers = self.last.pattern.numbers;
        let key = numbers.iter().fold(self.last.arch, |h, n| hash(h, *n));
        let guess = self.guesses.get_mut(place(key) % GUESSES)?;
        let publisher = self.publishers.get_mut(self.publisher)?;
        let (by_numbers, by_publisher) = (*guess, publisher.last);
        let how = match (by_numbers, by_publisher) {
            (0, 0) => 0,
            (0, _) => 1,
            (_, 0) => 2,
            (a, b) => 3 + u32::from(a == b),
        };
        let mut is = |seed, wanted| {
            let contexts = [
                (seed, how),
                (seed + 1, how << 8 | changed),
                (seed + 2, count(self.publisher)),
            ];
            (self.model).bit(c, Set::Serves, &contexts, 0, wanted)
        };
        let class = if by_numbers != 0 && is(40, wanted + 1 == by_numbers) {
            by_numbers - 1
        } else if by_publisher != 0
            && by_publisher != by_numbers
            && is(43, wanted + 1 == by_publisher)
        {
            by_publisher - 1
        } else if self.next_class == 0 || is(46, wanted == self.next_class) {
            self.next_class
        } else {
            let back = self.next_class.wrapping_sub(wanted).wrapping_sub(1);
            let back = (self.model).number(c, Set::Serves, &[(49, 0)], back);
            self.next_class.checked_sub(back.checked_add(1)?)?
        };
        self.next_class = self.next_class.max(class.checked_add(1)?);
        *guess = class.checked_add(1)?;
        publisher.last = *guess;
        self.last.class = class;
        Some(())
    }
}
