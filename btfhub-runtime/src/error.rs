//! The one error between host and loader.

use core::fmt;
use std::io;
use std::path::PathBuf;

use crate::policy::POLICY_VARIABLE;
use crate::{Ambiguous, BundleError, NotFound};

/// What can go wrong between [`for_this_host`](crate::for_this_host) and the
/// loader.
///
/// `{}` prints one line, `{:#}` what is known of the host as well, and `{:?}`
/// the same as `{}`, because that is what a `main` prints that returns it.
#[non_exhaustive]
pub enum Error {
    /// The bundle has nothing for this kernel, and neither has the kernel.
    NotFound(Box<NotFound>),
    /// The bundle has several BTFs for this kernel, and nothing tells which.
    Ambiguous(Box<Ambiguous>),
    /// The description of the host has no `uname -r`.
    UnknownRelease,
    /// The bundle is damaged.
    Bundle(BundleError),
    /// A file can't be used: one that the operator or the caller named, or the
    /// selected BTF.
    File(FileError),
    /// The operator's variable `BTFHUB_POLICY` names no policy but this.
    UnknownPolicy(String),
    /// There is nowhere to put the BTF for a loader that takes a path: what was
    /// tried, and why it failed.
    NoPlace(String),
    /// Only Linux has eBPF programs to load.
    NotLinux,
}

/// A file that can't be used.
pub struct FileError {
    what: &'static str,
    path: PathBuf,
    cause: io::Error,
}

impl FileError {
    pub(crate) fn new(what: &'static str, path: PathBuf, cause: io::Error) -> Self {
        Self { what, path, cause }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, path, cause } = self;
        write!(f, "{what} {}: {cause}", path.display())
    }
}

/// The text: what is printed when `main` returns it.
impl fmt::Debug for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for FileError {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(error) => fmt::Display::fmt(error, f),
            Self::Ambiguous(error) => fmt::Display::fmt(error, f),
            Self::UnknownRelease => {
                f.write_str("the host's kernel release (`uname -r`) is not known")
            }
            Self::Bundle(error) => fmt::Display::fmt(error, f),
            Self::File(error) => fmt::Display::fmt(error, f),
            Self::UnknownPolicy(name) => write!(
                f,
                "{POLICY_VARIABLE}={name:?}: give prefer-kernel, prefer-embedded or embedded-only"
            ),
            Self::NoPlace(tried) => write!(
                f,
                "nowhere to put the BTF where a loader can open it{tried}; mount /proc, or set \
                 TMPDIR to a writable directory"
            ),
            Self::NotLinux => f.write_str(
                "btfhub-runtime finds BTF for eBPF programs, which only Linux loads; this is \
                 another system",
            ),
        }
    }
}

/// The text: what is printed when `main` returns it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without a source: the text says it all.
impl std::error::Error for Error {}

impl From<NotFound> for Error {
    fn from(error: NotFound) -> Self {
        Self::NotFound(Box::new(error))
    }
}

impl From<Ambiguous> for Error {
    fn from(error: Ambiguous) -> Self {
        Self::Ambiguous(Box::new(error))
    }
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        Self::Bundle(error)
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}
