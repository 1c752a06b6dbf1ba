//! Objects × kernels → verdicts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use btfhub_runtime::KernelId;

use super::age::{Age, age, version};
use super::facts::{self, FunctionList, Wanted};
use super::found::{Constants, Found, Place, follow};
use super::program::{Code, Function, Program};
use super::reach::{Change, Value};
use super::rules::{Case, Relocated, Relocation, own_btf};
use super::{Outcome, Reason, Verdict};
use crate::insn::{INSN, Patched, patch};
use crate::object::{ExternKind, Object};
use crate::relo::{self, CandidateLists, RecordMeaning, Relocations, Resolution};

/// Gives verdicts on the programs of some objects.
#[derive(Debug)]
pub struct Judge {
    objects: Vec<Part>,
    programs: Vec<Program>,
    wanted: Wanted,
}

/// One object of a [`Judge`].
#[derive(Debug)]
struct Part {
    object: Object,
    code: Code,
    meanings: Vec<RecordMeaning>,
    /// By record the function that has it.
    owners: Vec<Option<usize>>,
    /// By program the functions that it is put together from.
    parts: Vec<Vec<usize>>,
    /// By function whether it is a program.
    is_program: Vec<bool>,
    /// Whether it asks for the kernel's full version.
    asks_version: bool,
    /// What programs were found to do after the same changes, with the same constants:
    /// most kernels have many programs alike.
    found: Mutex<HashMap<Followed, Arc<Found>>>,
}

/// A program by number, the changes of the functions that it is put together from, and the
/// constants.
type Followed = (usize, Vec<Arc<Changed>>, Constants);

/// What libbpf makes of a function's instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Changed {
    /// By instruction, ascending.
    changes: Vec<(usize, Change)>,
    /// The records of those that become invalid.
    poisoned: Vec<(usize, usize)>,
    /// The first record with which it refuses, and why.
    refusal: Option<String>,
}

/// What relocations come to in a kernel with lists of candidates of their own, and whether
/// that depends on the records before.
struct Resolved {
    fresh: Vec<Resolution>,
    is_shared: Vec<bool>,
}

impl Resolved {
    fn new(relocations: &Relocations, outcome: &relo::Outcome) -> Self {
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

/// What a kernel's BTF tells of what programs need.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts(facts::Facts);

/// A kernel that verdicts are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// Which one.
    pub id: KernelId<'a>,
    /// What the user knows of its BTF; else it is told from names and functions.
    pub own_btf: KernelBtf,
}

/// Whether a kernel has BTF of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum KernelBtf {
    /// As the user says, or as such kernels are known to.
    Known(bool),
    /// As the functions in its BTF hint.
    Likely(bool),
    /// Nothing is known.
    #[default]
    Unknown,
}

/// The verdicts on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Judged {
    /// For each program of [`Judge::programs`], loaded by itself.
    pub programs: Vec<Verdict>,
    /// For each object, with all programs that libbpf loads by default.
    pub objects: Vec<Verdict>,
}

impl Judge {
    /// Looks through the objects, whose relocations are among `relocations`.
    pub fn new(objects: &[Object], relocations: &Relocations) -> Self {
        let mut judge = Self {
            objects: Vec::new(),
            programs: Vec::new(),
            wanted: Wanted::default(),
        };
        for object in objects {
            let code = Code::of(object, &mut judge.programs);
            code.want(object, &mut judge.wanted);
            judge.objects.push(Part::new(object, code, relocations));
        }
        judge
    }

    /// Names what user space attaches a program to: all of that name, of whatever object.
    ///
    /// Gives back whether there is one.
    pub fn set_target(&mut self, program: &str, target: &str) -> bool {
        let mut is_known = false;
        let parts = self.objects.iter_mut();
        let needs = parts.flat_map(|part| part.code.programs.iter_mut());
        for (named, needs) in self.programs.iter().zip(needs) {
            if named.name == program {
                needs.target = Some(target.to_owned());
                is_known = true;
            }
        }
        for part in &self.objects {
            part.code.want(&part.object, &mut self.wanted);
        }
        is_known
    }

    /// The programs, object by object.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// What a kernel's BTF tells of what they need.
    pub fn facts(&self, btf: &crate::btf::Btf) -> Facts {
        Facts(facts::Facts::of(btf, &self.wanted))
    }

    /// All of a kernel that verdicts depend on, beside its facts and what relocations come to
    /// in it: kernels that are equal in that have the same.
    pub fn key(&self, kernel: &Kernel<'_>, facts: &Facts) -> impl Eq + Hash + use<> {
        let asks_version = self.objects.iter().any(|part| part.asks_version);
        let version = version(kernel.id.release).map(|(major, minor, patch)| {
            (
                major,
                minor,
                asks_version.then_some((patch, hides_patch(kernel))),
            )
        });
        (
            own_btf(kernel, &facts.0),
            kernel.id.arch.as_str().to_owned(),
            version,
        )
    }

    /// The verdicts on a kernel in which relocations come to `outcome`.
    pub fn judge(
        &self,
        kernel: &Kernel<'_>,
        facts: &Facts,
        relocations: &Relocations,
        outcome: &relo::Outcome,
    ) -> Judged {
        let mut judged = Judged {
            programs: Vec::with_capacity(self.programs.len()),
            objects: Vec::with_capacity(self.objects.len()),
        };
        let resolved = Resolved::new(relocations, outcome);
        let at = At {
            relocations,
            outcome,
            resolved: &resolved,
        };
        for part in &self.objects {
            let first = judged.programs.len();
            let fresh = part.fresh(&at);
            part.judge(kernel, &facts.0, &at, &fresh, &mut judged);
            let own = judged.programs.get(first..).unwrap_or_default();
            judged.objects.push(part.together(&at, own));
        }
        judged
    }
}

/// What libbpf calls the kernel's version.
const VERSION: &str = "LINUX_KERNEL_VERSION";

/// Distributions whose releases do not tell the last number of the version.
fn hides_patch(kernel: &Kernel<'_>) -> bool {
    matches!(kernel.id.distro, "debian" | "ubuntu")
}

/// What relocations come to in the kernel that is looked at.
struct At<'a> {
    relocations: &'a Relocations,
    outcome: &'a relo::Outcome,
    resolved: &'a Resolved,
}

impl Part {
    fn new(object: &Object, code: Code, relocations: &Relocations) -> Self {
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
    fn alone(&self, at: &At<'_>, record: usize) -> Option<Resolution> {
        match self.meanings.get(record)? {
            RecordMeaning::Relocation { index, .. } => at.resolved.fresh.get(*index).copied(),
            RecordMeaning::LocalTypeId(_) => None,
            RecordMeaning::Refused(errno) => Some(Resolution::Refused(*errno)),
        }
    }

    /// What each function becomes, its records taken one by one.
    fn fresh(&self, at: &At<'_>) -> Vec<Arc<Changed>> {
        (0..self.code.functions.len())
            .map(|number| Arc::new(self.changed(at, number, |record| self.alone(at, record))))
            .collect()
    }

    /// Whether any record's answer depends on those before it.
    fn shares_candidates(&self, at: &At<'_>) -> bool {
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
    fn in_order(
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
    fn changed_in_order(
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

    fn judge(
        &self,
        kernel: &Kernel<'_>,
        facts: &facts::Facts,
        at: &At<'_>,
        fresh: &[Arc<Changed>],
        judged: &mut Judged,
    ) {
        let constants = self.constants(kernel, facts);
        let shares = self.shares_candidates(at);
        let is_text = |function: usize| self.is_program.get(function) == Some(&false);
        for (number, (program, parts)) in self.code.programs.iter().zip(&self.parts).enumerate() {
            // The functions of `.text` are always relocated.
            let is_loaded = |function: usize| function == program.function || is_text(function);
            let in_order;
            let changed = if shares {
                in_order = self.changed_in_order(at, fresh, is_loaded);
                &in_order
            } else {
                fresh
            };
            let mut relocated = Relocated::default();
            for (function, changed) in changed.iter().enumerate() {
                if !is_loaded(function) {
                    continue;
                }
                if let Some(refusal) = &changed.refusal {
                    relocated.refusal.get_or_insert_with(|| refusal.clone());
                }
            }
            for &function in parts {
                let poisoned = changed.get(function).map_or(&[][..], |it| &it.poisoned);
                relocated
                    .poisoned
                    .extend(poisoned.iter().map(|&(insn, record)| {
                        let place = Place { function, at: insn };
                        (place, record)
                    }));
            }
            let of_parts: Vec<Arc<Changed>> = (parts.iter())
                .filter_map(|&function| changed.get(function).cloned())
                .collect();
            let key = (number, of_parts, constants.clone());
            let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let found = match known.get(&key) {
                Some(found) => Arc::clone(found),
                None => {
                    let changes_of =
                        |function: usize| changed.get(function).map_or(&[][..], |it| &it.changes);
                    let found = follow(&self.object, &self.code, program, &changes_of, &constants);
                    let found = Arc::new(found);
                    known.insert(key, Arc::clone(&found));
                    found
                }
            };
            drop(known);
            let asked = |record: usize| self.asked(at.relocations, record);
            let case = Case::new(
                &self.object,
                &self.code,
                program,
                &found,
                Relocation {
                    relocated: &relocated,
                    asked: &asked,
                },
                kernel,
                facts,
            );
            judged.programs.push(case.verdict());
        }
    }

    /// What libbpf makes of an instruction, or why it refuses.
    fn change(
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

    fn asked(&self, relocations: &Relocations, record: usize) -> String {
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

    /// What the kernel's values are, as far as they are known.
    fn constants(&self, kernel: &Kernel<'_>, facts: &facts::Facts) -> Constants {
        let age = age(kernel.id.release, facts);
        let externs = self.object.externs();
        let is_listed = facts.list == FunctionList::Full;
        let present = externs.iter().map(|it| match it.kind {
            ExternKind::Kconfig => Some(true),
            ExternKind::Function if facts.function(&it.name).is_some() => Some(true),
            ExternKind::Function if is_listed => Some(false),
            ExternKind::TypedVariable => Some(facts.has_variable(&it.name)),
            _ => None,
        });
        let values = externs.iter().map(|it| match it.name.as_str() {
            VERSION => version(kernel.id.release).map_or(Value::Maybe, |(major, minor, patch)| {
                let number = u64::from(major) << 16 | u64::from(minor) << 8;
                let number = number | u64::from(patch.min(255));
                // Their releases do not tell the last number.
                if hides_patch(kernel) {
                    Value::Default(number)
                } else {
                    Value::Constant(number)
                }
            }),
            // bpf_get_attach_cookie
            "LINUX_HAS_BPF_COOKIE" => {
                (facts.helpers.has(174)).map_or(Value::Maybe, |has| Value::Constant(u64::from(has)))
            }
            "LINUX_HAS_SYSCALL_WRAPPER" if facts.list != FunctionList::None => {
                Value::Constant(u64::from(facts.signs.wraps_syscalls))
            }
            _ => Value::Maybe,
        });
        Constants {
            present: present.collect(),
            values: values.collect(),
            reads_data: age.is_none_or(|age| age >= Age(5, 5)),
        }
    }

    /// What holds for the object with all programs that are loaded by default.
    fn together(&self, at: &At<'_>, own: &[Verdict]) -> Verdict {
        let loaded = self.code.programs.iter().zip(own);
        let loaded = loaded.filter(|(program, _)| program.is_loaded);
        let mut worst = Outcome::Runs;
        let mut reasons = Vec::new();
        for (program, verdict) in loaded {
            let name = (self.code.functions.get(program.function)).map_or("", |f| &f.name);
            if verdict.outcome != Outcome::Runs {
                worst = worst.max(verdict.outcome);
                reasons.extend(verdict.reasons.iter().map(|reason| {
                    let text = format!("{name}: {}", reason.text);
                    let rule = reason.rule;
                    (verdict.outcome, Reason { rule, text })
                }));
            }
        }
        if self.shares_candidates(at) {
            for reason in self.at_odds(at) {
                let outcome = Outcome::Fails(super::Certainty::Proven);
                worst = worst.max(outcome);
                reasons.push((outcome, reason));
            }
        }
        let mut reasons: Vec<Reason> = (reasons.into_iter())
            .filter(|(outcome, _)| outcome.name() == worst.name())
            .map(|(_, reason)| reason)
            .collect();
        if reasons.is_empty() {
            let text = "all its programs are expected to load and attach".to_owned();
            reasons.push(Reason {
                rule: "checked",
                text,
            });
        }
        Verdict {
            outcome: worst,
            reasons,
        }
    }

    /// Relocations that fail because of the programs before them.
    fn at_odds(&self, at: &At<'_>) -> Vec<Reason> {
        let left_out: BTreeSet<usize> = (self.code.programs.iter())
            .filter(|program| !program.is_loaded)
            .map(|program| program.function)
            .collect();
        let mut reasons: Vec<Reason> = Vec::new();
        for (record, resolution) in self.in_order(at, |owner| !left_out.contains(&owner)) {
            if self.alone(at, record).as_ref() == Some(&resolution) {
                continue;
            }
            let owner = self.owners.get(record).copied().flatten();
            let Some(function) = owner.and_then(|owner| self.code.functions.get(owner)) else {
                continue;
            };
            let insns = function.records.iter().filter(|(_, of)| *of == record);
            let fails = insns.into_iter().any(|(insn, _)| {
                !matches!(
                    self.change(at.relocations, function, *insn, record, &resolution),
                    Ok(None | Some(Change::Value(_)))
                )
            });
            if fails {
                let text = format!(
                    "{}: {} finds its type only when {} is loaded without the programs before \
                     it: libbpf drops candidates that those do not fit; give the types two flavors",
                    function.name,
                    self.asked(at.relocations, record),
                    function.name
                );
                let reason = Reason {
                    rule: "relocation",
                    text,
                };
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        reasons
    }
}
