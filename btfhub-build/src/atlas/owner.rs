//! What a kernel or a module has of a scope, and what becomes of it in a BTF.

use std::collections::BTreeMap;
use std::ops::Range;

use super::error::AtlasError;
use super::numbers::DefinitionNumber;
use super::scope::{Reach, Scope};
use super::sets::Set;
use crate::btf::TypeId;

/// How much of a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Kind and name.
    Stub,
    /// All of it; for typedefs and function types, whose own references may be
    /// behind a pointer.
    Full(Reach),
}

/// What becomes of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Fate {
    pub(super) extent: Option<Extent>,
    pub(super) id: Option<TypeId>,
}

/// What a kernel or a module has of the scope.
pub(super) struct Owner<'a> {
    pub(super) set: &'a Set,
    /// Places of groups in the scope, ascending, and where what is held of each stands
    /// in `held`: by ordinal, but for those whose order is another. Of the groups of which
    /// nothing is held, which for a module are nearly all, there is none.
    pub(super) ranges: Vec<(usize, Range<usize>)>,
    /// The numbers of the definitions of these by ordinal.
    rearranged: BTreeMap<usize, Vec<DefinitionNumber>>,
    /// By place in `held`: where a group's begin, and the ordinal.
    pub(super) fates: Vec<Fate>,
}

impl<'a> Owner<'a> {
    pub(super) fn new(scope: &Scope<'_>, set: &'a Set) -> Result<Self, AtlasError> {
        let mut rearranged = BTreeMap::new();
        // Candidates in another order than the ascending one.
        for order in &set.orders {
            let Some(&first) = order.first() else {
                continue;
            };
            let group = scope.atlas.group_of(first)?;
            if let Some((place, reached)) = scope.groups.get(group) {
                let count = reached.group.variants.len();
                rearranged.insert(place, set.candidates(reached.first_definition, count));
            }
        }
        Ok(Self {
            set,
            ranges: ranges(scope, &set.held),
            rearranged,
            fates: vec![Fate::default(); set.held.len()],
        })
    }

    /// The definitions of the group at `place`, by ordinal.
    pub(super) fn candidates(&self, place: usize) -> &[DefinitionNumber] {
        if let Some(candidates) = self.rearranged.get(&place) {
            return candidates;
        }
        let range = self.range(place).unwrap_or_default();
        self.set.held.get(range).unwrap_or_default()
    }

    /// What becomes of a definition of the group at `place`.
    pub(super) fn fate(&mut self, place: usize, ordinal: u32) -> Option<&mut Fate> {
        let range = self.range(place)?;
        self.fates.get_mut(range)?.get_mut(ordinal as usize)
    }

    fn range(&self, place: usize) -> Option<Range<usize>> {
        let found = match self.ranges.get(place) {
            // As if every group were held, which in a scope of one kernel is so.
            Some((its, _)) if *its == place => place,
            _ => (self.ranges)
                .binary_search_by_key(&place, |(place, _)| *place)
                .ok()?,
        };
        Some(self.ranges.get(found)?.1.clone())
    }
}

/// Where what is held of the scope's groups stands in `held`.
fn ranges(scope: &Scope<'_>, held: &[DefinitionNumber]) -> Vec<(usize, Range<usize>)> {
    let mut ranges: Vec<(usize, Range<usize>)> = Vec::new();
    for (at, &definition) in held.iter().enumerate() {
        let Some(place) = scope.groups.of_definition(definition) else {
            continue;
        };
        match ranges.last_mut() {
            Some((last, range)) if *last == place => range.end = at + 1,
            _ => ranges.push((place, at..at + 1)),
        }
    }
    ranges
}
