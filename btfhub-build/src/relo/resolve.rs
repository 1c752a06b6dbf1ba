//! Relocations × target → [`Outcome`].

use std::fmt;
use std::ops::Range;

use foldhash::{HashMap, HashMapExt as _};

use super::duplicates::Duplicates;
use super::kind::{Errno, ReloKind};
use super::local::{Relocation, Spec};
use super::occurrence::{At, Occurrence, Occurrences};
use super::relocations::Relocations;
use super::trace::{Halt, Mark, Trace};
use super::value::LoadClass;
use crate::btf::{Btf, StrOffset, Type, TypeId, essential_name};

/// How all relocations resolve on one kernel.
///
/// libbpf's answer depends on state: it keeps one list of candidates for each local type, and
/// prunes it while it processes the records of the programs that are loaded. This holds what
/// does not depend on that state: for every relocation, each candidate's own result, and the
/// candidates' order. Candidates that never match are left out. So is a candidate that equals
/// an earlier one in everything, because it can't change any answer. Two BTFs with equal
/// outcomes are equal for libbpf, whichever programs are loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Outcome {
    groups: Vec<Group>,
}

/// The relocations that share their candidates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Which of [`Relocations::list`].
    pub relocations: Range<usize>,
    /// The candidates that matter, in id order.
    pub candidates: Vec<Candidate>,
}

/// One candidate's results, one for each relocation of its group: `None` where
/// it does not match, an error where libbpf stops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// The results.
    pub results: Vec<Option<Result<Match, Errno>>>,
}

/// How a relocation resolves with one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    /// libbpf uses `bpf_core_spec::bit_offset` only to check whether candidates agree. So this
    /// is 0 for the first candidate's offset, 1 for the next different one, and so on. (It is
    /// the offset itself until an [`Outcome`] is made.)
    pub bit_offset: u32,
    /// `new_val`. For `TypeIdTarget` 0: ids differ between any two BTFs.
    pub value: u64,
    /// `new_sz`: bytes of the field, or 0 if no load can be adjusted.
    pub size: u32,
    /// `fail_memsz_adjust`: a load of the local size can't become one of this.
    pub wrong_load: bool,
}

/// How a relocation resolves on one kernel, with a fresh list of candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// libbpf patches the instruction.
    Resolved {
        /// `new_val`.
        value: u64,
        /// `new_sz`.
        size: u32,
        /// `fail_memsz_adjust`.
        wrong_load: bool,
        /// Whether a target was found; if not, `value` means "there is none".
        found: bool,
    },
    /// Nothing was found: libbpf replaces the instruction by an invalid one.
    Poisoned,
    /// Candidates disagree: libbpf refuses the object (`-EINVAL`).
    Ambiguous,
    /// libbpf refuses the object with this error.
    Refused(Errno),
}

/// The types of this kernel are so entangled that relocation would take more
/// than 2²⁶ steps. No real BTF comes near; libbpf would hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

impl fmt::Display for TooComplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "its types are nested such that relocation takes more than 2^26 steps; no kernel's \
             are, so this BTF is damaged or malicious",
        )
    }
}

impl std::error::Error for TooComplex {}

/// Resolves relocations against a kernel's BTF.
///
/// # Errors
/// [`TooComplex`].
pub fn resolve(relocations: &Relocations, btf: &Btf) -> Result<Outcome, TooComplex> {
    let traced = trace_groups(relocations, btf, &Duplicates::default())?;
    Ok(Outcome::new(relocations, &traced.groups))
}

/// What was read from one target.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) groups: Vec<TracedGroup>,
    pub(crate) occurrences: Occurrences,
    /// Array members into which an index was tried.
    pub(crate) indexed: Vec<(Occurrence, u32)>,
}

/// A group with everything its matches read. Candidates that no relocation
/// matches are left out.
#[derive(Debug)]
pub(crate) struct TracedGroup {
    pub(crate) relocations: Range<usize>,
    pub(crate) candidates: Vec<TracedCandidate>,
    /// Candidates of aya-obj alone.
    pub(crate) aya: Vec<TracedCandidate>,
}

/// A candidate, its results, and what they were computed from.
#[derive(Debug)]
pub(crate) struct TracedCandidate {
    pub(crate) id: TypeId,
    pub(crate) results: Vec<Option<Result<Match, Errno>>>,
    pub(crate) marks: Vec<Mark>,
}

/// Resolves relocations and records what was read. Of `duplicates`, the first is read.
pub(crate) fn trace_groups(
    relocations: &Relocations,
    btf: &Btf,
    duplicates: &Duplicates,
) -> Result<Traced, TooComplex> {
    let list = relocations.list();
    let search = relocations.search();
    let mut trace = Trace::default();
    let candidates = (search.candidates(btf, &mut trace)).map_err(|_| TooComplex)?;
    let mut matcher = Matcher {
        btf,
        duplicates,
        trace,
        candidate: TypeId::VOID,
    };
    let mut groups = Vec::with_capacity(search.groups.len());
    for (range, candidates) in search.groups.iter().zip(candidates) {
        let group = list.get(range.clone()).unwrap_or_default();
        let mut trace = |ids: Vec<TypeId>| {
            ids.into_iter()
                .filter_map(|id| matcher.candidate(group, id).transpose())
                .collect::<Result<Vec<_>, _>>()
        };
        groups.push(TracedGroup {
            candidates: trace(candidates.ids)?,
            aya: trace(candidates.aya)?,
            relocations: range.clone(),
        });
    }
    let (occurrences, indexed) = matcher.trace.end();
    Ok(Traced {
        groups,
        occurrences,
        indexed,
    })
}

/// Matches relocations against candidates of one target.
pub(super) struct Matcher<'a> {
    pub(super) btf: &'a Btf,
    duplicates: &'a Duplicates,
    pub(super) trace: Trace,
    /// The candidate being tried, which represents itself.
    candidate: TypeId,
}

impl<'a> Matcher<'a> {
    /// [`Btf::skip_modifiers`], with the steps counted.
    pub(super) fn skip(&mut self, at: At) -> Result<(At, Type<'a>), Halt> {
        let (found, modifiers) = self.btf.skip_counting(at.id);
        if modifiers > 0 {
            self.trace.skipped(modifiers)?;
        }
        let (id, ty) = found.ok_or(Halt::Errno(Errno::Invalid))?;
        let first = self.duplicates.of(id);
        if first == id || id == self.candidate {
            return Ok((at.leads_to(id, ty, self.btf), ty));
        }
        let ty = self.btf.ty(first).ok_or(Halt::Errno(Errno::Invalid))?;
        Ok((at.leads_to(first, ty, self.btf), ty))
    }

    /// The essential name at an offset, with its length counted.
    pub(super) fn essential(&mut self, name: StrOffset) -> Result<&'a [u8], Halt> {
        let name = self.btf.string(name);
        self.trace.name_read(name)?;
        Ok(essential_name(name))
    }

    /// `None` for one that no relocation matches, and so can't change an answer.
    fn candidate(
        &mut self,
        relocations: &[Relocation],
        id: TypeId,
    ) -> Result<Option<TracedCandidate>, TooComplex> {
        self.candidate = id;
        let mut results = Vec::with_capacity(relocations.len());
        for relocation in relocations {
            self.trace.step().map_err(|_| TooComplex)?;
            let from = self.trace.position();
            let result = self.one(relocation, id);
            if matches!(result, Ok(None)) {
                self.trace.roll_back(from);
            }
            results.push(match result {
                Ok(found) => found.map(Ok),
                Err(Halt::Errno(errno)) => Some(Err(errno)),
                Err(Halt::OutOfSteps) => return Err(TooComplex),
            });
        }
        let marks = self.trace.take_marks();
        if results.iter().all(Option::is_none) {
            return Ok(None);
        }
        for _ in &results {
            self.trace.result_kept().map_err(|_| TooComplex)?;
        }
        Ok(Some(TracedCandidate { id, results, marks }))
    }

    /// `bpf_core_spec_match` and `bpf_core_calc_relo` for one candidate.
    fn one(&mut self, relocation: &Relocation, id: TypeId) -> Result<Option<Match>, Halt> {
        let plain = |value: u64| Match {
            bit_offset: 0,
            value,
            size: 0,
            wrong_load: false,
        };
        match &relocation.spec {
            Spec::Field(accessors) => {
                let found = self.field(relocation, accessors, id)?;
                Ok(found.map(|(bit_offset, field)| Match {
                    bit_offset,
                    value: field.value,
                    size: field.size,
                    wrong_load: relocation.load.size != field.size
                        && !matches!(
                            (relocation.load.class, field.load),
                            (LoadClass::Pointer, LoadClass::Pointer)
                                | (LoadClass::Unsigned, LoadClass::Unsigned)
                        ),
                }))
            }
            Spec::Enumerator(name) => Ok(self.enumerator(relocation.kind, name, id)?.map(plain)),
            Spec::TypeMatch(shape) => {
                let matches = self.matches(shape, At::candidate(id))?;
                Ok(matches.then(|| plain(1)))
            }
            Spec::Type(shape) => {
                if !self.is_compatible(shape, At::candidate(id))? {
                    return Ok(None);
                }
                Ok(Some(match relocation.kind {
                    ReloKind::TypeSize => {
                        self.trace.mark(Mark::Size(Occurrence::Named(id)));
                        plain(u64::from(
                            self.btf.resolve_size(id).map_err(|_| Errno::Invalid)?,
                        ))
                    }
                    ReloKind::TypeIdTarget => plain(0),
                    ReloKind::FieldByteOffset
                    | ReloKind::FieldByteSize
                    | ReloKind::FieldExists
                    | ReloKind::FieldSigned
                    | ReloKind::FieldLshiftU64
                    | ReloKind::FieldRshiftU64
                    | ReloKind::TypeIdLocal
                    | ReloKind::TypeExists
                    | ReloKind::EnumvalExists
                    | ReloKind::EnumvalValue
                    | ReloKind::TypeMatches => plain(1),
                }))
            }
        }
    }
}

impl Outcome {
    /// The outcome of traced groups: the candidates that matter.
    pub(crate) fn new(relocations: &Relocations, groups: &[TracedGroup]) -> Self {
        Self {
            groups: groups
                .iter()
                .map(|group| {
                    let mut candidates: Vec<Candidate> = essential(relocations, group)
                        .into_iter()
                        .map(|candidate| Candidate {
                            results: candidate.results.clone(),
                        })
                        .collect();
                    rank_bit_offsets(&mut candidates);
                    Group {
                        relocations: group.relocations.clone(),
                        candidates,
                    }
                })
                .collect(),
        }
    }

    /// The groups, in the order of [`Relocations::list`].
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Resolves relocation `index` of `relocations` with its own list of candidates
    /// (`bpf_core_calc_relo_insn`).
    pub fn resolution(&self, relocations: &Relocations, index: usize) -> Option<Resolution> {
        self.resolution_among(relocations, index, None)
            .map(|(resolution, _)| resolution)
    }

    /// The group of a relocation.
    pub(super) fn group_of(&self, index: usize) -> Option<usize> {
        let at = (self.groups).partition_point(|group| group.relocations.end <= index);
        let group = self.groups.get(at)?;
        group.relocations.contains(&index).then_some(at)
    }

    /// Like [`resolution`](Self::resolution), with only the candidates of the group whose
    /// numbers are in `among`. Also returns the numbers of those that match.
    pub(super) fn resolution_among(
        &self,
        relocations: &Relocations,
        index: usize,
        among: Option<&[usize]>,
    ) -> Option<(Resolution, Vec<usize>)> {
        let relocation = relocations.list().get(index)?;
        let group = self.groups.get(self.group_of(index)?)?;
        let number = index - group.relocations.start;
        let mut first: Option<Match> = None;
        let mut matching = Vec::new();
        for (at, candidate) in group.candidates.iter().enumerate() {
            if among.is_some_and(|among| !among.contains(&at)) {
                continue;
            }
            match (candidate.results.get(number)?, first) {
                (None, _) => continue,
                (Some(Err(errno)), _) => return Some((Resolution::Refused(*errno), matching)),
                (Some(Ok(found)), None) => first = Some(*found),
                (Some(Ok(found)), Some(first)) => {
                    if relocation.kind == ReloKind::TypeIdTarget
                        || found.bit_offset != first.bit_offset
                        || found.value != first.value
                    {
                        return Some((Resolution::Ambiguous, matching));
                    }
                }
            }
            matching.push(at);
        }
        let resolution = match (first, relocation.kind) {
            (Some(found), _) => Resolution::Resolved {
                value: found.value,
                size: found.size,
                wrong_load: found.wrong_load,
                found: true,
            },
            (None, ReloKind::FieldExists | ReloKind::EnumvalExists) => absent(),
            (None, kind) if kind.is_type() => absent(),
            (None, _) => Resolution::Poisoned,
        };
        Some((resolution, matching))
    }
}

/// Turns bit offsets into their ranks among the candidates of a group, for each
/// relocation.
fn rank_bit_offsets(candidates: &mut [Candidate]) {
    // Mostly there is one, which has none to agree with.
    if let [only] = candidates {
        for found in only.results.iter_mut().flatten().flatten() {
            found.bit_offset = 0;
        }
        return;
    }
    let count = candidates.first().map_or(0, |first| first.results.len());
    let mut seen: HashMap<u32, u32> = HashMap::new();
    for number in 0..count {
        seen.clear();
        for candidate in &mut *candidates {
            if let Some(Some(Ok(found))) = candidate.results.get_mut(number) {
                let next = u32::try_from(seen.len()).unwrap_or(u32::MAX);
                found.bit_offset = *seen.entry(found.bit_offset).or_insert(next);
            }
        }
    }
}

/// Relocations that ask whether something exists get 0 if it does not.
fn absent() -> Resolution {
    Resolution::Resolved {
        value: 0,
        size: 0,
        wrong_load: false,
        found: false,
    }
}

/// The candidates of a group that can change an answer of libbpf: those that match something,
/// except any that equal an earlier one throughout. Such a pair is kept or pruned together, and
/// the earlier one's values are used. If a `TypeIdTarget` matches them, two are kept, because
/// their ids differ: that makes the relocation ambiguous, and a third adds nothing.
pub(crate) fn essential<'a>(
    relocations: &Relocations,
    group: &'a TracedGroup,
) -> Vec<&'a TracedCandidate> {
    let list = relocations
        .list()
        .get(group.relocations.clone())
        .unwrap_or_default();
    let has_id = |candidate: &TracedCandidate| {
        list.iter()
            .zip(&candidate.results)
            .any(|(relocation, result)| {
                relocation.kind == ReloKind::TypeIdTarget && matches!(result, Some(Ok(_)))
            })
    };
    // Mostly there is one, which has none to be compared with.
    if let [only] = group.candidates.as_slice() {
        return vec![only];
    }
    let mut seen = HashMap::new();
    group
        .candidates
        .iter()
        .filter(|candidate| {
            let most = if has_id(candidate) { 2 } else { 1 };
            let count = seen.entry(&candidate.results).or_insert(0);
            let wanted = *count < most;
            *count += u32::from(wanted);
            wanted
        })
        .collect()
}
