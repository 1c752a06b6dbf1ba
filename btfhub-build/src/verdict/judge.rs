//! Objects × kernels → verdicts.

use std::collections::BTreeMap;

use btfhub_runtime::KernelId;

use super::age::{Age, age, version};
use super::facts::{self, FunctionList, Wanted};
use super::found::{Constants, Place, follow};
use super::program::{Code, Program};
use super::reach::{Change, Value};
use super::rules::{Case, Relocated};
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
    /// Whether it asks for the kernel's full version.
    asks_version: bool,
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
            let asks_version = (object.externs().iter()).any(|it| it.name == VERSION);
            judge.objects.push(Part {
                meanings: relocations.meanings(object),
                object: object.clone(),
                code,
                asks_version,
            });
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
    pub fn key(&self, kernel: &Kernel<'_>) -> impl Eq + std::hash::Hash + use<> {
        let asks_version = self.objects.iter().any(|part| part.asks_version);
        let version = version(kernel.id.release)
            .map(|(major, minor, patch)| (major, minor, if asks_version { patch } else { 0 }));
        (
            kernel.own_btf,
            kernel.id.arch.as_str().to_owned(),
            kernel.id.distro.to_owned(),
            kernel.id.version.to_owned(),
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
        for part in &self.objects {
            let first = judged.programs.len();
            part.judge(kernel, &facts.0, relocations, outcome, &mut judged);
            let own = judged.programs.get(first..).unwrap_or_default();
            let together = part.together(relocations, outcome, own);
            judged.objects.push(together);
        }
        judged
    }
}

/// What libbpf calls the kernel's version.
const VERSION: &str = "LINUX_KERNEL_VERSION";

impl Part {
    /// What the records of the loaded functions come to, one after the other.
    fn resolve(
        &self,
        relocations: &Relocations,
        outcome: &relo::Outcome,
        is_loaded: impl Fn(usize) -> bool,
    ) -> BTreeMap<usize, Resolution> {
        let mut lists = CandidateLists::new(relocations, outcome);
        let mut resolved = BTreeMap::new();
        for (number, (record, meaning)) in
            self.object.records().iter().zip(&self.meanings).enumerate()
        {
            if !is_loaded(number) {
                continue;
            }
            match meaning {
                RecordMeaning::Relocation { index, .. } => {
                    let resolution = lists.next(record.relo.type_id, *index);
                    resolved.insert(number, resolution);
                }
                RecordMeaning::LocalTypeId(_) => {}
                RecordMeaning::Refused(errno) => {
                    resolved.insert(number, Resolution::Refused(*errno));
                }
            }
        }
        resolved
    }

    /// By record the function that has it.
    fn owners(&self) -> Vec<Option<usize>> {
        let mut owners = vec![None; self.meanings.len()];
        for (number, function) in self.code.functions.iter().enumerate() {
            for (_, record) in &function.records {
                if let Some(owner) = owners.get_mut(*record) {
                    *owner = Some(number);
                }
            }
        }
        owners
    }

    fn is_program(&self, function: usize) -> bool {
        (self.code.programs.iter()).any(|program| program.function == function)
    }

    fn judge(
        &self,
        kernel: &Kernel<'_>,
        facts: &facts::Facts,
        relocations: &Relocations,
        outcome: &relo::Outcome,
        judged: &mut Judged,
    ) {
        let owners = self.owners();
        let constants = self.constants(kernel, facts);
        for program in &self.code.programs {
            // The functions of `.text` are always relocated.
            let resolved = self.resolve(relocations, outcome, |record| {
                let owner = owners.get(record).copied().flatten();
                owner.is_none_or(|owner| owner == program.function || !self.is_program(owner))
            });
            let mut relocated = Relocated::default();
            let mut changes: BTreeMap<usize, Vec<(usize, Change)>> = BTreeMap::new();
            for (number, function) in self.code.functions.iter().enumerate() {
                for (at, record) in &function.records {
                    let Some(resolution) = resolved.get(record) else {
                        continue;
                    };
                    let place = Place {
                        function: number,
                        at: *at,
                    };
                    let change = self.change(relocations, place, *record, resolution);
                    match change {
                        Ok(Some(change)) => {
                            if change == Change::Poisoned {
                                let asked = self.asked(relocations, *record);
                                relocated.poisoned.push((place, asked));
                            }
                            changes.entry(number).or_default().push((*at, change));
                        }
                        Ok(None) => {}
                        Err(refusal) => {
                            relocated.refusal.get_or_insert(refusal);
                        }
                    }
                }
            }
            for changes in changes.values_mut() {
                changes.sort_unstable_by_key(|(at, _)| *at);
            }
            let changes_of = |function: usize| changes.get(&function).cloned().unwrap_or_default();
            let found = follow(&self.object, &self.code, program, &changes_of, &constants);
            let case = Case::new(
                &self.object,
                &self.code,
                program,
                &found,
                &relocated,
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
        place: Place,
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
        let (Some(RecordMeaning::Relocation { index, local }), Some(function)) = (
            self.meanings.get(record),
            self.code.functions.get(place.function),
        ) else {
            return Ok(None);
        };
        let Some(relocation) = relocations.list().get(*index) else {
            return Ok(None);
        };
        let section = self.object.sections().get(function.section);
        let code = section.map_or(&[][..], |section| &section.code);
        let offset = (usize::try_from(function.start).ok())
            .and_then(|start| start.checked_add(place.at.checked_mul(INSN)?))
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
        match self.meanings.get(record) {
            Some(RecordMeaning::Relocation { index, .. }) => {
                (relocations.list().get(*index)).map_or_else(String::new, relo::term)
            }
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
                if matches!(kernel.id.distro, "debian" | "ubuntu") {
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
    fn together(
        &self,
        relocations: &Relocations,
        outcome: &relo::Outcome,
        own: &[Verdict],
    ) -> Verdict {
        let owners = self.owners();
        let is_left_out = |function: usize| {
            (self.code.programs.iter())
                .any(|program| program.function == function && !program.is_loaded)
        };
        let loaded = self
            .code
            .programs
            .iter()
            .zip(own)
            .filter(|(program, _)| program.is_loaded);
        let mut worst = Outcome::Runs;
        let mut reasons = Vec::new();
        for (program, verdict) in loaded {
            let name = (self.code.functions.get(program.function)).map_or("", |f| &f.name);
            if verdict.outcome != Outcome::Runs {
                worst = worst.max(verdict.outcome);
                reasons.extend(verdict.reasons.iter().map(|reason| {
                    let text = format!("{name}: {}", reason.text);
                    (
                        verdict.outcome,
                        Reason {
                            text,
                            ..reason.clone()
                        },
                    )
                }));
            }
        }
        let resolved = self.resolve(relocations, outcome, |record| {
            let owner = owners.get(record).copied().flatten();
            owner.is_none_or(|owner| !is_left_out(owner))
        });
        for (number, function) in self.code.functions.iter().enumerate() {
            for (at, record) in &function.records {
                let Some(resolution) = resolved.get(record) else {
                    continue;
                };
                let place = Place {
                    function: number,
                    at: *at,
                };
                let alone = outcome.resolution(
                    relocations,
                    match self.meanings.get(*record) {
                        Some(RecordMeaning::Relocation { index, .. }) => *index,
                        _ => usize::MAX,
                    },
                );
                if alone.as_ref() == Some(resolution) {
                    continue;
                }
                let asked = self.asked(relocations, *record);
                let is_refused = match self.change(relocations, place, *record, resolution) {
                    Err(_) => true,
                    Ok(change) => change == Some(Change::Poisoned),
                };
                if is_refused {
                    let outcome = Outcome::Fails(super::Certainty::Proven);
                    worst = worst.max(outcome);
                    let text = format!(
                        "{}: {asked} finds its type only when {} is loaded without the programs \
                         before it: libbpf drops candidates that those do not fit; give the types \
                         two flavors",
                        function.name, function.name
                    );
                    let reason = Reason {
                        rule: "relocation",
                        text,
                    };
                    if !reasons.iter().any(|(_, known)| *known == reason) {
                        reasons.push((outcome, reason));
                    }
                }
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
}
