//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind};

/// Writes a file under a name of its own beside the target and renames it
/// there. A file with these very bytes is left alone, so that what depends on
/// its time stays fresh. A link stays one: what it leads to is replaced. A device or a pipe
/// is written to.
///
/// # Errors
/// When a directory or the file cannot be written; nothing is left behind.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let there = fs::metadata(path).ok();
    let written = match there.map(|there| (there.is_file(), there.is_dir())) {
        Some((true, _)) if fs::read(path).is_ok_and(|there| there == bytes) => return Ok(()),
        Some((true, _)) => fs::canonicalize(path).and_then(|path| replace(&path, bytes)),
        Some((false, false)) => fs::write(path, bytes),
        _ => replace(path, bytes),
    };
    written.map_err(|error| {
        let message = format!("cannot write {}", path.display());
        Error::new(ErrorKind::Io, message).because(error)
    })
}

/// As [`write`], with nothing compared and the bare error.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new(""));
    if !directory.as_os_str().is_empty() {
        fs::create_dir_all(directory)?;
    }
    let temporary = temporary_name(path);
    let written = fs::File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A name that no other process or thread uses: what a killed one left behind
/// under it cannot be in the way.
fn temporary_name(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    name.push(format!(".{:x}-{now:x}-{number:x}.tmp", std::process::id()));
    path.with_file_name(name)
}
