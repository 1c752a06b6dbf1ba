//! What one kernel defines: which of its types are definitions, which of them
//! no relocation can tell apart, and a hash of each of the others.

mod look;

use self::look::{Look, skip};
use super::error::SurveyError;
use super::hash::HashKey;
use super::names::StringHashes;
use super::table::Table;
use crate::btf::{Btf, Kind, TypeId};

/// Kind numbers as the type section has them: the hot loops compare these.
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const FUNC_PROTO: u32 = 13;
const FLOAT: u32 = 16;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// One definition that a kernel holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// Equal exactly when the definitions are, kernel by kernel.
    pub(super) hash: u128,
    /// Of kind and essential name.
    group: u64,
    /// The first type with this definition.
    pub(super) id: TypeId,
    /// Whether this stands for the second type that has it. With two of them
    /// a `TypeIdTarget` relocation is refused as ambiguous; more change
    /// nothing.
    pub(super) second: bool,
}

/// The definitions of one kernel in the order of their types.
#[derive(Debug)]
pub struct Survey<'a> {
    pub(super) btf: &'a Btf,
    pub(super) held: Vec<Held>,
    /// The type of most array indices.
    pub(super) index_type: TypeId,
    /// The INT from which libbpf takes the size of pointers.
    pub(super) pointer_int: Option<TypeId>,
    /// By type id: 1 + the number of its candidate group, 0 for types that
    /// are no definitions.
    groups: Vec<u32>,
    group_count: usize,
    /// By type id: which definition of its group it is.
    ordinals: Vec<u32>,
}

impl Survey<'_> {
    /// Whether relocations can't tell this kernel from another one that was
    /// surveyed for the same writer: the same definitions, the candidates for
    /// each name in the same order.
    pub fn is_equal(&self, other: &Survey<'_>) -> bool {
        let in_groups = |survey: &Survey<'_>| {
            let mut held: Vec<(u64, u128, bool)> = survey
                .held
                .iter()
                .map(|held| (held.group, held.hash, held.second))
                .collect();
            held.sort_by_key(|&(group, ..)| group);
            held
        };
        self.btf.endian() == other.btf.endian()
            && self.btf.pointer_size() == other.btf.pointer_size()
            && in_groups(self) == in_groups(other)
    }

    /// Whether a type, where there is one, is the same definition as another.
    pub(super) fn is_same(&self, definition: TypeId, other: Option<TypeId>) -> bool {
        let Some(other) = other else {
            return false;
        };
        let group = |id: TypeId| self.groups.get(id.0 as usize).copied().unwrap_or(0);
        group(definition) != 0
            && group(definition) == group(other)
            && self.ordinal(definition) == self.ordinal(other)
    }

    /// The number of a type's candidate group in this kernel, from 0; none for a
    /// type that is no definition.
    pub(super) fn group(&self, id: TypeId) -> Option<usize> {
        (*self.groups.get(id.0 as usize)? as usize).checked_sub(1)
    }

    /// How many candidate groups there are.
    pub(super) fn group_count(&self) -> usize {
        self.group_count
    }

    /// Which of the definitions with its kind and essential name a type is.
    /// `None` for a type that is no definition.
    pub(super) fn ordinal(&self, id: TypeId) -> Option<u32> {
        let id = id.0 as usize;
        (self.groups.get(id).copied()? != 0).then(|| self.ordinals.get(id).copied())?
    }
}

/// A group of candidates: types of one kind and essential name.
#[derive(Clone, Copy)]
struct Group {
    hash: u64,
    first: u32,
    last: u32,
    several: bool,
}

/// Surveys a kernel.
///
/// # Errors
/// For types that no compiler writes: endless, or of kinds that are no types; and
/// for a module's BTF.
pub(super) fn survey(btf: &Btf, key: HashKey) -> Result<Survey<'_>, SurveyError> {
    if let Some(base) = btf.base() {
        // Its ids go on where the kernel's end: they are no places in its index.
        let what = "is a module's: an atlas holds kernels";
        return Err(SurveyError::new(base.type_count(), what));
    }
    let mut surveyor = Surveyor::new(btf, key);
    surveyor.find_groups()?;
    surveyor.find_index_type()?;
    surveyor.tell_apart()?;
    surveyor.hash_all()?;
    Ok(Survey {
        btf,
        index_type: TypeId(surveyor.index_type),
        pointer_int: btf.long(),
        held: surveyor.held,
        groups: surveyor.groups,
        group_count: surveyor.list.len(),
        ordinals: surveyor.ordinals,
    })
}

struct Surveyor<'a> {
    words: &'a [u32],
    index: &'a [u32],
    key: HashKey,
    held: Vec<Held>,
    index_type: u32,
    groups: Vec<u32>,
    ordinals: Vec<u32>,
    list: Vec<Group>,
    /// By type id: the next type of the same group, or 0.
    next: Vec<u32>,
    /// By type id: what has been hashed, 0 where not yet.
    by_name: Vec<u64>,
    by_value: Vec<u64>,
    behind_pointer: Vec<u64>,
    strings: StringHashes<'a>,
}

impl<'a> Surveyor<'a> {
    fn new(btf: &'a Btf, key: HashKey) -> Self {
        let (words, index) = btf.records();
        let types = index.len() + 1;
        Self {
            words,
            index,
            key,
            held: Vec::new(),
            index_type: 0,
            groups: vec![0; types],
            ordinals: vec![0; types],
            list: Vec::new(),
            next: vec![0; types],
            by_name: vec![0; types],
            by_value: Vec::new(),
            behind_pointer: Vec::new(),
            strings: StringHashes::new(btf, key),
        }
    }

    /// Where the record of a type begins. Every id comes from a checked BTF.
    #[inline(always)]
    fn at(&self, id: u32) -> usize {
        self.index[id as usize - 1] as usize
    }

    fn find_groups(&mut self) -> Result<(), SurveyError> {
        let mut named = Vec::with_capacity(self.index.len() / 8);
        let mut id = 1;
        while id <= self.index.len() {
            let at = self.index[id - 1] as usize;
            let kind = (self.words[at + 1] >> 24) & 0x7f;
            if self.words[at] != 0 && is_definition(kind) {
                named.push(u32::try_from(id).map_err(|_| SurveyError::new(0, "has no number"))?);
            }
            id += 1;
        }
        let mut table: Table<u64> = Table::with_room(named.len());
        let mut next = 0;
        while next < named.len() {
            let id = named[next];
            next += 1;
            let at = self.at(id);
            let kind = (self.words[at + 1] >> 24) & 0x7f;
            let hash = self.group_hash(kind, self.words[at]);
            let group = table.number(hash);
            self.groups[id as usize] = group + 1;
            if group as usize == self.list.len() {
                self.list.push(Group {
                    hash,
                    first: id,
                    last: id,
                    several: false,
                });
            } else {
                let known = &mut self.list[group as usize];
                self.next[known.last as usize] = id;
                known.last = id;
                known.several = true;
            }
        }
        Ok(())
    }

    /// The index type of the first ARRAY: in real kernels all have the same.
    fn find_index_type(&mut self) -> Result<(), SurveyError> {
        let mut number = 0;
        while number < self.index.len() {
            let at = self.index[number] as usize;
            if (self.words[at + 1] >> 24) & 0x7f == ARRAY {
                self.index_type = skip(self.words, self.index, self.words[at + 4], false)?;
                break;
            }
            number += 1;
        }
        Ok(())
    }

    /// Hash of what a relocation finds candidates by.
    fn group_hash(&mut self, kind: u32, name: u32) -> u64 {
        group_hash(self.key, group_kind(kind), self.strings.essential(name))
    }

    /// Gives the types of one group their ordinals. Types whose candidacy
    /// comes to the same in every relocation get the same one; the first two
    /// of them are kept.
    fn tell_apart(&mut self) -> Result<(), SurveyError> {
        // The type, and the first that it cannot be told from: the first ones of
        // all groups, which come in order, and others.
        let mut kept: Vec<(u32, u32)> = Vec::with_capacity(self.list.len());
        let mut others: Vec<(u32, u32)> = Vec::new();
        // By group and what a type comes to: its ordinal, the first such type,
        // and whether there was a second. One table for all groups: nothing
        // stops a kernel from having a million different types of one name.
        let mut table: Table<u128> = Table::with_room(0);
        let mut seen: Vec<(u32, u32, bool)> = Vec::new();
        let mut group = 0;
        while group < self.list.len() {
            let Group {
                first: group_first,
                several,
                ..
            } = self.list[group];
            group += 1;
            if !several {
                kept.push((group_first, group_first));
                continue;
            }
            if self.by_value.is_empty() {
                self.by_value = vec![0; self.groups.len()];
                self.behind_pointer = vec![0; self.groups.len()];
            }
            let mut id = group_first;
            let mut next = 0;
            while id != 0 {
                let hash = self.candidate(id)?;
                // Short hashes are odd.
                let key = u128::from(group_first) << 64 | u128::from(hash >> 1);
                let number = table.number(key) as usize;
                if number == seen.len() {
                    seen.push((next, id, false));
                    next += 1;
                    let list = if id == group_first {
                        &mut kept
                    } else {
                        &mut others
                    };
                    list.push((id, id));
                }
                let (ordinal, first, again) = &mut seen[number];
                self.ordinals[id as usize] = *ordinal;
                if *first != id && !*again {
                    *again = true;
                    others.push((id, *first));
                }
                id = self.next[id as usize];
            }
        }
        others.sort_unstable();
        self.held.reserve(kept.len() + others.len());
        let (mut next, mut other) = (0, 0);
        while next < kept.len() || other < others.len() {
            let is_other = match (kept.get(next), others.get(other)) {
                (Some(kept), Some(other)) => other < kept,
                (kept, _) => kept.is_none(),
            };
            let (id, first) = if is_other { others[other] } else { kept[next] };
            if is_other {
                other += 1;
            } else {
                next += 1;
            }
            self.held.push(Held {
                hash: 0,
                group: self.list[self.groups[id as usize] as usize - 1].hash,
                id: TypeId(first),
                second: id != first,
            });
        }
        Ok(())
    }

    fn hash_all(&mut self) -> Result<(), SurveyError> {
        let mut number = 0;
        while number < self.held.len() {
            let id = self.held[number].id.0;
            let at = self.at(id);
            let mut hash = self.key.start(0);
            hash.add(self.strings.plain(self.words[at]));
            self.record(id, Look::ByName, &mut hash, 0)?;
            self.held[number].hash = hash.long();
            number += 1;
        }
        Ok(())
    }

    /// What relocations can see of a candidate.
    fn candidate(&mut self, id: u32) -> Result<u64, SurveyError> {
        let at = self.at(id);
        let mut hash = self.key.start(1);
        hash.add(self.strings.plain(self.words[at]));
        self.record(id, Look::ByValue, &mut hash, 0)?;
        Ok(hash.short())
    }
}

fn group_hash(key: HashKey, kind: u32, name: u64) -> u64 {
    let mut hash = key.start(u64::from(kind));
    hash.add(name);
    hash.short()
}

/// The hash by which a survey refers to a group.
pub(super) fn kind_hash(key: HashKey, kind: Kind, name: u64) -> u64 {
    group_hash(key, u32::from(kind.number()), name)
}

/// Whether named types of a kind are definitions.
fn is_definition(kind: u32) -> bool {
    matches!(
        kind,
        INT | STRUCT | UNION | ENUM | FWD | TYPEDEF | FLOAT | ENUM64
    )
}

/// Kinds that are candidates for each other (libbpf's `btf_kind_core_compat`)
/// under one number.
fn group_kind(kind: u32) -> u32 {
    if kind == ENUM64 { ENUM } else { kind }
}
