//! The error type for everything from host to loader.

use core::fmt;
use std::io;
use std::path::PathBuf;

use crate::policy::POLICY_VARIABLE;
use crate::printable::shown;
use crate::{Ambiguous, BundleError, NotFound};

/// Anything that can go wrong between [`for_this_host`](crate::for_this_host) and the
/// loader.
///
/// `{}` prints one line. `{:#}` adds what is known about the host. `{:?}` prints the
/// same as `{}`, because that is what a `main` that returns the error prints.
#[non_exhaustive]
pub enum Error {
    /// Neither the bundle nor the host has BTF for this kernel.
    NotFound(Box<NotFound>),
    /// The bundle has several BTFs for this kernel, and nothing says which one is right.
    Ambiguous(Box<Ambiguous>),
    /// The description of the host has no `uname -r`.
    UnknownRelease,
    /// The bundle is damaged.
    Bundle(BundleError),
    /// A file can't be used: one that the operator or the caller named, or the
    /// selected BTF.
    File(FileError),
    /// The operator's variable `BTFHUB_POLICY` has this value, which names no policy.
    UnknownPolicy(String),
    /// A loader that takes a path can't get the BTF: the text says what was tried, and
    /// why it failed.
    NoPlace(String),
    /// This is not Linux, and only Linux loads eBPF programs.
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
        write!(f, "{what} {}: {cause}", shown(path))
    }
}

/// The same text, because `main` prints it when it returns the error.
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

/// The same text, because `main` prints it when it returns the error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without a source: the text is complete.
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
