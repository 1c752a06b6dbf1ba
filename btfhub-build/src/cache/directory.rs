//! Directories of the cache: how they are named, and which of their contents
//! are too old to be kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A name for what this crate's engine makes from these bytes. Results of another engine never
/// have the same name.
pub(super) fn key(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("BTFHUB_ENGINE").as_bytes());
    for part in parts {
        hasher.update(part);
    }
    let name = hasher.finalize().to_hex();
    name.as_str().get(..32).unwrap_or_default().to_owned()
}

/// Removes files and directories in one directory, except the `kept` most recently modified
/// ones.
pub(super) fn forget_old(directory: &Path, kept: usize) {
    let Ok(listing) = fs::read_dir(directory) else {
        return;
    };
    let mut found: Vec<(SystemTime, PathBuf)> = listing
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    found.sort();
    for (_, path) in found.into_iter().rev().skip(kept) {
        let _ = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
    }
}
