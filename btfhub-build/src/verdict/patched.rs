//! What libbpf turns the instructions of an object into on a kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use super::constants::{Constants, VERSION};
use super::externs::outlines;
use super::program::{Code, Function};
use super::reach::Change;
use super::usage::{Usage, follow};
use crate::btf::Kind;
use crate::insn::{INSN, Patched, patch};
use crate::object::{ExternKind, Object};
use crate::relo::{self, CandidateLists, RecordMeaning, Relocations, Resolution};

/// One object of a [`Judge`].
#[derive(Debug)]
pub(super) struct ObjectAnalysis {
    pub(super) object: Object,
    pub(super) code: Code,
    pub(super) meanings: Vec<RecordMeaning>,
    /// The function of each record.
    pub(super) owners: Vec<Option<usize>>,
    /// The functions that libbpf combines into each program.
    pub(super) parts: Vec<Vec<usize>>,
    /// Whether each function is a program.
    pub(super) is_program: Vec<bool>,
    /// Whether it uses the kernel's full version.
    pub(super) asks_version: bool,
    /// Whether its BTF has a section without variables.
    pub(super) has_empty_section: bool,
    /// The outlines of the types of its externs.
    pub(super) outlines: Vec<Option<String>>,
    /// Why it needs the kernel's own BTF, whichever program is loaded.
    pub(super) needs_btf: Option<String>,
    /// Most functions and programs come out the same on most kernels.
    pub(super) seen: Mutex<Seen>,
}

/// How many functions' changes are remembered for an object: those of a function with 600
/// relocations take 20 KB, and each of 5,000 kernels may have its own.
const MOST_CHANGED: usize = 4096;

/// An object's distinct results on the kernels so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The number of the next changes. Not reused: a number may outlive what is remembered.
    next: usize,
    changed: HashMap<Arc<Changed>, usize>,
    constants: HashMap<Constants, usize>,
    usages: HashMap<Followed, Arc<Usage>>,
}

/// The numbers of a program, of the changes to each of its functions, and of the constants.
type Followed = (usize, Vec<usize>, usize);

/// A function's changes; equal ones have one number.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) number: usize,
    pub(super) changed: Arc<Changed>,
}

/// How libbpf changes a function's instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Changed {
    /// Sorted by instruction.
    pub(super) changes: Vec<(usize, Change)>,
    /// Instructions that become invalid, each with its record.
    pub(super) poisoned: Vec<(usize, usize)>,
    /// Why libbpf refuses the first record that it refuses.
    pub(super) refusal: Option<String>,
}

/// How relocations resolve on a kernel.
pub(super) struct Resolved<'a> {
    pub(super) relocations: &'a Relocations,
    outcome: &'a relo::Outcome,
    /// Each with its own list of candidates.
    fresh: Vec<Resolution>,
    /// Whether each depends on earlier records.
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

    /// Whether a record's resolution depends on earlier records.
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
            outlines: outlines(object),
            has_empty_section: (object.btf().ids().filter_map(|id| object.btf().ty(id)))
                .any(|ty| ty.kind() == Kind::DataSec && ty.vlen() == 0),
            object: object.clone(),
            asks_version: (object.externs().iter()).any(|it| it.name == VERSION),
            code,
            meanings,
            owners,
            is_program,
            seen: Mutex::default(),
        }
    }

    /// How a record resolves if no earlier record has its type.
    pub(super) fn alone(&self, resolved: &Resolved<'_>, record: usize) -> Option<Resolution> {
        match self.meanings.get(record)? {
            RecordMeaning::Relocation { index, .. } => resolved.fresh.get(*index).copied(),
            RecordMeaning::LocalTypeId(_) => None,
            RecordMeaning::Refused(errno) => Some(Resolution::Refused(*errno)),
        }
    }

    /// What each function becomes if each record is resolved by itself.
    pub(super) fn fresh(&self, resolved: &Resolved<'_>) -> Vec<Numbered> {
        let changed = (0..self.code.functions.len())
            .map(|number| self.changed(resolved, number, |record| self.alone(resolved, record)));
        let changed: Vec<Changed> = changed.collect();
        let mut seen = self.seen();
        changed.into_iter().map(|it| seen.number(it)).collect()
    }

    /// Locks the results so far.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a program uses on a kernel with these constants, after these changes to its
    /// functions.
    pub(super) fn usage<'c>(
        &self,
        number: usize,
        constants: &Constants,
        changed: &dyn Fn(usize) -> Option<&'c Numbered>,
    ) -> Arc<Usage> {
        let (Some(program), Some(parts)) = (self.code.programs.get(number), self.parts.get(number))
        else {
            return Arc::default();
        };
        let numbers = (parts.iter()).map(|&part| changed(part).map_or(0, |it| it.number));
        let key = {
            let mut seen = self.seen();
            let key = (number, numbers.collect(), seen.constants(constants));
            if let Some(usage) = seen.usages.get(&key) {
                return Arc::clone(usage);
            }
            key
        };
        let changes = |function| changed(function).map_or(&[][..], |it| &it.changed.changes);
        let usage = if program.is_read {
            follow(
                &self.object,
                &self.code,
                program,
                parts,
                &changes,
                constants,
            )
        } else {
            Usage::default()
        };
        let usage = Arc::new(usage);
        self.seen().usages.insert(key, Arc::clone(&usage));
        usage
    }

    /// Whether any record's resolution depends on earlier records.
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

    /// The records of a function that share their candidates with others.
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

    /// How these records resolve one after the other.
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

    /// The functions that come out differently if these records are resolved one after the other
    /// and not each by itself.
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

    /// How libbpf changes an instruction, or why it refuses.
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
                    "the kernel has several types for {} that disagree: libbpf refuses the object",
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

    /// What a record asks for, as the source would write it.
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
        let changed = match self.changed.get_key_value(&changed) {
            Some((known, &number)) => {
                return Numbered {
                    number,
                    changed: Arc::clone(known),
                };
            }
            None => Arc::new(changed),
        };
        if self.changed.len() == MOST_CHANGED {
            self.changed.clear();
            self.usages.clear();
        }
        let number = self.next;
        self.next += 1;
        self.changed.insert(Arc::clone(&changed), number);
        Numbered { number, changed }
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

/// What in an object needs the kernel's own BTF.
fn needs_btf(object: &Object) -> Option<String> {
    let mut externs = object.externs().iter();
    let typed =
        externs.find(|it| matches!(it.kind, ExternKind::Function | ExternKind::TypedVariable));
    let mut maps = object.maps().iter();
    (typed.map(|it| format!("the object's extern {}", it.name))).or_else(|| {
        let map = maps.find(|map| map.struct_ops.is_some() && map.is_created)?;
        Some(format!("the object's map {}", map.name))
    })
}
