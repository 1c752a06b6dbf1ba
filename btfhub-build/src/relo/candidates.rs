//! Target types that a local type may mean (`bpf_core_add_cands`).

use std::collections::BTreeSet;
use std::ops::Range;

use foldhash::{HashMap, HashSet};

use super::local::Relocation;
use super::trace::{Halt, Trace};
use crate::btf::{Btf, Kind, NameFilter, TypeId, essential_name};

/// The candidates of one root, in id order.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    /// Those that libbpf finds.
    pub(super) ids: Vec<TypeId>,
    /// Those that aya-obj finds and libbpf does not.
    pub(super) aya: Vec<TypeId>,
}

/// What is looked for in a target; the same for every kernel.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Search {
    /// The range of relocations in the list that share their candidates.
    pub(super) groups: Vec<Range<usize>>,
    /// Bit *n* for kind number *n*.
    kinds: u32,
    filter: NameFilter,
    by_name: HashMap<Vec<u8>, Vec<Wanted>>,
}

/// Who looks for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    kind: u8,
    group: usize,
    /// Only aya-obj finds a candidate by this name.
    aya: bool,
}

impl Search {
    /// For relocations in order, so that equal roots are adjacent.
    pub(super) fn new(list: &[Relocation]) -> Self {
        let mut search = Self::default();
        for (number, relocation) in list.iter().enumerate() {
            match search.groups.last_mut() {
                Some(range)
                    if list.get(range.start).map(|first| &first.root) == Some(&relocation.root) =>
                {
                    range.end = number + 1;
                }
                _ => search.groups.push(number..number + 1),
            }
        }
        for (group, range) in search.groups.iter().enumerate() {
            let relocations = list.get(range.clone()).unwrap_or_default();
            let Some(Relocation { root, .. }) = relocations.first() else {
                continue;
            };
            search.kinds |= 1u32.checked_shl(u32::from(root.kind)).unwrap_or(0);
            let aya: BTreeSet<&[u8]> = (relocations.iter())
                .filter_map(|r| r.aya_name.as_deref())
                .collect();
            let aya = aya.into_iter().map(|name| (name, true));
            for (name, aya) in aya.chain([(root.name.as_slice(), false)]) {
                search.filter.insert(name);
                let kind = root.kind;
                let wanted = search.by_name.entry(name.to_vec()).or_default();
                wanted.push(Wanted { kind, group, aya });
            }
        }
        if search.kinds & 1 << Kind::Enum.number() != 0 {
            search.kinds |= 1 << Kind::Enum64.number();
        }
        search
    }

    /// Finds the candidates of all groups in one walk over the target.
    ///
    /// # Errors
    /// Only for names so long that reading them takes all the steps there are.
    pub(super) fn candidates(&self, btf: &Btf, trace: &mut Trace) -> Result<Vec<Candidates>, Halt> {
        let mut named = Vec::new();
        btf.find_named(self.kinds, &self.filter, &mut named);
        let mut candidates = vec![Candidates::default(); self.groups.len()];
        for id in named {
            let Some(ty) = btf.ty(id) else { continue };
            let name = btf.string(ty.name());
            trace.name_read(name)?;
            if name.is_empty() {
                continue;
            }
            let Some(wanted) = self.by_name.get(essential_name(name)) else {
                continue;
            };
            let kind = ty.kind().core_kind().number();
            for wanted in wanted.iter().filter(|wanted| wanted.kind == kind) {
                if let Some(candidates) = candidates.get_mut(wanted.group) {
                    if wanted.aya {
                        candidates.aya.push(id);
                    } else {
                        candidates.ids.push(id);
                    }
                }
            }
        }
        if let Some(first) = btf.first_of_modules() {
            for found in &mut candidates {
                kernel_first(&mut found.ids, first);
                kernel_first(&mut found.aya, first);
            }
        }
        Ok(candidates)
    }

    /// Names the modules that have a candidate: a type that is looked for, and of which the
    /// kernel has none with this kind and name.
    pub(super) fn has_candidate<'s>(&'s self, kernel: &Btf) -> impl Fn(&Btf) -> bool + use<'s> {
        let mut named = Vec::new();
        kernel.find_named(self.kinds, &self.filter, &mut named);
        let of_kernel: HashSet<_> = named
            .iter()
            .filter_map(|&id| self.key(kernel, id))
            .collect();
        move |module| {
            let mut named = Vec::new();
            module.find_own(self.kinds, &self.filter, &mut named);
            let mut keys = named.iter().filter_map(|&id| self.key(module, id));
            keys.any(|key| !of_kernel.contains(&key))
        }
    }

    /// Types of modules that would be candidates if the kernel did not have a type of this kind
    /// and name.
    pub(super) fn shadowed(&self, btf: &Btf) -> Vec<TypeId> {
        let Some(first) = btf.first_of_modules() else {
            return Vec::new();
        };
        let mut named = Vec::new();
        btf.find_named(self.kinds, &self.filter, &mut named);
        let of_modules = named.split_off(named.partition_point(|&id| id < first));
        let of_kernel: HashSet<_> = named.iter().filter_map(|&id| self.key(btf, id)).collect();
        let is_shadowed = |id: &TypeId| {
            let key = self.key(btf, *id);
            key.is_some_and(|key| of_kernel.contains(&key))
        };
        of_modules.into_iter().filter(is_shadowed).collect()
    }

    /// The root by which a type is looked for, if any.
    fn key(&self, btf: &Btf, id: TypeId) -> Option<(u8, &[u8])> {
        let ty = btf.ty(id)?;
        let (name, wanted) = (self.by_name).get_key_value(essential_name(btf.string(ty.name())))?;
        let kind = ty.kind().core_kind().number();
        let is_wanted = wanted.iter().any(|wanted| wanted.kind == kind);
        is_wanted.then_some((kind, name.as_slice()))
    }

    /// Whether anything looks for this essential name.
    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }
}

/// `bpf_core_find_cands`: if the kernel's own BTF has a candidate, the types of its modules,
/// from `first` on, are not candidates.
fn kernel_first(ids: &mut Vec<TypeId>, first: TypeId) {
    let kernels = ids.partition_point(|&id| id < first);
    if kernels > 0 {
        ids.truncate(kernels);
    }
}
