//! What one kernel defines: which of its types are definitions, which of them
//! no relocation can tell apart, and a hash of each of the others.

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

/// One definition that a kernel holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// The halves of [`Self::hash`]: a `u128` would make half as much of padding.
    halves: [u64; 2],
    /// Of kind and essential name.
    group: u64,
    /// The type with this definition by which it is described.
    pub(super) id: TypeId,
    /// Whether this stands for the second type that has it. With two of them
    /// a `TypeIdTarget` relocation is refused as ambiguous; more change
    /// nothing.
    pub(super) second: bool,
}

impl Held {
    /// Equal exactly when the definitions are, kernel by kernel.
    pub(super) fn hash(&self) -> u128 {
        let [high, low] = self.halves;
        u128::from(high) << 64 | u128::from(low)
    }
}

/// The definitions of one kernel in the order of their types.
#[derive(Debug)]
pub struct KernelDefinitions<'a> {
    pub(super) btf: &'a Btf,
    pub(super) held: Vec<Held>,
    /// The type of most array indices.
    pub(super) index_type: TypeId,
    /// The INT from which libbpf takes the size of pointers.
    pub(super) pointer_int: Option<TypeId>,
    candidates: Candidates,
    /// Where what each module holds begins in `held`, behind what the kernel holds.
    modules: Vec<(String, usize)>,
}

impl KernelDefinitions<'_> {
    /// Whether relocations can't tell this kernel from another one that was
    /// surveyed for the same writer: the same definitions, the candidates for
    /// each name in the same order.
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

    /// How many of the first definitions that are held are the kernel's own.
    pub(super) fn held_by_kernel(&self) -> usize {
        let first = self.modules.first();
        first.map_or(self.held.len(), |&(_, start)| start)
    }

    /// The modules, and where what each holds is among what is held.
    pub(super) fn modules(&self) -> impl ExactSizeIterator<Item = (&str, Range<usize>)> {
        self.modules.iter().enumerate().map(|(at, (name, start))| {
            let next = self.modules.get(at + 1);
            (
                name.as_str(),
                *start..next.map_or(self.held.len(), |&(_, end)| end),
            )
        })
    }

    /// The type by which the definition that a type is was [held](Held::id); none
    /// for one that is no definition.
    pub(super) fn described(&self, id: TypeId) -> Option<TypeId> {
        let listed = self.candidates.get(id.0)?;
        Some(TypeId(self.candidates.described(listed)))
    }

    /// The number of a type's candidate group in this kernel, from 0; none for a
    /// type that is no definition.
    pub(super) fn group(&self, id: TypeId) -> Option<usize> {
        Some(self.candidates.get(id.0)?.group as usize)
    }

    /// How many candidate groups there are.
    pub(super) fn group_count(&self) -> usize {
        self.candidates.group_count()
    }

    /// Which of the definitions with its kind and essential name a type is.
    /// `None` for a type that is no definition.
    pub(super) fn ordinal(&self, id: TypeId) -> Option<u32> {
        Some(self.candidates.get(id.0)?.ordinal)
    }
}

/// Surveys a kernel.
///
/// # Errors
/// For types that no compiler writes: endless, or of kinds that are no types; and
/// for a module's BTF.
pub(super) fn survey(
    btf: &Btf,
    key: HashKey,
    functions: bool,
) -> Result<KernelDefinitions<'_>, SurveyError> {
    if let Some(base) = btf.base() {
        // Its ids go on where the kernel's end: they are no places in its index.
        let what = "is a module's: an atlas holds kernels";
        return Err(SurveyError::new(base.type_count(), what));
    }
    let mut names: Vec<&str> = btf.modules().collect();
    names.sort_unstable();
    if names.windows(2).any(|two| two[0] == two[1]) {
        return Err(SurveyError::new(
            0,
            "is of a kernel that has a module twice",
        ));
    }
    if !names.iter().all(|name| Printable(name).is_plain()) {
        let what = "is of a kernel that has a module with control characters in its name";
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

/// The records of definitions, those of functions and variables among them.
fn with_functions(btf: &Btf) -> Vec<u32> {
    let (words, index) = btf.records();
    // Of those of modules nobody knows whether they are loaded.
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

/// Hashes the definitions. Also tells where those of each module begin; `modules` are the
/// first types of each.
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
