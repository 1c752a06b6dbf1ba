//! Objects × kernels → verdicts.

use std::error::Error;
use std::hash::Hash;
use std::sync::{Arc, PoisonError};

use btfhub_runtime::KernelId;

use super::age::version;
use super::case::{Case, Relocated, Relocation};
use super::constants::Constants;
use super::facts::{self, Wanted};
use super::found::{Place, follow};
use super::kernel::{Kernel, KernelBtf};
use super::outcome::Verdict;
use super::patched::{At, Changed, Part, Resolved};
use super::program::{Code, Program};
use super::rules::verdict;
use crate::archive::Filter;
use crate::atlas::Atlas;
use crate::object::Object;
use crate::relo::{self, Relocations};

/// Gives verdicts on the programs of some objects.
#[derive(Debug)]
pub struct Judge {
    objects: Vec<Part>,
    programs: Vec<Program>,
    wanted: Wanted,
    /// What the user knows of kernels' own BTF, the last one first.
    own_btf: Vec<(Filter, bool)>,
}

/// What a kernel's BTF tells of what programs need.
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
}

impl Judge {
    /// Looks through the objects, whose relocations are among `relocations`.
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

    /// Says that kernels have BTF of their own, or have none; the last filter that matches
    /// counts. Of all others, their names and functions are asked.
    pub fn set_own_btf(&mut self, kernels: Filter, has: bool) {
        self.own_btf.insert(0, (kernels, has));
    }

    /// A kernel, with what was said of its own BTF.
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

    /// What a kernel's BTF tells of what they need.
    pub fn facts(&self, btf: &crate::btf::Btf) -> Facts {
        Facts(facts::Facts::of(btf, &self.wanted))
    }

    /// The same of each kernel of an atlas.
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

    /// Equal where the same facts are asked for.
    pub(crate) fn facts_key(&self) -> Vec<u8> {
        self.wanted.to_bytes()
    }

    /// All of a kernel that verdicts depend on, beside its facts and what relocations come to
    /// in it: kernels that are equal in that have the same.
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

impl Part {
    fn judge(
        &self,
        kernel: &Kernel<'_>,
        facts: &facts::Facts,
        at: &At<'_>,
        fresh: &[Arc<Changed>],
        judged: &mut Judged,
    ) {
        let constants = Constants::of(&self.object, kernel, facts);
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
            judged.programs.push(verdict(case));
        }
    }
}
