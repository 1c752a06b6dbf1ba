//! What of a definition some relocations can read.
//!
//! Accesses name the members that they go through, and nothing else of a struct
//! is looked at (`bpf_core_match_member`): so the others go, and with them what
//! they hold; of a pointer stays that it is one, of an enum the enumerators that
//! are asked for. Most of what changes from one kernel to the next is then no
//! change, and kernels that differ in nothing else are one.
//!
//! What is not narrowed:
//!
//! * anything, where types are matched (`TypeMatches`): that reads all of them
//! * definitions of which a kernel has several under one name: whether two of
//!   them are equal (`relo::twins`) is decided by all that is in them
//! * what the pointers and functions in typedefs refer to, which can be compared
//!   (`bpf_core_types_are_compat`)

use std::collections::HashMap;

use super::decode::Group;
use super::definition::{body_len, elements, inline_kind, shape, split, type_len};
use super::error::AtlasError;
use super::read::Atlas;
use crate::btf::{Kind, essential_name};
use crate::relo::NamesRead;

/// The names that some relocations look for, by the numbers that strings have
/// in an atlas.
#[derive(Debug)]
pub(super) struct Narrow<'a> {
    atlas: &'a Atlas,
    names: NamesRead<'a>,
    /// By the number of a string, once it was asked for.
    known: Vec<u8>,
}

/// What is known of a string.
mod is {
    pub(super) const KNOWN: u8 = 1;
    pub(super) const MEMBER: u8 = 2;
    pub(super) const ENUMERATOR: u8 = 4;
}

impl<'a> Narrow<'a> {
    pub(super) fn new(atlas: &'a Atlas, names: NamesRead<'a>) -> Self {
        Self {
            atlas,
            names,
            known: vec![0; atlas.string_count() as usize],
        }
    }

    /// The group with what can be read of its variants. Second: for each variant
    /// the first one that equals it.
    pub(super) fn group(&mut self, group: &Group) -> Result<(Group, Vec<u32>), AtlasError> {
        let mut narrowed = group.title();
        let mut firsts = Vec::with_capacity(group.variants.len());
        let mut known: HashMap<(Kind, u32, Vec<u32>), u32> = HashMap::new();
        for variant in &group.variants {
            let number = u32::try_from(firsts.len()).unwrap_or(u32::MAX);
            let mut body = Vec::new();
            self.body(variant.kind, group.body(variant), &mut body)?;
            let key = (variant.kind, variant.flavored, body);
            let first = match known.get(&key) {
                Some(&first) => {
                    narrowed.push_again(first);
                    first
                }
                None => {
                    narrowed.push(variant.kind, variant.flavored, &key.2);
                    known.insert(key, number);
                    number
                }
            };
            firsts.push(first);
        }
        Ok((narrowed, firsts))
    }

    fn body(&mut self, kind: Kind, body: &[u32], out: &mut Vec<u32>) -> Result<(), AtlasError> {
        match (kind, body) {
            (Kind::Typedef, _) => self.ty(body, true, out),
            (Kind::Enum | Kind::Enum64, &[head, size, ref enumerators @ ..]) => {
                self.enumeration(kind, [head, size], enumerators, out)
            }
            (Kind::Struct | Kind::Union, &[_, size, ..]) => self.composite(kind, size, body, out),
            _ => {
                out.extend_from_slice(body);
                Ok(())
            }
        }
    }

    fn enumeration(
        &mut self,
        kind: Kind,
        [head, size]: [u32; 2],
        enumerators: &[u32],
        out: &mut Vec<u32>,
    ) -> Result<(), AtlasError> {
        let at = out.len();
        out.extend([head, size]);
        let mut count: u32 = 0;
        for words in enumerators.chunks_exact(if kind == Kind::Enum { 2 } else { 3 }) {
            let name = words.first().copied().unwrap_or(0);
            if self.know(name)? & is::ENUMERATOR != 0 {
                out.extend_from_slice(words);
                count += 1;
            }
        }
        if let Some(word) = out.get_mut(at) {
            *word = count << 1 | head & 1;
        }
        Ok(())
    }

    fn composite(
        &mut self,
        kind: Kind,
        size: u32,
        body: &[u32],
        out: &mut Vec<u32>,
    ) -> Result<(), AtlasError> {
        let at = out.len();
        out.extend([0, size]);
        let mut count: u32 = 0;
        let mut last_is_gone = false;
        for member in elements(kind, body) {
            last_is_gone = self.know(member.name)? & is::MEMBER == 0;
            if last_is_gone {
                continue;
            }
            // As it is written in a body.
            let place = u32::try_from(member.place).unwrap_or(u32::MAX);
            out.extend([member.name, place, member.bits]);
            self.ty(member.ty, false, out)?;
            count += 1;
        }
        if last_is_gone {
            // An array without length is a flexible one where it is the last
            // member (`is_flex_arr`); and a struct with members is one. A member
            // without name and type says so and is never found.
            out.extend([0, 0, 0, shape::VOID]);
            count += 1;
        }
        if let Some(word) = out.get_mut(at) {
            *word = count;
        }
        Ok(())
    }

    /// What a member or a typedef is of; `pointees` where it counts what pointers
    /// point at.
    fn ty(&mut self, words: &[u32], pointees: bool, out: &mut Vec<u32>) -> Result<(), AtlasError> {
        let Some((&first, rest)) = words.split_first() else {
            return Ok(());
        };
        let (shape, argument) = split(first);
        match shape {
            shape::PTR if pointees => {
                out.push(shape::PTR);
                self.ty(rest, pointees, out)?;
            }
            shape::PTR => out.extend([shape::PTR, shape::VOID]),
            shape::ARRAY => {
                // Nobody reads the type of its index.
                out.push(shape::ARRAY);
                out.extend(rest.first());
                let element = rest.get(1..).unwrap_or_default();
                let len = type_len(element);
                self.ty(element.get(..len).unwrap_or_default(), pointees, out)?;
            }
            shape::INLINE => {
                out.push(first);
                let kind = inline_kind(argument);
                let len = body_len(kind, rest);
                self.body(kind, rest.get(..len).unwrap_or_default(), out)?;
            }
            _ => out.extend_from_slice(words),
        }
        Ok(())
    }

    /// Which of the names a string is.
    fn know(&mut self, number: u32) -> Result<u8, AtlasError> {
        let known = self.known.get(number as usize).copied().unwrap_or(0);
        if known != 0 {
            return Ok(known);
        }
        let name = self.atlas.string(number)?;
        let mut known = is::KNOWN;
        // A member without a name is gone through.
        if name.is_empty() || self.names.members.contains(name) {
            known |= is::MEMBER;
        }
        if self.names.enumerators.contains(essential_name(name)) {
            known |= is::ENUMERATOR;
        }
        if let Some(slot) = self.known.get_mut(number as usize) {
            *slot = known;
        }
        Ok(known)
    }
}
