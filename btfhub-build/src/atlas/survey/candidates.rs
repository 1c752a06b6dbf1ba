//! Finds the candidates for each name, and which of them no relocation can distinguish.

use super::hasher::{ENUM, ENUM64, TypeHasher};
use crate::atlas::error::SurveyError;
use crate::atlas::hash::HashKey;
use crate::atlas::table::Table;
use crate::btf::Kind;

/// The definitions of a kernel, in groups of candidates.
#[derive(Debug)]
pub(super) struct Candidates {
    /// By type id: 1 + its index in `listed`, or 0 if the type isn't a definition.
    places: Vec<u32>,
    pub(super) listed: Vec<Listed>,
    groups: Vec<Group>,
}

/// A type that is a definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) id: u32,
    /// The number of its candidate group.
    pub(super) group: u32,
    /// 1 + the index of the next one in its group, or 0 for the last.
    next: u32,
    /// Its ordinal in the group; equal types have the same.
    pub(super) ordinal: u32,
    /// The first type that is equal to it, or 0 if it is that one.
    pub(super) first: u32,
    /// Whether two equal types come before it.
    pub(super) spare: bool,
    /// The type to describe: this one, or of equal typedefs the one with the shortest chain. (A
    /// typedef may refer to an equal one of the same name; described, it would refer to itself.)
    pub(super) described: u32,
}

/// A group of candidates: types of one kind and essential name, as indices into `listed`.
#[derive(Clone, Copy, Debug)]
struct Group {
    hash: u64,
    first: u32,
    last: u32,
}

impl Candidates {
    /// Groups the definitions that are candidates for the same names.
    pub(super) fn find(hasher: &mut TypeHasher<'_>, records: &[u32]) -> Self {
        let mut candidates = Self {
            places: vec![0; hasher.index.len() + 1],
            listed: Vec::with_capacity(records.len()),
            groups: Vec::with_capacity(records.len()),
        };
        let mut table: Table<u64> = Table::with_room(records.len());
        let mut place = 0;
        while place < records.len() {
            let record = records[place];
            // A file of less than 2^32 bytes has fewer types, so this does not overflow.
            let id = record + 1;
            let at = hasher.at(id);
            let kind = (hasher.words[at + 1] >> 24) & 0x7f;
            let hash = group_hash(
                hasher.key,
                group_kind(kind),
                hasher.strings.essential(hasher.words[at]),
            );
            let group = table.number(hash);
            #[allow(clippy::cast_possible_truncation)] // there are at most as many as types
            let number = place as u32;
            place += 1;
            candidates.places[id as usize] = number + 1;
            candidates.listed.push(Listed {
                id,
                group,
                next: 0,
                ordinal: 0,
                first: 0,
                spare: false,
                described: id,
            });
            if group as usize == candidates.groups.len() {
                candidates.groups.push(Group {
                    hash,
                    first: number,
                    last: number,
                });
            } else {
                let known = &mut candidates.groups[group as usize];
                candidates.listed[known.last as usize].next = number + 1;
                known.last = number;
            }
        }
        candidates
    }

    /// Gives each type its ordinal in the group. Types that no relocation can distinguish get the
    /// same one; the first two of them are kept. The ordinals of a module continue the kernel's,
    /// not those of other modules, so that no module depends on another.
    pub(super) fn tell_apart(
        &mut self,
        hasher: &mut TypeHasher<'_>,
        modules: &[u32],
    ) -> Result<(), SurveyError> {
        // By group and hash of a type: its ordinal, the first such type, and whether there was a
        // second. A hash table, because a hostile kernel can have a million different types of
        // one name.
        let mut table: Table<u128> = Table::with_room(0);
        let mut seen: Vec<(u32, u32, bool)> = Vec::new();
        let first_of_modules = modules.first().copied().unwrap_or(u32::MAX);
        let mut number = 0;
        while number < self.groups.len() {
            let group = self.groups[number];
            number += 1;
            if group.first == group.last {
                continue;
            }
            let (mut owner, mut of_kernel) = (0, 0);
            let mut place = group.first as usize + 1;
            let mut next = 0;
            while place != 0 {
                let id = self.listed[place - 1].id;
                if id >= first_of_modules {
                    let found = modules.partition_point(|&first| first <= id);
                    if owner == 0 {
                        of_kernel = next;
                    }
                    if found != owner {
                        (owner, next) = (found, of_kernel);
                    }
                }
                let hash = hasher.candidate(id)?;
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
                    if hasher.chain(id) < hasher.chain(described) {
                        self.listed[first].described = id;
                    }
                }
            }
        }
        hasher.forget_candidates();
        Ok(())
    }

    /// Stores the hashes of references to definitions, before any reference is followed.
    pub(super) fn name_all(&self, hasher: &mut TypeHasher<'_>) {
        let mut place = 0;
        while place < self.listed.len() {
            let Listed {
                id, group, ordinal, ..
            } = self.listed[place];
            place += 1;
            let group = self.groups[group as usize].hash;
            hasher.known[id as usize] = named_hash(hasher.key, group, ordinal);
        }
    }

    /// The type that is described for a definition.
    pub(super) fn described(&self, listed: &Listed) -> u32 {
        match listed.first {
            0 => listed.described,
            first => self.get(first).map_or(first, |first| first.described),
        }
    }

    /// The entry of a type, if it is a definition.
    pub(super) fn get(&self, id: u32) -> Option<&Listed> {
        let place = (*self.places.get(id as usize)?).checked_sub(1)?;
        self.listed.get(place as usize)
    }

    /// The hash of a type's kind and essential name.
    pub(super) fn group_hash(&self, listed: &Listed) -> u64 {
        self.groups[listed.group as usize].hash
    }

    pub(super) fn group_count(&self) -> usize {
        self.groups.len()
    }
}

fn group_hash(key: HashKey, kind: u32, name: u64) -> u64 {
    let mut hash = key.start(u64::from(kind));
    hash.add(name);
    hash.short()
}

/// The hash of a group, from the hash of its essential name.
pub(in crate::atlas) fn kind_hash(key: HashKey, kind: Kind, name: u64) -> u64 {
    group_hash(key, u32::from(kind.number()), name)
}

/// The hash of a reference to a definition, by group and ordinal.
#[inline(always)]
pub(in crate::atlas) fn named_hash(key: HashKey, group: u64, ordinal: u32) -> u64 {
    let mut hash = key.start(3);
    hash.add_two(group, u64::from(ordinal));
    hash.short()
}

/// One number for kinds that are candidates for each other (libbpf's `btf_kind_core_compat`).
fn group_kind(kind: u32) -> u32 {
    if kind == ENUM64 { ENUM } else { kind }
}
