//! Entries that cannot be used.

use std::fmt;

use btfhub_runtime::Printable;

use crate::archive::Entry;
use crate::error::{Error, ErrorKind, LONGEST_LINE};

/// An entry that could not be used.
#[derive(Debug)]
pub struct BadEntry {
    pub(super) entry: Entry,
    pub(super) error: Error,
}

impl BadEntry {
    /// The entry.
    #[doc(hidden)]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What is wrong with it.
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut cause = std::error::Error::source(&self.error);
        while let Some(error) = cause {
            write!(f, ": {:.LONGEST_LINE$}", Printable(&error.to_string()))?;
            cause = error.source();
        }
        Ok(())
    }
}

/// One error that names every bad entry.
pub(super) fn bad_entries(bad: &[BadEntry], total: usize) -> Error {
    let message = format!(
        "{} of {total} entries of the archive cannot be used:",
        bad.len()
    );
    Error::new(ErrorKind::Entry, message)
        .lines(listed(bad))
        .help(
            "repair them (`git checkout` and `git lfs pull` restore files), exclude them, or leave \
         them out with Builder::on_bad_entry(OnBadEntry::Skip)",
        )
}

/// One error that names every entry that is not the one that was pinned.
pub(super) fn not_pinned(bad: &[BadEntry]) -> Error {
    Error::new(ErrorKind::Pin, "the archive is not what was pinned:")
        .lines(listed(bad))
        .help(
            "`git checkout -- FILE` restores a file, `git lfs pull` fetches what pointers stand \
             for; or renew the pin (`cargo btfhub lock`, for a lock file)",
        )
}

fn listed(bad: &[BadEntry]) -> impl Iterator<Item = String> {
    bad.iter().map(|entry| format!("  {entry}"))
}
