//! Turns the selected BTF into what a loader takes: bytes, or a path.

#[cfg(target_os = "linux")]
mod file;

#[cfg(target_os = "linux")]
use file::keep;
use std::path::{Path, PathBuf};

use crate::Selection;
use crate::error::{Error, FileError};
use crate::host::read_btf;
use crate::select::Choice;

impl Selection<'_> {
    /// The BTF itself, for loaders that take bytes (aya's `Btf::parse`):
    /// decompressed, or read from the kernel's or the operator's file.
    ///
    /// # Errors
    /// If the bundle is damaged or the file can't be read.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        match self.choice() {
            Choice::Embedded { entry, .. } | Choice::Inferred { below: entry, .. } => {
                Ok(self.bundle().btf(entry.class())?)
            }
            Choice::Operator | Choice::Kernel | Choice::Disk => {
                let path = self.path().unwrap_or(Path::new(""));
                let error = |error| FileError::new("BTF file", path.to_owned(), error);
                Ok(read_btf(path).map_err(error)?)
            }
        }
    }

    /// The BTF as a path, for loaders that take a path (libbpf's
    /// `btf_custom_path`). libbpf opens the path in `load()`. It stays valid until the
    /// process ends, even if the `BtfFile` and the `Selection` are dropped.
    ///
    /// ```no_run
    /// # use btfhub_runtime::{Bundle, Error, for_this_host};
    /// # static BTF: Bundle = Bundle::EMPTY;
    /// # struct Builder;
    /// # impl Builder { fn btf_custom_path(&mut self, _: &std::path::Path) {} fn load(self) {} }
    /// # fn main() -> Result<(), Error> {
    /// # let mut builder = Builder;
    /// if let Some(path) = for_this_host(&BTF)?.to_file()?.path() {
    ///     builder.btf_custom_path(path);
    /// }
    /// builder.load();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Embedded BTF goes into a sealed memfd, `/proc/self/fd/N`: nothing is written to a
    /// file system, and no other process can change it. The process keeps one descriptor
    /// and a few kilobytes for each BTF it asks for; asking again returns the same one.
    /// The path works in this process and in children that it forks. A program that closes
    /// all descriptors (to become a daemon) must call this afterwards.
    ///
    /// Without `memfd_create` (kernels before 3.17, a seccomp filter), an unlinked file is
    /// used instead. It is created in the first writable directory of `$TMPDIR` (unless the
    /// process gained privileges when it started), `/run`, `/dev/shm`, `/tmp` and
    /// `/var/tmp`. Without `/proc` only a named file can be opened: one of mode 0600 in the
    /// same directories, except `$TMPDIR`. It stays there, and the next start reuses it.
    ///
    /// # Errors
    /// If the bundle is damaged. If no file can be created; the error lists what was tried.
    /// If `RLIMIT_FSIZE` is too low, because writing would then kill the process
    /// (`SIGXFSZ`). For embedded BTF on systems other than Linux.
    pub fn to_file(&self) -> Result<BtfFile, Error> {
        let path = match self.choice() {
            Choice::Kernel => None,
            Choice::Operator | Choice::Disk => self.path().map(Path::to_owned),
            Choice::Embedded { .. } | Choice::Inferred { .. } => Some(keep(&self.bytes()?)?),
        };
        Ok(BtfFile { path })
    }
}

#[cfg(not(target_os = "linux"))]
fn keep(_btf: &[u8]) -> Result<PathBuf, Error> {
    Err(Error::NotLinux)
}

/// BTF behind a path that stays valid until the process ends.
#[derive(Clone, Debug)]
pub struct BtfFile {
    path: Option<PathBuf>,
}

impl BtfFile {
    /// The path to give to the loader. `None` if the kernel's own BTF is to be used:
    /// without a path, a loader finds that by itself, together with the BTF of the
    /// modules.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}
