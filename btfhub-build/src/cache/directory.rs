//! Directories of the cache: how they are named, and which of their contents
//! are too old to be kept.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many hexadecimal digits name a file or directory.
const NAME_LEN: usize = 32;

/// A name for what this crate's engine makes from these bytes. Results of another engine never
/// have the same name.
pub(super) fn key(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("BTFHUB_ENGINE").as_bytes());
    for part in parts {
        hasher.update(part);
    }
    let name = hasher.finalize().to_hex();
    name.as_str().get(..NAME_LEN).unwrap_or_default().to_owned()
}

/// What the cache may have made in one of its directories, with its metadata: named with
/// hexadecimal digits and `suffix`, and not a link. Nothing else is read or removed, because the
/// directory may be one in which the user keeps other things.
pub(super) fn ours(directory: &Path, suffix: &str) -> Vec<(PathBuf, Metadata)> {
    if !(directory.symlink_metadata()).is_ok_and(|found| found.is_dir()) {
        return Vec::new();
    }
    let is_ours = |name: &str| {
        name.len() == NAME_LEN
            && name
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let listing = fs::read_dir(directory).into_iter().flatten();
    let ours = listing.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let is_ours = is_ours(name.to_str()?.strip_suffix(suffix)?);
        // Of the link, if it is one.
        let metadata = entry.metadata().ok()?;
        is_ours.then(|| (entry.path(), metadata))
    });
    ours.collect()
}

/// Like [`ours`], only regular files.
pub(super) fn files(directory: &Path, suffix: &str) -> Vec<(PathBuf, Metadata)> {
    let mut files = ours(directory, suffix);
    files.retain(|(_, metadata)| metadata.is_file());
    files
}

/// Removes the files of a directory, except the `kept` most recently modified ones.
pub(super) fn forget_old_files(directory: &Path, suffix: &str, kept: usize) {
    for path in all_but(kept, files(directory, suffix)) {
        let _ = fs::remove_file(path);
    }
}

/// Removes directories of files that end in `suffix`, except the `kept` most recently modified
/// ones. A directory that holds anything else stays.
pub(super) fn forget_old_directories(directory: &Path, suffix: &str, kept: usize) {
    let mut directories = ours(directory, "");
    directories.retain(|(_, metadata)| metadata.is_dir());
    for path in all_but(kept, directories) {
        forget_old_files(&path, suffix, 0);
        let _ = fs::remove_dir(path);
    }
}

fn all_but(kept: usize, found: Vec<(PathBuf, Metadata)>) -> impl Iterator<Item = PathBuf> {
    let found = found.into_iter();
    let mut found: Vec<(SystemTime, PathBuf)> = found
        .filter_map(|(path, metadata)| Some((metadata.modified().ok()?, path)))
        .collect();
    found.sort();
    found.into_iter().rev().skip(kept).map(|(_, path)| path)
}

/// Marks a file or directory as used now.
pub(super) fn touch(path: &Path) {
    let is_ours = |found: Metadata| found.is_file() || found.is_dir();
    if path.symlink_metadata().is_ok_and(is_ours) {
        if let Ok(file) = File::open(path) {
            let _ = file.set_modified(SystemTime::now());
        }
    }
}
