//! Hashes types: as an atlas stores them, and as relocations see them.

use crate::atlas::error::SurveyError;
use crate::atlas::hash::{Hash, HashKey};
use crate::atlas::names::StringHashes;
use crate::btf::{Btf, Kind};

/// Kinds as numbers of the type section, which the hot loops compare.
pub(super) const INT: u32 = Kind::Int.number() as u32;
pub(super) const PTR: u32 = Kind::Ptr.number() as u32;
pub(super) const ARRAY: u32 = Kind::Array.number() as u32;
pub(super) const STRUCT: u32 = Kind::Struct.number() as u32;
pub(super) const UNION: u32 = Kind::Union.number() as u32;
pub(super) const ENUM: u32 = Kind::Enum.number() as u32;
pub(super) const FWD: u32 = Kind::Fwd.number() as u32;
pub(super) const TYPEDEF: u32 = Kind::Typedef.number() as u32;
pub(super) const FUNC: u32 = Kind::Func.number() as u32;
pub(super) const FUNC_PROTO: u32 = Kind::FuncProto.number() as u32;
pub(super) const VAR: u32 = Kind::Var.number() as u32;
pub(super) const FLOAT: u32 = Kind::Float.number() as u32;
pub(super) const TYPE_TAG: u32 = Kind::TypeTag.number() as u32;
pub(super) const ENUM64: u32 = Kind::Enum64.number() as u32;

/// How deep anonymous types may nest, and types by value. Real kernels reach about 20; a cycle
/// would never end.
const MAX_NESTING: u32 = 128;
/// libbpf's `MAX_RESOLVE_DEPTH`. To libbpf, a longer chain of typedefs and qualifiers has no size,
/// so leaving out its qualifiers could change a result.
const MAX_CHAIN: u32 = 31;

/// Hashes the types of one kernel.
pub(super) struct TypeHasher<'a> {
    pub(super) words: &'a [u32],
    pub(super) index: &'a [u32],
    pub(super) key: HashKey,
    pub(super) strings: StringHashes<'a>,
    /// The index type of arrays.
    pub(super) index_type: u32,
    /// By type id: the hash of a reference to it, or 0 if it is unknown. While candidates are
    /// compared, these are [`Look::ByValue`]; then [`Look::ByName`].
    pub(super) known: Vec<u64>,
    /// The same for [`Look::BehindPointer`].
    behind_pointer: Vec<u64>,
    /// The types in `known` by value; usually few.
    by_value: Vec<u32>,
}

impl<'a> TypeHasher<'a> {
    pub(super) fn new(btf: &'a Btf, key: HashKey) -> Result<Self, SurveyError> {
        let (words, index) = btf.records();
        let types = index.len() + 1;
        Ok(Self {
            words,
            index,
            key,
            strings: StringHashes::new(btf, key),
            index_type: index_type(words, index)?,
            known: vec![0; types],
            behind_pointer: Vec::new(),
            by_value: Vec::new(),
        })
    }

    /// Where the record of a type begins. Ids come from checked BTF, so it exists.
    #[inline(always)]
    pub(super) fn at(&self, id: u32) -> usize {
        self.index[id as usize - 1] as usize
    }

    /// Hashes what relocations can see of a candidate.
    pub(super) fn candidate(&mut self, id: u32) -> Result<u64, SurveyError> {
        if self.behind_pointer.is_empty() {
            self.behind_pointer = vec![0; self.known.len()];
        }
        let at = self.at(id);
        let mut hash = self.key.start(1);
        hash.add(self.strings.plain(self.words[at]));
        self.record(id, Look::ByValue, &mut hash, 0)?;
        Ok(hash.short())
    }

    /// Forgets the hashes by value, before those by name are stored.
    pub(super) fn forget_candidates(&mut self) {
        for id in self.by_value.drain(..) {
            self.known[id as usize] = 0;
        }
    }

    /// The length of the chain of typedefs and qualifiers that starts with a type. Stops counting
    /// beyond [`MAX_CHAIN`].
    pub(super) fn chain(&self, mut id: u32) -> u32 {
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

    /// Adds kind, sizes and elements of a record to a hash, but not its name.
    pub(super) fn record(
        &mut self,
        id: u32,
        look: Look,
        hash: &mut Hash,
        depth: u32,
    ) -> Result<(), SurveyError> {
        if depth > MAX_NESTING {
            return Err(SurveyError::new(id, "nests too deep"));
        }
        let words = self.words;
        let [name, info, third, body @ ..] = &words[self.at(id)..] else {
            return Ok(());
        };
        let kind = (info >> 24) & 0x7f;
        let vlen = (info & 0x00ff_ffff) as usize;
        let flag = u64::from(info >> 31);
        let size = u64::from(*third);
        let plain = u64::from(kind) << 32;
        let head = plain | vlen as u64;
        // `__bpf_core_types_match` compares these names too, and a definition can't store them.
        if matches!(kind, PTR | ARRAY | FUNC_PROTO) && *name != 0 {
            return Err(SurveyError::new(
                id,
                "has a name, although its kind never does",
            ));
        }
        match kind {
            INT => {
                hash.add_two(plain, size << 32 | u64::from(body[0]));
            }
            FLOAT => hash.add_two(plain, size),
            FWD => hash.add(plain | flag << 31),
            TYPEDEF => {
                measurable(words, self.index, id)?;
                let target = self.reference(*third, look, depth + 1)?;
                hash.add_two(plain, target);
            }
            FUNC | VAR => {
                let target = self.reference(*third, look, depth + 1)?;
                hash.add_two(plain, target);
            }
            ENUM => {
                hash.add_two(head | flag << 31, size);
                let mut elements = &body[..2 * vlen];
                while let [name, value, rest @ ..] = elements {
                    hash.add_two(self.strings.plain(*name), u64::from(*value));
                    elements = rest;
                }
            }
            ENUM64 => {
                hash.add_two(head | flag << 31, size);
                let mut elements = &body[..3 * vlen];
                while let [name, low, high, rest @ ..] = elements {
                    let value = u64::from(*low) | u64::from(*high) << 32;
                    hash.add_two(self.strings.plain(*name), value);
                    elements = rest;
                }
            }
            STRUCT | UNION => {
                hash.add_two(head, size);
                let mut elements = &body[..3 * vlen];
                while let [name, ty, offset, rest @ ..] = elements {
                    let name = self.strings.plain(*name);
                    // (bits, offset): the same with and without `kind_flag` if the struct
                    // has no bitfields.
                    let place = if flag != 0 {
                        if offset >> 24 != 0 {
                            self.holds_bits(*ty)?;
                        }
                        u64::from(offset >> 24) << 32 | u64::from(offset & 0x00ff_ffff)
                    } else {
                        u64::from(*offset)
                    };
                    let ty = self.reference(*ty, look, depth + 1)?;
                    hash.add_member(name, place, ty);
                    elements = rest;
                }
            }
            PTR => {
                let look = look.through_pointer();
                let target = self.reference(*third, look, depth + 1)?;
                hash.add_two(plain, target);
            }
            ARRAY => {
                let [element, index_type, nelems, ..] = body else {
                    return Ok(());
                };
                hash.add_two(plain, u64::from(*nelems));
                let element = self.reference(*element, look, depth + 1)?;
                let mut index = 0;
                if look == Look::ByName {
                    index = self.reference(*index_type, look, depth + 1)?;
                    if index == self.reference(self.index_type, look, depth + 1)? {
                        index = 0;
                    }
                }
                hash.add_two(element, index);
            }
            FUNC_PROTO => {
                let result = self.reference(*third, look, depth + 1)?;
                hash.add_two(head, result);
                let mut elements = &body[..2 * vlen];
                while let [_, ty, rest @ ..] = elements {
                    hash.add(self.reference(*ty, look, depth + 1)?);
                    elements = rest;
                }
            }
            _ => return Err(SurveyError::no_value(id)),
        }
        Ok(())
    }

    /// Refuses bitfields of types without a size. For these, `bpf_core_calc_field_relo` would take
    /// another word as the size; in a pointer, that is a type id, which differs in every BTF. The
    /// kernel refuses such BTF, too.
    fn holds_bits(&self, id: u32) -> Result<(), SurveyError> {
        let target = skip(self.words, self.index, id, true)?;
        let kind = match target {
            0 => 0,
            _ => (self.words[self.at(target) + 1] >> 24) & 0x7f,
        };
        if matches!(kind, INT | ENUM | ENUM64 | STRUCT | UNION | FLOAT) {
            return Ok(());
        }
        Err(SurveyError::new(
            id,
            "is the type of a bitfield, but has no size",
        ))
    }

    /// The hash of a reference to a type, which is usually known.
    #[inline(always)]
    fn reference(&mut self, id: u32, look: Look, depth: u32) -> Result<u64, SurveyError> {
        let known = match look {
            Look::ByName | Look::ByValue => self.known[id as usize],
            Look::BehindPointer => self.behind_pointer[id as usize],
        };
        if known != 0 {
            return Ok(known);
        }
        self.follow(id, look, depth)
    }

    /// The same if it isn't known yet.
    #[inline(never)]
    fn follow(&mut self, id: u32, look: Look, depth: u32) -> Result<u64, SurveyError> {
        let target = skip(self.words, self.index, id, look != Look::ByName)?;
        let hash = if target == id {
            self.target(id, look, depth)?
        } else {
            self.reference(target, look, depth)?
        };
        match look {
            Look::ByName => self.known[id as usize] = hash,
            Look::ByValue => {
                self.known[id as usize] = hash;
                self.by_value.push(id);
            }
            Look::BehindPointer => self.behind_pointer[id as usize] = hash,
        }
        Ok(hash)
    }

    /// The same for a type after skipping typedefs and qualifiers. By name, those of definitions
    /// are known already.
    fn target(&mut self, id: u32, look: Look, depth: u32) -> Result<u64, SurveyError> {
        if id == 0 {
            return Ok(2);
        }
        let at = self.at(id);
        let kind = (self.words[at + 1] >> 24) & 0x7f;
        let mut hash = self.key.start(3);
        hash.add(self.strings.plain(self.words[at]));
        if look == Look::BehindPointer && (kind == STRUCT || kind == UNION) {
            hash.add(u64::from(kind));
        } else {
            self.record(id, look, &mut hash, depth)?;
        }
        Ok(hash.short())
    }
}

/// How to look at a type that is referred to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// As an atlas stores it: definitions by name.
    ByName,
    /// As relocations see it: typedefs skipped, structs with their members.
    ByValue,
    /// As relocations see it behind a pointer (libbpf's `behind_ptr`): of a struct or union only
    /// kind and name.
    BehindPointer,
}

impl Look {
    fn through_pointer(self) -> Self {
        match self {
            Self::ByName => Self::ByName,
            Self::ByValue | Self::BehindPointer => Self::BehindPointer,
        }
    }
}

/// VOLATILE, CONST, RESTRICT and TYPE_TAG.
#[inline(always)]
fn is_qualifier(kind: u32) -> bool {
    matches!(kind, 9..=11 | TYPE_TAG)
}

/// Skips what libbpf's `skip_mods_and_typedefs` skips. Typedefs are skipped only if `typedefs`, or
/// if they have no name: then they aren't definitions.
fn skip(words: &[u32], index: &[u32], first: u32, typedefs: bool) -> Result<u32, SurveyError> {
    let mut id = first;
    let mut steps = 0;
    while id != 0 {
        let at = index[id as usize - 1] as usize;
        let kind = (words[at + 1] >> 24) & 0x7f;
        let step = match kind {
            _ if is_qualifier(kind) => true,
            TYPEDEF => typedefs || words[at] == 0,
            _ => false,
        };
        if !step {
            if steps > 0 && matches!(kind, TYPEDEF | ARRAY) {
                measurable(words, index, first)?;
            }
            return Ok(id);
        }
        id = words[at + 2];
        steps += 1;
        if steps > MAX_CHAIN {
            return Err(too_long(id));
        }
    }
    Ok(0)
}

/// The index type of the first ARRAY. In real kernels all have the same.
fn index_type(words: &[u32], index: &[u32]) -> Result<u32, SurveyError> {
    let mut number = 0;
    while number < index.len() {
        let at = index[number] as usize;
        if (words[at + 1] >> 24) & 0x7f == ARRAY {
            return skip(words, index, words[at + 4], false);
        }
        number += 1;
    }
    Ok(0)
}

/// Refuses a chain of typedefs, qualifiers and arrays that is too long for libbpf's
/// `btf__resolve_size`, if it has qualifiers: without them it might be short enough.
fn measurable(words: &[u32], index: &[u32], first: u32) -> Result<(), SurveyError> {
    let mut id = first;
    let mut qualified = false;
    for _ in 0..=MAX_CHAIN {
        if id == 0 {
            return Ok(());
        }
        let at = index[id as usize - 1] as usize;
        let kind = (words[at + 1] >> 24) & 0x7f;
        id = match kind {
            ARRAY => words[at + 3],
            TYPEDEF => words[at + 2],
            _ if is_qualifier(kind) => {
                qualified = true;
                words[at + 2]
            }
            _ => return Ok(()),
        };
    }
    if qualified {
        return Err(too_long(first));
    }
    Ok(())
}

fn too_long(id: u32) -> SurveyError {
    SurveyError::new(
        id,
        "is in a chain of more than 31 typedefs, qualifiers and arrays",
    )
}
