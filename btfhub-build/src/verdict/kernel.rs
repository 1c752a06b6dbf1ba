//! The kernel that verdicts are asked for.

use btfhub_runtime::KernelId;

use super::facts::{Facts, FunctionList};

/// A kernel that verdicts are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// Which one.
    pub id: KernelId<'a>,
    /// What the user knows of its BTF; else it is told from names and functions.
    pub own_btf: KernelBtf,
}

/// Whether a kernel has BTF of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum KernelBtf {
    /// As the user says, or as such kernels are known to.
    Known(bool),
    /// As the functions in its BTF hint.
    Likely(bool),
    /// Nothing is known.
    #[default]
    Unknown,
}

impl Kernel<'_> {
    /// Whether its distribution's releases do not tell the last number of the version.
    pub(super) fn hides_patch(&self) -> bool {
        matches!(self.id.distro, "debian" | "ubuntu")
    }

    /// Whether it has BTF of its own, as the user says or as its functions and its name tell.
    pub(super) fn own_btf(&self, facts: &Facts) -> KernelBtf {
        let is_debian = self.id.distro == "debian"
            && !matches!(self.id.version, "7" | "8" | "9" | "10")
            && matches!(self.id.arch.as_str(), "x86_64" | "arm64");
        match self.own_btf {
            KernelBtf::Unknown => {}
            said => return said,
        }
        if facts.signs.shows_btf {
            return KernelBtf::Likely(true);
        }
        if facts.list != FunctionList::None && !facts.signs.reads_btf {
            return KernelBtf::Known(false);
        }
        if facts.list == FunctionList::Full {
            return KernelBtf::Likely(false);
        }
        if is_debian {
            return KernelBtf::Known(true);
        }
        KernelBtf::Unknown
    }
}
