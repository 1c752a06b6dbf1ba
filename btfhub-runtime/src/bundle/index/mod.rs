//! The index: which class serves which kernel.
//!
//! Strings, a directory of blocks, and the blocks. How entries are coded in a
//! block is said in `coding`. Finding a kernel reads the directory and one
//! block, and allocates nothing.

mod coding;
mod entry;
mod pattern;
#[cfg(feature = "write")]
pub(super) mod write;

use core::cell::Cell;
use core::cmp::Ordering;
use core::fmt;

use self::coding::{Coded, Coding};
use self::entry::Release;
pub use self::entry::{ClassId, Entry, RELEASE_MAX};
use self::pattern::Pattern;
use super::coder::{Coder, Decoder};
use super::cursor::Cursor;
use super::error::BundleError;
use crate::Arch;

/// Iterates over the entries of a bundle; see [`Bundle::kernels`](super::Bundle::kernels).
#[derive(Clone)]
pub struct Kernels<'a> {
    /// Nothing after an error.
    state: Result<Reading<'a>, Option<BundleError>>,
}

/// A reading position in the section. Copied as it is, for there is much of it.
#[derive(Clone, Copy)]
struct Reading<'a> {
    directory: Directory<'a>,
    /// The bytes of the next block and those behind it.
    bytes: Cursor<'a>,
    classes: u32,
    decoder: Decoder<'a>,
    coding: Coding,
    kernels_left: u32,
}

/// The directory from the next block on.
#[derive(Clone, Copy)]
struct Directory<'a> {
    strings: Strings<'a>,
    blocks: Cursor<'a>,
    blocks_left: u32,
    is_first: bool,
}

/// A block's entry in the directory.
struct Block<'a> {
    kernels: u32,
    next_class: u32,
    len: usize,
    /// Architecture and release of its first kernel, but for the first block.
    first: Option<(&'a str, &'a str)>,
}

#[derive(Clone, Copy)]
struct Strings<'a> {
    count: u32,
    all: Cursor<'a>,
}

impl<'a> Strings<'a> {
    // Not inlined: each entry has three of them.
    #[inline(never)]
    fn get(&self, number: u32) -> Result<&'a str, BundleError> {
        let mut from = self.all;
        if number >= self.count {
            return Err(from.malformed("a string that is not there"));
        }
        for _ in 0..number {
            from.text()?;
        }
        from.text()
    }
}

impl<'a> Reading<'a> {
    fn new(section: Cursor<'a>, classes: u32) -> Result<Self, BundleError> {
        let mut from = section;
        let count = from.varint()?;
        let strings = Strings { count, all: from };
        for _ in 0..count {
            from.text()?;
        }
        let blocks_left = from.varint()?;
        let directory = Directory {
            strings,
            blocks: from,
            blocks_left,
            is_first: true,
        };
        // The bytes begin where the directory ends.
        let mut ahead = directory;
        while ahead.next_block()?.is_some() {}
        Ok(Self {
            directory,
            bytes: ahead.blocks,
            classes,
            decoder: Decoder::new(&[]),
            coding: Coding::new(count, 0),
            kernels_left: 0,
        })
    }

    /// Goes on with the next block. False when there is none.
    fn enter(&mut self) -> Result<bool, BundleError> {
        let Some(block) = self.directory.next_block()? else {
            return Ok(false);
        };
        self.decoder = Decoder::new(self.bytes.take(block.len)?);
        self.coding = Coding::new(self.directory.strings.count, block.next_class);
        self.kernels_left = block.kernels;
        Ok(true)
    }

    /// Skips the blocks that end before (`arch`, `pattern`).
    fn seek(&mut self, arch: Arch<'_>, pattern: &Pattern) -> Result<(), BundleError> {
        let mut ahead = self.directory;
        let mut skipped = None;
        while let Some(block) = ahead.next_block()? {
            if let Some((first_arch, release)) = block.first {
                let first = Pattern::of(release)
                    .ok_or_else(|| ahead.blocks.malformed("a release too long"))?;
                let order = first_arch.cmp(arch.as_str());
                if order.then_with(|| first.order(pattern)) != Ordering::Less {
                    break;
                }
                if let Some(before) = skipped {
                    self.directory.next_block()?;
                    self.bytes.take(before)?;
                }
            }
            skipped = Some(block.len);
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Coded>, BundleError> {
        while self.kernels_left == 0 {
            if !self.enter()? {
                return Ok(None);
            }
        }
        self.kernels_left -= 1;
        let coded = self.coding.entry(&mut self.decoder, None);
        let coded = coded.filter(|_| !self.decoder.overrun());
        let Some(coded) = coded else {
            return Err(self.bytes.malformed("an entry beyond the format's bounds"));
        };
        if coded.class >= self.classes {
            return Err(self.bytes.malformed("a class that is not there"));
        }
        Ok(Some(coded))
    }

    fn entry(&self, coded: &Coded) -> Result<Entry<'a>, BundleError> {
        let release = Release::of(&coded.pattern)
            .ok_or_else(|| self.bytes.malformed("a release that is none"))?;
        let strings = self.directory.strings;
        Ok(Entry::new(
            Arch::new(strings.get(coded.arch)?),
            strings.get(coded.distro)?,
            strings.get(coded.version)?,
            release,
            ClassId(coded.class),
        ))
    }
}

impl<'a> Directory<'a> {
    fn next_block(&mut self) -> Result<Option<Block<'a>>, BundleError> {
        let Some(left) = self.blocks_left.checked_sub(1) else {
            return Ok(None);
        };
        self.blocks_left = left;
        let kernels = self.blocks.varint()?;
        let next_class = self.blocks.varint()?;
        let len = self.blocks.length()?;
        let first = if self.is_first {
            None
        } else {
            Some((
                self.strings.get(self.blocks.varint()?)?,
                self.blocks.text()?,
            ))
        };
        self.is_first = false;
        Ok(Some(Block {
            kernels,
            next_class,
            len,
            first,
        }))
    }
}

impl<'a> Kernels<'a> {
    pub(super) fn new(section: Result<Option<Cursor<'a>>, BundleError>, classes: u32) -> Self {
        let state = match section {
            Ok(Some(section)) => Reading::new(section, classes).map_err(Some),
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        };
        Self { state }
    }

    /// The next entry that `wanted` takes: it says whether to skip one
    /// (less), take it (equal) or stop (greater).
    fn find(
        &mut self,
        wanted: &dyn Fn(&Reading<'a>, &Coded) -> Result<Ordering, BundleError>,
    ) -> Option<Result<Entry<'a>, BundleError>> {
        let reading = match &mut self.state {
            Ok(reading) => reading,
            Err(error) => return error.take().map(Err),
        };
        let mut step = || loop {
            let Some(coded) = reading.next()? else {
                return Ok(None);
            };
            match wanted(reading, &coded)? {
                Ordering::Less => {}
                Ordering::Equal => return reading.entry(&coded).map(Some),
                Ordering::Greater => return Ok(None),
            }
        };
        let found = step().transpose();
        if !matches!(found, Some(Ok(_))) {
            self.state = Err(None);
        }
        found
    }
}

impl<'a> Iterator for Kernels<'a> {
    type Item = Result<Entry<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find(&|_, _| Ok(Ordering::Equal))
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
    pub(super) fn new(mut kernels: Kernels<'a>, arch: Option<Arch<'q>>, release: &'q str) -> Self {
        let sought = match (&mut kernels.state, arch, Pattern::of(release)) {
            (Ok(reading), Some(arch), Some(pattern)) => reading.seek(arch, &pattern),
            _ => Ok(()),
        };
        if let Err(error) = sought {
            kernels.state = Err(Some(error));
        }
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
        let arch = self.arch;
        let pattern = Pattern::of(self.release)?;
        // A string is found by reading those before it; most entries have the
        // architecture of the one before.
        let compared = Cell::new(None);
        self.kernels.find(&|reading, coded| {
            let order = coded.pattern.order(&pattern);
            Ok(match arch {
                Some(arch) => {
                    let order_of_arch = match compared.get() {
                        Some((number, order)) if number == coded.arch => order,
                        _ => {
                            let name = reading.directory.strings.get(coded.arch)?;
                            name.cmp(arch.as_str())
                        }
                    };
                    compared.set(Some((coded.arch, order_of_arch)));
                    order_of_arch.then(order)
                }
                None if order == Ordering::Equal => order,
                // Another architecture may have it.
                None => Ordering::Less,
            })
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
        let next = self.kernels.find(&|reading, coded| {
            let arch = Arch::new(reading.directory.strings.get(coded.arch)?);
            Ok(if Some(arch) == last {
                Ordering::Less
            } else {
                Ordering::Equal
            })
        })?;
        Some(next.map(|entry| {
            let arch = entry.arch();
            self.last = Some(arch);
            arch
        }))
    }
}
