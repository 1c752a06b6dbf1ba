//! The index: which class serves which kernel.

use core::fmt;

use super::cursor::Cursor;
use super::error::BundleError;
use crate::{Arch, KernelId};

/// The longest release a bundle can hold, in bytes. `uname -r` gives at most
/// 64 (`__NEW_UTS_LEN` of the kernel).
pub const RELEASE_MAX: usize = 127;

/// A class of kernels that share one tailored BTF: its number in the bundle,
/// from 0 to [`Bundle::class_count`](super::Bundle::class_count) exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u32);

impl fmt::Display for ClassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One kernel of the index. Holds its release inline: nothing is allocated.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    arch: Arch<'a>,
    distro: &'a str,
    version: &'a str,
    release: Release,
    class: ClassId,
}

impl Entry<'_> {
    /// The kernel.
    pub fn kernel(&self) -> KernelId<'_> {
        KernelId {
            arch: self.arch,
            release: self.release.as_str(),
            distro: self.distro,
            version: self.version,
        }
    }

    /// The class that serves it.
    pub fn class(&self) -> ClassId {
        self.class
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → class {}", self.kernel(), self.class)
    }
}

/// A release in a fixed buffer.
#[derive(Clone, Copy)]
struct Release {
    len: u8,
    bytes: [u8; RELEASE_MAX],
}

impl Release {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; RELEASE_MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self {
            len: u8::try_from(text.len()).ok()?,
            bytes,
        })
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }
}

/// Iterates over the entries of a bundle; see [`Bundle::kernels`](super::Bundle::kernels).
#[derive(Clone, Debug)]
pub struct Kernels<'a> {
    state: Result<Cursor<'a>, Option<BundleError>>,
    classes: u32,
}

impl<'a> Kernels<'a> {
    pub(super) fn new(section: Result<Cursor<'a>, BundleError>, classes: u32) -> Self {
        Self {
            state: section.map_err(Some),
            classes,
        }
    }
}

impl<'a> Iterator for Kernels<'a> {
    type Item = Result<Entry<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = match &mut self.state {
            Ok(from) if from.is_empty() => return None,
            Ok(from) => from,
            Err(error) => return error.take().map(Err),
        };
        let entry = read_entry(from, self.classes);
        if entry.is_err() {
            self.state = Err(None);
        }
        Some(entry)
    }
}

fn read_entry<'a>(from: &mut Cursor<'a>, classes: u32) -> Result<Entry<'a>, BundleError> {
    let arch = Arch::new(from.text()?);
    let release = Release::new(from.text()?).ok_or_else(|| from.malformed("a release too long"))?;
    let distro = from.text()?;
    let version = from.text()?;
    let class = ClassId(from.varint()?);
    if class.0 >= classes {
        return Err(from.malformed("a class that is not there"));
    }
    Ok(Entry {
        arch,
        distro,
        version,
        release,
        class,
    })
}

/// Iterates over the entries of one (arch, release); see
/// [`Bundle::lookup`](super::Bundle::lookup).
#[derive(Clone, Debug)]
pub struct Lookup<'a, 'q> {
    kernels: Kernels<'a>,
    arch: Arch<'q>,
    release: &'q str,
}

impl<'a, 'q> Lookup<'a, 'q> {
    pub(super) fn new(kernels: Kernels<'a>, arch: Arch<'q>, release: &'q str) -> Self {
        Self {
            kernels,
            arch,
            release,
        }
    }
}

impl<'a> Iterator for Lookup<'a, '_> {
    type Item = Result<Entry<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.kernels.find(|entry| match entry {
            Ok(entry) => entry.arch == self.arch && entry.release.as_str() == self.release,
            Err(_) => true,
        })
    }
}

/// Iterates over the architectures of a bundle; see
/// [`Bundle::arches`](super::Bundle::arches).
#[derive(Clone, Debug)]
pub struct Arches<'a> {
    kernels: Kernels<'a>,
    last: Option<Arch<'a>>,
}

impl<'a> Arches<'a> {
    pub(super) fn new(kernels: Kernels<'a>) -> Self {
        Self {
            kernels,
            last: None,
        }
    }
}

impl<'a> Iterator for Arches<'a> {
    type Item = Result<Arch<'a>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let last = self.last;
        let next = self.kernels.find(|entry| match entry {
            Ok(entry) => Some(entry.arch) != last,
            Err(_) => true,
        })?;
        Some(next.map(|entry| {
            self.last = Some(entry.arch);
            entry.arch
        }))
    }
}

/// The section for `kernels`, sorted as [`KernelId`] orders them.
#[cfg(feature = "write")]
pub(super) fn write<'k>(kernels: impl Iterator<Item = (KernelId<'k>, u32)>) -> Option<Vec<u8>> {
    use super::cursor::{put_bytes, put_varint};
    let mut out = Vec::new();
    for (kernel, class) in kernels {
        put_bytes(&mut out, kernel.arch.as_str().as_bytes())?;
        put_bytes(&mut out, kernel.release.as_bytes())?;
        put_bytes(&mut out, kernel.distro.as_bytes())?;
        put_bytes(&mut out, kernel.version.as_bytes())?;
        put_varint(&mut out, class);
    }
    Some(out)
}
