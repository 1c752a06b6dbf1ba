//! What libbpf makes of the instructions of an object on a kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use super::constants::{Constants, VERSION};
use super::found::{Found, follow};
use super::program::{Code, Function};
use super::reach::Change;
use crate::insn::{INSN, Patched, patch};
use crate::object::{ExternKind, Object};
use crate::relo::{self, CandidateLists, RecordMeaning, Relocations, Resolution};

/// One object of a [`Judge`].
#[derive(Debug)]
pub(super) struct ObjectAnalysis {
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
    /// Why it needs the kernel's own BTF, whichever program is loaded.
    pub(super) needs_btf: Option<String>,
    /// Most kernels have most functions and programs alike.
    pub(super) seen: Mutex<Seen>,
}

/// What was seen of an object on the kernels so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    changed: HashMap<Arc<Changed>, usize>,
    constants: HashMap<Constants, usize>,
    found: HashMap<Followed, Arc<Found>>,
}

/// A program, the changes of the functions that it is put together from, and the constants,
/// by number.
type Followed = (usize, Vec<usize>, usize);

/// A function's changes; equal ones have one number.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) number: usize,
    pub(super) changed: Arc<Changed>,
}

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

/// What relocations come to in the kernel that is looked at.
pub(super) struct Resolved<'a> {
    pub(super) relocations: &'a Relocations,
    outcome: &'a relo::Outcome,
    /// With a list of candidates of its own each.
    fresh: Vec<Resolution>,
    /// Whether that depends on the records before.
    is_shared: Vec<bool>,
}

impl<'a> Resolved<'a> {
    pub(super) fn new(relocations: &'a Relocations, outcome: &'a relo::Outcome) -> Self {
        let count = relocations.list().len();
        let mut is_shared = vec![false; count];
        for group in outcome.groups() {
            if group.candidates.len() > 1 {
                let shared = is_shared.get_mut(group.relocations.clone());
                shared.into_iter().flatten().for_each(|slot| *slot = true);
            }
        }
        Self {
            relocations,
            outcome,
            fresh: (0..count)
                .map(|at| (outcome.resolution(relocations, at)).unwrap_or(Resolution::Poisoned))
                .collect(),
            is_shared,
        }
    }

    /// Whether a record's answer depends on those before it.
    fn is_shared_by(&self, meaning: &RecordMeaning) -> bool {
        match meaning {
            RecordMeaning::Relocation { index, .. } => self.is_shared.get(*index) == Some(&true),
            RecordMeaning::LocalTypeId(_) | RecordMeaning::Refused(_) => false,
        }
    }
}

impl ObjectAnalysis {
    pub(super) fn new(object: &Object, mut code: Code, relocations: &Relocations) -> Self {
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
        let (parts, is_followed) = code.parts(&is_program);
        for (program, is_followed) in code.programs.iter_mut().zip(is_followed) {
            program.is_read &= is_followed;
        }
        Self {
            parts,
            needs_btf: needs_btf(object),
            object: object.clone(),
            asks_version: (object.externs().iter()).any(|it| it.name == VERSION),
            code,
            meanings,
            owners,
            is_program,
            seen: Mutex::default(),
        }
    }

    /// What a record comes to that is the first of its type.
    pub(super) fn alone(&self, resolved: &Resolved<'_>, record: usize) -> Option<Resolution> {
        match self.meanings.get(record)? {
            RecordMeaning::Relocation { index, .. } => resolved.fresh.get(*index).copied(),
            RecordMeaning::LocalTypeId(_) => None,
            RecordMeaning::Refused(errno) => Some(Resolution::Refused(*errno)),
        }
    }

    /// What each function becomes, its records taken one by one.
    pub(super) fn fresh(&self, resolved: &Resolved<'_>) -> Vec<Numbered> {
        let changed = (0..self.code.functions.len())
            .map(|number| self.changed(resolved, number, |record| self.alone(resolved, record)));
        let changed: Vec<Changed> = changed.collect();
        let mut seen = self.seen();
        changed.into_iter().map(|it| seen.number(it)).collect()
    }

    /// What was seen so far.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a program does on a kernel with these constants, whose functions become this.
    pub(super) fn found<'c>(
        &self,
        number: usize,
        constants: &Constants,
        changed: &dyn Fn(usize) -> Option<&'c Numbered>,
    ) -> Arc<Found> {
        let (Some(program), Some(parts)) = (self.code.programs.get(number), self.parts.get(number))
        else {
            return Arc::default();
        };
        let numbers = (parts.iter()).map(|&part| changed(part).map_or(0, |it| it.number));
        let key = {
            let mut seen = self.seen();
            let key = (number, numbers.collect(), seen.constants(constants));
            if let Some(found) = seen.found.get(&key) {
                return Arc::clone(found);
            }
            key
        };
        let changes = |function| changed(function).map_or(&[][..], |it| &it.changed.changes);
        let found = if program.is_read {
            follow(
                &self.object,
                &self.code,
                program,
                parts,
                &changes,
                constants,
            )
        } else {
            Found::default()
        };
        let found = Arc::new(found);
        self.seen().found.insert(key, Arc::clone(&found));
        found
    }

    /// Whether any record's answer depends on those before it.
    pub(super) fn shares_candidates(&self, resolved: &Resolved<'_>) -> bool {
        self.meanings
            .iter()
            .any(|meaning| resolved.is_shared_by(meaning))
    }

    /// What a function becomes with these resolutions of its records.
    fn changed(
        &self,
        resolved: &Resolved<'_>,
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
            match self.change(resolved.relocations, function, *insn, *record, &resolution) {
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

    /// The records of a function whose candidates others share.
    pub(super) fn shared_records<'s>(
        &'s self,
        resolved: &'s Resolved<'_>,
        function: usize,
    ) -> impl Iterator<Item = usize> + 's {
        let records = (self.code.functions.get(function)).map_or(&[][..], |it| &it.records);
        let is_shared = |record: &usize| {
            (self.meanings.get(*record)).is_some_and(|meaning| resolved.is_shared_by(meaning))
        };
        records.iter().map(|(_, record)| *record).filter(is_shared)
    }

    /// What records, in their order, come to one after the other.
    pub(super) fn in_order(
        &self,
        resolved: &Resolved<'_>,
        records: &[usize],
    ) -> BTreeMap<usize, Resolution> {
        let mut lists = CandidateLists::new(resolved.relocations, resolved.outcome);
        let mut in_order = BTreeMap::new();
        for &number in records {
            if let (Some(record), Some(RecordMeaning::Relocation { index, .. })) =
                (self.object.records().get(number), self.meanings.get(number))
            {
                in_order.insert(number, lists.next(record.relo.type_id, *index));
            }
        }
        in_order
    }

    /// The functions that become something else than by themselves where these records are
    /// taken one after the other.
    pub(super) fn changed_in_order(
        &self,
        resolved: &Resolved<'_>,
        records: &[usize],
    ) -> BTreeMap<usize, Numbered> {
        let in_order = self.in_order(resolved, records);
        let owners: BTreeSet<usize> = (in_order.iter())
            .filter(|(record, resolution)| {
                self.alone(resolved, **record).as_ref() != Some(*resolution)
            })
            .filter_map(|(record, _)| self.owners.get(*record).copied().flatten())
            .collect();
        let changed = owners.into_iter().map(|number| {
            let of = |record: usize| {
                (in_order.get(&record).copied()).or_else(|| self.alone(resolved, record))
            };
            let changed = self.changed(resolved, number, of);
            (number, self.seen().number(changed))
        });
        changed.collect()
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
            Resolution::Resolved { .. } | Resolution::Poisoned => {}
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
            Some(RecordMeaning::LocalTypeId(_) | RecordMeaning::Refused(_)) | None => {
                format!("number {record}")
            }
        }
    }
}

impl Seen {
    fn number(&mut self, changed: Changed) -> Numbered {
        let next = self.changed.len();
        let changed = match self.changed.get_key_value(&changed) {
            Some((known, &number)) => {
                return Numbered {
                    number,
                    changed: Arc::clone(known),
                };
            }
            None => Arc::new(changed),
        };
        self.changed.insert(Arc::clone(&changed), next);
        Numbered {
            number: next,
            changed,
        }
    }

    fn constants(&mut self, constants: &Constants) -> usize {
        let next = self.constants.len();
        if let Some(&number) = self.constants.get(constants) {
            return number;
        }
        self.constants.insert(constants.clone(), next);
        next
    }
}

/// What of an object needs the kernel's own BTF.
fn needs_btf(object: &Object) -> Option<String> {
    let mut externs = object.externs().iter();
    let typed =
        externs.find(|it| matches!(it.kind, ExternKind::Function | ExternKind::TypedVariable));
    let mut maps = object.maps().iter();
    (typed.map(|it| format!("the object's extern {}", it.name))).or_else(|| {
        let map = maps.find(|map| map.struct_ops.is_some())?;
        Some(format!("the object's map {}", map.name))
    })
}
