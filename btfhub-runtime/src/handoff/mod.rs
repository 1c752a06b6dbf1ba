//! From the selected BTF to what a loader takes: bytes, or a path.

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
    /// When the bundle is damaged or the file can't be read.
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

    /// The BTF as a path, for loaders that take that (libbpf's
    /// `btf_custom_path`). libbpf opens it in `load()`, and this one is there
    /// by then: it stays until the process ends, whatever is dropped before.
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
    /// Embedded BTF goes into a sealed memfd, `/proc/self/fd/N`: nothing on
    /// any file system, nothing that another process could change. The process
    /// keeps one descriptor and a few kilobytes for each BTF it asks for, and a
    /// second call gives the same. The path is this process's, and that of
    /// children that it forks; a program that closes all descriptors (to become
    /// a daemon) calls this afterwards.
    ///
    /// Where there is no `memfd_create` (kernels before 3.17, a seccomp filter)
    /// an unlinked file takes its place, made in the first of `$TMPDIR` (unless
    /// the process gained rights as it was started), `/run`, `/dev/shm`, `/tmp`
    /// and `/var/tmp` that can be written to. Without `/proc` nothing but a
    /// named file can be opened: one of mode 0600 in the same directories, which
    /// stays there and is used again by the next start.
    ///
    /// # Errors
    /// When the bundle is damaged. When no file can be made, naming what was
    /// tried; also when `RLIMIT_FSIZE` is too low, under which writing would
    /// end the process (`SIGXFSZ`). For embedded BTF on other systems than
    /// Linux.
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

/// BTF behind a path, which is good until the process ends.
#[derive(Clone, Debug)]
pub struct BtfFile {
    path: Option<PathBuf>,
}

impl BtfFile {
    /// The path to give to the loader. None when the kernel's own BTF is to be
    /// used, which a loader that is told nothing finds by itself, together
    /// with that of the modules.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}
