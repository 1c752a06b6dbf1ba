//! From the selected BTF to what a loader takes: bytes, or a path.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

use crate::host::{environment_is_trusted, is_btf, read_regular};
use crate::select::Choice;
use crate::{BundleError, Selection};

/// No kernel's BTF is this large.
const BTF_MAX: u64 = 256 * 1024 * 1024;

impl Selection<'_> {
    /// The BTF itself, for loaders that take bytes (aya's `Btf::parse`):
    /// decompressed, or read from the kernel or the operator's file.
    ///
    /// # Errors
    /// When the bundle is damaged or the file can't be read.
    pub fn bytes(&self) -> Result<Vec<u8>, HandoffError> {
        let path = match self.choice() {
            Choice::Embedded { entry, .. } | Choice::Inferred { below: entry, .. } => {
                let btf = self.bundle().btf(entry.class());
                return btf.map_err(|error| HandoffError(Cause::Bundle(error)));
            }
            Choice::Operator => self.host().operator_btf(),
            Choice::Kernel => self.host().kernel_btf(),
        };
        let path = path.unwrap_or(Path::new("")).to_owned();
        match read_regular(&path, BTF_MAX) {
            Ok(bytes) if bytes.first_chunk().is_some_and(|start| is_btf(*start)) => Ok(bytes),
            Ok(_) => Err(HandoffError(Cause::NoBtf(path))),
            Err(error) => Err(HandoffError(Cause::Read(path, error))),
        }
    }

    /// The BTF as a path, for loaders that take that (libbpf's
    /// `btf_custom_path`).
    ///
    /// Embedded BTF goes into a sealed memfd, `/proc/self/fd/N`: nothing on
    /// any file system, nothing that another process could change. Where there
    /// is no `memfd_create` (kernels before 3.17, a seccomp filter) or no
    /// `/proc`, it goes into a file of mode 0600 in the first of `$TMPDIR`
    /// (unless the process gained rights as it was started), `/run`,
    /// `/dev/shm`, `/tmp` and `/var/tmp` where one can be made; it is removed
    /// when the [`BtfFile`] is dropped.
    ///
    /// # Errors
    /// When the bundle is damaged; when there is neither memfd nor any
    /// directory to write to, naming what was tried.
    pub fn to_file(&self) -> Result<BtfFile, HandoffError> {
        let place = match self.choice() {
            Choice::Kernel => Place::Kernel,
            Choice::Operator => Place::Given(
                self.host()
                    .operator_btf()
                    .unwrap_or(Path::new(""))
                    .to_owned(),
            ),
            Choice::Embedded { .. } | Choice::Inferred { .. } => hold(&self.bytes()?)?,
        };
        Ok(BtfFile { place })
    }
}

/// BTF behind a path. The path is good as long as this lives.
///
/// libbpf opens it in `load()`, not when the path is given to it: keep this
/// until the object is loaded.
///
/// ```no_run
/// # use btfhub_runtime::{Bundle, Error, for_this_host};
/// # static BTF: Bundle = Bundle::EMPTY;
/// # struct Builder;
/// # impl Builder { fn btf_custom_path(&mut self, _: &std::path::Path) {} fn load(self) {} }
/// # fn main() -> Result<(), Error> {
/// # let mut builder = Builder;
/// let btf = for_this_host(&BTF)?.to_file()?;
/// if let Some(path) = btf.path() {
///     builder.btf_custom_path(path);
/// }
/// builder.load();
/// drop(btf);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the path is gone as soon as this is dropped, and loaders open it late"]
pub struct BtfFile {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Kernel,
    Given(PathBuf),
    Memfd { _open: OwnedFd, path: PathBuf },
    Temporary(Temporary),
}

impl BtfFile {
    /// The path to give to the loader. None when the kernel's own BTF is to be
    /// used, which a loader that is told nothing finds by itself, together
    /// with that of the modules.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Kernel => None,
            Place::Given(path) | Place::Memfd { path, .. } => Some(path),
            Place::Temporary(file) => Some(&file.path),
        }
    }
}

fn hold(btf: &[u8]) -> Result<Place, HandoffError> {
    let mut tried = String::new();
    match memfd(btf) {
        Ok(place) => return Ok(place),
        Err(error) => tried += &format!("; memfd: {error}"),
    }
    let variable = std::env::var_os("TMPDIR").filter(|_| environment_is_trusted());
    let mut variable = variable.map(PathBuf::from);
    let mut usual = ["/run", "/dev/shm", "/tmp", "/var/tmp"].iter();
    while let Some(directory) = variable.take().or_else(|| usual.next().map(PathBuf::from)) {
        match temporary(&directory, btf) {
            Ok(file) => return Ok(Place::Temporary(file)),
            Err(error) => tried += &format!("; {}: {error}", directory.display()),
        }
    }
    Err(HandoffError(Cause::NoPlace(tried)))
}

fn memfd(btf: &[u8]) -> io::Result<Place> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let create = |flags| rustix::fs::memfd_create(c"btf", flags);
    // Linux 6.3 and later can be told to refuse executable memfds; earlier
    // ones don't know the flag.
    let memfd = match create(flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => create(flags)?,
        other => other?,
    };
    let file = written(memfd, btf)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    // Only where /proc is there, and is this process's.
    let (there, here) = (fs::metadata(&path)?, file.metadata()?);
    if (there.dev(), there.ino()) != (here.dev(), here.ino()) {
        return Err(Errno::NOENT.into());
    }
    Ok(Place::Memfd {
        _open: file.into(),
        path,
    })
}

/// A file that is removed with its owner.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = fs::remove_file(&self.path);
    }
}

fn temporary(directory: &Path, btf: &[u8]) -> io::Result<Temporary> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("btfhub-{}-{number}.btf", std::process::id());
        let path = directory.join(name);
        let file = match rustix::fs::open(path.as_path(), flags, Mode::RUSR | Mode::WUSR) {
            // Left by a process of this number that was killed, or put there
            // by somebody; EXCL follows no link either.
            Err(Errno::EXIST) if number < u32::MAX => continue,
            other => other?,
        };
        let temporary = Temporary { path };
        written(file, btf)?;
        return Ok(temporary);
    }
}

fn written(file: OwnedFd, btf: &[u8]) -> io::Result<File> {
    let mut file = File::from(file);
    file.write_all(btf)?;
    Ok(file)
}

/// The selected BTF can't be handed to a loader.
pub struct HandoffError(Cause);

enum Cause {
    Bundle(BundleError),
    Read(PathBuf, io::Error),
    NoBtf(PathBuf),
    /// What was tried, and why in vain.
    NoPlace(String),
}

impl fmt::Display for HandoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Bundle(error) => write!(f, "{error}"),
            Cause::Read(path, error) => write!(f, "BTF file {}: {error}", path.display()),
            Cause::NoBtf(path) => write!(f, "{} is no BTF file", path.display()),
            Cause::NoPlace(tried) => write!(
                f,
                "nowhere to put the BTF where a loader can open it{tried}; mount /proc, or set \
                 TMPDIR to a writable directory"
            ),
        }
    }
}

/// The text: what is printed when `main` returns it.
impl fmt::Debug for HandoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for HandoffError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Bundle(error) => Some(error),
            Cause::Read(_, error) => Some(error),
            Cause::NoBtf(_) | Cause::NoPlace(_) => None,
        }
    }
}
