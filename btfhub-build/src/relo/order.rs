//! The relocations of one object, in the order in which libbpf processes them.

use std::collections::HashMap;

use super::relocations::Relocations;
use super::resolve::{Outcome, Resolution};
use crate::btf::TypeId;

/// The lists of candidates that `bpf_object__relocate_core` keeps for the local types of an
/// object while it processes the records of the programs that are loaded.
#[derive(Debug)]
pub struct CandidateLists<'o> {
    outcome: &'o Outcome,
    relocations: &'o Relocations,
    left: HashMap<TypeId, Vec<usize>>,
}

impl<'o> CandidateLists<'o> {
    /// Full ones.
    pub fn new(relocations: &'o Relocations, outcome: &'o Outcome) -> Self {
        Self {
            outcome,
            relocations,
            left: HashMap::new(),
        }
    }

    /// Resolves the next record, which is relocation `index` of a local type
    /// (`bpf_core_calc_relo_insn`). Candidates that do not match are dropped from the type's
    /// list, unless none matches.
    pub fn next(&mut self, local: TypeId, index: usize) -> Resolution {
        let count = (self.outcome.group_of(index))
            .and_then(|group| self.outcome.groups().get(group))
            .map_or(0, |group| group.candidates.len());
        // From the rest of the list, one can't be told from none.
        let among = if count > 1 {
            self.left.get(&local)
        } else {
            None
        };
        let among = among.map(Vec::as_slice);
        let found = (self.outcome).resolution_among(self.relocations, index, among);
        let (resolution, matching) = found.unwrap_or((Resolution::Poisoned, Vec::new()));
        if count > 1 && !matching.is_empty() {
            self.left.insert(local, matching);
        }
        resolution
    }
}
