//! The BTF of a kernel in an atlas, all of it or for some relocations.

use super::error::{AtlasError, FilePart};
use super::holdings::{KernelContents, retain_needed};
use super::numbers::KernelNumber;
use super::project::{absent, project};
use super::read::Atlas;
use super::scope::Scope;
use crate::btf::Btf;
use crate::modules::Modules;
use crate::relo::Relocations;

impl Atlas {
    /// The BTF of a kernel: all types that a relocation can ask for, and functions and variables
    /// if the atlas [has](Self::has_functions) them. It has no sections, qualifiers or tags, and
    /// no types of modules.
    ///
    /// # Errors
    /// If there is no such kernel, or the atlas is damaged.
    pub fn extract(&self, kernel: KernelNumber) -> Result<Vec<u8>, AtlasError> {
        let holding = self.holding_of(kernel)?;
        Ok(project(&self.scope_of_all(&holding)?, &holding)?.0)
    }

    /// The same, parsed, with the types of chosen modules that have a candidate for any of the
    /// relocations; without relocations, of all chosen modules. [`Modules::join`] does the same
    /// for the kernel's entry.
    ///
    /// # Errors
    /// As [`extract`](Self::extract).
    pub fn read(
        &self,
        kernel: KernelNumber,
        modules: &Modules,
        relocations: Option<&Relocations>,
    ) -> Result<Btf, AtlasError> {
        let holding = self.holding_with_modules(kernel, modules, relocations)?;
        read(&self.scope_of_all(&holding)?, &holding)
    }

    /// A kernel with its chosen modules that have a candidate for any of the relocations;
    /// without relocations, with all chosen modules.
    ///
    /// # Errors
    /// If there is no such kernel, or the atlas is damaged.
    fn holding_with_modules(
        &self,
        kernel: KernelNumber,
        modules: &Modules,
        relocations: Option<&Relocations>,
    ) -> Result<KernelContents, AtlasError> {
        let mut holding = self.holding_of(kernel)?;
        holding.modules = self.chosen(&self.modules_of(kernel), modules);
        let Some(relocations) = relocations.filter(|_| !holding.modules.is_empty()) else {
            return Ok(holding);
        };
        let mut roots = Vec::new();
        for relocation in relocations.list() {
            for group in self.candidates(relocation)?.into_iter().flatten() {
                let count = self.group(group)?.variants.len();
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                roots.push((self.first_definition(group)?, count));
            }
        }
        roots.sort_unstable();
        roots.dedup();
        retain_needed(&mut holding.modules, &holding.set, &roots);
        Ok(holding)
    }
}

impl Scope<'_> {
    /// BTF `number`. What the scope was made for gives the same results in it as in the full BTF
    /// of its kernels.
    ///
    /// # Errors
    /// If there is no such BTF, or the atlas is damaged.
    pub fn btf(&self, number: usize) -> Result<Vec<u8>, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Kernels, 0, "no such kernel");
        Ok(project(self, self.holding(number).ok_or_else(absent)?)?.0)
    }

    /// The same, parsed; it knows which types belong to which module.
    ///
    /// # Errors
    /// If there is no such BTF, or the atlas is damaged.
    pub fn read(&self, number: usize) -> Result<Btf, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Kernels, 0, "no such kernel");
        read(self, self.holding(number).ok_or_else(absent)?)
    }
}

/// Parses what [`project`] makes, and marks which types belong to which module.
fn read(scope: &Scope<'_>, holding: &KernelContents) -> Result<Btf, AtlasError> {
    let (btf, firsts) = project(scope, holding)?;
    let btf = Btf::parse(&btf).map_err(|_| absent())?;
    let modules = holding.modules.iter().zip(firsts);
    let modules = modules.map(|(module, first)| {
        let name = scope.atlas.module_names().get(module.name.index());
        (name.cloned().unwrap_or_default(), first)
    });
    Ok(btf.divided(modules))
}
