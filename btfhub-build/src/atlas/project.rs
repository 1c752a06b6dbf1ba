//! Definitions → BTF.
//!
//! Named types come first: the group of the INT that gives the pointer size, then the other
//! groups. Candidates are in the kernel's order; one of which the kernel has two is written
//! twice. Anonymous types follow, equal ones once.

use std::collections::BTreeMap;
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt as _};

use super::decode::{Decoded, Group};
use super::definition::{body_len, elements, inline_kind, shape, split, type_len};
use super::error::{AtlasError, Cause, FilePart};
use super::holdings::KernelContents;
use super::numbers::{DefinitionNumber, GroupNumber, StringNumber};
use super::owner::{Extent, Fate, Owner};
use super::scope::{Scope, Via, visit_body};
use crate::btf::{BtfWriter, Kind, StrOffset, TypeId, TypeRecord};

/// A definition of the kernel or of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct DefinitionKey {
    /// An index into [`Projection::owners`]: 0 for the kernel.
    owner: usize,
    group: GroupNumber,
    ordinal: u32,
}

/// Makes the BTF of a kernel and its modules within a scope. Also returns the first type of
/// each module.
pub(super) fn project(
    scope: &Scope<'_>,
    holding: &KernelContents,
) -> Result<(Vec<u8>, Vec<TypeId>), AtlasError> {
    let of_modules = holding.modules.iter().map(|module| &*module.set);
    let sets = [&holding.set].into_iter().chain(of_modules);
    let mut projection = Projection {
        scope,
        holding,
        owners: sets
            .map(|set| Owner::new(scope, set))
            .collect::<Result<_, _>>()?,
        stubs: BTreeMap::new(),
        strings: vec![0; scope.atlas.string_count() as usize],
        title: None,
        anonymous: Vec::new(),
        known: HashMap::new(),
        next: 1,
        index_type: TypeId::VOID,
        writer: BtfWriter::new(holding.endian),
    };
    projection.find()?;
    projection.write()
}

struct Projection<'a> {
    scope: &'a Scope<'a>,
    holding: &'a KernelContents,
    /// The kernel, then its modules.
    owners: Vec<Owner<'a>>,
    /// Structs and unions behind pointers whose groups are not in the scope.
    stubs: BTreeMap<DefinitionKey, Option<TypeId>>,
    /// Offsets by number; 0 for the empty string and those not written yet.
    strings: Vec<u32>,
    /// The group whose name was written last, and the offset of that name.
    title: Option<(GroupNumber, StrOffset)>,
    anonymous: Vec<Rc<TypeRecord>>,
    known: HashMap<Rc<TypeRecord>, TypeId>,
    /// The id of the next type.
    next: u32,
    index_type: TypeId,
    writer: BtfWriter,
}

impl<'a> Projection<'a> {
    /// Finds what must be written, and how much of it.
    fn find(&mut self) -> Result<(), AtlasError> {
        let mut open: Vec<(DefinitionKey, Via)> = Vec::new();
        for (owner, of) in self.owners.iter().enumerate() {
            for (place, range) in &of.ranges {
                let group = self.scope.groups.at(*place).map(|reached| reached.number);
                let Some(group) = group.filter(|&group| self.is_root(group)) else {
                    continue;
                };
                let names = (0..).take(range.len()).map(|ordinal| DefinitionKey {
                    owner,
                    group,
                    ordinal,
                });
                open.extend(names.map(|name| (name, Via::Value)));
            }
        }
        let common = [self.holding.pointer_int, self.holding.index_type];
        for definition in common.into_iter().flatten() {
            open.push((self.name_of(definition)?, Via::Value));
        }
        while let Some((name, reach)) = open.pop() {
            let Some((place, reached)) = self.scope.groups.get(name.group) else {
                // Of groups that are not in the scope, only kind and name matter.
                let (kind, _) = self.scope.atlas.title(name.group)?;
                if reach != Via::Pointer || !kind.is_composite() {
                    return Err(absent());
                }
                self.stubs.insert(name, None);
                continue;
            };
            let extent = if reach == Via::Pointer && reached.group.kind().is_composite() {
                Extent::Stub
            } else {
                Extent::Full(reach)
            };
            let fate = self.fate(place, name).ok_or_else(absent)?;
            match fate.extent {
                Some(Extent::Full(Via::Value)) => continue,
                Some(known) if known == extent => continue,
                Some(Extent::Full(_)) if extent == Extent::Stub => continue,
                _ => {}
            }
            fate.extent = Some(extent);
            if extent != Extent::Stub {
                let (group, variant) = self.definition(name)?;
                let body = group.body(variant);
                visit_body(variant.kind, body, reach, &mut |group, ordinal, reach| {
                    open.push((self.referred(name.owner, group, ordinal), reach));
                });
            }
        }
        Ok(())
    }

    /// The definition that a reference of an owner leads to: ordinals count the kernel's
    /// candidates first, then the module's own.
    fn referred(&self, owner: usize, group: GroupNumber, ordinal: u32) -> DefinitionKey {
        let kernels = || {
            let (place, _) = self.scope.groups.get(group)?;
            u32::try_from(self.owners.first()?.candidates(place).len()).ok()
        };
        let own = match owner {
            0 => None,
            // A stub whose group is not in the scope is the same for all owners.
            _ => kernels().and_then(|count| ordinal.checked_sub(count)),
        };
        match own {
            Some(ordinal) => DefinitionKey {
                owner,
                group,
                ordinal,
            },
            None => DefinitionKey {
                owner: 0,
                group,
                ordinal,
            },
        }
    }

    fn write(mut self) -> Result<(Vec<u8>, Vec<TypeId>), AtlasError> {
        let mut firsts = Vec::new();
        for owner in 0..self.owners.len() {
            firsts.push(TypeId(self.next));
            self.write_owner(owner)?;
        }
        firsts.remove(0);
        let bytes = self.writer.finish();
        Ok((
            bytes.map_err(|_| AtlasError(Cause::TooMany("types")))?,
            firsts,
        ))
    }

    /// Writes the types of the kernel or of a module.
    fn write_owner(&mut self, owner: usize) -> Result<(), AtlasError> {
        let mut names = Vec::new();
        let of = self.owners.get(owner).ok_or_else(absent)?;
        for (place, range) in &of.ranges {
            let (Some(reached), Some(fates)) =
                (self.scope.groups.at(*place), of.fates.get(range.clone()))
            else {
                continue;
            };
            let written = (0..).zip(fates).filter(|(_, fate)| fate.extent.is_some());
            let group = reached.number;
            names.extend(written.map(|(ordinal, _)| DefinitionKey {
                owner,
                group,
                ordinal,
            }));
        }
        if owner == 0 {
            // Sorted by group and ordinal.
            if !self.stubs.is_empty() {
                names.extend(self.stubs.keys());
                names.sort_unstable();
            }
            let pointer = match self.holding.pointer_int {
                Some(definition) => Some(self.name_of(definition)?.group),
                None => None,
            };
            // libbpf takes the pointer size from the first INT named like C's `long`.
            names.sort_by_key(|name| Some(name.group) != pointer);
        }

        let mut records: Vec<DefinitionKey> = Vec::with_capacity(names.len());
        for group in names.chunk_by(|a, b| a.group == b.group) {
            match group.first().filter(|name| self.is_root(name.group)) {
                // Candidates in the kernel's order, equal ones included.
                Some(name) => records.extend(self.sequence(owner, name.group)?),
                None => records.extend(group),
            }
        }
        for (&name, id) in records.iter().zip(self.next..) {
            let slot = match self.scope.groups.get(name.group) {
                Some((place, _)) => self.fate(place, name).map(|fate| &mut fate.id),
                None => self.stubs.get_mut(&name),
            };
            if let Some(slot) = slot {
                slot.get_or_insert(TypeId(id));
            }
        }
        let too_many = || AtlasError(Cause::TooMany("types"));
        let count = u32::try_from(records.len()).map_err(|_| too_many())?;
        self.next = self.next.checked_add(count).ok_or_else(too_many)?;
        if owner == 0 {
            self.index_type = match self.holding.index_type {
                Some(definition) => {
                    let name = self.name_of(definition)?;
                    self.id(name)?
                }
                // Nobody reads it, but it must be a type.
                None => {
                    let int = TypeRecord::new(Kind::Int, StrOffset(0)).size(4);
                    self.anonymous(int.body(vec![32]))
                }
            };
        }
        for &name in &records {
            let record = self.named(name)?;
            self.writer.push(&record);
        }
        for record in std::mem::take(&mut self.anonymous) {
            self.writer.push(&record);
        }
        Ok(())
    }

    fn named(&mut self, name: DefinitionKey) -> Result<TypeRecord, AtlasError> {
        let scope = self.scope;
        let fate = match scope.groups.get(name.group) {
            Some((place, _)) => self.fate(place, name).copied(),
            None => None,
        };
        let (kind, text) = scope.atlas.title(name.group)?;
        if fate.is_none_or(|fate| fate.extent == Some(Extent::Stub)) {
            let flavored = match fate {
                Some(_) => self.definition(name)?.1.flavored,
                None => StringNumber::EMPTY,
            };
            let offset = if flavored == StringNumber::EMPTY {
                self.title(name.group, text)
            } else {
                self.string(flavored)?
            };
            return Ok(TypeRecord::new(kind, offset));
        }
        let (group, variant) = self.definition(name)?;
        let offset = if variant.flavored == StringNumber::EMPTY {
            self.title(name.group, text)
        } else {
            self.string(variant.flavored)?
        };
        self.body(name.owner, variant.kind, offset, group.body(variant))
    }

    fn body(
        &mut self,
        owner: usize,
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
            Kind::Typedef | Kind::Func => record.referenced(self.ty(owner, body)?),
            // `BTF_VAR_GLOBAL_ALLOCATED`: nobody reads the linkage.
            Kind::Var => record.referenced(self.ty(owner, body)?).body(vec![1]),
            Kind::Enum | Kind::Enum64 => {
                let step = if kind == Kind::Enum { 2 } else { 3 };
                let mut words = body.get(2..).unwrap_or_default().to_vec();
                for element in words.chunks_mut(step) {
                    if let Some(name) = element.first_mut() {
                        *name = self.string(StringNumber(*name))?.0;
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
                    words.extend([
                        self.string(StringNumber(member.name))?.0,
                        self.ty(owner, member.ty)?.0,
                        place,
                    ]);
                }
                record.kind_flag(bitfields).size(word(1)).body(words)
            }
        })
    }

    fn ty(&mut self, owner: usize, words: &[u32]) -> Result<TypeId, AtlasError> {
        let Some((&first, rest)) = words.split_first() else {
            return Ok(TypeId::VOID);
        };
        let (shape, argument) = split(first);
        let none = StrOffset(0);
        let record = match shape {
            shape::VOID => return Ok(TypeId::VOID),
            shape::NAMED => {
                return self.id(self.referred(owner, GroupNumber(argument), 0));
            }
            shape::OTHER => {
                let ordinal = rest.first().copied().unwrap_or(0);
                return self.id(self.referred(owner, GroupNumber(argument), ordinal));
            }
            shape::PTR => TypeRecord::new(Kind::Ptr, none).referenced(self.ty(owner, rest)?),
            shape::ARRAY => {
                let nelems = rest.first().copied().unwrap_or(0);
                let element = rest.get(1..).unwrap_or_default();
                let index = if argument == 0 {
                    self.index_type
                } else {
                    self.ty(owner, element.get(type_len(element)..).unwrap_or_default())?
                };
                let element = self.ty(owner, element)?;
                TypeRecord::new(Kind::Array, none).body(vec![element.0, index.0, nelems])
            }
            shape::PROTO => {
                let result = self.ty(owner, rest)?;
                let mut rest = rest.get(type_len(rest)..).unwrap_or_default();
                let mut params = Vec::new();
                for _ in 0..argument {
                    params.extend([0, self.ty(owner, rest)?.0]);
                    rest = rest.get(type_len(rest)..).unwrap_or_default();
                }
                TypeRecord::new(Kind::FuncProto, none)
                    .referenced(result)
                    .body(params)
            }
            _ => {
                let kind = inline_kind(argument);
                let body = rest.get(..body_len(kind, rest)).unwrap_or_default();
                self.body(owner, kind, none, body)?
            }
        };
        Ok(self.anonymous(record))
    }

    fn anonymous(&mut self, record: TypeRecord) -> TypeId {
        if let Some(&id) = self.known.get(&record) {
            return id;
        }
        let id = TypeId(self.next);
        self.next = self.next.saturating_add(1);
        let record = Rc::new(record);
        self.anonymous.push(Rc::clone(&record));
        self.known.insert(record, id);
        id
    }

    /// The offset of a group's name, which is written before the first of its types.
    fn title(&mut self, group: GroupNumber, text: &[u8]) -> StrOffset {
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

    fn string(&mut self, number: StringNumber) -> Result<StrOffset, AtlasError> {
        match self.strings.get(number.index()) {
            None | Some(0) => {}
            Some(&offset) => return Ok(StrOffset(offset)),
        }
        let string = self.scope.atlas.string(number)?;
        let offset = if string.is_empty() {
            StrOffset(0)
        } else {
            self.writer.new_string(string)
        };
        if let Some(slot) = self.strings.get_mut(number.index()) {
            *slot = offset.0;
        }
        Ok(offset)
    }

    fn id(&mut self, name: DefinitionKey) -> Result<TypeId, AtlasError> {
        let id = match self.scope.groups.get(name.group) {
            Some((place, _)) => self.fate(place, name).and_then(|fate| fate.id),
            None => self.stubs.get(&name).copied().flatten(),
        };
        id.ok_or_else(absent)
    }

    /// The fate of a definition whose group is at `place` in the scope.
    fn fate(&mut self, place: usize, name: DefinitionKey) -> Option<&mut Fate> {
        self.owners.get_mut(name.owner)?.fate(place, name.ordinal)
    }

    fn is_root(&self, group: GroupNumber) -> bool {
        self.scope.roots.binary_search(&group).is_ok()
    }

    /// The candidates of a group in an owner's order, with repetitions.
    fn sequence(&self, owner: usize, group: GroupNumber) -> Result<Vec<DefinitionKey>, AtlasError> {
        let (place, reached) = self.scope.groups.get(group).ok_or_else(absent)?;
        let count = reached.group.variants.len();
        let of = self.owners.get(owner).ok_or_else(absent)?;
        let sequence = of.set.sequence(reached.first_definition, count);
        let candidates = of.candidates(place);
        let name = |ordinal| DefinitionKey {
            owner,
            group,
            ordinal,
        };
        if let ([only], [candidate]) = (&sequence[..], candidates) {
            // Nearly always.
            if only == candidate {
                return Ok(vec![name(0)]);
            }
        }
        let ordinals: HashMap<DefinitionNumber, u32> =
            candidates.iter().copied().zip(0..).collect();
        let names = sequence.into_iter().map(|definition| {
            let ordinal = ordinals.get(&definition).copied();
            Ok(name(ordinal.ok_or_else(absent)?))
        });
        names.collect()
    }

    /// The key of a definition that the kernel must have.
    fn name_of(&self, definition: DefinitionNumber) -> Result<DefinitionKey, AtlasError> {
        let group = self.scope.atlas.group_of(definition)?;
        let (place, _) = self.scope.groups.get(group).ok_or_else(absent)?;
        let of_kernel = self.owners.first().ok_or_else(absent)?;
        let candidates = of_kernel.candidates(place).iter();
        let ordinal = (0..).zip(candidates).find(|&(_, &held)| held == definition);
        let (ordinal, _) = ordinal.ok_or_else(absent)?;
        Ok(DefinitionKey {
            owner: 0,
            group,
            ordinal,
        })
    }

    /// A definition that its owner must have.
    fn definition(&self, name: DefinitionKey) -> Result<(&'a Group, &'a Decoded), AtlasError> {
        let scope = self.scope;
        let (place, reached) = scope.groups.get(name.group).ok_or_else(absent)?;
        let of = self.owners.get(name.owner).ok_or_else(absent)?;
        let number = of.candidates(place).get(name.ordinal as usize);
        let variant = number.and_then(|number| number.0.checked_sub(reached.first_definition.0));
        let variant = variant.and_then(|variant| reached.group.variants.get(variant as usize));
        Ok((&reached.group, variant.ok_or_else(absent)?))
    }
}

pub(super) fn absent() -> AtlasError {
    AtlasError::malformed(
        FilePart::Kernels,
        0,
        "a kernel lacks a definition that another of its definitions refers to",
    )
}
