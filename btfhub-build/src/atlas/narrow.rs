//! What of a definition some relocations can read.
//!
//! Of a struct stay the members that are looked for in it ([`Demand`]), and its size
//! where that is measured; of a pointer that it is one, of an enum the enumerators
//! that are asked for. Most of what changes from one kernel to the next is then no
//! change, and kernels that differ in nothing else are one.
//!
//! What is not narrowed:
//!
//! * anything, where types are matched (`TypeMatches`): that reads all of them
//! * definitions of which a kernel has several under one name: whether two of
//!   them are equal (`relo::twins`) is decided by all that is in them
//! * what the pointers and functions in typedefs refer to, which can be compared
//!   (`bpf_core_types_are_compat`)

use foldhash::{HashMap, HashMapExt as _};

use super::decode::Group;
use super::definition::{body_len, elements, inline_kind, is_typed, shape, split, type_len};
use super::demand::Demand;
use super::error::AtlasError;
use super::read::Atlas;
use crate::btf::Kind;

/// The largest size that is none too large for libbpf: `i32::MAX`.
const MAX_SIZE: u32 = u32::MAX >> 1;

/// Narrows groups.
#[derive(Debug)]
pub(super) struct Narrow<'a> {
    demand: Demand<'a>,
    /// The one that is narrowed.
    number: u32,
}

impl<'a> Narrow<'a> {
    pub(super) fn new(demand: Demand<'a>) -> Self {
        Self { demand, number: 0 }
    }

    /// The group with what can be read of its variants. Second: for each variant
    /// the first one that equals it.
    pub(super) fn group(
        &mut self,
        atlas: &Atlas,
        number: u32,
    ) -> Result<(Group, Vec<u32>), AtlasError> {
        let group = match self.demand.take_group(number) {
            Some(group) => group,
            None => atlas.group(number)?,
        };
        self.number = number;
        let unmeasured = group.kind().is_composite() && !self.demand.measures(number);
        let mut narrowed = group.title();
        let mut firsts = Vec::with_capacity(group.variants.len());
        let mut known: HashMap<(Kind, u32, Vec<u32>), u32> = HashMap::new();
        for variant in &group.variants {
            let place = u32::try_from(firsts.len()).unwrap_or(u32::MAX);
            let mut body = Vec::new();
            self.body(variant.kind, group.body(variant), &mut body)?;
            // One that can't be held in an `int` is an error to libbpf.
            if let (true, Some(size @ 0..=MAX_SIZE)) = (unmeasured, body.get_mut(1)) {
                *size = 0;
            }
            let key = (variant.kind, variant.flavored, body);
            let first = match known.get(&key) {
                Some(&first) => {
                    narrowed.push_again(first);
                    first
                }
                None => {
                    narrowed.push(variant.kind, variant.flavored, &key.2);
                    known.insert(key, place);
                    place
                }
            };
            firsts.push(first);
        }
        Ok((narrowed, firsts))
    }

    fn body(&mut self, kind: Kind, body: &[u32], out: &mut Vec<u32>) -> Result<(), AtlasError> {
        match (kind, body) {
            (kind, _) if is_typed(kind) => self.ty(body, true, out),
            (Kind::Enum | Kind::Enum64, &[head, size, ref enumerators @ ..]) => {
                self.enumeration(kind, [head, size], enumerators, out)
            }
            (Kind::Struct | Kind::Union, &[_, size, ..]) => self.members(kind, size, body, out),
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
            if self.demand.reads_enumerator(self.number, name)? {
                out.extend_from_slice(words);
                count += 1;
            }
        }
        if let Some(word) = out.get_mut(at) {
            *word = count << 1 | head & 1;
        }
        Ok(())
    }

    /// What counts of a struct or union, and of one without a name its size.
    fn members(
        &mut self,
        kind: Kind,
        size: u32,
        body: &[u32],
        out: &mut Vec<u32>,
    ) -> Result<(), AtlasError> {
        let at = out.len();
        out.extend([0, size]);
        if !self.demand.searches(self.number) {
            return Ok(());
        }
        let mut count: u32 = 0;
        let mut last_is_gone = false;
        for member in elements(kind, body) {
            last_is_gone = !self.demand.reads_member(self.number, member.name)?;
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
}
