//! Windows.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Without it directories can't be opened.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// Opens a link itself, not its target.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// The path that these bytes name in an object.
pub(crate) fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Nothing identifies an unchanged file: any program can set its times back.
pub(crate) fn identity(_: &Metadata) -> Option<[i64; 6]> {
    None
}

/// Not found out: it would take calls that the standard library does not make.
pub(crate) fn is_of_others(_: &Metadata) -> bool {
    false
}

/// Not here: only administrators may make links.
pub(crate) fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Paths don't name pipes here. A link itself is opened unless it should be followed; it is
/// then not a regular file.
pub(crate) fn do_not_wait(options: &mut OpenOptions, follow_links: bool) {
    if !follow_links {
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }
}

/// Opens a file or a directory; follows no link.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The standard library has locks from Rust 1.89 on.
pub(crate) fn try_lock(_: &File) -> Option<bool> {
    None
}

/// New files inherit who may access them from their directory.
pub(crate) fn as_accessible_as(_: &mut OpenOptions, _: Option<&Metadata>) {}

/// Whether a file may be written.
pub(crate) fn permissions(file: &Metadata) -> Permissions {
    file.permissions()
}
