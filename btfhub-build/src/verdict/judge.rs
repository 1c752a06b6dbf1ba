//! Objects × kernels → verdicts.

use std::collections::BTreeMap;
use std::error::Error;
use std::hash::Hash;
use std::sync::Arc;

use btfhub_runtime::KernelId;

use super::age::{age, version};
use super::case::{Case, Findings, Relocation};
use super::constants::Constants;
use super::externs::presence;
use super::facts::{self, Wanted};
use super::kernel::{Kernel, KernelBtf};
use super::outcome::Verdict;
use super::patched::{ObjectAnalysis, Resolved};
use super::program::{Code, Program};
use super::reach::Level;
use super::rules;
use super::usage::Place;
use crate::archive::Filter;
use crate::atlas::Atlas;
use crate::btf::Btf;
use crate::object::Object;
use crate::relo::{self, Relocations};
use crate::symbols::Symbols;

/// Judges the programs of some objects.
#[derive(Debug)]
pub struct Judge {
    pub(super) objects: Vec<ObjectAnalysis>,
    programs: Vec<Program>,
    wanted: Wanted,
    /// What the user says about kernels' own BTF, last one first.
    own_btf: Vec<(Filter, bool)>,
}

/// Which of the things that programs need a kernel has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts(facts::Facts);

impl Facts {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        facts::Facts::from_bytes(bytes).map(Self)
    }
}

/// The verdicts on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Judged {
    /// For each program of [`Judge::programs`], loaded by itself.
    pub programs: Vec<Verdict>,
    /// For each object, with all programs that libbpf loads by default.
    pub objects: Vec<Verdict>,
    /// For each object, the instructions that libbpf makes invalid and that one of its programs
    /// reaches, by section and byte offset; `false` if it reaches one only when a constant
    /// differs from what is assumed.
    pub(crate) reached: Vec<BTreeMap<(usize, u64), bool>>,
}

impl Judge {
    /// Examines the objects, whose relocations are among `relocations`.
    pub fn new(objects: &[Object], relocations: &Relocations) -> Self {
        let mut judge = Self {
            objects: Vec::new(),
            programs: Vec::new(),
            wanted: Wanted::default(),
            own_btf: Vec::new(),
        };
        for object in objects {
            let code = Code::of(object, &mut judge.programs);
            code.want(object, &mut judge.wanted);
            judge
                .objects
                .push(ObjectAnalysis::new(object, code, relocations));
        }
        judge
    }

    /// Sets what user space attaches a program to, for all programs of that name in any object.
    /// Returns whether there is one.
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

    /// Says whether kernels have BTF of their own; the last filter that matches counts. For all
    /// others, it is inferred from their names and functions.
    pub fn set_own_btf(&mut self, kernels: Filter, has: bool) {
        self.own_btf.insert(0, (kernels, has));
    }

    /// A kernel, with what the user says about its own BTF.
    pub fn kernel<'a>(&self, id: KernelId<'a>) -> Kernel<'a> {
        let mut said = self.own_btf.iter();
        let own_btf = (said.find(|(filter, _)| filter.matches(&id)))
            .map_or(KernelBtf::Unknown, |(_, has)| KernelBtf::Known(*has));
        Kernel { id, own_btf }
    }

    /// The programs, object by object.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// Which of the things that the programs need a kernel has, by its BTF and its symbols.
    pub fn facts(&self, btf: &Btf, symbols: Option<&Symbols>) -> Facts {
        Facts(facts::Facts::of(btf, symbols, &self.wanted))
    }

    /// The same for each kernel of an atlas.
    pub(crate) fn facts_of_atlas(
        &self,
        atlas: &Atlas,
    ) -> Result<Vec<Arc<Facts>>, Box<dyn Error + Send + Sync>> {
        let (distinct, numbers) = facts::Facts::of_atlas(atlas, &self.wanted)?;
        let distinct: Vec<_> = distinct.into_iter().map(Facts).map(Arc::new).collect();
        let of_kernels = numbers
            .into_iter()
            .filter_map(|at| distinct.get(at).cloned());
        Ok(of_kernels.collect())
    }

    /// Equal if the same facts are needed.
    pub(crate) fn facts_key(&self) -> Vec<u8> {
        self.wanted.to_bytes()
    }

    /// Everything that verdicts depend on except a kernel's facts and the outcome of relocations:
    /// kernels that are equal in all three have the same verdicts.
    pub fn key(&self, kernel: &Kernel<'_>, facts: &Facts) -> impl Eq + Hash + use<> {
        let asks_version = self.objects.iter().any(|part| part.asks_version);
        let version = version(kernel.id.release).map(|(major, minor, patch)| {
            (
                major,
                minor,
                asks_version.then_some((patch, kernel.hides_patch())),
            )
        });
        (
            kernel.own_btf(&facts.0),
            kernel.id.arch.as_str().to_owned(),
            version,
        )
    }

    /// The verdicts on a kernel with this outcome of the relocations.
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
            reached: Vec::with_capacity(self.objects.len()),
        };
        let resolved = Resolved::new(relocations, outcome);
        for part in &self.objects {
            let first = judged.programs.len();
            part.judge(kernel, &facts.0, &resolved, &mut judged);
            let own = judged.programs.get(first..).unwrap_or_default();
            judged.objects.push(part.together(&resolved, own));
        }
        judged
    }
}

impl ObjectAnalysis {
    fn judge(
        &self,
        kernel: &Kernel<'_>,
        facts: &facts::Facts,
        resolved: &Resolved<'_>,
        judged: &mut Judged,
    ) {
        let fresh = self.fresh(resolved);
        let presence = presence(&self.object, &self.outlines, facts);
        let constants = Constants::of(
            &self.object,
            self.has_empty_section,
            &presence,
            kernel,
            facts,
        );
        let age = age(kernel.id.release, facts);
        let of_object = rules::of_object(&self.object, &presence, facts, age);
        // The functions of `.text` are relocated whichever program is loaded.
        let text: Vec<usize> = (0..self.code.functions.len())
            .filter(|function| self.is_program.get(*function) == Some(&false))
            .collect();
        let shared = |function: &usize| self.shared_records(resolved, *function);
        let records_of_text: Vec<usize> = text.iter().flat_map(shared).collect();
        let refuses = |function: &usize| {
            (fresh.get(*function)).is_some_and(|it| it.changed.refusal.is_some())
        };
        let refusing: Vec<usize> = text.iter().copied().filter(refuses).collect();
        let mut reached: Vec<(Place, Level)> = Vec::new();
        for (number, program) in self.code.programs.iter().enumerate() {
            let mut records: Vec<usize> = self.shared_records(resolved, program.function).collect();
            let in_order = if records.is_empty() && records_of_text.is_empty() {
                BTreeMap::new()
            } else {
                records.extend(&records_of_text);
                records.sort_unstable();
                self.changed_in_order(resolved, &records)
            };
            let changed = |function: usize| in_order.get(&function).or_else(|| fresh.get(function));
            let refusal = (refusing.iter().chain([&program.function]))
                .chain(in_order.keys())
                .filter(|function| {
                    (changed(**function)).is_some_and(|it| it.changed.refusal.is_some())
                })
                .min();
            let refusal = refusal.and_then(|function| changed(*function)?.changed.refusal.clone());
            let usage = self.usage(number, &constants, &changed);
            reached.extend(&usage.poisoned);
            let poisons = |place: Place| {
                let poisoned = &changed(place.function)?.changed.poisoned;
                let found = poisoned.iter().find(|(insn, _)| *insn == place.at);
                found.map(|(_, record)| *record)
            };
            let asked = |record: usize| self.asked(resolved.relocations, record);
            let case = Case {
                object: &self.object,
                code: &self.code,
                program,
                usage: &usage,
                relocation: Relocation {
                    refusal: refusal.as_deref(),
                    poisons: &poisons,
                    asked: &asked,
                },
                kernel_btf: kernel.own_btf(facts),
                age,
                kernel,
                facts,
                presence: &presence,
                needs_btf: self.needs_btf.as_deref(),
                findings: Findings::default(),
            };
            judged.programs.push(rules::verdict(case, &of_object));
        }
        // Programs may share functions. Of each place, the highest level comes last, and counts.
        reached.sort();
        judged.reached.push(self.by_section(&reached));
    }

    /// Places by section and byte; the last of equal ones counts.
    fn by_section(&self, reached: &[(Place, Level)]) -> BTreeMap<(usize, u64), bool> {
        let places = reached.iter().filter_map(|(place, level)| {
            let function = self.code.functions.get(place.function)?;
            let within = u64::try_from(place.at).ok()?.checked_mul(8)?;
            let offset = function.start.checked_add(within)?;
            Some(((function.section, offset), *level > Level::IfChanged))
        });
        places.collect()
    }
}
