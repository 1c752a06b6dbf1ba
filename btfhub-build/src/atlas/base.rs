//! Takes definitions and kernels from an older atlas into a new one.
//!
//! A definition of the older atlas gets the hash that a survey would give it, so that equal
//! definitions are found.

use super::chunks::{List, MarkedDefinition};
use super::collect::{AtlasWriter, CollectedKernel, Title};
use super::decode::Group;
use super::definition::{body_len, elements, inline_kind, is_typed, shape, split, type_len};
use super::error::{AtlasError, FilePart};
use super::hash::{Hash, HashKey};
use super::holdings::OfModule;
use super::numbers::{
    DefinitionNumber, KernelNumber, ProvisionalDefinition, ProvisionalGroup, ProvisionalString,
    StringNumber,
};
use super::read::Atlas;
use super::sets::Set;
use super::survey::{kind_hash, named_hash};
use crate::btf::{Kind, essential_name};

impl AtlasWriter {
    /// Takes in all definitions of an atlas. Returns their numbers in this writer.
    pub(crate) fn take_in(
        &mut self,
        base: &Atlas,
    ) -> Result<Vec<ProvisionalDefinition>, AtlasError> {
        // The loops below read only blocks that the index gives groups to.
        base.check()?;
        // Definitions may refer to later groups, so number all groups first.
        let mut numbers = Vec::new();
        let mut hashes = Vec::new();
        for group in base.groups() {
            let (kind, name) = base.title(group)?;
            numbers.push(self.group_number(kind, name));
            hashes.push(kind_hash(self.key, kind, self.key.bytes(name)));
        }
        let mut known = Vec::new();
        for number in base.groups() {
            let group = base.group(number)?;
            for index in 0..group.variants.len() {
                let definition = self.take_definition(base, &group, index, &numbers, &hashes)?;
                let group = numbers.get(number.index()).copied();
                let definition = group.map(|group| self.store_base(definition, group));
                known.extend(definition);
            }
        }
        Ok(known)
    }

    /// Takes in the kernels that `wanted` accepts. `known` is what [`Self::take_in`] returned for
    /// the same atlas.
    pub(crate) fn keep(
        &mut self,
        base: &Atlas,
        known: &[ProvisionalDefinition],
        mut wanted: impl FnMut(KernelNumber) -> bool,
    ) -> Result<(), AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Kernels, 0, "no such kernel");
        let number = |definition: DefinitionNumber| known.get(definition.index()).copied();
        // By number of a kernel there: its index here.
        let mut kept = vec![None; base.entries().len()];
        base.each_holding(|kernel, holding| {
            if !wanted(kernel) {
                return Ok(());
            }
            if let Some(slot) = kept.get_mut(kernel.0) {
                *slot = Some(self.kernels.len());
            }
            let entry = base.entries().get(kernel.0).ok_or_else(absent)?;
            let id = entry.id();
            let held = self.keep_set(&holding.set, known)?;
            self.kernels.push(CollectedKernel {
                arch: id.arch.as_str().to_owned(),
                release: id.release.to_owned(),
                distro: id.distro.to_owned(),
                version: id.version.to_owned(),
                source: entry.source.clone(),
                endian: holding.endian,
                held,
                pointer_int: holding.pointer_int.and_then(number),
                index_type: holding.index_type.and_then(number),
                modules: Vec::new(),
            });
            Ok(())
        })?;
        let names = base.module_names();
        let all = |_| true;
        base.each_modules(all, |kernel, modules| {
            let Some(kernel) = kept.get(kernel.0).copied().flatten() else {
                return Ok(());
            };
            for OfModule { name, set } in modules {
                let name = names.get(name.index()).ok_or_else(absent)?.clone();
                let held = self.keep_set(&set, known)?;
                if let Some(kernel) = self.kernels.get_mut(kernel) {
                    kernel.modules.push((name, held));
                }
            }
            Ok(())
        })
    }

    /// Stores the definitions of a set; `known` has their numbers here.
    fn keep_set(&mut self, set: &Set, known: &[ProvisionalDefinition]) -> Result<List, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Kernels, 0, "no such definition");
        let mut held = Vec::with_capacity(set.held.len() + set.twice.len());
        for (definition, again) in set.in_order() {
            let number = known.get(definition.index()).copied();
            held.push(MarkedDefinition::new(number.ok_or_else(absent)?, again));
        }
        Ok(self.chunks.keep(&held))
    }

    fn take_definition(
        &mut self,
        base: &Atlas,
        group: &Group,
        index: usize,
        numbers: &[ProvisionalGroup],
        hashes: &[u64],
    ) -> Result<Taken, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Index, 0, "no such definition");
        let variant = group.variants.get(index).ok_or_else(absent)?;
        let body = group.body(variant);
        let name = if variant.flavored == StringNumber::EMPTY {
            &group.name
        } else {
            base.string(variant.flavored)?
        };
        if essential_name(name) != group.name {
            return Err(AtlasError::malformed(
                FilePart::Index,
                0,
                "a name in the wrong group",
            ));
        }
        let flavored = if variant.flavored == StringNumber::EMPTY {
            ProvisionalString::EMPTY
        } else {
            self.strings.number(name)
        };
        let mut hash = self.key.start(0);
        hash.add(self.key.bytes(name));
        let start = self.words.len();
        let mut words = Vec::with_capacity(body.len());
        Taking {
            writer: self,
            base,
            numbers,
            hashes,
            out: &mut words,
        }
        .body(variant.kind, body, &mut hash)?;
        self.words.append(&mut words);
        Ok(Taken {
            kind: variant.kind,
            flavored,
            start,
            hash: hash.long(),
        })
    }

    fn store_base(&mut self, taken: Taken, group: ProvisionalGroup) -> ProvisionalDefinition {
        let title = Title {
            group,
            kind: taken.kind,
            flavored: taken.flavored,
        };
        self.store(title, taken.start, taken.hash)
    }
}

/// A definition whose words are the last ones of the writer, from `start`.
struct Taken {
    kind: Kind,
    flavored: ProvisionalString,
    start: usize,
    hash: u128,
}

/// Copies words, with the numbers of the writer, and hashes them as a survey would.
struct Taking<'a> {
    writer: &'a mut AtlasWriter,
    base: &'a Atlas,
    /// For each group of the base, its number in the writer and its hash in a survey.
    numbers: &'a [ProvisionalGroup],
    hashes: &'a [u64],
    out: &'a mut Vec<u32>,
}

impl Taking<'_> {
    fn key(&self) -> HashKey {
        self.writer.key
    }

    /// Copies a name. Returns its hash.
    fn name(&mut self, string: u32) -> Result<u64, AtlasError> {
        let text = self.base.string(StringNumber(string))?;
        let number = self.writer.strings.number(text);
        self.out.push(number.0);
        Ok(self.writer.key.bytes(text))
    }

    fn body(&mut self, kind: Kind, body: &[u32], hash: &mut Hash) -> Result<(), AtlasError> {
        let word = |index: usize| body.get(index).copied().unwrap_or(0);
        let (first, second) = (u64::from(word(0)), u64::from(word(1)));
        let head = u64::from(kind.number()) << 32;
        match kind {
            kind if is_typed(kind) => {
                let target = self.ty(body)?;
                hash.add_two(head, target);
                return Ok(());
            }
            Kind::Enum | Kind::Enum64 => {
                hash.add_two(head | first >> 1 | (first & 1) << 31, second);
            }
            Kind::Struct | Kind::Union => hash.add_two(head | first, second),
            Kind::Int => hash.add_two(head, first << 32 | second),
            Kind::Float => hash.add_two(head, first),
            _ => hash.add(head | first << 31),
        }
        let heads = if matches!(kind, Kind::Float | Kind::Fwd) {
            1
        } else {
            2
        };
        self.out.extend(body.iter().take(heads));
        for element in elements(kind, body) {
            let name = self.name(element.name)?;
            let [a, b, c, d, high @ ..] = element.place.to_le_bytes();
            let low = u32::from_le_bytes([a, b, c, d]);
            self.out.push(low);
            match kind {
                Kind::Enum => hash.add_two(name, u64::from(low)),
                Kind::Enum64 => {
                    self.out.push(u32::from_le_bytes(high));
                    hash.add_two(name, element.place);
                }
                _ => {
                    self.out.push(element.bits);
                    let ty = self.ty(element.ty)?;
                    let place = u64::from(element.bits) << 32 | element.place;
                    hash.add_member(name, place, ty);
                }
            }
        }
        Ok(())
    }

    fn ty(&mut self, words: &[u32]) -> Result<u64, AtlasError> {
        let Some((&first, rest)) = words.split_first() else {
            return Ok(2);
        };
        let (shape, argument) = split(first);
        let mut hash = self.key().start(3);
        let anonymous = self.key().bytes(b"");
        match shape {
            shape::VOID => {
                self.out.push(first);
                return Ok(2);
            }
            shape::NAMED | shape::OTHER => {
                let absent = || AtlasError::malformed(FilePart::Index, 0, "no such group");
                let place = argument as usize;
                let number = self.numbers.get(place).copied().ok_or_else(absent)?;
                let group = self.hashes.get(place).copied().ok_or_else(absent)?;
                self.out.push(shape | number.0 << 4);
                let mut ordinal = 0;
                if shape == shape::OTHER {
                    ordinal = rest.first().copied().unwrap_or(0);
                    self.out.push(ordinal);
                }
                return Ok(named_hash(self.key(), group, ordinal));
            }
            _ => {}
        }
        hash.add(anonymous);
        self.out.push(first);
        match shape {
            shape::PTR => {
                let target = self.ty(rest)?;
                hash.add_two(u64::from(Kind::Ptr.number()) << 32, target);
            }
            shape::ARRAY => {
                let nelems = rest.first().copied().unwrap_or(0);
                self.out.push(nelems);
                let head = u64::from(Kind::Array.number()) << 32;
                hash.add_two(head, u64::from(nelems));
                let element = rest.get(1..).unwrap_or_default();
                let target = self.ty(element)?;
                let index = if argument == 0 {
                    0
                } else {
                    self.ty(element.get(type_len(element)..).unwrap_or_default())?
                };
                hash.add_two(target, index);
            }
            shape::PROTO => {
                let head = u64::from(Kind::FuncProto.number()) << 32 | u64::from(argument);
                let result = self.ty(rest)?;
                hash.add_two(head, result);
                let mut rest = rest;
                for _ in 0..argument {
                    rest = rest.get(type_len(rest)..).unwrap_or_default();
                    let target = self.ty(rest)?;
                    hash.add(target);
                }
            }
            _ => {
                let kind = inline_kind(argument);
                let body = rest.get(..body_len(kind, rest)).unwrap_or_default();
                self.body(kind, body, &mut hash)?;
            }
        }
        Ok(hash.short())
    }
}

impl AtlasWriter {
    fn group_number(&mut self, kind: Kind, name: &[u8]) -> ProvisionalGroup {
        let name = self.strings.number(name);
        self.number_of_group(kind.core_kind(), name)
    }
}
