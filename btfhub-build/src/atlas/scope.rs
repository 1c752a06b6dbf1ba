//! The part of an atlas that can be reached from some names.

use foldhash::{HashSet, HashSetExt as _};

use super::decode::Group;
use super::definition::{
    Element, body_len, elements, inline_kind, is_typed, shape, split, type_len,
};
use super::error::AtlasError;
use super::holdings::KernelContents;
use super::numbers::{DefinitionNumber, GroupNumber, StringNumber};
use super::read::Atlas;
use crate::btf::Kind;
use crate::modules::Modules;
use crate::relo::{Relocation, Relocations};

/// How a definition is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// By its name or by value: all of it matters.
    Value,
    /// Through a pointer: of a struct or union only kind and name matter (libbpf's
    /// `behind_ptr`; `bpf_core_fields_are_compat` looks at no pointee at all).
    Pointer,
}

/// The definitions that can be reached from some names in any kernel.
#[derive(Debug)]
pub struct Scope<'a> {
    pub(super) atlas: &'a Atlas,
    /// The groups of these names, ascending.
    pub(super) roots: Vec<GroupNumber>,
    pub(super) groups: Groups,
    holdings: Vec<KernelContents>,
    of_kernels: Vec<usize>,
}

/// The groups that can be reached.
#[derive(Debug)]
pub(super) struct Groups {
    /// By number of the group: its index in `list`.
    places: Vec<Option<u32>>,
    /// Once complete, ascending by number.
    list: Vec<Reached>,
}

impl Groups {
    fn new(atlas: &Atlas) -> Self {
        Self {
            places: vec![None; atlas.group_count() as usize],
            list: Vec::new(),
        }
    }

    /// A group and its place, which is its index in the list.
    pub(super) fn get(&self, number: GroupNumber) -> Option<(usize, &Reached)> {
        let place = self.places.get(number.index()).copied().flatten()? as usize;
        Some((place, self.list.get(place)?))
    }

    /// The group at a place.
    pub(super) fn at(&self, place: usize) -> Option<&Reached> {
        self.list.get(place)
    }

    /// The place of a definition's group, once the list is sorted.
    pub(super) fn of_definition(&self, definition: DefinitionNumber) -> Option<usize> {
        let before = |reached: &Reached| reached.first_definition.0 <= definition.0;
        let place = self.list.partition_point(before).checked_sub(1)?;
        let reached = self.list.get(place)?;
        let variant = (definition.0 - reached.first_definition.0) as usize;
        (variant < reached.group.variants.len()).then_some(place)
    }

    fn get_mut(&mut self, number: GroupNumber) -> Option<&mut Reached> {
        let place = self.places.get(number.index()).copied().flatten()?;
        self.list.get_mut(place as usize)
    }

    fn insert(&mut self, reached: Reached) {
        let place = u32::try_from(self.list.len()).ok();
        if let Some(slot) = self.places.get_mut(reached.number.index()) {
            *slot = place;
            self.list.push(reached);
        }
    }

    /// Sorts the list.
    fn complete(mut self) -> Self {
        self.list.sort_unstable_by_key(|reached| reached.number);
        for (reached, place) in self.list.iter().zip(0..) {
            if let Some(slot) = self.places.get_mut(reached.number.index()) {
                *slot = Some(place);
            }
        }
        self
    }
}

/// A group that can be reached.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) number: GroupNumber,
    pub(super) group: Group,
    pub(super) first_definition: DefinitionNumber,
    /// Whether it is reached by value.
    value: bool,
}

impl Reached {
    fn new(atlas: &Atlas, number: GroupNumber, value: bool) -> Result<Self, AtlasError> {
        let group = atlas.group(number)?;
        Ok(Self {
            number,
            first_definition: atlas.first_definition(number)?,
            group,
            value,
        })
    }

    /// Adds the groups that its variants refer to.
    fn visit(&self, reach: Via, open: &mut Vec<(GroupNumber, Via)>) {
        for variant in &self.group.variants {
            let body = self.group.body(variant);
            visit_body(variant.kind, body, reach, &mut |group, _, reach| {
                open.push((group, reach));
            });
        }
    }
}

impl Atlas {
    /// What can be reached from `names` (kind and essential name) in the kernels' own types.
    /// Kernels that are equal in this share one BTF.
    ///
    /// # Errors
    /// If the atlas is damaged.
    pub fn scope<'n>(
        &self,
        names: impl IntoIterator<Item = (Kind, &'n [u8])>,
    ) -> Result<Scope<'_>, AtlasError> {
        let mut roots = Vec::new();
        for (kind, name) in names {
            roots.extend(self.find(kind, name)?);
        }
        self.scope_of_roots(roots, &Modules::Named(Vec::new()))
    }

    /// What can be reached from the candidates of some relocations: libbpf's candidates and
    /// those that only aya-obj looks for. Kernels that are equal in this share one BTF, in
    /// which these relocations resolve as in the full one; others may not. Chosen modules that
    /// have a candidate are included.
    ///
    /// # Errors
    /// If the atlas is damaged.
    pub fn scope_of(
        &self,
        relocations: &Relocations,
        modules: &Modules,
    ) -> Result<Scope<'_>, AtlasError> {
        let mut roots = Vec::new();
        for relocation in relocations.list() {
            roots.extend(self.candidates(relocation)?.into_iter().flatten());
        }
        self.scope_of_roots(roots, modules)
    }

    /// The groups of a relocation's candidates: libbpf's, and those that only
    /// aya-obj looks for.
    pub(super) fn candidates(
        &self,
        relocation: &Relocation,
    ) -> Result<[Option<GroupNumber>; 2], AtlasError> {
        let kind = Kind::from_number(relocation.root.kind);
        let of_aya = match &relocation.aya_name {
            Some(name) => self.find(kind, name)?,
            None => None,
        };
        Ok([self.find(kind, &relocation.root.name)?, of_aya])
    }

    fn scope_of_roots(
        &self,
        mut roots: Vec<GroupNumber>,
        modules: &Modules,
    ) -> Result<Scope<'_>, AtlasError> {
        roots.sort_unstable();
        roots.dedup();
        let groups = self.reached(&roots)?;
        let definitions = roots.iter().filter_map(|&root| {
            let (_, reached) = groups.get(root)?;
            let count = u32::try_from(reached.group.variants.len()).unwrap_or(u32::MAX);
            Some((reached.first_definition, count))
        });
        let definitions: Vec<_> = definitions.collect();
        let in_scope = |definition| groups.of_definition(definition).is_some();
        let (holdings, of_kernels) = self.holdings(in_scope, modules, &definitions);
        Ok(Scope {
            atlas: self,
            roots,
            groups,
            holdings,
            of_kernels,
        })
    }

    /// All definitions of a kernel and its modules.
    pub(super) fn scope_of_all(&self, holding: &KernelContents) -> Result<Scope<'_>, AtlasError> {
        let roots: Vec<GroupNumber> = self.groups().collect();
        let mut held = vec![false; self.definition_count() as usize];
        let of_modules = holding.modules.iter().map(|module| &*module.set);
        for set in [&holding.set].into_iter().chain(of_modules) {
            for &number in &set.held {
                if let Some(held) = held.get_mut(number.index()) {
                    *held = true;
                }
            }
        }
        let mut groups = Groups::new(self);
        for &number in &roots {
            let reached = Reached::new(self, number, true)?;
            let first = reached.first_definition;
            let mut slots = held
                .iter()
                .skip(first.index())
                .take(reached.group.variants.len());
            if slots.any(|held| *held) {
                groups.insert(reached);
            }
        }
        Ok(Scope {
            atlas: self,
            roots,
            groups,
            holdings: Vec::new(),
            of_kernels: Vec::new(),
        })
    }

    /// The groups that can be reached from `roots` in any kernel, and those of the types that
    /// every extracted BTF has.
    fn reached(&self, roots: &[GroupNumber]) -> Result<Groups, AtlasError> {
        let mut groups = Groups::new(self);
        let mut open: Vec<_> = roots.iter().map(|&root| (root, Via::Value)).collect();
        for number in self.common_types() {
            open.push((self.group_of(number)?, Via::Value));
        }
        // Groups of which only kind and name matter so far.
        let mut plain = HashSet::new();
        while let Some((number, reach)) = open.pop() {
            let value = reach == Via::Value;
            if let Some(known) = groups.get_mut(number) {
                if known.value || !value {
                    continue;
                }
                known.value = true;
            } else {
                let (kind, _) = self.title(number)?;
                if kind.is_composite() && !value {
                    // Only kind and name matter. They are the group's, unless a variant has a
                    // flavor.
                    if plain.insert(number) {
                        let whole = Reached::new(self, number, value)?;
                        let mut variants = whole.group.variants.iter();
                        if variants.any(|variant| variant.flavored != StringNumber::EMPTY) {
                            groups.insert(whole);
                        }
                    }
                    continue;
                }
                groups.insert(Reached::new(self, number, value)?);
            }
            if let Some((_, reached)) = groups.get(number) {
                reached.visit(reach, &mut open);
            }
        }
        Ok(groups.complete())
    }

    /// The definitions that give the pointer size and the index type of any kernel.
    fn common_types(&self) -> Vec<DefinitionNumber> {
        let entries = self.entries().iter();
        let mut numbers: Vec<_> = entries
            .flat_map(|entry| [entry.pointer_int, entry.index_type])
            .flatten()
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

impl Scope<'_> {
    /// How many different BTFs the kernels have.
    pub fn len(&self) -> usize {
        self.holdings.len()
    }

    /// Whether the atlas has no kernels.
    pub fn is_empty(&self) -> bool {
        self.holdings.is_empty()
    }

    /// For each kernel of the atlas, by number: the number of its BTF in this scope.
    pub fn of_kernels(&self) -> &[usize] {
        &self.of_kernels
    }

    /// What the kernels with BTF `number` have.
    pub(super) fn holding(&self, number: usize) -> Option<&KernelContents> {
        self.holdings.get(number)
    }
}

/// Calls `visit` with group, ordinal and reach of each reference in a body.
pub(super) fn visit_body(
    kind: Kind,
    body: &[u32],
    reach: Via,
    visit: &mut impl FnMut(GroupNumber, u32, Via),
) {
    if is_typed(kind) {
        return visit_type(body, reach, visit);
    }
    for Element { ty, .. } in elements(kind, body) {
        visit_type(ty, reach, visit);
    }
}

fn visit_type(words: &[u32], reach: Via, visit: &mut impl FnMut(GroupNumber, u32, Via)) {
    let Some((&first, rest)) = words.split_first() else {
        return;
    };
    let (shape, argument) = split(first);
    match shape {
        shape::NAMED => visit(GroupNumber(argument), 0, reach),
        shape::OTHER => {
            let ordinal = rest.first().copied().unwrap_or(0);
            visit(GroupNumber(argument), ordinal, reach);
        }
        shape::PTR => visit_type(rest, Via::Pointer, visit),
        shape::ARRAY => {
            let element = rest.get(1..).unwrap_or_default();
            visit_type(element, reach, visit);
            if argument != 0 {
                let index = element.get(type_len(element)..);
                visit_type(index.unwrap_or_default(), reach, visit);
            }
        }
        shape::PROTO => {
            let mut rest = rest;
            for _ in 0..=argument {
                visit_type(rest, reach, visit);
                rest = rest.get(type_len(rest)..).unwrap_or_default();
            }
        }
        shape::INLINE => {
            let kind = inline_kind(argument);
            let body = rest.get(..body_len(kind, rest)).unwrap_or_default();
            visit_body(kind, body, reach, visit);
        }
        _ => {}
    }
}
