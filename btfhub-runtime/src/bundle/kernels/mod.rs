//! The kernels: which class serves which.
//!
//! Kernels of one architecture and pattern are a *series*. Their numbers, publishers and
//! classes are stored in columns across all series.

mod entry;
mod pattern;
#[cfg(feature = "write")]
pub(super) mod write;

use core::cmp::Ordering;
use core::fmt;

use self::entry::Release;
pub use self::entry::{ClassId, Entry, RELEASE_MAX};
use self::pattern::{NUMBERS, Pattern};
use super::cursor::Cursor;
use super::error::{BundleError, Kind, Part};
use super::format::{Header, Strings};
use crate::Arch;

/// How many columns there are: the numbers with which series begin, the numbers
/// that follow, publishers, classes.
const COLUMNS: usize = NUMBERS + 3;

const MALFORMED: BundleError = BundleError(Kind::Malformed(Part::Kernels));

/// A reading position in the section, which it owns.
#[derive(Clone)]
struct Reading<'a> {
    content: Vec<u8>,
    strings: Strings<'a>,
    kernel_count: u32,
    class_count: u32,
    publishers: Vec<Publisher<'a>>,
    /// What is stored about the remaining series.
    series: Column,
    series_left: u32,
    firsts: Column,
    numbers: [Column; NUMBERS],
    publisher: Column,
    class: Column,
    /// The current series; its numbers are those of the kernel read last.
    arch: Arch<'a>,
    pattern: Pattern,
    kernels_left: u32,
    /// No kernel of it was read.
    at_start: bool,
    last_publisher: usize,
    /// The lowest class that no kernel has had.
    next_class: u32,
    /// Kernels of the series before, and of the present one.
    kernels_met: u32,
}

/// Where the rest of a column begins in the content, and where the column ends.
#[derive(Clone, Copy, Default)]
struct Column {
    at: usize,
    end: usize,
}

#[derive(Clone, Copy)]
struct Publisher<'a> {
    distro: &'a str,
    version: &'a str,
    /// The class of its kernel before.
    last: Option<u32>,
}

/// By whom a kernel is published, and which class serves it.
struct Served {
    publisher: usize,
    class: u32,
}

impl Column {
    /// Reads from the column.
    fn read<T>(
        &mut self,
        content: &[u8],
        read: impl FnOnce(&mut Cursor<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut cursor = Cursor::new(content.get(self.at..self.end)?);
        let value = read(&mut cursor)?;
        self.at = self.end - cursor.rest().len();
        Some(value)
    }
}

impl<'a> Reading<'a> {
    fn new(header: &Header<'a>, content: Vec<u8>) -> Option<Self> {
        let mut from = Cursor::new(&content);
        let mut publishers = Vec::new();
        for _ in 0..from.varint()? {
            publishers.push(Publisher {
                distro: header.strings.get(from.varint()?)?,
                version: header.strings.get(from.varint()?)?,
                last: None,
            });
        }
        let mut columns = [Column::default(); COLUMNS];
        for column in &mut columns {
            let len = from.bytes()?.len();
            column.end = content.len() - from.rest().len();
            column.at = column.end - len;
        }
        let [firsts, publisher, class, numbers @ ..] = columns;
        let series_left = from.varint()?;
        let series = Column {
            at: content.len() - from.rest().len(),
            end: content.len(),
        };
        Some(Self {
            content,
            strings: header.strings,
            kernel_count: header.kernels,
            class_count: header.classes,
            publishers,
            series,
            series_left,
            firsts,
            numbers,
            publisher,
            class,
            arch: Arch::new(""),
            pattern: Pattern::EMPTY,
            kernels_left: 0,
            at_start: true,
            last_publisher: 0,
            next_class: 0,
            kernels_met: 0,
        })
    }

    /// Skips the rest of the current series and moves to the next one. False if there is none.
    fn next_series(&mut self) -> Option<bool> {
        self.skip_series()?;
        let Some(left) = self.series_left.checked_sub(1) else {
            return self.end().map(|()| false);
        };
        self.series_left = left;
        let strings = self.strings;
        let (arch, pattern, kernels) = self.series.read(&self.content, |series| {
            let arch = Arch::new(strings.get(series.varint()?)?);
            Some((arch, Pattern::of_text(series.bytes()?)?, series.varint()?))
        })?;
        let order = (self.arch, self.pattern.text()).cmp(&(arch, pattern.text()));
        if kernels == 0 || (self.kernels_met > 0 && order != Ordering::Less) {
            return None;
        }
        self.arch = arch;
        self.pattern = pattern;
        self.kernels_left = kernels;
        self.kernels_met = self.kernels_met.checked_add(kernels)?;
        self.at_start = true;
        for number in self.pattern.numbers.iter_mut().take(self.pattern.count) {
            *number = (self.firsts).read(&self.content, |column| column.varint())?;
        }
        Some(true)
    }

    /// Skips the rest of the current series.
    fn skip_series(&mut self) -> Option<()> {
        let moved = self.kernels_left - u32::from(self.at_start && self.kernels_left > 0);
        for column in self.numbers.iter_mut().take(self.pattern.count) {
            column.read(&self.content, |column| column.skip(moved))?;
        }
        while let Some(left) = self.kernels_left.checked_sub(1) {
            self.kernels_left = left;
            self.served()?;
        }
        Some(())
    }

    /// Reads the next kernel of the present series. None in it when there is none.
    fn kernel(&mut self) -> Option<Option<Served>> {
        let Some(left) = self.kernels_left.checked_sub(1) else {
            return Some(None);
        };
        self.kernels_left = left;
        let mut grown = self.at_start;
        if !self.at_start {
            let numbers = self.pattern.numbers.iter_mut().zip(&mut self.numbers);
            for (number, column) in numbers.take(self.pattern.count) {
                *number = column.read(&self.content, |column| {
                    if grown {
                        return column.after(*number);
                    }
                    let growth = column.varint()?;
                    grown = growth > 0;
                    number.checked_add(growth)
                })?;
            }
        }
        self.at_start = false;
        let before = self.last_publisher;
        let served = self.served()?;
        // Kernels that differ only in their publisher are ordered by publisher.
        (grown || served.publisher > before).then_some(Some(served))
    }

    /// Reads publisher and class of the next kernel.
    fn served(&mut self) -> Option<Served> {
        let publisher = (self.publisher).read(&self.content, |column| column.length())?;
        let back = (self.class).read(&self.content, |column| column.varint())?;
        let known = self.publishers.get_mut(publisher)?;
        let class = match back.checked_sub(1) {
            None => known.last?,
            Some(back) => self.next_class.checked_sub(back)?,
        };
        if class >= self.class_count {
            return None;
        }
        known.last = Some(class);
        self.last_publisher = publisher;
        self.next_class = self.next_class.max(class + 1);
        Some(Served { publisher, class })
    }

    /// After the last series: checks that there are exactly as many kernels and classes as the
    /// header says, and nothing else.
    fn end(&self) -> Option<()> {
        let met = (self.kernels_met, self.next_class, self.series.at);
        (met == (self.kernel_count, self.class_count, self.series.end)).then_some(())
    }

    fn entry(&self, served: &Served) -> Option<Entry<'a>> {
        let publisher = self.publishers.get(served.publisher)?;
        Some(Entry::new(
            self.arch,
            publisher.distro,
            publisher.version,
            Release::of(&self.pattern)?,
            ClassId(served.class),
        ))
    }
}

/// Iterates over the entries of a bundle; see [`Bundle::kernels`](super::Bundle::kernels).
#[derive(Clone)]
pub struct Kernels<'a> {
    /// Nothing after the end, or after an error.
    state: Result<Reading<'a>, Option<BundleError>>,
}

impl<'a> Kernels<'a> {
    pub(super) fn new(header: Result<Option<Header<'a>>, BundleError>) -> Self {
        let state = match header {
            Ok(Some(header)) => (header.inflate(Part::Kernels))
                .and_then(|content| Reading::new(&header, content).ok_or(MALFORMED))
                .map_err(Some),
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        };
        Self { state }
    }

    /// Advances by `step`, which returns `None` if something is malformed, and `Some(None)` at
    /// the end. After either, the iteration is over.
    fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Reading<'a>) -> Option<Option<T>>,
    ) -> Option<Result<T, BundleError>> {
        let reading = match &mut self.state {
            Ok(reading) => reading,
            Err(error) => return error.take().map(Err),
        };
        let found = step(reading).ok_or(MALFORMED).transpose();
        if !matches!(found, Some(Ok(_))) {
            self.state = Err(None);
        }
        found
    }
}

impl<'a> Iterator for Kernels<'a> {
    type Item = Result<Entry<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(|reading| {
            loop {
                if let Some(served) = reading.kernel()? {
                    return reading.entry(&served).map(Some);
                }
                if !reading.next_series()? {
                    return Some(None);
                }
            }
        })
    }
}

impl fmt::Debug for Kernels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernels").finish_non_exhaustive()
    }
}

/// Iterates over the entries of one (arch, release); see
/// [`Bundle::lookup`](super::Bundle::lookup).
#[derive(Clone, Debug)]
pub struct Lookup<'a, 'q> {
    kernels: Kernels<'a>,
    /// None for all of them.
    arch: Option<Arch<'q>>,
    release: &'q str,
}

impl<'a, 'q> Lookup<'a, 'q> {
    pub(super) fn new(kernels: Kernels<'a>, arch: Option<Arch<'q>>, release: &'q str) -> Self {
        Self {
            kernels,
            arch,
            release,
        }
    }
}

impl<'a> Iterator for Lookup<'a, '_> {
    type Item = Result<Entry<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pattern = Pattern::of(self.release)?;
        let is_sought = |reading: &Reading<'a>| {
            self.arch.is_none_or(|arch| reading.arch == arch)
                && reading.pattern.text() == pattern.text()
        };
        self.kernels.step(|reading| {
            loop {
                // Nothing is read from a series that is not looked for.
                if is_sought(reading) {
                    while let Some(served) = reading.kernel()? {
                        match reading.pattern.numbers.cmp(&pattern.numbers) {
                            Ordering::Less => {}
                            Ordering::Equal => return reading.entry(&served).map(Some),
                            Ordering::Greater => break,
                        }
                    }
                }
                if !reading.next_series()? {
                    return Some(None);
                }
            }
        })
    }
}

/// Iterates over the architectures of a bundle; see
/// [`Bundle::arches`](super::Bundle::arches).
#[derive(Clone, Debug)]
pub struct Arches<'a> {
    kernels: Kernels<'a>,
    last: Option<Arch<'a>>,
}

impl<'a> Arches<'a> {
    pub(super) fn new(kernels: Kernels<'a>) -> Self {
        Self {
            kernels,
            last: None,
        }
    }
}

impl<'a> Iterator for Arches<'a> {
    type Item = Result<Arch<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let last = self.last;
        let next = self.kernels.step(|reading| {
            while reading.next_series()? {
                if Some(reading.arch) != last {
                    return Some(Some(reading.arch));
                }
            }
            Some(None)
        });
        if let Some(Ok(arch)) = next {
            self.last = Some(arch);
        }
        next
    }
}
