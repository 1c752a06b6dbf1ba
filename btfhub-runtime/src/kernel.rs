//! Identifies a kernel: the names that archive directories, `uname` and os-release
//! use for it, in one spelling.

use core::fmt;

use crate::Printable;

/// A CPU architecture in the spelling of the archive's directories
/// (`x86_64`, `arm64`, `s390x`, …).
///
/// `uname -m`, RPM names and some forks of the archive spell the same
/// architecture differently (`aarch64`). Every constructor converts to one
/// spelling, so two `Arch` are equal exactly if the architectures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arch<'a>(&'a str);

impl<'a> Arch<'a> {
    /// From any known spelling: a directory of the archive, `uname -m`, or
    /// `CARGO_CFG_TARGET_ARCH`. An unknown name is kept unchanged.
    pub fn new(name: &'a str) -> Self {
        Self(match name {
            "aarch64" => "arm64",
            "amd64" => "x86_64",
            "i486" | "i586" | "i686" | "x86" => "i386",
            "ppc64le" | "powerpc64le" | "powerpc64" => "ppc64el",
            "riscv64gc" => "riscv64",
            other => other,
        })
    }

    /// The directory name in the archive.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Arch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(self.0).fmt(f)
    }
}

/// A kernel as the archive names it. Ordered by (arch, release, distro,
/// version), the order of a bundle's index.
///
/// ```
/// use btfhub_runtime::{Arch, KernelId};
/// let kernel = KernelId {
///     arch: Arch::new("aarch64"),
///     release: "5.10.0-30-arm64",
///     distro: "debian",
///     version: "11",
/// };
/// assert_eq!(kernel.to_string(), "debian/11/arm64/5.10.0-30-arm64");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelId<'a> {
    /// The architecture.
    pub arch: Arch<'a>,
    /// `uname -r`.
    pub release: &'a str,
    /// The os-release `ID` under which the archive files it (`ubuntu`, `ol`).
    pub distro: &'a str,
    /// The archive's version directory (`20.04`, `7`).
    pub version: &'a str,
}

impl fmt::Display for KernelId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            Printable(self.distro),
            Printable(self.version),
            self.arch,
            Printable(self.release)
        )
    }
}
