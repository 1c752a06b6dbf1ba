//! The ways in which a loader can walk an object's relocations.
//!
//! libbpf's lists of candidates have state: `bpf_object__relocate_core` keeps one per local type,
//! and `bpf_core_calc_relo_insn` prunes it in record order, skipping programs that are not loaded.
//! So a relocation can resolve differently with its neighbours than alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use libbpf_sys::bpf_core_relo;

use super::libbpf::{self, Answer, Btf, Candidate, CandidateAnswer};
use super::records::LocalObject;

/// `BPF_CORE_TYPE_ID_LOCAL`: uses no target.
pub const TYPE_ID_LOCAL: u32 = 6;
/// `BPF_CORE_TYPE_ID_TARGET`: its value is an id of the target, which
/// tailoring renumbers.
pub const TYPE_ID_TARGET: u32 = 7;
/// `BPF_CORE_FIELD_LSHIFT_U64`: depends on the byte order of libbpf's own machine.
pub const FIELD_LSHIFT_U64: u32 = 4;

/// An object as libbpf sees it.
#[derive(Debug)]
pub struct OpenObject {
    /// Its records and code.
    pub object: LocalObject,
    /// Its own BTF.
    pub btf: Btf,
    relos: Vec<bpf_core_relo>,
}

impl OpenObject {
    /// Opens an object's BTF with libbpf.
    ///
    /// # Errors
    /// A sentence with libbpf's errno.
    pub fn open(object: LocalObject) -> Result<Self, String> {
        let btf = Btf::local(&object.btf)
            .map_err(|e| format!("{}: libbpf refuses the BTF: {e}", object.name))?;
        let relos = object.records.iter().map(libbpf::record).collect();
        Ok(Self { object, btf, relos })
    }

    /// The record in libbpf's form.
    #[must_use]
    pub fn relo(&self, index: usize) -> &bpf_core_relo {
        &self.relos[index]
    }
}

/// A kernel's BTF, and the candidates found in it so far. libbpf scans all types for each local
/// type; the result depends only on its name and kind.
#[derive(Debug)]
pub struct Target {
    /// The BTF of the loaded modules, on top of the kernel's.
    modules: Vec<Btf>,
    /// The kernel's BTF.
    pub btf: Btf,
    candidates: Mutex<Lists>,
}

/// By essential name and kind; ENUM and ENUM64 count as one kind.
type Lists = HashMap<(Vec<u8>, u32), Vec<Candidate>>;

const ENUM: u32 = 6;
const ENUM64: u32 = 19;

impl Target {
    /// Parses a kernel's BTF.
    ///
    /// # Errors
    /// libbpf's errno.
    pub fn parse(bytes: &[u8]) -> Result<Self, i32> {
        Self::with_modules(bytes, &[])
    }

    /// Parses a kernel's BTF and that of the loaded modules, in load order.
    ///
    /// # Errors
    /// libbpf's errno.
    pub fn with_modules(bytes: &[u8], modules: &[Vec<u8>]) -> Result<Self, i32> {
        let btf = Btf::target(bytes)?;
        let modules = modules.iter().map(|module| Btf::split(module, &btf));
        Ok(Self {
            modules: modules.collect::<Result<_, _>>()?,
            btf,
            candidates: Mutex::default(),
        })
    }

    /// `bpf_core_find_cands`: the kernel's, and only if it has none the modules'.
    fn find(&self, local: &Btf, local_id: u32) -> Result<Vec<Candidate>, i32> {
        let mut found = libbpf::candidates_from(local, local_id, &self.btf, 1)?;
        if found.is_empty() {
            let first = self.btf.type_count();
            for module in &self.modules {
                found.extend(libbpf::candidates_from(local, local_id, module, first)?);
            }
        }
        Ok(found)
    }

    /// The candidates for a local type, or libbpf's errno.
    ///
    /// # Errors
    /// libbpf's errno: a local type without a name has none.
    ///
    /// # Panics
    /// If another thread panicked meanwhile.
    pub fn candidates(&self, local: &Btf, local_id: u32) -> Result<Vec<Candidate>, i32> {
        let (Some(name), Some(kind)) = (local.essential_name(local_id), local.kind(local_id))
        else {
            return self.find(local, local_id);
        };
        let group = if kind == ENUM64 { ENUM } else { kind };
        let key = (name, group);
        if let Some(known) = self.candidates.lock().expect("no panic").get(&key) {
            return Ok(known.clone());
        }
        let found = self.find(local, local_id)?;
        self.candidates
            .lock()
            .expect("no panic")
            .insert(key, found.clone());
        Ok(found)
    }
}

/// All of an object's relocations against one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Per record, one list of candidates per local type over the whole object:
    /// every program is loaded.
    pub whole: Vec<Answer>,
    /// The same with new lists for each section: only its programs are loaded.
    pub by_section: Vec<Answer>,
    /// With a new list for each record.
    pub fresh: Vec<Answer>,
    /// Per local type, those of its records that depend on candidates, and each candidate's result
    /// for each of them, in the candidates' order.
    pub profiles: BTreeMap<u32, (Vec<usize>, Vec<Profile>)>,
}

/// One candidate's results for the records of a local type.
pub type Profile = Vec<CandidateAnswer>;

/// Resolves all of an object's records.
#[must_use]
pub fn walk(object: &OpenObject, target: &Target) -> Walk {
    let records = &object.object.records;
    let start = |id: u32| target.candidates(&object.btf, id);
    let step = |index: usize, list: &mut Result<Vec<Candidate>, i32>| -> Answer {
        let relo = object.relo(index);
        if relo.kind == TYPE_ID_LOCAL {
            return libbpf::resolve(&object.btf, relo, &mut Vec::new());
        }
        match list {
            Ok(list) => libbpf::resolve(&object.btf, relo, list),
            Err(errno) => Err(*errno),
        }
    };

    let mut whole_lists = BTreeMap::new();
    let mut section_lists = BTreeMap::new();
    let mut walk = Walk {
        whole: Vec::with_capacity(records.len()),
        by_section: Vec::with_capacity(records.len()),
        fresh: Vec::with_capacity(records.len()),
        profiles: BTreeMap::new(),
    };
    let mut by_type: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        let id = record.type_id;
        let list = whole_lists.entry(id).or_insert_with(|| start(id));
        walk.whole.push(step(index, list));
        let list = section_lists
            .entry((record.section.clone(), id))
            .or_insert_with(|| start(id));
        walk.by_section.push(step(index, list));
        walk.fresh.push(step(index, &mut start(id)));
        if record.kind != TYPE_ID_LOCAL {
            by_type.entry(id).or_default().push(index);
        }
    }
    for (id, mut indices) in by_type {
        // What is refused without any candidate says nothing about candidates.
        indices.retain(|index| {
            let relo = object.relo(*index);
            libbpf::resolve(&object.btf, relo, &mut Vec::new()).is_ok()
        });
        let profiles = start(id)
            .unwrap_or_default()
            .into_iter()
            .map(|candidate| {
                indices
                    .iter()
                    .map(|index| {
                        let relo = object.relo(*index);
                        libbpf::resolve_one(&object.btf, relo, candidate)
                    })
                    .collect()
            })
            .collect();
        walk.profiles.insert(id, (indices, profiles));
    }
    walk
}

impl Walk {
    /// The walk without everything that may differ between a full and a tailored BTF:
    ///
    /// - the value of `TypeIdTarget`, as ids are renumbered;
    /// - the errno of a record that is refused on every kernel: libbpf matches
    ///   candidates before it finds that the local side has no value, and one of
    ///   them may be refused first;
    /// - in profiles, offsets as such: libbpf looks at whether candidates agree
    ///   on them, and where a relocation's value depends on an offset the
    ///   verdict has it;
    /// - candidates that fit none of their local type's relocations, and those
    ///   that repeat an earlier one on all of them: neither can ever be told
    ///   from its absence. Where a `TypeIdTarget` fits, a repeated candidate
    ///   can: two ids are an ambiguity, to which a third adds nothing.
    #[must_use]
    pub fn comparable(&self, object: &OpenObject) -> Self {
        let records = &object.object.records;
        // libbpf's result without any candidate; types without a name have none.
        let alone: Vec<Option<i32>> = (records.iter().zip(&object.relos))
            .map(|(record, relo)| {
                object.btf.essential_name(record.type_id)?;
                let none = &mut Vec::new();
                libbpf::resolve(&object.btf, relo, none).err()
            })
            .collect();
        let answers = |all: &[Answer]| -> Vec<Answer> {
            all.iter()
                .zip(records)
                .zip(&alone)
                .map(|((answer, record), alone)| match (answer, alone) {
                    (Err(_), Some(errno)) => Err(*errno),
                    _ => without_id(*answer, record.kind),
                })
                .collect()
        };
        Self {
            whole: answers(&self.whole),
            by_section: answers(&self.by_section),
            fresh: answers(&self.fresh),
            profiles: self
                .profiles
                .iter()
                .map(|(id, (indices, profiles))| {
                    let kinds: Vec<u32> = indices
                        .iter()
                        .map(|index| object.object.records[*index].kind)
                        .collect();
                    (*id, (indices.clone(), essence(profiles, &kinds)))
                })
                .collect(),
        }
    }
}

fn without_id(answer: Answer, kind: u32) -> Answer {
    let mut verdict = answer?;
    if kind == TYPE_ID_TARGET {
        verdict.orig_val = 0; // the local id; the instruction need not hold it
        verdict.new_val = u64::from(verdict.new_val != 0);
    }
    Ok(verdict)
}

fn essence(profiles: &[Profile], kinds: &[u32]) -> Vec<Profile> {
    // Per record, the offsets in the order of the candidates.
    let mut offsets: Vec<Vec<u32>> = vec![Vec::new(); kinds.len()];
    let mut kept: Vec<Profile> = Vec::new();
    for profile in profiles {
        let mut names_its_id = false;
        let mut normal = Profile::new();
        for ((answer, kind), seen) in profile.iter().zip(kinds).zip(&mut offsets) {
            normal.push(match *answer {
                CandidateAnswer::Match {
                    bit_offset,
                    verdict,
                } => {
                    if !seen.contains(&bit_offset) {
                        seen.push(bit_offset);
                    }
                    let rank = seen.iter().position(|o| *o == bit_offset).unwrap_or(0);
                    names_its_id |= *kind == TYPE_ID_TARGET;
                    CandidateAnswer::Match {
                        bit_offset: u32::try_from(rank).unwrap_or(u32::MAX),
                        verdict: without_id(Ok(verdict), *kind).unwrap_or(verdict),
                    }
                }
                other => other,
            });
        }
        let idle = normal.iter().all(|a| *a == CandidateAnswer::NoMatch);
        let most = if names_its_id { 2 } else { 1 };
        let count = kept.iter().filter(|other| **other == normal).count();
        if !idle && count < most {
            kept.push(normal);
        }
    }
    kept
}
