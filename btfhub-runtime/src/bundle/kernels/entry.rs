//! One kernel of the index.

use core::fmt;

use super::pattern::Pattern;
use crate::{Arch, KernelId};

/// The longest release a bundle can hold, in bytes. `uname -r` gives at most
/// 64 (`__NEW_UTS_LEN` of the kernel).
pub const RELEASE_MAX: usize = 127;

/// The number of a class, which is the kernels that share one tailored BTF. Numbers go from 0
/// to [`Bundle::class_count`](crate::Bundle::class_count), exclusive.
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

impl<'a> Entry<'a> {
    pub(super) fn new(
        arch: Arch<'a>,
        distro: &'a str,
        version: &'a str,
        release: Release,
        class: ClassId,
    ) -> Self {
        Self {
            arch,
            distro,
            version,
            release,
            class,
        }
    }

    /// The kernel.
    // Not inlined: entries are looked at in many places, and the check of the
    // release's UTF-8 is long.
    #[inline(never)]
    pub fn kernel(&self) -> KernelId<'_> {
        KernelId {
            arch: self.arch,
            release: self.release.as_str(),
            distro: self.distro,
            version: self.version,
        }
    }

    /// The version directory, as long as the bundle lives.
    pub(crate) fn version(&self) -> &'a str {
        self.version
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

/// A release in a fixed buffer; UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Release {
    len: usize,
    bytes: [u8; RELEASE_MAX],
}

impl Release {
    /// Nothing when it is too long or not UTF-8.
    pub(super) fn of(pattern: &Pattern) -> Option<Self> {
        let mut out = Self {
            len: 0,
            bytes: [0; RELEASE_MAX],
        };
        pattern.write(|byte| {
            *out.bytes.get_mut(out.len)? = byte;
            out.len += 1;
            Some(())
        })?;
        core::str::from_utf8(out.bytes.get(..out.len)?).ok()?;
        Some(out)
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }
}
