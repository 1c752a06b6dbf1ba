//! Linux, macOS and other Unixes.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

/// The path that these bytes name in an object compiled on such a system.
pub(crate) fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// What identifies an unchanged file: its inode number, its length, and the times, in seconds
/// and nanoseconds, of the last modification and of the last status change, which no program
/// can set back.
pub(crate) fn identity(file: &Metadata) -> Option<[i64; 6]> {
    // Only compared for equality: bits are what counts.
    let bits = |value: u64| i64::from_le_bytes(value.to_le_bytes());
    Some([
        bits(file.dev() ^ file.ino().rotate_left(32)),
        bits(file.len()),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ])
}

/// Whether a file is neither this user's nor root's.
pub(crate) fn is_of_others(file: &Metadata) -> bool {
    ![0, rustix::process::geteuid().as_raw()].contains(&file.uid())
}

/// Makes `link` lead to `target`.
pub(crate) fn link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Opening waits for no pipe and sets no terminal in motion; it follows a link
/// only if told to.
pub(crate) fn do_not_wait(options: &mut OpenOptions, follow_links: bool) {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    flags.set(OFlags::NOFOLLOW, !follow_links);
    options.custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes()));
}

/// Opens a file or a directory; follows no link and waits for no pipe.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Locks a file if nobody else has; `None` if the file system has no locks.
pub(crate) fn try_lock(file: &File) -> Option<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(true),
        Err(Errno::WOULDBLOCK) => Some(false),
        Err(_) => None,
    }
}

/// A new file gets the permissions of another file, or of any new file, minus the umask.
pub(crate) fn as_accessible_as(options: &mut OpenOptions, like: Option<&Metadata>) {
    options.mode(like.map_or(0o666, |there| permissions(there).mode()));
}

/// The bits for reading, writing and executing a file, without the setuid and setgid bits.
pub(crate) fn permissions(file: &Metadata) -> Permissions {
    Permissions::from_mode(file.permissions().mode() & 0o777)
}
