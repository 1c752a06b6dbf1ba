//! Definitions → BTF.
//!
//! Named types come first: the INT that tells the pointer size with its group,
//! then group by group, candidates in the kernel's order, and twice where it
//! has two that can't be told apart. Types without a name stand behind them,
//! equal ones once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt as _};

use super::decode::{Decoded, Group};
use super::definition::{body_len, elements, inline_kind, shape, split, type_len};
use super::error::{AtlasError, Part, Why};
use super::holdings::Holding;
use super::read::Atlas;
use super::scope::{Reach, Scope, visit_body};
use crate::btf::{BtfWriter, Kind, StrOffset, TypeId, TypeRecord};

/// A definition of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    group: u32,
    ordinal: u32,
}

/// How much of a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Kind and name.
    Stub,
    /// All of it; for typedefs and function types, whose own references may be
    /// behind a pointer.
    Full(Reach),
}

/// What becomes of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Fate {
    extent: Option<Extent>,
    id: Option<TypeId>,
}

impl Atlas {
    /// A complete BTF of one kernel's types: what any relocation can ask for, and
    /// functions and variables where the atlas [has](Self::has_functions) them.
    /// Sections, qualifiers and tags are not in it.
    ///
    /// # Errors
    /// When there is no such kernel, or the atlas is damaged.
    pub fn extract(&self, kernel: usize) -> Result<Vec<u8>, AtlasError> {
        let holding = self.holding_of(kernel)?;
        project(&self.scope_of_all(&holding)?, &holding)
    }
}

impl Scope<'_> {
    /// BTF `number`: for what was asked, relocations come to the same in it as
    /// in the full BTF of its kernels.
    ///
    /// # Errors
    /// When the atlas is damaged.
    pub fn btf(&self, number: usize) -> Result<Vec<u8>, AtlasError> {
        let absent = || AtlasError::malformed(Part::Kernels, 0, "a kernel that is not there");
        project(self, self.holding(number).ok_or_else(absent)?)
    }
}

/// The BTF of a kernel, as far as the scope goes.
fn project(scope: &Scope<'_>, holding: &Holding) -> Result<Vec<u8>, AtlasError> {
    let mut projection = Projection {
        scope,
        holding,
        ranges: ranges(scope, holding),
        rearranged: BTreeMap::new(),
        fates: vec![Fate::default(); holding.held.len()],
        stubs: BTreeMap::new(),
        strings: vec![0; scope.atlas.string_count() as usize],
        title: None,
        anonymous: Vec::new(),
        known: HashMap::new(),
        first_anonymous: 0,
        index_type: TypeId::VOID,
        writer: BtfWriter::new(holding.endian),
    };
    for order in &holding.orders {
        projection.rearrange(order)?;
    }
    projection.find()?;
    projection.write()
}

/// Where what is held of each of the scope's groups stands in `held`.
fn ranges(scope: &Scope<'_>, holding: &Holding) -> Vec<Range<usize>> {
    let held = &holding.held;
    let mut ranges = Vec::with_capacity(scope.groups.len());
    let mut at = 0;
    for reached in scope.groups.list() {
        let first = reached.first_definition;
        let last = u64::from(first) + reached.group.variants.len() as u64;
        while at < held.len() && held[at] < first {
            at += 1;
        }
        let start = at;
        while at < held.len() && u64::from(held[at]) < last {
            at += 1;
        }
        ranges.push(start..at);
    }
    ranges
}

struct Projection<'a> {
    scope: &'a Scope<'a>,
    holding: &'a Holding,
    /// For each group of the scope, by its place there, what is held of it: by
    /// ordinal, but for those whose order is another.
    ranges: Vec<Range<usize>>,
    /// The numbers of the definitions of these by ordinal.
    rearranged: BTreeMap<usize, Vec<u32>>,
    /// By place in `held`: where a group's begin, and the ordinal.
    fates: Vec<Fate>,
    /// Of those behind pointers that are in no group of the scope.
    stubs: BTreeMap<Name, Option<TypeId>>,
    /// Offsets by number; 0 of those that were not needed yet, and of the empty one.
    strings: Vec<u32>,
    /// The group that was named last, and where its name stands.
    title: Option<(u32, StrOffset)>,
    anonymous: Vec<Rc<TypeRecord>>,
    known: HashMap<Rc<TypeRecord>, TypeId>,
    first_anonymous: u32,
    index_type: TypeId,
    writer: BtfWriter,
}

impl<'a> Projection<'a> {
    /// Candidates that the kernel has in another order than the ascending one.
    fn rearrange(&mut self, order: &[u32]) -> Result<(), AtlasError> {
        let Some(&first) = order.first() else {
            return Ok(());
        };
        let group = self.scope.atlas.group_of(first)?;
        if let Some((place, reached)) = self.scope.groups.get(group) {
            let count = reached.group.variants.len();
            let candidates = self.holding.candidates(reached.first_definition, count);
            self.rearranged.insert(place, candidates);
        }
        Ok(())
    }

    /// Finds what has to be written.
    fn find(&mut self) -> Result<(), AtlasError> {
        let mut open: Vec<(Name, Reach)> = Vec::new();
        for &group in &self.scope.roots {
            let place = self.scope.groups.get(group).map(|(place, _)| place);
            let range = place.and_then(|place| self.ranges.get(place));
            let count = range.map_or(0, Range::len);
            for ordinal in (0..).take(count) {
                open.push((Name { group, ordinal }, Reach::Value));
            }
        }
        let common = [self.holding.pointer_int, self.holding.index_type];
        for definition in common.into_iter().flatten() {
            open.push((self.name_of(definition)?, Reach::Value));
        }
        while let Some((name, reach)) = open.pop() {
            let Some((place, reached)) = self.scope.groups.get(name.group) else {
                // Its group counts no further.
                let (kind, _) = self.scope.atlas.title(name.group)?;
                if reach != Reach::Pointer || !kind.is_composite() {
                    return Err(absent());
                }
                self.stubs.insert(name, None);
                continue;
            };
            let extent = if reach == Reach::Pointer && reached.group.kind().is_composite() {
                Extent::Stub
            } else {
                Extent::Full(reach)
            };
            let fate = self.fate(place, name).ok_or_else(absent)?;
            match fate.extent {
                Some(Extent::Full(Reach::Value)) => continue,
                Some(known) if known == extent => continue,
                Some(Extent::Full(_)) if extent == Extent::Stub => continue,
                _ => {}
            }
            fate.extent = Some(extent);
            if extent != Extent::Stub {
                let (group, variant) = self.definition(name)?;
                let body = group.body(variant);
                visit_body(variant.kind, body, reach, &mut |group, ordinal, reach| {
                    open.push((Name { group, ordinal }, reach));
                });
            }
        }
        Ok(())
    }

    fn write(mut self) -> Result<Vec<u8>, AtlasError> {
        let mut names = Vec::new();
        for (reached, range) in self.scope.groups.list().zip(&self.ranges) {
            let fates = self.fates.get(range.clone()).unwrap_or_default();
            let written = (0..).zip(fates).filter(|(_, fate)| fate.extent.is_some());
            let group = reached.number;
            names.extend(written.map(|(ordinal, _)| Name { group, ordinal }));
        }
        // They ascend by group, and ordinal.
        if !self.stubs.is_empty() {
            names.extend(self.stubs.keys());
            names.sort_unstable();
        }
        let pointer = match self.holding.pointer_int {
            Some(definition) => Some(self.name_of(definition)?.group),
            None => None,
        };
        // The first INT with a name of `long` tells the size of pointers.
        names.sort_by_key(|name| Some(name.group) != pointer);

        let mut records: Vec<Name> = Vec::with_capacity(names.len());
        for group in names.chunk_by(|a, b| a.group == b.group) {
            match group.first().filter(|name| self.is_root(name.group)) {
                // Candidates as the kernel has them, equal ones too.
                Some(name) => records.extend(self.sequence(name.group)?),
                None => records.extend(group),
            }
        }
        for (&name, id) in records.iter().zip(1..) {
            let slot = match self.scope.groups.get(name.group) {
                Some((place, _)) => self.fate(place, name).map(|fate| &mut fate.id),
                None => self.stubs.get_mut(&name),
            };
            if let Some(slot) = slot {
                slot.get_or_insert(TypeId(id));
            }
        }
        self.first_anonymous = u32::try_from(records.len())
            .map_err(|_| AtlasError(Why::TooMany("types")))?
            .saturating_add(1);
        self.index_type = match self.holding.index_type {
            Some(definition) => {
                let name = self.name_of(definition)?;
                self.id(name)?
            }
            // Nobody reads it, but a type it must be.
            None => {
                let int = TypeRecord::new(Kind::Int, StrOffset(0)).size(4);
                self.anonymous(int.body(vec![32]))
            }
        };
        for &name in &records {
            let record = self.named(name)?;
            self.writer.push(&record);
        }
        for record in std::mem::take(&mut self.anonymous) {
            self.writer.push(&record);
        }
        self.writer
            .finish()
            .map_err(|_| AtlasError(Why::TooMany("types")))
    }

    fn named(&mut self, name: Name) -> Result<TypeRecord, AtlasError> {
        let scope = self.scope;
        let fate = match scope.groups.get(name.group) {
            Some((place, _)) => self.fate(place, name).copied(),
            None => None,
        };
        let (kind, text) = scope.atlas.title(name.group)?;
        if fate.is_none_or(|fate| fate.extent == Some(Extent::Stub)) {
            let flavored = match fate {
                Some(_) => self.definition(name)?.1.flavored,
                None => 0,
            };
            let offset = if flavored == 0 {
                self.title(name.group, text)
            } else {
                self.string(flavored)?
            };
            return Ok(TypeRecord::new(kind, offset));
        }
        let (group, variant) = self.definition(name)?;
        let offset = if variant.flavored == 0 {
            self.title(name.group, text)
        } else {
            self.string(variant.flavored)?
        };
        self.body(variant.kind, offset, group.body(variant))
    }

    fn body(
        &mut self,
        kind: Kind,
        name: StrOffset,
        body: &[u32],
    ) -> Result<TypeRecord, AtlasError> {
        let record = TypeRecord::new(kind, name);
        let word = |index: usize| body.get(index).copied().unwrap_or(0);
        Ok(match kind {
            Kind::Int => record.size(word(0)).body(vec![word(1)]),
            Kind::Float => record.size(word(0)),
            Kind::Fwd => record.kind_flag(word(0) != 0),
            Kind::Typedef | Kind::Func => record.referenced(self.ty(body)?),
            // `BTF_VAR_GLOBAL_ALLOCATED`: nobody asks which.
            Kind::Var => record.referenced(self.ty(body)?).body(vec![1]),
            Kind::Enum | Kind::Enum64 => {
                let step = if kind == Kind::Enum { 2 } else { 3 };
                let mut words = body.get(2..).unwrap_or_default().to_vec();
                for element in words.chunks_mut(step) {
                    if let Some(name) = element.first_mut() {
                        *name = self.string(*name)?.0;
                    }
                }
                record.kind_flag(word(0) & 1 != 0).size(word(1)).body(words)
            }
            _ => {
                let bitfields = elements(kind, body).any(|member| member.bits != 0);
                let mut words = Vec::with_capacity(3 * word(0).min(1 << 16) as usize);
                for member in elements(kind, body) {
                    let place = u32::try_from(member.place).unwrap_or(u32::MAX);
                    let place = if bitfields {
                        member.bits << 24 | place & 0x00ff_ffff
                    } else {
                        place
                    };
                    words.extend([self.string(member.name)?.0, self.ty(member.ty)?.0, place]);
                }
                record.kind_flag(bitfields).size(word(1)).body(words)
            }
        })
    }

    fn ty(&mut self, words: &[u32]) -> Result<TypeId, AtlasError> {
        let Some((&first, rest)) = words.split_first() else {
            return Ok(TypeId::VOID);
        };
        let (shape, argument) = split(first);
        let none = StrOffset(0);
        let record = match shape {
            shape::VOID => return Ok(TypeId::VOID),
            shape::NAMED => {
                return self.id(Name {
                    group: argument,
                    ordinal: 0,
                });
            }
            shape::OTHER => {
                return self.id(Name {
                    group: argument,
                    ordinal: rest.first().copied().unwrap_or(0),
                });
            }
            shape::PTR => TypeRecord::new(Kind::Ptr, none).referenced(self.ty(rest)?),
            shape::ARRAY => {
                let nelems = rest.first().copied().unwrap_or(0);
                let element = rest.get(1..).unwrap_or_default();
                let index = if argument == 0 {
                    self.index_type
                } else {
                    self.ty(element.get(type_len(element)..).unwrap_or_default())?
                };
                let element = self.ty(element)?;
                TypeRecord::new(Kind::Array, none).body(vec![element.0, index.0, nelems])
            }
            shape::PROTO => {
                let result = self.ty(rest)?;
                let mut rest = rest.get(type_len(rest)..).unwrap_or_default();
                let mut params = Vec::new();
                for _ in 0..argument {
                    params.extend([0, self.ty(rest)?.0]);
                    rest = rest.get(type_len(rest)..).unwrap_or_default();
                }
                TypeRecord::new(Kind::FuncProto, none)
                    .referenced(result)
                    .body(params)
            }
            _ => {
                let kind = inline_kind(argument);
                let body = rest.get(..body_len(kind, rest)).unwrap_or_default();
                self.body(kind, none, body)?
            }
        };
        Ok(self.anonymous(record))
    }

    fn anonymous(&mut self, record: TypeRecord) -> TypeId {
        if let Some(&id) = self.known.get(&record) {
            return id;
        }
        let count = u32::try_from(self.anonymous.len()).unwrap_or(u32::MAX);
        let id = TypeId(self.first_anonymous.saturating_add(count));
        let record = Rc::new(record);
        self.anonymous.push(Rc::clone(&record));
        self.known.insert(record, id);
        id
    }

    /// The name of a group, written for the first of its types.
    fn title(&mut self, group: u32, text: &[u8]) -> StrOffset {
        match self.title {
            _ if text.is_empty() => StrOffset(0),
            Some((known, offset)) if known == group => offset,
            _ => {
                let offset = self.writer.new_string(text);
                self.title = Some((group, offset));
                offset
            }
        }
    }

    fn string(&mut self, number: u32) -> Result<StrOffset, AtlasError> {
        match self.strings.get(number as usize) {
            None | Some(0) => {}
            Some(&offset) => return Ok(StrOffset(offset)),
        }
        let string = self.scope.atlas.string(number)?;
        let offset = if string.is_empty() {
            StrOffset(0)
        } else {
            self.writer.new_string(string)
        };
        if let Some(slot) = self.strings.get_mut(number as usize) {
            *slot = offset.0;
        }
        Ok(offset)
    }

    fn id(&mut self, name: Name) -> Result<TypeId, AtlasError> {
        let id = match self.scope.groups.get(name.group) {
            Some((place, _)) => self.fate(place, name).and_then(|fate| fate.id),
            None => self.stubs.get(&name).copied().flatten(),
        };
        id.ok_or_else(absent)
    }

    /// What becomes of a definition, whose group is at `place` in the scope.
    fn fate(&mut self, place: usize, name: Name) -> Option<&mut Fate> {
        let range = self.ranges.get(place)?.clone();
        self.fates.get_mut(range)?.get_mut(name.ordinal as usize)
    }

    fn is_root(&self, group: u32) -> bool {
        self.scope.roots.binary_search(&group).is_ok()
    }

    /// The candidates of a group in the kernel's order, some of them twice.
    fn sequence(&self, group: u32) -> Result<Vec<Name>, AtlasError> {
        let (place, reached) = self.scope.groups.get(group).ok_or_else(absent)?;
        let count = reached.group.variants.len();
        let sequence = self.holding.sequence(reached.first_definition, count);
        let candidates = self.candidates(place);
        if let ([only], [candidate]) = (&sequence[..], candidates) {
            // As with nearly all.
            if only == candidate {
                return Ok(vec![Name { group, ordinal: 0 }]);
            }
        }
        let ordinals: HashMap<u32, u32> = candidates.iter().copied().zip(0..).collect();
        let names = sequence.into_iter().map(|definition| {
            let ordinal = ordinals.get(&definition).copied();
            Ok(Name {
                group,
                ordinal: ordinal.ok_or_else(absent)?,
            })
        });
        names.collect()
    }

    /// The definitions of the group at `place`, by ordinal.
    fn candidates(&self, place: usize) -> &[u32] {
        if let Some(candidates) = self.rearranged.get(&place) {
            return candidates;
        }
        let range = self.ranges.get(place).cloned().unwrap_or_default();
        self.holding.held.get(range).unwrap_or_default()
    }

    /// What a definition that the kernel must have is called.
    fn name_of(&self, definition: u32) -> Result<Name, AtlasError> {
        let group = self.scope.atlas.group_of(definition)?;
        let (place, _) = self.scope.groups.get(group).ok_or_else(absent)?;
        let candidates = self.candidates(place).iter();
        let ordinal = (0..).zip(candidates).find(|&(_, &held)| held == definition);
        let (ordinal, _) = ordinal.ok_or_else(absent)?;
        Ok(Name { group, ordinal })
    }

    /// A definition that the kernel must have.
    fn definition(&self, name: Name) -> Result<(&'a Group, &'a Decoded), AtlasError> {
        let scope = self.scope;
        let (place, reached) = scope.groups.get(name.group).ok_or_else(absent)?;
        let number = self.candidates(place).get(name.ordinal as usize);
        let variant = number.and_then(|number| number.checked_sub(reached.first_definition));
        let variant = variant.and_then(|variant| reached.group.variants.get(variant as usize));
        Ok((&reached.group, variant.ok_or_else(absent)?))
    }
}

fn absent() -> AtlasError {
    AtlasError::malformed(
        Part::Kernels,
        0,
        "a kernel lacks a definition that another one of it refers to",
    )
}
