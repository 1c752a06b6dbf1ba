//! Files that exist as long as the process.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::process::Resource;

use crate::error::Error;
use crate::host::environment_is_trusted;
use crate::printable::shown;

/// How many files of other programs, or with other BTF, are skipped in one directory.
const NAMES_MAX: u32 = 256;

/// The files that are open until the process ends.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

struct Kept {
    path: PathBuf,
    /// The file behind `path`; `None` if `path` is a name in a directory.
    _open: Option<File>,
}

impl Kept {
    /// Whether the path still leads to this BTF: a program may have closed
    /// descriptors that are not its own.
    fn holds(&self, btf: &[u8]) -> bool {
        let len = fs::metadata(&self.path).map(|file| file.len()).ok();
        len == u64::try_from(btf.len()).ok() && fs::read(&self.path).is_ok_and(|it| it == btf)
    }
}

/// A path to `btf` that stays valid until the process ends.
pub(super) fn keep(btf: &[u8]) -> Result<PathBuf, Error> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.iter().find(|kept| kept.holds(btf)) {
        return Ok(known.path.clone());
    }
    let new = put(btf)?;
    let path = new.path.clone();
    kept.push(new);
    Ok(path)
}

fn put(btf: &[u8]) -> Result<Kept, Error> {
    let limit = rustix::process::getrlimit(Resource::Fsize).current;
    if limit.is_some_and(|limit| u64::try_from(btf.len()).is_ok_and(|len| len > limit)) {
        let tried = format!(
            ": RLIMIT_FSIZE (`ulimit -f`) allows no file of {} bytes",
            btf.len()
        );
        return Err(Error::NoPlace(tried));
    }
    let mut tried = String::new();
    match memfd(btf) {
        Ok(kept) => return Ok(kept),
        Err(error) => tried += &format!("; memfd: {error}"),
    }
    let variable = std::env::var_os("TMPDIR").filter(|_| environment_is_trusted());
    let mut variable = variable.map(PathBuf::from);
    let mut usual = ["/run", "/dev/shm", "/tmp", "/var/tmp"].iter();
    while let Some(directory) = variable.take().or_else(|| usual.next().map(PathBuf::from)) {
        match unlinked(&directory, btf).or_else(|_| named(&directory, btf)) {
            Ok(kept) => return Ok(kept),
            Err(error) => tried += &format!("; {}: {error}", shown(&directory)),
        }
    }
    Err(Error::NoPlace(tried))
}

fn memfd(btf: &[u8]) -> io::Result<Kept> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let create = |flags| rustix::fs::memfd_create(c"btf", flags);
    // Linux 6.3 and later can be told to refuse executable memfds; earlier
    // ones don't know the flag.
    let memfd = match create(flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => create(flags)?,
        other => other?,
    };
    let mut file = File::from(memfd);
    file.write_all(btf)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    by_descriptor(file)
}

/// A file whose name is removed at once, so nothing is left behind, however the process ends.
fn unlinked(directory: &Path, btf: &[u8]) -> io::Result<Kept> {
    let name = |number| directory.join(format!("btfhub-{}-{number}.tmp", std::process::id()));
    for path in (0..NAMES_MAX).map(name) {
        let mut file = match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other?,
        };
        fs::remove_file(&path)?;
        file.write_all(btf)?;
        return by_descriptor(file);
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// An open file by its path in /proc, if /proc exists and is this process's.
fn by_descriptor(file: File) -> io::Result<Kept> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let (there, here) = (fs::metadata(&path)?, file.metadata()?);
    if (there.dev(), there.ino()) != (here.dev(), here.ino()) {
        return Err(Errno::NOENT.into());
    }
    Ok(Kept {
        path,
        _open: Some(file),
    })
}

/// A file that stays, and that every start reuses. It can't be removed, because we don't know
/// when the loader has opened it, and a killed process removes nothing.
fn named(directory: &Path, btf: &[u8]) -> io::Result<Kept> {
    for number in 0..NAMES_MAX {
        let path = directory.join(format!("btfhub-{number}.btf"));
        match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !is_ours(&path, btf) {
                    continue;
                }
            }
            Err(error) => return Err(error),
            Ok(mut file) => file.write_all(btf).inspect_err(|_| {
                // The error was reported already; this one would be the same.
                let _ = fs::remove_file(&path);
            })?,
        }
        return Ok(Kept { path, _open: None });
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether a file is exactly as this process would have made it, and nobody else can change it.
fn is_ours(path: &Path, btf: &[u8]) -> bool {
    let Ok(file) = fs::symlink_metadata(path) else {
        return false;
    };
    file.is_file()
        && file.uid() == rustix::process::geteuid().as_raw()
        && file.mode() & 0o777 == 0o600
        && u64::try_from(btf.len()) == Ok(file.len())
        && fs::read(path).is_ok_and(|content| content == btf)
}

fn create(path: &Path) -> io::Result<File> {
    // EXCL follows no link.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into())
}
