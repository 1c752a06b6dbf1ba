//! The definitions of a kernel or a module within a scope, and how they are written.

use std::collections::BTreeMap;
use std::ops::Range;

use super::error::AtlasError;
use super::numbers::DefinitionNumber;
use super::scope::{Scope, Via};
use super::sets::Set;
use crate::btf::TypeId;

/// How much of a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Only kind and name.
    Stub,
    /// All of it. `Via` says how: what a typedef behind a pointer refers to is behind that
    /// pointer too.
    Full(Via),
}

/// How a definition is written, and its id; `None` if it is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Fate {
    pub(super) extent: Option<Extent>,
    pub(super) id: Option<TypeId>,
}

/// A kernel or a module within a scope.
pub(super) struct Owner<'a> {
    pub(super) set: &'a Set,
    /// For each group of the scope that has definitions here: its place, ascending, and the
    /// range of its definitions in `set.held`. A module has definitions of few groups.
    pub(super) ranges: Vec<(usize, Range<usize>)>,
    /// By place: the definitions of a group by ordinal, if that order is not the ascending one.
    rearranged: BTreeMap<usize, Vec<DefinitionNumber>>,
    /// Parallel to `set.held`, but within the range of each group by ordinal.
    pub(super) fates: Vec<Fate>,
}

impl<'a> Owner<'a> {
    pub(super) fn new(scope: &Scope<'_>, set: &'a Set) -> Result<Self, AtlasError> {
        let mut rearranged = BTreeMap::new();
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

    /// The fate of a definition of the group at `place`.
    pub(super) fn fate(&mut self, place: usize, ordinal: u32) -> Option<&mut Fate> {
        let range = self.range(place)?;
        self.fates.get_mut(range)?.get_mut(ordinal as usize)
    }

    fn range(&self, place: usize) -> Option<Range<usize>> {
        let found = match self.ranges.get(place) {
            // In a scope of one kernel, every group has a range.
            Some((its, _)) if *its == place => place,
            _ => (self.ranges)
                .binary_search_by_key(&place, |(place, _)| *place)
                .ok()?,
        };
        Some(self.ranges.get(found)?.1.clone())
    }
}

/// See [`Owner::ranges`].
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
