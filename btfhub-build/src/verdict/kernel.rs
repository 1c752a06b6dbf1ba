//! A kernel to judge programs on.

use btfhub_runtime::KernelId;

use super::facts::{Facts, FunctionList};

/// A kernel to judge programs on.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// Its name.
    pub id: KernelId<'a>,
    /// What the user says about its own BTF; `Unknown` to infer it from names and functions.
    pub own_btf: KernelBtf,
}

/// Whether a kernel has BTF of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum KernelBtf {
    /// The user says so, or it follows from the name or from a missing function.
    Known(bool),
    /// The functions in its BTF suggest it.
    Likely(bool),
    /// Nothing is known.
    #[default]
    Unknown,
}

impl Kernel<'_> {
    /// Whether its distribution's releases lack the last number of the version.
    pub(super) fn hides_patch(&self) -> bool {
        matches!(self.id.distro, "debian" | "ubuntu")
    }

    /// Whether it has BTF of its own, by what the user says, its functions and its name.
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
