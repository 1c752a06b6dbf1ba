//! Definitions → BTF.
//!
//! Named types come first: the INT that tells the pointer size with its group,
//! then group by group, candidates in the kernel's order, and twice where it
//! has two that can't be told apart. Types without a name stand behind them,
//! equal ones once.

use std::collections::HashMap;

use super::decode::{Decoded, Group};
use super::definition::{body_len, elements, inline_kind, shape, split, type_len};
use super::error::{AtlasError, Part, Why};
use super::holdings::Holding;
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

/// The BTF of a kernel, as far as the scope goes.
pub(super) fn project(scope: &Scope<'_>, holding: &Holding) -> Result<Vec<u8>, AtlasError> {
    let mut projection = Projection {
        scope,
        holding,
        candidates: HashMap::new(),
        ordinals: HashMap::new(),
        extents: HashMap::new(),
        strings: HashMap::new(),
        ids: HashMap::new(),
        anonymous: Vec::new(),
        known: HashMap::new(),
        first_anonymous: 0,
        index_type: TypeId::VOID,
        writer: BtfWriter::new(holding.endian),
    };
    projection.find()?;
    projection.write()
}

struct Projection<'a> {
    scope: &'a Scope<'a>,
    holding: &'a Holding,
    /// For each group the numbers of its definitions, in order.
    candidates: HashMap<u32, Vec<u32>>,
    /// The reverse: by definition its ordinal.
    ordinals: HashMap<u32, u32>,
    extents: HashMap<Name, Extent>,
    strings: HashMap<u32, StrOffset>,
    ids: HashMap<Name, TypeId>,
    anonymous: Vec<TypeRecord>,
    known: HashMap<TypeRecord, TypeId>,
    first_anonymous: u32,
    index_type: TypeId,
    writer: BtfWriter,
}

impl<'a> Projection<'a> {
    /// Finds what has to be written.
    fn find(&mut self) -> Result<(), AtlasError> {
        let mut open: Vec<(Name, Reach)> = Vec::new();
        for &group in &self.scope.roots {
            let count = self.candidates(group).len();
            for ordinal in (0..).take(count) {
                open.push((Name { group, ordinal }, Reach::Value));
            }
        }
        let common = [self.holding.pointer_int, self.holding.index_type];
        for definition in common.into_iter().flatten() {
            open.push((self.name_of(definition)?, Reach::Value));
        }
        while let Some((name, reach)) = open.pop() {
            let (kind, _) = self.scope.atlas.title(name.group)?;
            let extent = if reach == Reach::Pointer && kind.is_composite() {
                Extent::Stub
            } else {
                Extent::Full(reach)
            };
            match self.extents.get(&name) {
                Some(Extent::Full(Reach::Value)) => continue,
                Some(known) if *known == extent => continue,
                Some(Extent::Full(_)) if extent == Extent::Stub => continue,
                _ => {}
            }
            self.extents.insert(name, extent);
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
        let mut names: Vec<Name> = self.extents.keys().copied().collect();
        names.sort_unstable();
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
            self.ids.entry(name).or_insert(TypeId(id));
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
        let (kind, text) = scope.atlas.title(name.group)?;
        if self.extents.get(&name) == Some(&Extent::Stub) {
            let offset = self.writer.string(text);
            return Ok(TypeRecord::new(kind, offset));
        }
        let (group, variant) = self.definition(name)?;
        let offset = if variant.flavored == 0 {
            self.writer.string(text)
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
            Kind::Typedef => record.referenced(self.ty(body)?),
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
        self.anonymous.push(record.clone());
        self.known.insert(record, id);
        id
    }

    fn string(&mut self, number: u32) -> Result<StrOffset, AtlasError> {
        if let Some(&offset) = self.strings.get(&number) {
            return Ok(offset);
        }
        let offset = self.writer.string(self.scope.atlas.string(number)?);
        self.strings.insert(number, offset);
        Ok(offset)
    }

    fn id(&self, name: Name) -> Result<TypeId, AtlasError> {
        let id = self.ids.get(&name).copied();
        id.ok_or_else(absent)
    }

    fn is_root(&self, group: u32) -> bool {
        self.scope.roots.binary_search(&group).is_ok()
    }

    fn candidates(&mut self, group: u32) -> &[u32] {
        let (scope, holding, ordinals) = (self.scope, self.holding, &mut self.ordinals);
        self.candidates.entry(group).or_insert_with(|| {
            let candidates = scope.groups.get(&group).map_or_else(Vec::new, |reached| {
                holding.candidates(reached.first_definition, reached.group.variants.len())
            });
            ordinals.extend(candidates.iter().copied().zip(0..));
            candidates
        })
    }

    /// The candidates of a group in the kernel's order, some of them twice.
    fn sequence(&mut self, group: u32) -> Result<Vec<Name>, AtlasError> {
        let reached = self.scope.groups.get(&group).ok_or_else(absent)?;
        let count = reached.group.variants.len();
        let sequence = self.holding.sequence(reached.first_definition, count);
        sequence
            .into_iter()
            .map(|definition| self.name_of(definition))
            .collect()
    }

    /// The number of a definition that the kernel must have.
    fn number(&mut self, name: Name) -> Result<u32, AtlasError> {
        let number = self.candidates(name.group).get(name.ordinal as usize);
        number.copied().ok_or_else(absent)
    }

    /// The reverse.
    fn name_of(&mut self, definition: u32) -> Result<Name, AtlasError> {
        let group = self.scope.atlas.group_of(definition)?;
        self.candidates(group);
        let ordinal = self.ordinals.get(&definition).copied();
        Ok(Name {
            group,
            ordinal: ordinal.ok_or_else(absent)?,
        })
    }

    fn definition(&mut self, name: Name) -> Result<(&'a Group, &'a Decoded), AtlasError> {
        let number = self.number(name)?;
        let scope = self.scope;
        let reached = scope.groups.get(&name.group).ok_or_else(absent)?;
        let variant = number
            .checked_sub(reached.first_definition)
            .and_then(|variant| reached.group.variants.get(variant as usize));
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
