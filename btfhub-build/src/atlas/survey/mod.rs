//! Finds the definitions of one kernel: which of its types are definitions, which of these no
//! relocation can distinguish, and a hash of each.

mod candidates;
mod hasher;

use std::ops::Range;

use btfhub_runtime::Printable;

use self::candidates::{Candidates, Listed};
use self::hasher::{FUNC, Look, TypeHasher, VAR};
use super::error::SurveyError;
use super::hash::HashKey;
use crate::btf::{Btf, TypeId};

pub(super) use candidates::{kind_hash, named_hash};

/// One definition of a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// The halves of [`Self::hash`]. A `u128` would add padding.
    halves: [u64; 2],
    /// The hash of its kind and essential name.
    group: u64,
    /// The type that is described: this one, or one that is equal to it.
    pub(super) id: TypeId,
    /// Whether this is the second of two equal types. Two make a `TypeIdTarget` relocation
    /// ambiguous; more change nothing.
    pub(super) second: bool,
}

impl Held {
    /// Equal exactly if the definitions are, in the same kernel or in different ones.
    pub(super) fn hash(&self) -> u128 {
        let [high, low] = self.halves;
        u128::from(high) << 64 | u128::from(low)
    }
}

/// The definitions of one kernel and its modules, in the order of their types.
#[derive(Debug)]
pub struct KernelDefinitions<'a> {
    pub(super) btf: &'a Btf,
    pub(super) held: Vec<Held>,
    /// The type of most array indices.
    pub(super) index_type: TypeId,
    /// The INT from which libbpf takes the size of pointers.
    pub(super) pointer_int: Option<TypeId>,
    candidates: Candidates,
    /// The name of each module, and where its definitions begin in `held`. The kernel's own come
    /// first.
    modules: Vec<(String, usize)>,
}

impl KernelDefinitions<'_> {
    /// Whether no relocation can distinguish the two kernels: they have the same definitions, and
    /// the candidates for each name are in the same order. Both must have been surveyed for the
    /// same writer.
    pub fn is_equal(&self, other: &KernelDefinitions<'_>) -> bool {
        let in_groups = |held: &[Held]| {
            let mut held: Vec<(u64, u128, bool)> = (held.iter())
                .map(|held| (held.group, held.hash(), held.second))
                .collect();
            held.sort_by_key(|&(group, ..)| group);
            held
        };
        let of_kernel = |survey: &KernelDefinitions<'_>| {
            in_groups(
                survey
                    .held
                    .get(..survey.held_by_kernel())
                    .unwrap_or_default(),
            )
        };
        let of_modules = |survey: &KernelDefinitions<'_>| -> Vec<_> {
            let held = |own| in_groups(survey.held.get(own).unwrap_or_default());
            let modules = survey.modules();
            modules
                .map(|(name, own)| (name.to_owned(), held(own)))
                .collect()
        };
        self.btf.endian() == other.btf.endian()
            && self.btf.pointer_size() == other.btf.pointer_size()
            && of_kernel(self) == of_kernel(other)
            && of_modules(self) == of_modules(other)
    }

    /// How many of the first definitions in `held` are the kernel's own.
    pub(super) fn held_by_kernel(&self) -> usize {
        let first = self.modules.first();
        first.map_or(self.held.len(), |&(_, start)| start)
    }

    /// The modules, and the range of each one's definitions in `held`.
    pub(super) fn modules(&self) -> impl ExactSizeIterator<Item = (&str, Range<usize>)> {
        self.modules.iter().enumerate().map(|(at, (name, start))| {
            let next = self.modules.get(at + 1);
            (
                name.as_str(),
                *start..next.map_or(self.held.len(), |&(_, end)| end),
            )
        })
    }

    /// The type that is [described](Held::id) for the definition `id`; `None` if that type isn't a
    /// definition.
    pub(super) fn described(&self, id: TypeId) -> Option<TypeId> {
        let listed = self.candidates.get(id.0)?;
        Some(TypeId(self.candidates.described(listed)))
    }

    /// The number of a type's candidate group in this kernel, from 0; `None` if it isn't a
    /// definition.
    pub(super) fn group(&self, id: TypeId) -> Option<usize> {
        Some(self.candidates.get(id.0)?.group as usize)
    }

    /// How many candidate groups there are.
    pub(super) fn group_count(&self) -> usize {
        self.candidates.group_count()
    }

    /// The ordinal of a type in its candidate group; `None` if it isn't a definition.
    pub(super) fn ordinal(&self, id: TypeId) -> Option<u32> {
        Some(self.candidates.get(id.0)?.ordinal)
    }
}

/// Surveys a kernel.
///
/// # Errors
/// If it has types that no compiler writes, such as endless ones, or is the BTF of a module.
pub(super) fn survey(
    btf: &Btf,
    key: HashKey,
    functions: bool,
) -> Result<KernelDefinitions<'_>, SurveyError> {
    if let Some(base) = btf.base() {
        // Its ids continue the kernel's, so they are not positions in its own index.
        let what = "belongs to a module, and an atlas holds kernels";
        return Err(SurveyError::new(base.type_count(), what));
    }
    let mut names: Vec<&str> = btf.modules().collect();
    names.sort_unstable();
    if names.windows(2).any(|two| two[0] == two[1]) {
        return Err(SurveyError::new(
            0,
            "belongs to a kernel that has a module twice",
        ));
    }
    if !names.iter().all(|name| Printable(name).is_plain()) {
        let what = "belongs to a kernel with a module that has control characters in its name";
        return Err(SurveyError::new(0, what));
    }
    let mut hasher = TypeHasher::new(btf, key)?;
    let mut candidates = if functions {
        Candidates::find(&mut hasher, &with_functions(btf))
    } else {
        Candidates::find(&mut hasher, btf.listed())
    };
    let modules: Vec<u32> = btf.firsts_of_modules().map(|first| first.0).collect();
    candidates.tell_apart(&mut hasher, &modules)?;
    candidates.name_all(&mut hasher);
    let (held, starts) = hold(&candidates, &mut hasher, &modules)?;
    Ok(KernelDefinitions {
        btf,
        modules: (btf.modules().map(str::to_owned)).zip(starts).collect(),
        index_type: TypeId(hasher.index_type),
        pointer_int: btf.long(),
        held,
        candidates,
    })
}

/// The records of definitions, including functions and variables.
fn with_functions(btf: &Btf) -> Vec<u32> {
    let (words, index) = btf.records();
    // Not those of modules: nobody knows whether a module is loaded.
    let of_kernel = btf.ids_of_kernel().count();
    let is_function = |&(_, at): &(u32, &u32)| {
        let at = *at as usize;
        let kind = words.get(at + 1).map_or(0, |info| (info >> 24) & 0x7f);
        matches!(kind, FUNC | VAR) && words.get(at) != Some(&0)
    };
    let functions = (0..).zip(index).take(of_kernel).filter(is_function);
    let mut records: Vec<u32> = functions.map(|(record, _)| record).collect();
    records.extend(btf.listed());
    records.sort_unstable();
    records
}

/// Hashes the definitions. Also returns where those of each module begin; `modules` has the first
/// type of each.
fn hold(
    candidates: &Candidates,
    hasher: &mut TypeHasher<'_>,
    modules: &[u32],
) -> Result<(Vec<Held>, Vec<usize>), SurveyError> {
    let mut held: Vec<Held> = Vec::with_capacity(candidates.listed.len());
    let mut starts = Vec::new();
    let mut place = 0;
    while place < candidates.listed.len() {
        let listed: &Listed = &candidates.listed[place];
        place += 1;
        while modules
            .get(starts.len())
            .is_some_and(|&first| first <= listed.id)
        {
            starts.push(held.len());
        }
        if listed.spare {
            continue;
        }
        let id = candidates.described(listed);
        let mut hash = hasher.key.start(0);
        hash.add(hasher.strings.plain(hasher.words[hasher.at(id)]));
        hasher.record(id, Look::ByName, &mut hash, 0)?;
        held.push(Held {
            halves: hash.halves(),
            group: candidates.group_hash(listed),
            id: TypeId(id),
            second: listed.first != 0,
        });
    }
    starts.resize(modules.len(), held.len());
    Ok((held, starts))
}
