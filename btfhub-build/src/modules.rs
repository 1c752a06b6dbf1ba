//! Which modules of a kernel are used, and its BTF joined with theirs.

use std::fmt;

use crate::archive::Decoded;
use crate::btf::{Btf, BtfError, JoinError};
use crate::relo::Relocations;

/// For entries that hold modules: the modules whose types are used in addition to the kernel's
/// own.
///
/// libbpf searches the loaded modules in the order in which they were loaded, and only for a
/// type that the kernel itself lacks (`bpf_core_find_cands`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Modules {
    /// All modules of the entry. If it matters which of two was loaded first, the kernel can't
    /// be used.
    #[default]
    All,
    /// Those of these modules that the entry has, in the order in which they are loaded.
    Named(Vec<String>),
}

/// Why an entry's BTF can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(Cause);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Kernel(BtfError),
    Module(JoinError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Kernel(error) => error.fmt(f),
            Cause::Module(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

impl Modules {
    /// These modules, in the order in which they are loaded. `-` and `_` are the same, as in
    /// the kernel.
    pub fn named<M: AsRef<str>>(names: impl IntoIterator<Item = M>) -> Self {
        let names = names.into_iter();
        Self::Named(names.map(|name| name.as_ref().replace('-', "_")).collect())
    }

    /// The BTF of an entry, joined with its modules that are used. Modules without a candidate
    /// for any of `relocations` are left out.
    ///
    /// # Errors
    /// If a BTF is damaged, or if a module's was made for another build of the kernel. The BTF
    /// of an unused module is not checked.
    pub fn join(
        &self,
        decoded: Decoded,
        relocations: Option<&Relocations>,
    ) -> Result<Btf, ReadError> {
        let kernel = Btf::from_words(decoded.words, decoded.len);
        let kernel = kernel.map_err(|error| ReadError(Cause::Kernel(error)))?;
        let modules = self.of(&decoded.modules, |module, name| module.name == name);
        if modules.is_empty() {
            return Ok(kernel);
        }
        let modules = (modules.iter()).map(|module| (module.name.as_str(), module.btf.as_slice()));
        let joined = match relocations {
            Some(relocations) => {
                let is_needed = relocations.modules_needed(&kernel);
                Btf::join(kernel, modules, is_needed)
            }
            None => Btf::join(kernel, modules, |_| true),
        };
        joined.map_err(|error| ReadError(Cause::Module(error)))
    }

    /// The modules that are used, in order; `is` says whether one has a name.
    pub(crate) fn of<'m, M>(&self, modules: &'m [M], is: impl Fn(&M, &str) -> bool) -> Vec<&'m M> {
        match self {
            Self::All => modules.iter().collect(),
            Self::Named(names) => (names.iter())
                .filter_map(|name| modules.iter().find(|module| is(module, name)))
                .collect(),
        }
    }

    /// Whether the order of the modules is that in which they are loaded.
    pub(crate) fn are_in_order(&self) -> bool {
        matches!(self, Self::Named(_))
    }

    /// Equal only for equal settings.
    pub(crate) fn key(&self) -> Vec<u8> {
        match self {
            Self::All => Vec::new(),
            Self::Named(names) => {
                let mut key = b"named".to_vec();
                for name in names {
                    key.push(0);
                    key.extend_from_slice(name.as_bytes());
                }
                key
            }
        }
    }
}
