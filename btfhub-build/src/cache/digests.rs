//! The digests of files that have not changed since they were last read.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::file::{self, Reader, put_bytes};
use crate::archive::{Digest, ENTRY_FILE_LIMIT, Entry};
use crate::error::Error;

const HEAD: &[u8] = b"btfhub digests 1\n";

/// A file changed less than this before it was read may change again without
/// its times telling; its digest is not remembered. The coarsest file systems
/// count in steps of two seconds.
const UNSETTLED_SECONDS: i64 = 3;

/// What tells that a file is the same. The time of the last status change
/// cannot be set back by a program, unlike that of the last modification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat([i64; 6]);

impl Stat {
    fn of(metadata: &Metadata) -> Self {
        // Only compared for equality: bits are what counts.
        let bits = |value: u64| i64::from_le_bytes(value.to_le_bytes());
        Self([
            bits(metadata.dev() ^ metadata.ino().rotate_left(32)),
            bits(metadata.size()),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ])
    }

    fn settled(self, now: SystemTime) -> bool {
        let [_, _, modified, _, changed, _] = self.0;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok();
        let now = now.and_then(|now| i64::try_from(now.as_secs()).ok());
        now.is_some_and(|now| now.saturating_sub(modified.max(changed)) > UNSETTLED_SECONDS)
    }
}

/// The digests that are known, and those that become known.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    file: Option<PathBuf>,
    known: HashMap<Vec<u8>, (Stat, Digest)>,
    fresh: Mutex<HashMap<Vec<u8>, (Stat, Digest)>>,
}

/// A file's digest, with its bytes where they had to be read for it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) digest: Digest,
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Digests {
    /// Those of a cache directory; without one none is known.
    pub(crate) fn open(directory: Option<&Path>) -> Self {
        let file = directory.map(|directory| directory.join("digests"));
        let known = (file.as_deref().and_then(file::read))
            .and_then(|content| parse(&content))
            .unwrap_or_default();
        Self {
            file,
            known,
            fresh: Mutex::default(),
        }
    }

    /// The digest of an entry's file, which is read only if it may have changed.
    pub(crate) fn of(&self, entry: &Entry) -> Result<Read, Error> {
        let known = self.known.get(entry.file().as_os_str().as_bytes());
        if let Some((stat, digest)) = known {
            let metadata = entry.file().metadata();
            let metadata = metadata.map_err(|error| entry.unreadable(error.into()))?;
            if Stat::of(&metadata) == *stat {
                let digest = *digest;
                return Ok(Read {
                    digest,
                    bytes: None,
                });
            }
        }
        self.read(entry)
    }

    /// Reads an entry's file whatever is known of it.
    pub(crate) fn read(&self, entry: &Entry) -> Result<Read, Error> {
        let now = SystemTime::now();
        let file = entry.open()?;
        let stat = Stat::of(&file.metadata);
        let bytes = file.read(ENTRY_FILE_LIMIT);
        let bytes = bytes.map_err(|error| entry.unreadable(error))?;
        let digest = Digest::of(&bytes);
        if stat.settled(now) {
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            let path = entry.file().as_os_str().as_bytes().to_vec();
            fresh.insert(path, (stat, digest));
        }
        let bytes = Some(bytes);
        Ok(Read { digest, bytes })
    }

    /// Keeps what became known.
    pub(crate) fn save(self) {
        let fresh = self
            .fresh
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let (Some(file), false) = (self.file, fresh.is_empty()) else {
            return;
        };
        let mut all = self.known;
        all.extend(fresh);
        // Of files that are gone nothing is to be known.
        all.retain(|path, _| Path::new(std::ffi::OsStr::from_bytes(path)).exists());
        let mut content = HEAD.to_vec();
        for (path, (stat, digest)) in all {
            put_bytes(&mut content, &path);
            for number in stat.0 {
                content.extend(number.to_le_bytes());
            }
            content.extend(digest.as_bytes());
        }
        file::write(&file, content);
    }
}

fn parse(content: &[u8]) -> Option<HashMap<Vec<u8>, (Stat, Digest)>> {
    let mut reader = Reader(content.strip_prefix(HEAD)?);
    let mut known = HashMap::new();
    while !reader.0.is_empty() {
        let path = reader.bytes()?.to_vec();
        let mut stat = [0; 6];
        for number in &mut stat {
            *number = i64::from_le_bytes(reader.array()?);
        }
        known.insert(path, (Stat(stat), Digest::from_bytes(reader.array()?)));
    }
    Some(known)
}
