//! What libbpf makes of the instructions of an object on a kernel.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::constants::{Constants, VERSION};
use super::found::Found;
use super::program::{Code, Function};
use super::reach::Change;
use crate::insn::{INSN, Patched, patch};
use crate::object::Object;
use crate::relo::{self, CandidateLists, RecordMeaning, Relocations, Resolution};

/// One object of a [`Judge`].
#[derive(Debug)]
pub(super) struct Part {
    pub(super) object: Object,
    pub(super) code: Code,
    pub(super) meanings: Vec<RecordMeaning>,
    /// By record the function that has it.
    pub(super) owners: Vec<Option<usize>>,
    /// By program the functions that it is put together from.
    pub(super) parts: Vec<Vec<usize>>,
    /// By function whether it is a program.
    pub(super) is_program: Vec<bool>,
    /// Whether it asks for the kernel's full version.
    pub(super) asks_version: bool,
    /// What programs were found to do after the same changes, with the same constants:
    /// most kernels have many programs alike.
    pub(super) found: Mutex<HashMap<Followed, Arc<Found>>>,
}

/// A program by number, the changes of the functions that it is put together from, and the
/// constants.
type Followed = (usize, Vec<Arc<Changed>>, Constants);

/// What libbpf makes of a function's instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Changed {
    /// By instruction, ascending.
    pub(super) changes: Vec<(usize, Change)>,
    /// The records of those that become invalid.
    pub(super) poisoned: Vec<(usize, usize)>,
    /// The first record with which it refuses, and why.
    pub(super) refusal: Option<String>,
}

/// What relocations come to in a kernel with lists of candidates of their own, and whether
/// that depends on the records before.
pub(super) struct Resolved {
    pub(super) fresh: Vec<Resolution>,
    pub(super) is_shared: Vec<bool>,
}

impl Resolved {
    pub(super) fn new(relocations: &Relocations, outcome: &relo::Outcome) -> Self {
        let count = relocations.list().len();
        let mut is_shared = vec![false; count];
        for group in outcome.groups() {
            if group.candidates.len() > 1 {
                let shared = is_shared.get_mut(group.relocations.clone());
                shared.into_iter().flatten().for_each(|slot| *slot = true);
            }
        }
        Self {
            fresh: (0..count)
                .map(|at| (outcome.resolution(relocations, at)).unwrap_or(Resolution::Poisoned))
                .collect(),
            is_shared,
        }
    }
}

/// What relocations come to in the kernel that is looked at.
pub(super) struct At<'a> {
    pub(super) relocations: &'a Relocations,
    pub(super) outcome: &'a relo::Outcome,
    pub(super) resolved: &'a Resolved,
}

impl Part {
    pub(super) fn new(object: &Object, code: Code, relocations: &Relocations) -> Self {
        let meanings = relocations.meanings(object);
        let mut owners = vec![None; meanings.len()];
        for (number, function) in code.functions.iter().enumerate() {
            for (_, record) in &function.records {
                if let Some(owner) = owners.get_mut(*record) {
                    *owner = Some(number);
                }
            }
        }
        let mut is_program = vec![false; code.functions.len()];
        for program in &code.programs {
            if let Some(slot) = is_program.get_mut(program.function) {
                *slot = true;
            }
        }
        Self {
            parts: (code.programs.iter())
                .map(|program| code.parts(program))
                .collect(),
            object: object.clone(),
            asks_version: (object.externs().iter()).any(|it| it.name == VERSION),
            code,
            meanings,
            owners,
            is_program,
            found: Mutex::default(),
        }
    }

    /// What a record comes to that is the first of its type.
    pub(super) fn alone(&self, at: &At<'_>, record: usize) -> Option<Resolution> {
        match self.meanings.get(record)? {
            RecordMeaning::Relocation { index, .. } => at.resolved.fresh.get(*index).copied(),
            RecordMeaning::LocalTypeId(_) => None,
            RecordMeaning::Refused(errno) => Some(Resolution::Refused(*errno)),
        }
    }

    /// What each function becomes, its records taken one by one.
    pub(super) fn fresh(&self, at: &At<'_>) -> Vec<Arc<Changed>> {
        (0..self.code.functions.len())
            .map(|number| Arc::new(self.changed(at, number, |record| self.alone(at, record))))
            .collect()
    }

    /// Whether any record's answer depends on those before it.
    pub(super) fn shares_candidates(&self, at: &At<'_>) -> bool {
        self.meanings.iter().any(|meaning| match meaning {
            RecordMeaning::Relocation { index, .. } => {
                at.resolved.is_shared.get(*index) == Some(&true)
            }
            _ => false,
        })
    }

    /// What a function becomes with these resolutions of its records.
    fn changed(
        &self,
        at: &At<'_>,
        number: usize,
        resolution: impl Fn(usize) -> Option<Resolution>,
    ) -> Changed {
        let mut changed = Changed::default();
        let Some(function) = self.code.functions.get(number) else {
            return changed;
        };
        for (insn, record) in &function.records {
            let Some(resolution) = resolution(*record) else {
                continue;
            };
            match self.change(at.relocations, function, *insn, *record, &resolution) {
                Ok(Some(change)) => {
                    if change == Change::Poisoned {
                        changed.poisoned.push((*insn, *record));
                    }
                    changed.changes.push((*insn, change));
                }
                Ok(None) => {}
                Err(refusal) => {
                    changed.refusal.get_or_insert(refusal);
                }
            }
        }
        changed.changes.sort_unstable_by_key(|(insn, _)| *insn);
        changed
    }

    /// What records whose candidates others share come to, one after the other, where these
    /// functions are loaded.
    pub(super) fn in_order(
        &self,
        at: &At<'_>,
        is_loaded: impl Fn(usize) -> bool,
    ) -> BTreeMap<usize, Resolution> {
        let mut lists = CandidateLists::new(at.relocations, at.outcome);
        let mut resolved = BTreeMap::new();
        let records = self.object.records().iter().zip(&self.meanings);
        for ((number, (record, meaning)), owner) in records.enumerate().zip(&self.owners) {
            let RecordMeaning::Relocation { index, .. } = meaning else {
                continue;
            };
            if at.resolved.is_shared.get(*index) == Some(&true) && owner.is_none_or(&is_loaded) {
                resolved.insert(number, lists.next(record.relo.type_id, *index));
            }
        }
        resolved
    }

    /// What each function becomes where these are loaded.
    pub(super) fn changed_in_order(
        &self,
        at: &At<'_>,
        fresh: &[Arc<Changed>],
        is_loaded: impl Fn(usize) -> bool,
    ) -> Vec<Arc<Changed>> {
        let resolved = self.in_order(at, is_loaded);
        let mut changed = fresh.to_vec();
        let owners: BTreeSet<usize> = (resolved.iter())
            .filter(|(record, resolution)| self.alone(at, **record).as_ref() != Some(*resolution))
            .filter_map(|(record, _)| self.owners.get(*record).copied().flatten())
            .collect();
        for number in owners {
            if let Some(slot) = changed.get_mut(number) {
                let of = |record: usize| {
                    (resolved.get(&record).copied()).or_else(|| self.alone(at, record))
                };
                *slot = Arc::new(self.changed(at, number, of));
            }
        }
        changed
    }

    /// What libbpf makes of an instruction, or why it refuses.
    pub(super) fn change(
        &self,
        relocations: &Relocations,
        function: &Function,
        insn: usize,
        record: usize,
        resolution: &Resolution,
    ) -> Result<Option<Change>, String> {
        let asked = || self.asked(relocations, record);
        match resolution {
            Resolution::Ambiguous => {
                return Err(format!(
                    "the kernel has several types for {}, and they disagree: libbpf refuses the \
                     object",
                    asked()
                ));
            }
            Resolution::Refused(errno) => {
                return Err(format!(
                    "libbpf refuses the relocation {} ({errno})",
                    asked()
                ));
            }
            _ => {}
        }
        let Some(RecordMeaning::Relocation { index, local }) = self.meanings.get(record) else {
            return Ok(None);
        };
        let Some(relocation) = relocations.list().get(*index) else {
            return Ok(None);
        };
        let section = self.object.sections().get(function.section);
        let code = section.map_or(&[][..], |section| &section.code);
        let offset = (usize::try_from(function.start).ok())
            .and_then(|start| start.checked_add(insn.checked_mul(INSN)?))
            .unwrap_or(usize::MAX);
        let endian = self.object.btf().endian();
        match patch(code, offset, endian, *local, relocation.load, resolution) {
            Some(Patched::Value(value)) => Ok(Some(Change::Value(value))),
            Some(Patched::Poisoned) => Ok(Some(Change::Poisoned)),
            Some(Patched::Refused(refusal)) => Err(format!(
                "libbpf refuses to patch the instruction for {}: {refusal}",
                asked()
            )),
            None => Ok(None),
        }
    }

    pub(super) fn asked(&self, relocations: &Relocations, record: usize) -> String {
        let name = || {
            let btf = self.object.btf();
            let id = self.object.records().get(record)?.relo.type_id;
            Some(btf.string(btf.ty(id)?.name()))
        };
        match self.meanings.get(record) {
            Some(RecordMeaning::Relocation { index, .. }) => (relocations.list().get(*index))
                .map_or_else(String::new, |relocation| {
                    relo::term(relocation, name().unwrap_or(&relocation.root.name))
                }),
            _ => format!("number {record}"),
        }
    }
}
