//! A lock file: the digest of every entry that a build may see. For archives that are not in
//! git.
//!
//! ```text
//! # What each entry of the BTF archive must be, as BLAKE3; …
//! <64 hexadecimal digits>  <distro>/<version>/<arch>/<release>.btf.tar.xz
//! ```
//!
//! Lines as `b3sum` writes and checks them, ordered by path, so that differences between locks
//! are easy to review.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use btfhub_runtime::Printable;

use super::scan::name_kernels;
use super::{Archive, Digest, Entry};
use crate::error::{Error, ErrorKind};
use crate::input;
use crate::output;
use crate::queue;

const HEAD: &str = "\
# What each entry of the BTF archive must be, as BLAKE3. Written by `cargo btfhub lock`.
";

/// The digests of an archive's entries.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Lock {
    /// By the path below the archive's root, with `/` between its parts.
    entries: BTreeMap<String, Digest>,
}

impl Lock {
    /// Reads all entries of an archive that `wanted` accepts and locks them,
    /// `jobs` at a time.
    ///
    /// # Errors
    /// If an entry cannot be read.
    pub fn of(
        archive: &Archive,
        jobs: NonZeroUsize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Self, Error> {
        let entries: Vec<&Entry> = archive
            .entries()
            .iter()
            .filter(|entry| wanted(entry))
            .collect();
        let mut lock = Self::default();
        let digest = |at: usize| {
            let entry: &Entry = entries.get(at)?;
            Some((key(entry)?, entry.read().map(|bytes| Digest::of(&bytes))))
        };
        queue::run(jobs, entries.len(), digest, |_, digested| {
            if let Some((path, digest)) = digested {
                lock.entries.insert(path, digest?);
            }
            Ok::<_, Error>(())
        })?;
        Ok(lock)
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// If it is missing, or a line is not a lock line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = input::read_to_string(path, input::FILE_LIMIT).map_err(|error| {
            let message = format!("cannot read the lock file {}", path.display());
            Error::new(ErrorKind::Pin, message)
                .because(error)
                .help("`cargo btfhub lock` writes one")
        })?;
        Self::parse(&text).map_err(|line| {
            let message = format!("{}, line {line}: not `<BLAKE3>  <path>`", path.display());
            Error::new(ErrorKind::Pin, message).help("`cargo btfhub lock` rewrites it")
        })
    }

    /// The lock in a text, or the number of the first line that is wrong.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut entries = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (digest, path) = line.split_once("  ").ok_or(number)?;
            let digest = Digest::from_hex(digest).ok_or(number)?;
            if path.is_empty() || entries.insert(path.to_owned(), digest).is_some() {
                return Err(number);
            }
        }
        Ok(Self { entries })
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (path, digest) in &self.entries {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{digest}  {path}");
        }
        text
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        output::write(path.as_ref(), self.to_text().as_bytes())
    }

    /// Locks an entry to a digest.
    pub(crate) fn insert(&mut self, entry: &Entry, digest: Digest) {
        if let Some(path) = key(entry) {
            self.entries.insert(path, digest);
        }
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The digest that an entry must have, if it is locked.
    pub fn digest(&self, entry: &Entry) -> Option<Digest> {
        self.entries.get(&key(entry)?).copied()
    }

    /// A digest of the whole lock.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }

    /// The locked paths that are not among `entries`, of the kernels that
    /// `wanted` accepts.
    pub(super) fn missing<'a>(
        &'a self,
        entries: &[Entry],
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<&'a str> {
        let there: BTreeSet<String> = entries.iter().filter_map(key).collect();
        // Named as when they were locked.
        let mut locked: Vec<Entry> = (self.entries.keys())
            .filter_map(|path| Entry::at("", path))
            .collect();
        name_kernels(&mut locked, &mut Vec::new());
        let wanted: BTreeSet<&Path> = (locked.iter())
            .filter(|entry| wanted(entry))
            .map(Entry::path)
            .collect();
        (self.entries.keys())
            .filter(|path| !there.contains(*path) && wanted.contains(Path::new(path)))
            .map(String::as_str)
            .collect()
    }
}

fn key(entry: &Entry) -> Option<String> {
    // Through the link whose name the version is, so that the name is locked, too.
    let path = match entry.named_by() {
        Some(link) => link
            .iter()
            .chain(entry.path().iter().skip(2))
            .collect::<PathBuf>(),
        None => entry.path().to_owned(),
    };
    // An entry of an atlas may bear any path.
    let path = path.to_str()?;
    Printable(path).is_plain().then(|| path.to_owned())
}
