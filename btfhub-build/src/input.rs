//! Reads untrusted files: an archive's entries, objects, locks, atlases, bundles, git's
//! objects.
//!
//! Only regular files are opened, so that a pipe or device can't block. A file is read only if
//! its length is within a limit, so that a sparse file takes no memory. Exactly that length is
//! read.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use crate::platform;

/// The longest eBPF object, bundle, lock file or manifest that is read.
pub const FILE_LIMIT: u64 = 256 << 20;

/// The longest atlas or shard that is read.
pub const ATLAS_LIMIT: u64 = 1 << 30;

/// Why a file was not read.
#[derive(Debug)]
pub struct ReadError(Cause);

#[derive(Debug)]
enum Cause {
    NotRegular,
    TooLong { len: u64, limit: u64 },
    Changed,
    Io(io::Error),
}

impl ReadError {
    /// Whether the file itself is at fault: it is not a regular file, or too long. Otherwise
    /// the machine is, or something changed the file while it was read; trying again may help.
    pub fn is_of_the_file(&self) -> bool {
        matches!(self.0, Cause::NotRegular | Cause::TooLong { .. })
    }

    /// The error of the operating system, if it was one.
    pub fn io(&self) -> Option<&io::Error> {
        match &self.0 {
            Cause::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::NotRegular => f.write_str("not a regular file"),
            Cause::TooLong { len, limit } => {
                write!(f, "{len} bytes long, which is over the limit of {limit}")
            }
            Cause::Changed => f.write_str("the file changed while it was being read"),
            Cause::Io(error) => error.fmt(f),
        }
    }
}

impl StdError for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self(Cause::Io(error))
    }
}

/// Reads a regular file of at most `limit` bytes. Links are followed.
///
/// # Errors
/// If it is anything else, longer, or cannot be read.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    RegularFile::open(path, Links::Follow)?.read(limit)
}

/// Like [`read`], for text.
///
/// # Errors
/// Like [`read`], and if it is not UTF-8.
pub fn read_to_string(path: &Path, limit: u64) -> Result<String, ReadError> {
    let bytes = read(path, limit)?;
    String::from_utf8(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error).into())
}

/// Whether a file or directory is there and belongs to a user who is neither this one nor root,
/// and who can change it at any moment. On Windows that is not found out.
pub fn is_of_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| platform::is_of_others(&found))
}

/// Whether a path that is a link itself may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// A regular file, open.
#[derive(Debug)]
pub(crate) struct RegularFile {
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
}

impl RegularFile {
    pub(crate) fn open(path: &Path, links: Links) -> Result<Self, ReadError> {
        // Checked before opening, because opening a device may have effects; and again
        // afterwards, because it may be a different file by then.
        let metadata = match links {
            Links::Follow => fs::metadata(path)?,
            Links::Refuse => fs::symlink_metadata(path)?,
        };
        if !metadata.is_file() {
            return Err(ReadError(Cause::NotRegular));
        }
        let mut options = OpenOptions::new();
        options.read(true);
        platform::do_not_wait(&mut options, links == Links::Follow);
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(ReadError(Cause::NotRegular));
        }
        Ok(Self { file, metadata })
    }

    /// All of it.
    pub(crate) fn read(&self, limit: u64) -> Result<Vec<u8>, ReadError> {
        let len = self.metadata.len();
        let too_long = ReadError(Cause::TooLong { len, limit });
        let Some(capacity) = usize::try_from(len).ok().filter(|_| len <= limit) else {
            return Err(too_long);
        };
        if len == 0 {
            // Among them are the files of /proc, which reading may change.
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(capacity)
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        (&self.file).take(len).read_to_end(&mut bytes)?;
        // A growing file may have no end; a shrinking one is torn.
        let mut more = [0];
        if bytes.len() != capacity || (&self.file).read(&mut more)? != 0 {
            return Err(ReadError(Cause::Changed));
        }
        Ok(bytes)
    }
}
