//! Which definitions kernels have, computed from the changes between them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::error::{AtlasError, FilePart};
use super::kernels::KernelEntry;
use super::modules::Base;
use super::numbers::{DefinitionNumber, GroupNumber, KernelNumber, ModuleNumber};
use super::read::Atlas;
use super::sets::{Changes, Set};
use crate::btf::{Endian, Kind};
use crate::modules::Modules;

/// What a kernel has: all its definitions, or those of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelContents {
    pub(super) endian: Endian,
    pub(super) pointer_int: Option<DefinitionNumber>,
    pub(super) index_type: Option<DefinitionNumber>,
    pub(super) set: Set,
    /// In the order in which relocations look through them.
    pub(super) modules: Vec<OfModule>,
}

/// What a module of a kernel has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OfModule {
    /// An index into [`Atlas::module_names`].
    pub(super) name: ModuleNumber,
    pub(super) set: Arc<Set>,
}

impl Atlas {
    /// A kernel, its parent, and so on; empty if there is no such kernel.
    fn line(&self, kernel: KernelNumber) -> Vec<&KernelEntry> {
        let of = |number: KernelNumber| self.entries().get(number.0);
        let line = std::iter::successors(of(kernel), |entry| of(entry.parent?));
        line.collect()
    }

    fn holding(&self, kernel: KernelNumber) -> Option<KernelContents> {
        let line = self.line(kernel).into_iter().rev();
        line.fold(None, |parent: Option<KernelContents>, entry| {
            Some(follow(parent.as_ref(), entry, entry.changes.clone()))
        })
    }

    /// What a kernel has, without its modules.
    ///
    /// # Errors
    /// If there is no such kernel.
    pub(super) fn holding_of(&self, kernel: KernelNumber) -> Result<KernelContents, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Kernels, 0, "no such kernel");
        self.holding(kernel).ok_or_else(absent)
    }

    /// Calls `visit` with each kernel and what it has, in order. Keeps in memory only what is
    /// the parent of a later kernel.
    ///
    /// # Errors
    /// The first one that `visit` returns.
    pub(super) fn each_holding<E>(
        &self,
        mut visit: impl FnMut(KernelNumber, &KernelContents) -> Result<(), E>,
    ) -> Result<(), E> {
        let entries = self.entries();
        let last = self.last_children();
        let is_last = |parent: KernelNumber, number| last.get(parent.0) == Some(&Some(number));
        let mut needed: HashMap<KernelNumber, KernelContents> = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            let number = KernelNumber(number);
            let parent = entry.parent.and_then(|parent| needed.get(&parent));
            let holding = follow(parent, entry, entry.changes.clone());
            visit(number, &holding)?;
            if let Some(parent) = entry.parent.filter(|&parent| is_last(parent, number)) {
                needed.remove(&parent);
            }
            if last.get(number.0).is_some_and(Option::is_some) {
                needed.insert(number, holding);
            }
        }
        Ok(())
    }

    /// For each kernel, the last one whose parent it is.
    fn last_children(&self) -> Vec<Option<KernelNumber>> {
        let entries = self.entries();
        let mut last = vec![None; entries.len()];
        for (number, entry) in entries.iter().enumerate() {
            if let Some(last) = entry.parent.and_then(|parent| last.get_mut(parent.0)) {
                *last = Some(KernelNumber(number));
            }
        }
        last
    }

    /// Calls `visit` with each kernel and what its modules have, in order. Only definitions that
    /// `counts` accepts are included.
    ///
    /// # Errors
    /// The first one that `visit` returns.
    pub(super) fn each_modules<E>(
        &self,
        counts: impl Fn(DefinitionNumber) -> bool,
        mut visit: impl FnMut(KernelNumber, Vec<OfModule>) -> Result<(), E>,
    ) -> Result<(), E> {
        let last = self.last_children();
        let mut needed: HashMap<KernelNumber, Vec<OfModule>> = HashMap::new();
        for (number, entry) in self.entries().iter().enumerate() {
            let number = KernelNumber(number);
            let parent = entry.parent.and_then(|parent| needed.get(&parent));
            let parent = parent.map_or(&[][..], Vec::as_slice);
            let modules = follow_modules(parent, entry, &counts);
            if entry
                .parent
                .is_some_and(|parent| last.get(parent.0) == Some(&Some(number)))
            {
                entry.parent.map(|parent| needed.remove(&parent));
            }
            if last.get(number.0).is_some_and(Option::is_some) {
                needed.insert(number, modules.clone());
            }
            visit(number, modules)?;
        }
        Ok(())
    }

    /// What the modules of a kernel have; empty if there is no such kernel.
    pub(super) fn modules_of(&self, kernel: KernelNumber) -> Vec<OfModule> {
        let of_line = self.line(kernel).into_iter().rev();
        of_line.fold(Vec::new(), |parent, entry| {
            follow_modules(&parent, entry, &|_| true)
        })
    }

    /// What each kernel has of the definitions that `counts` accepts: each distinct holding
    /// once, and by number of the kernel the index of its holding. Modules are included if they
    /// have a candidate in `roots` (first definition and number of definitions of each group,
    /// ascending).
    pub(super) fn holdings(
        &self,
        counts: impl Fn(DefinitionNumber) -> bool,
        modules: &Modules,
        roots: &[(DefinitionNumber, u32)],
    ) -> (Vec<KernelContents>, Vec<usize>) {
        let numbers = 0..self.definition_count();
        let counting: Vec<bool> = numbers.map(|n| counts(DefinitionNumber(n))).collect();
        let counts = |number: DefinitionNumber| counting.get(number.index()) == Some(&true);
        let mut of_modules = self.modules_of_all(counts, modules).into_iter();
        let mut distinct: Vec<KernelContents> = Vec::new();
        let mut numbers: HashMap<KernelContents, usize> = HashMap::new();
        let mut of_kernels: Vec<usize> = Vec::new();
        for entry in self.entries() {
            let parent = entry
                .parent
                .and_then(|parent| of_kernels.get(parent.0).copied());
            let parent = parent.and_then(|parent| Some((parent, distinct.get(parent)?)));
            let changes = entry.changes.of(counts);
            let mut modules = of_modules.next().unwrap_or_default();
            if let Some((number, parent)) = parent {
                let unchanged = changes.are_none()
                    && entry.endian == parent.endian
                    && entry.pointer_int == parent.pointer_int
                    && entry.index_type == parent.index_type
                    && modules.is_empty()
                    && parent.modules.is_empty();
                if unchanged {
                    of_kernels.push(number);
                    continue;
                }
            }
            let mut holding = follow(parent.map(|(_, parent)| parent), entry, changes);
            if !modules.is_empty() {
                retain_needed(&mut modules, &holding.set, roots);
                holding.modules = modules;
            }
            let number = *numbers.entry(holding).or_insert_with_key(|holding| {
                distinct.push(holding.clone());
                distinct.len() - 1
            });
            of_kernels.push(number);
        }
        (distinct, of_kernels)
    }

    /// Calls `answer` with the kind and essential name of each group. Returns for each kernel
    /// all answers for the groups that it has definitions of, sorted, each once.
    ///
    /// # Errors
    /// If the atlas is damaged.
    pub(crate) fn answers<A: Copy + Ord>(
        &self,
        mut answer: impl FnMut(Kind, &[u8]) -> Vec<A>,
    ) -> Result<Vec<Vec<A>>, AtlasError> {
        // The distinct lists of answers, and for each definition the index of its list. The first
        // list is the empty one.
        let mut lists: Vec<Vec<A>> = vec![Vec::new()];
        let mut of_definitions = vec![0; self.definition_count() as usize];
        for group in self.groups() {
            let (kind, name) = self.title(group)?;
            let list = answer(kind, name);
            let known = lists.iter().position(|known| *known == list);
            let number = known.unwrap_or(lists.len());
            if known.is_none() {
                lists.push(list);
            }
            if number > 0 {
                let first = self.first_definition(group)?.index();
                let next = GroupNumber(group.0.saturating_add(1));
                let last = match next.0 < self.group_count() {
                    true => self.first_definition(next)?.index(),
                    false => of_definitions.len(),
                };
                let slots = of_definitions.get_mut(first..last);
                slots.unwrap_or_default().fill(number);
            }
        }
        let mut all = Vec::with_capacity(self.entries().len());
        self.each_holding(|_, holding| {
            let mut held = vec![false; lists.len()];
            for &definition in &holding.set.held {
                let list = of_definitions.get(definition.index());
                if let Some(slot) = list.and_then(|&list| held.get_mut(list)) {
                    *slot = true;
                }
            }
            let lists = lists.iter().zip(held).filter(|(_, held)| *held);
            let answers: BTreeSet<A> = lists.flat_map(|(list, _)| list).copied().collect();
            all.push(answers.into_iter().collect());
            Ok::<(), AtlasError>(())
        })?;
        Ok(all)
    }

    /// Those of a kernel's modules that are chosen, in the order in which they are looked through.
    pub(super) fn chosen(&self, all: &[OfModule], modules: &Modules) -> Vec<OfModule> {
        let names = self.module_names();
        let is = |module: &OfModule, name: &str| {
            let own = names.get(module.name.index());
            own.is_some_and(|own| own == name)
        };
        modules.of(all, is).into_iter().cloned().collect()
    }

    /// What the chosen modules of each kernel have; empty if no kernel has modules.
    fn modules_of_all(
        &self,
        counts: impl Fn(DefinitionNumber) -> bool,
        modules: &Modules,
    ) -> Vec<Vec<OfModule>> {
        let mut of_kernels = Vec::new();
        if self.module_names().is_empty() {
            return of_kernels;
        }
        let visited: Result<(), Infallible> = self.each_modules(counts, |_, all| {
            of_kernels.push(self.chosen(&all, modules));
            Ok(())
        });
        let Ok(()) = visited;
        of_kernels
    }
}

/// Keeps only modules that have a candidate: a definition of a root of which the kernel itself
/// has none.
pub(super) fn retain_needed(
    modules: &mut Vec<OfModule>,
    of_kernel: &Set,
    roots: &[(DefinitionNumber, u32)],
) {
    let of_kernel = roots_of(of_kernel, roots);
    modules.retain(|module| {
        let mut own = roots_of(&module.set, roots).into_iter();
        own.any(|root| of_kernel.binary_search(&root).is_err())
    });
}

/// The first definitions of the roots of which a set has a definition, ascending.
fn roots_of(set: &Set, roots: &[(DefinitionNumber, u32)]) -> Vec<DefinitionNumber> {
    let mut found: Vec<_> = (set.held.iter())
        .filter_map(|&number| {
            let after = roots.partition_point(|&(first, _)| first.0 <= number.0);
            let &(first, count) = roots.get(after.checked_sub(1)?)?;
            (number.0 - first.0 < count).then_some(first)
        })
        .collect();
    found.dedup();
    found
}

/// Applies the changes of a kernel's modules to those of its parent.
fn follow_modules(
    parent: &[OfModule],
    entry: &KernelEntry,
    counts: &impl Fn(DefinitionNumber) -> bool,
) -> Vec<OfModule> {
    let nothing: Arc<Set> = Arc::default();
    let mut modules: Vec<OfModule> = Vec::with_capacity(entry.modules.len());
    for module in &entry.modules {
        let at = match module.base {
            Base::None => None,
            Base::Parent => (parent
                .binary_search_by_key(&module.name.0, |other| other.name.0)
                .ok())
            .and_then(|at| parent.get(at)),
            Base::Before(distance) => {
                (modules.len().checked_sub(distance)).and_then(|at| modules.get(at))
            }
        };
        let base = at.map_or(&nothing, |base| &base.set);
        let changes = module.changes.of(counts);
        let set = if changes.are_none() {
            Arc::clone(base)
        } else {
            Arc::new(changes.apply(base))
        };
        let name = module.name;
        modules.push(OfModule { name, set });
    }
    modules
}

/// Applies the changes of a kernel to its parent. Modules are left out.
fn follow(
    parent: Option<&KernelContents>,
    entry: &KernelEntry,
    changes: Changes,
) -> KernelContents {
    let nothing = Set::default();
    KernelContents {
        endian: entry.endian,
        pointer_int: entry.pointer_int,
        index_type: entry.index_type,
        set: changes.apply(parent.map_or(&nothing, |parent| &parent.set)),
        modules: Vec::new(),
    }
}
