//! What one kernel defines: which of its types are definitions, which of them
//! no relocation can tell apart, and a hash of each of the others.

mod look;

use std::ops::Range;

use btfhub_runtime::Printable;

use self::look::{Look, MAX_CHAIN, is_qualifier, skip};
use super::error::SurveyError;
use super::hash::HashKey;
use super::names::StringHashes;
use super::table::Table;
use crate::btf::{Btf, Kind, TypeId};

/// Kind numbers as the type section has them: the hot loops compare these.
const INT: u32 = Kind::Int.number() as u32;
const PTR: u32 = Kind::Ptr.number() as u32;
const ARRAY: u32 = Kind::Array.number() as u32;
const STRUCT: u32 = Kind::Struct.number() as u32;
const UNION: u32 = Kind::Union.number() as u32;
const ENUM: u32 = Kind::Enum.number() as u32;
const FWD: u32 = Kind::Fwd.number() as u32;
const TYPEDEF: u32 = Kind::Typedef.number() as u32;
const FUNC: u32 = Kind::Func.number() as u32;
const FUNC_PROTO: u32 = Kind::FuncProto.number() as u32;
const VAR: u32 = Kind::Var.number() as u32;
const FLOAT: u32 = Kind::Float.number() as u32;
const TYPE_TAG: u32 = Kind::TypeTag.number() as u32;
const ENUM64: u32 = Kind::Enum64.number() as u32;

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
pub struct Survey<'a> {
    pub(super) btf: &'a Btf,
    pub(super) held: Vec<Held>,
    /// The type of most array indices.
    pub(super) index_type: TypeId,
    /// The INT from which libbpf takes the size of pointers.
    pub(super) pointer_int: Option<TypeId>,
    /// By type id: 1 + its place in `listed`, 0 for types that are no definitions.
    places: Vec<u32>,
    listed: Vec<Listed>,
    group_count: usize,
    /// Where what each module holds begins in `held`, behind what the kernel holds.
    modules: Vec<(String, usize)>,
}

impl Survey<'_> {
    /// Whether relocations can't tell this kernel from another one that was
    /// surveyed for the same writer: the same definitions, the candidates for
    /// each name in the same order.
    pub fn is_equal(&self, other: &Survey<'_>) -> bool {
        let in_groups = |held: &[Held]| {
            let mut held: Vec<(u64, u128, bool)> = (held.iter())
                .map(|held| (held.group, held.hash(), held.second))
                .collect();
            held.sort_by_key(|&(group, ..)| group);
            held
        };
        let of_kernel = |survey: &Survey<'_>| {
            in_groups(
                survey
                    .held
                    .get(..survey.held_by_kernel())
                    .unwrap_or_default(),
            )
        };
        let of_modules = |survey: &Survey<'_>| -> Vec<_> {
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
        let listed = self.listed(id)?;
        let first = match listed.first {
            0 => listed,
            first => self.listed(TypeId(first))?,
        };
        Some(TypeId(first.described))
    }

    /// The number of a type's candidate group in this kernel, from 0; none for a
    /// type that is no definition.
    pub(super) fn group(&self, id: TypeId) -> Option<usize> {
        Some(self.listed(id)?.group as usize)
    }

    /// How many candidate groups there are.
    pub(super) fn group_count(&self) -> usize {
        self.group_count
    }

    /// Which of the definitions with its kind and essential name a type is.
    /// `None` for a type that is no definition.
    pub(super) fn ordinal(&self, id: TypeId) -> Option<u32> {
        Some(self.listed(id)?.ordinal)
    }

    fn listed(&self, id: TypeId) -> Option<&Listed> {
        let place = (*self.places.get(id.0 as usize)?).checked_sub(1)?;
        self.listed.get(place as usize)
    }
}

/// A type that is a definition.
#[derive(Clone, Copy, Debug)]
struct Listed {
    id: u32,
    /// The number of its candidate group.
    group: u32,
    /// 1 + the place of the next one of its group, 0 for the last.
    next: u32,
    /// Which definition of its group it is.
    ordinal: u32,
    /// The first type with this definition, where it is the second: 0 where it is
    /// the first itself.
    first: u32,
    /// Whether there are two before it already.
    spare: bool,
    /// The one by which they are described: this one, or of equal typedefs the one
    /// with the fewest behind it. (A typedef may be of an equal one of its name,
    /// and would be of itself.)
    described: u32,
}

/// A group of candidates: types of one kind and essential name, by their places.
#[derive(Clone, Copy)]
struct Group {
    hash: u64,
    first: u32,
    last: u32,
}

/// Surveys a kernel.
///
/// # Errors
/// For types that no compiler writes: endless, or of kinds that are no types; and
/// for a module's BTF.
pub(super) fn survey(btf: &Btf, key: HashKey, functions: bool) -> Result<Survey<'_>, SurveyError> {
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
    let mut surveyor = Surveyor::new(btf, key);
    if functions {
        surveyor.find_groups(&with_functions(btf));
    } else {
        surveyor.find_groups(btf.listed());
    }
    surveyor.find_index_type()?;
    surveyor.tell_apart()?;
    surveyor.name_all();
    surveyor.hash_all()?;
    surveyor.start_modules(u32::MAX);
    let modules = (btf.modules().map(str::to_owned)).zip(std::mem::take(&mut surveyor.starts));
    Ok(Survey {
        btf,
        modules: modules.collect(),
        index_type: TypeId(surveyor.index_type),
        pointer_int: btf.long(),
        held: surveyor.held,
        places: surveyor.places,
        listed: surveyor.listed,
        group_count: surveyor.groups.len(),
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

struct Surveyor<'a> {
    words: &'a [u32],
    index: &'a [u32],
    key: HashKey,
    held: Vec<Held>,
    index_type: u32,
    /// By type id: 1 + its place in `listed`.
    places: Vec<u32>,
    listed: Vec<Listed>,
    groups: Vec<Group>,
    /// The first type of each module.
    modules: Vec<u32>,
    /// Where what each of them holds begins in `held`.
    starts: Vec<usize>,
    /// By type id: what has been hashed, 0 where not yet. By value as long as types
    /// are told apart, then by name.
    known: Vec<u64>,
    behind_pointer: Vec<u64>,
    /// What is known by value, mostly of few.
    by_value: Vec<u32>,
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
            places: vec![0; types],
            listed: Vec::with_capacity(btf.listed().len()),
            groups: Vec::with_capacity(btf.listed().len()),
            modules: btf.firsts_of_modules().map(|first| first.0).collect(),
            starts: Vec::new(),
            known: vec![0; types],
            behind_pointer: Vec::new(),
            by_value: Vec::new(),
            strings: StringHashes::new(btf, key),
        }
    }

    /// Where the record of a type begins. Every id comes from a checked BTF.
    #[inline(always)]
    fn at(&self, id: u32) -> usize {
        self.index[id as usize - 1] as usize
    }

    /// Puts the definitions together that may be candidates for one name.
    fn find_groups(&mut self, records: &[u32]) {
        let mut table: Table<u64> = Table::with_room(records.len());
        let mut place = 0;
        while place < records.len() {
            let record = records[place];
            // A file of less than 2^32 bytes has not so many types.
            let id = record + 1;
            let at = self.at(id);
            let kind = (self.words[at + 1] >> 24) & 0x7f;
            let hash = self.group_hash(kind, self.words[at]);
            let group = table.number(hash);
            #[allow(clippy::cast_possible_truncation)] // as many as types
            let number = place as u32;
            place += 1;
            self.places[id as usize] = number + 1;
            self.listed.push(Listed {
                id,
                group,
                next: 0,
                ordinal: 0,
                first: 0,
                spare: false,
                described: id,
            });
            if group as usize == self.groups.len() {
                self.groups.push(Group {
                    hash,
                    first: number,
                    last: number,
                });
            } else {
                let known = &mut self.groups[group as usize];
                self.listed[known.last as usize].next = number + 1;
                known.last = number;
            }
        }
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
    /// of them are kept. Those of a module go on where the kernel's end, in each
    /// module anew: what it holds then does not depend on the others.
    fn tell_apart(&mut self) -> Result<(), SurveyError> {
        // By group and what a type comes to: its ordinal, the first such type,
        // and whether there was a second. One table for all groups: nothing
        // stops a kernel from having a million different types of one name.
        let mut table: Table<u128> = Table::with_room(0);
        let mut seen: Vec<(u32, u32, bool)> = Vec::new();
        let first_of_modules = self.modules.first().copied().unwrap_or(u32::MAX);
        let mut number = 0;
        while number < self.groups.len() {
            let group = self.groups[number];
            number += 1;
            if group.first == group.last {
                continue;
            }
            let (mut owner, mut of_kernel) = (0, 0);
            if self.behind_pointer.is_empty() {
                self.behind_pointer = vec![0; self.known.len()];
            }
            let mut place = group.first as usize + 1;
            let mut next = 0;
            while place != 0 {
                let id = self.listed[place - 1].id;
                if id >= first_of_modules {
                    let found = self.modules.partition_point(|&first| first <= id);
                    if owner == 0 {
                        of_kernel = next;
                    }
                    if found != owner {
                        (owner, next) = (found, of_kernel);
                    }
                }
                let hash = self.candidate(id)?;
                // Short hashes are odd.
                let key = u128::from(group.first) << 64 | u128::from(hash >> 1);
                let key = (owner as u128) << 96 | key;
                let known = table.number(key) as usize;
                if known == seen.len() {
                    seen.push((next, id, false));
                    next += 1;
                }
                let (ordinal, first, again) = &mut seen[known];
                let listed = &mut self.listed[place - 1];
                listed.ordinal = *ordinal;
                place = listed.next as usize;
                if *first != id {
                    listed.first = *first;
                    listed.spare = *again;
                    *again = true;
                    let first = self.places[*first as usize] as usize - 1;
                    let described = self.listed[first].described;
                    if self.chain(id) < self.chain(described) {
                        self.listed[first].described = id;
                    }
                }
            }
        }
        for id in self.by_value.drain(..) {
            self.known[id as usize] = 0;
        }
        Ok(())
    }

    /// How many typedefs and qualifiers lie before what a type is of: at most as
    /// many as were followed before.
    fn chain(&self, mut id: u32) -> u32 {
        let mut steps = 0;
        while id != 0 && steps <= MAX_CHAIN {
            let at = self.at(id);
            let kind = (self.words[at + 1] >> 24) & 0x7f;
            if kind != TYPEDEF && !is_qualifier(kind) {
                break;
            }
            id = self.words[at + 2];
            steps += 1;
        }
        steps
    }

    /// Says what references to definitions come to, before any is followed.
    fn name_all(&mut self) {
        let mut place = 0;
        while place < self.listed.len() {
            let Listed {
                id, group, ordinal, ..
            } = self.listed[place];
            place += 1;
            let group = self.groups[group as usize].hash;
            self.known[id as usize] = named_hash(self.key, group, ordinal);
        }
    }

    fn hash_all(&mut self) -> Result<(), SurveyError> {
        self.held.reserve(self.listed.len());
        let mut place = 0;
        while place < self.listed.len() {
            let listed = self.listed[place];
            place += 1;
            if self
                .modules
                .get(self.starts.len())
                .is_some_and(|&first| first <= listed.id)
            {
                self.start_modules(listed.id);
            }
            if listed.spare {
                continue;
            }
            let second = listed.first != 0;
            let id = if second {
                self.listed[self.places[listed.first as usize] as usize - 1].described
            } else {
                listed.described
            };
            let at = self.at(id);
            let mut hash = self.key.start(0);
            hash.add(self.strings.plain(self.words[at]));
            self.record(id, Look::ByName, &mut hash, 0)?;
            self.held.push(Held {
                halves: hash.halves(),
                group: self.groups[listed.group as usize].hash,
                id: TypeId(id),
                second,
            });
        }
        Ok(())
    }

    /// Notes that what is held from here on is of the module of a type.
    fn start_modules(&mut self, id: u32) {
        let begun = self.modules.partition_point(|&first| first <= id);
        self.starts.resize(begun, self.held.len());
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

/// What a reference to a definition comes to by name.
#[inline(always)]
pub(super) fn named_hash(key: HashKey, group: u64, ordinal: u32) -> u64 {
    let mut hash = key.start(3);
    hash.add_two(group, u64::from(ordinal));
    hash.short()
}

/// Kinds that are candidates for each other (libbpf's `btf_kind_core_compat`)
/// under one number.
fn group_kind(kind: u32) -> u32 {
    if kind == ENUM64 { ENUM } else { kind }
}
