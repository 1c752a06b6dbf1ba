//! One `.btf.tar.xz` of the archive, and the kernel its path names.

use std::path::{Path, PathBuf};

use btfhub_runtime::{Arch, KernelId, Printable};

use super::decode::plain;
use super::{Decoded, decode};
use crate::error::{Error, ErrorKind};
use crate::input::{Links, ReadError, RegularFile};

/// The longest compressed entry that is read: forty times the largest of the
/// archive.
pub const ENTRY_FILE_LIMIT: u64 = 64 << 20;

/// The suffix of every entry of BTFhub's archive.
pub(crate) const SUFFIX: &str = ".btf.tar.xz";

/// The suffix of an entry that is BTF as it is.
const PLAIN_SUFFIX: &str = ".btf";

/// `uname -r` has no more bytes (`__NEW_UTS_LEN`).
pub(super) const LONGEST_NAME: usize = 64;

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    path: PathBuf,
    file: PathBuf,
    /// The target, if the file is a link.
    target: Option<PathBuf>,
    /// The link that gave the version its name, if the directory has a different one.
    named_by: Option<PathBuf>,
    size: u64,
    distro: String,
    version: String,
    arch: String,
    release: String,
}

impl Entry {
    /// The entry that a path below the archive's root names, when it has the
    /// layout `<distro>/<version>/<arch>/<release>.btf.tar.xz`, or `.btf` of one
    /// that was unpacked or never packed (as btfgen.sh leaves them), each part of
    /// which has 1 to 64 bytes and no control characters.
    ///
    /// ```
    /// use btfhub_build::archive::Entry;
    /// let entry = Entry::at("/srv/archive", "ubuntu/20.04/aarch64/5.4.0-84-generic.btf.tar.xz");
    /// assert_eq!(
    ///     entry.unwrap().kernel().to_string(),
    ///     "ubuntu/20.04/arm64/5.4.0-84-generic"
    /// );
    /// assert!(Entry::at("/srv/archive", "1/x86_64/4.14.106.btf.tar.xz").is_none());
    /// ```
    pub fn at(root: impl AsRef<Path>, path: impl AsRef<Path>) -> Option<Self> {
        let path = path.as_ref();
        let mut parts = path.iter().map(|part| part.to_str());
        let mut next = || parts.next().flatten();
        let (distro, version, arch, name) = (next()?, next()?, next()?, next()?);
        if parts.next().is_some() {
            return None;
        }
        let release = release_of(name)?;
        if ![distro, version, arch, release].into_iter().all(is_name) {
            return None;
        }
        Some(Self {
            // With `/` on every system, because bundles, locks and messages contain it.
            path: [distro, version, arch, name].join("/").into(),
            file: root.as_ref().join(path),
            target: None,
            named_by: None,
            size: 0,
            distro: distro.to_owned(),
            version: version.to_owned(),
            arch: Arch::new(arch).as_str().to_owned(),
            release: release.to_owned(),
        })
    }

    /// The entry that a kernel of an atlas was made from; its file is on some
    /// other machine.
    pub(crate) fn of_kernel(kernel: KernelId<'_>, path: &str) -> Self {
        Self {
            path: PathBuf::from(path),
            file: PathBuf::from(path),
            target: None,
            named_by: None,
            size: 0,
            distro: kernel.distro.to_owned(),
            version: kernel.version.to_owned(),
            arch: kernel.arch.as_str().to_owned(),
            release: kernel.release.to_owned(),
        }
    }

    /// The kernel it describes. `arm64` and `aarch64` directories are one
    /// architecture here; the path keeps the spelling of the archive.
    pub fn kernel(&self) -> KernelId<'_> {
        KernelId {
            arch: Arch::new(&self.arch),
            release: &self.release,
            distro: &self.distro,
            version: &self.version,
        }
    }

    /// Its path below the archive's root, which messages use.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file, or a link to it, is.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The bytes of the file: a regular one, of at most [`ENTRY_FILE_LIMIT`].
    ///
    /// # Errors
    /// If it is anything else ([`ErrorKind::Entry`]), or cannot be read for a reason unrelated
    /// to the entry ([`ErrorKind::Io`]).
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        self.open()?
            .read(ENTRY_FILE_LIMIT)
            .map_err(|error| self.unreadable(error))
    }

    /// The file, open. A link that has taken its place since the scan is not
    /// followed.
    pub(crate) fn open(&self) -> Result<RegularFile, Error> {
        let file = self.target.as_deref().unwrap_or(&self.file);
        RegularFile::open(file, Links::Refuse).map_err(|error| self.unreadable(error))
    }

    /// Takes the BTF out of the bytes of the file, which may decompress to
    /// `limit` bytes.
    ///
    /// # Errors
    /// When they are damaged or no entry ([`ErrorKind::Entry`]; see
    /// [`decode`](super::decode)), or when this machine has too little memory
    /// ([`ErrorKind::Io`]).
    pub fn decode(&self, compressed: &[u8], limit: u64) -> Result<Decoded, Error> {
        let is_packed = (self.path.to_str()).is_none_or(|path| path.ends_with(SUFFIX));
        let decode = if is_packed { decode } else { plain };
        decode(compressed, limit).map_err(|error| {
            let kind = if error.is_out_of_memory() {
                ErrorKind::Io
            } else {
                ErrorKind::Entry
            };
            Error::new(kind, self.path.display().to_string()).because(error)
        })
    }

    pub(crate) fn unreadable(&self, error: ReadError) -> Error {
        let path = self.path.display();
        if error.is_of_the_file() {
            Error::new(ErrorKind::Entry, path.to_string()).because(error)
        } else {
            Error::new(ErrorKind::Io, format!("cannot read {path}")).because(error)
        }
    }

    /// Bytes of the compressed file when the archive was scanned.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    /// The entry is a link to this file.
    pub(super) fn set_target(&mut self, file: PathBuf) {
        self.target = Some(file);
    }

    /// Files the kernel under another version: the name of a link next to this entry's
    /// directory, which has a codename.
    pub(super) fn set_version(&mut self, version: &str, link: &Path) {
        version.clone_into(&mut self.version);
        self.named_by = Some(link.to_owned());
    }

    /// The link that gave the kernel its version, below the archive's root.
    pub(super) fn named_by(&self) -> Option<&Path> {
        self.named_by.as_deref()
    }

    pub(super) fn set_release(&mut self, release: String) {
        self.release = release;
    }

    /// `uname -r` for a SLES release whose file name contains the build counter of the package:
    /// `4.4.103-6.33.1-default` is the kernel `4.4.103-6.33-default`.
    ///
    /// From 15.3 on the counter follows a fourth number, because the first one
    /// names the service pack (`5.3.18-150300.59.106-default` has none).
    pub(super) fn without_build_counter(&self) -> Option<String> {
        if self.distro != "sles" {
            return None;
        }
        let mut parts = self.release.splitn(3, '-');
        let (kernel, package, flavour) = (parts.next()?, parts.next()?, parts.next()?);
        let numbers: Vec<&str> = package.split('.').collect();
        let all_digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !numbers.iter().all(all_digits) {
            return None;
        }
        let service_pack = numbers.first().is_some_and(|first| first.len() >= 6);
        let (_counter, rest) = numbers.split_last()?;
        (rest.len() == if service_pack { 3 } else { 2 })
            .then(|| format!("{kernel}-{}-{flavour}", rest.join(".")))
    }
}

/// The release in the name of an entry's file.
pub(super) fn release_of(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX)
        .or_else(|| name.strip_suffix(PLAIN_SUFFIX))
}

/// Whether a distribution, a version, an architecture or a release can be called this: it is
/// one part of a path, and not hidden.
pub(crate) fn is_name(part: &str) -> bool {
    (1..=LONGEST_NAME).contains(&part.len())
        && !part.starts_with('.')
        && !part.contains(['/', '\\'])
        && Printable(part).is_plain()
}

#[cfg(test)]
mod tests {
    use super::Entry;

    fn uname(release: &str) -> Option<String> {
        let path = format!("sles/15.3/x86_64/{release}.btf.tar.xz");
        Entry::at("", path).and_then(|entry| entry.without_build_counter())
    }

    #[test]
    fn sles_build_counter() {
        let expect = [
            ("4.4.103-6.33.1-default", Some("4.4.103-6.33-default")),
            ("4.4.103-6.33-default", None),
            ("5.3.18-59.10.1-default", Some("5.3.18-59.10-default")),
            ("5.3.18-150300.59.106-default", None),
            (
                "5.3.18-150300.59.106.1-preempt",
                Some("5.3.18-150300.59.106-preempt"),
            ),
            ("4.12.14-lp151.28.36-default", None),
            ("4.4.103", None),
        ];
        for (release, without) in expect {
            assert_eq!(uname(release).as_deref(), without, "{release}");
        }
    }

    #[test]
    fn only_sles_has_build_counters() {
        let entry = Entry::at("", "ubuntu/20.04/x86_64/5.4.0-1.2.3-generic.btf.tar.xz");
        assert!(entry.is_some_and(|entry| entry.without_build_counter().is_none()));
    }

    #[test]
    fn a_path_is_written_in_one_way() {
        let entry = Entry::at("", "ubuntu//20.04/./x86_64/5.4.0-84-generic.btf");
        let path = entry.map(|entry| entry.path().display().to_string());
        assert_eq!(
            path.as_deref(),
            Some("ubuntu/20.04/x86_64/5.4.0-84-generic.btf")
        );
    }

    #[test]
    fn only_four_utf8_components_are_an_entry() {
        for path in [
            "1/x86_64/4.14.btf.tar.xz",
            "a/b/c/d/e.btf.tar.xz",
            "a/b/c/.btf.tar.xz",
            "a/b/c/e.btf.tar.xz.failed",
            "e.btf.tar.xz",
        ] {
            assert_eq!(Entry::at("", path), None, "{path}");
        }
    }
}
