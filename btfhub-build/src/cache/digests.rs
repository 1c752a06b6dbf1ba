//! The digests of files that have not changed since they were last read, and of
//! git's blobs, which never change.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::file::{self, Reader, put_bytes, put_number};
use crate::archive::{Digest, ENTRY_FILE_LIMIT, Entry, ObjectId};
use crate::error::Error;
use crate::platform;

const HEAD: &[u8] = b"btfhub digests 2\n";

/// A file that changed less than this before it was read may change again without its times
/// showing it, so its digest is not remembered. The coarsest file systems count in steps of two
/// seconds.
const UNSETTLED_SECONDS: i64 = 3;

/// If there are more blobs than any archive has, only those of this build are kept.
const MANY_BLOBS: usize = 100_000;

/// What identifies an unchanged file, see [`platform::identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat([i64; 6]);

impl Stat {
    /// `None` if nothing identifies it.
    fn of(metadata: &Metadata) -> Option<Self> {
        platform::identity(metadata).map(Self)
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
    known: All,
    fresh: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    files: HashMap<Vec<u8>, (Stat, Digest)>,
    blobs: HashMap<ObjectId, Digest>,
}

impl Digests {
    /// The digests of a cache directory; without a directory none are known.
    pub(crate) fn open(directory: Option<&Path>) -> Self {
        let file = directory.map(|directory| directory.join("btfhub-digests"));
        let known = (file.as_deref().and_then(file::read))
            .and_then(|content| parse(&content))
            .unwrap_or_default();
        Self {
            file,
            known,
            fresh: Mutex::default(),
        }
    }

    /// The digest of a blob, if it is known.
    pub(crate) fn of_blob(&self, blob: ObjectId) -> Option<Digest> {
        self.known.blobs.get(&blob).copied()
    }

    /// Remembers the digest of a blob.
    pub(crate) fn put_blob(&self, blob: ObjectId, digest: Digest) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.blobs.insert(blob, digest);
    }

    /// The digest of an entry's file, if it is known and the file is the same.
    pub(crate) fn of(&self, entry: &Entry) -> Result<Option<Digest>, Error> {
        let path = entry.file().as_os_str().as_encoded_bytes();
        let Some((stat, digest)) = self.known.files.get(path) else {
            return Ok(None);
        };
        let metadata = entry.file().metadata();
        let metadata = metadata.map_err(|error| entry.unreadable(error.into()))?;
        Ok((Stat::of(&metadata) == Some(*stat)).then_some(*digest))
    }

    /// Reads an entry's file, even if its digest is known.
    pub(crate) fn read(&self, entry: &Entry) -> Result<(Digest, Vec<u8>), Error> {
        let now = SystemTime::now();
        let file = entry.open()?;
        let stat = Stat::of(&file.metadata);
        let bytes = file.read(ENTRY_FILE_LIMIT);
        let bytes = bytes.map_err(|error| entry.unreadable(error))?;
        let digest = Digest::of(&bytes);
        if let Some(stat) = stat.filter(|stat| stat.settled(now)) {
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            let path = entry.file().as_os_str().as_encoded_bytes().to_vec();
            fresh.files.insert(path, (stat, digest));
        }
        Ok((digest, bytes))
    }

    /// Keeps what became known.
    pub(crate) fn save(self) {
        let fresh = self.fresh.into_inner();
        let fresh = fresh.unwrap_or_else(PoisonError::into_inner);
        let is_empty = fresh.files.is_empty() && fresh.blobs.is_empty();
        let (Some(file), false) = (self.file, is_empty) else {
            return;
        };
        let All {
            mut files,
            mut blobs,
        } = self.known;
        files.extend(fresh.files);
        // Forget files that are gone.
        files.retain(|path, _| platform::path(path).exists());
        if blobs.len() > MANY_BLOBS {
            blobs.clear();
        }
        blobs.extend(fresh.blobs);
        let mut content = HEAD.to_vec();
        put_number(&mut content, files.len() as u64);
        for (path, (stat, digest)) in files {
            put_bytes(&mut content, &path);
            for number in stat.0 {
                content.extend(number.to_le_bytes());
            }
            content.extend(digest.as_bytes());
        }
        for (blob, digest) in blobs {
            put_bytes(&mut content, blob.as_bytes());
            content.extend(digest.as_bytes());
        }
        file::write(&file, content);
    }
}

fn parse(content: &[u8]) -> Option<All> {
    let mut reader = Reader(content.strip_prefix(HEAD)?);
    let mut known = All::default();
    for _ in 0..reader.number()? {
        let path = reader.bytes()?.to_vec();
        let mut stat = [0; 6];
        for number in &mut stat {
            *number = i64::from_le_bytes(reader.array()?);
        }
        let digest = Digest::from_bytes(reader.array()?);
        known.files.insert(path, (Stat(stat), digest));
    }
    while !reader.0.is_empty() {
        let blob = ObjectId::from_bytes(reader.bytes()?)?;
        let digest = Digest::from_bytes(reader.array()?);
        known.blobs.insert(blob, digest);
    }
    Some(known)
}
