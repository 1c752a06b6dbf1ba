//! A bundle made in parts, by independent jobs.
//!
//! Shard K of N takes every N-th kernel of the list that a build would take, processes them
//! like a build, including the proof, and writes a file in its own format ([`ShardFile`]).
//! [`merge`] makes the bundle from all of them.
//!
//! # Why that is the bundle of one build, byte for byte
//! * Which kernels there are and in which order is decided before they are
//!   divided; each shard holds a digest of the whole list, and what is joined
//!   must be that list, each kernel once.
//! * A kernel's tailored BTF depends on that kernel and the relocations alone.
//! * A bundle is a function of its kernels, their tailored BTF and where they
//!   come from, whatever the order; [`merge`] calls the same one as a build.
//!
//! # What is proven
//! Each job has proven that the BTF in its shard resolves to what the full BTF
//! of each of its kernels does. A digest proves that a shard is complete,
//! and the finished bundle is read back and compared with the shards, byte for
//! byte. So nothing has to be resolved again, and no object is needed.

mod file;
mod merge;

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

pub use file::ShardFile;
pub(crate) use file::{List, Row};
pub use merge::{Merged, merge};

/// One of the equal parts that the kernels are divided into: `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// Part `number`, counted from 1, of `of`; `None` if there is no such part.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// Which part, counted from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether the kernel at this position in the list is in this part.
    ///
    /// Neighbours in the list are kernels of one series and take equally long, so they are
    /// dealt out one by one.
    pub(crate) fn takes(self, at: usize) -> bool {
        let (number, of) = self.places();
        at % of == number
    }

    /// How many kernels of a list of this length are in this part.
    pub(crate) fn share(self, count: usize) -> usize {
        let (number, of) = self.places();
        count / of + usize::from(count % of > number)
    }

    /// The part, counted from 0, and how many there are, which is not 0.
    fn places(self) -> (usize, usize) {
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        (place(self.number - 1), place(self.of))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Reads `K/N`.
impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers = text.split_once('/');
        let shard = numbers.and_then(|(number, of)| {
            let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let whole = plain(number) && plain(of);
            Self::new(number.parse().ok()?, of.parse().ok()?).filter(|_| whole)
        });
        shard.ok_or_else(|| {
            let message = format!("`{text}` is not a shard: expected K/N with K from 1 to N");
            Error::new(ErrorKind::Config, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn counted_from_one() {
        for (text, shard) in [
            ("1/1", Some((1, 1))),
            ("4/4", Some((4, 4))),
            ("0/4", None),
            ("5/4", None),
            ("1/0", None),
            ("+1/4", None),
            ("1", None),
            ("1/4/4", None),
            ("/", None),
            ("1/4294967296", None),
        ] {
            let parsed = text.parse::<Shard>().ok();
            assert_eq!(parsed.map(|s| (s.number(), s.of())), shard, "{text}");
        }
    }

    #[test]
    fn every_kernel_is_in_one_part() {
        for of in 1..7 {
            let parts = (1..=of).filter_map(|number| Shard::new(number, of));
            let parts: Vec<Shard> = parts.collect();
            for count in 0..20 {
                let takers = |at| parts.iter().filter(|part| part.takes(at)).count();
                assert!((0..count).all(|at| takers(at) == 1));
                let shares: usize = parts.iter().map(|part| part.share(count)).sum();
                assert_eq!(shares, count);
            }
        }
    }
}
