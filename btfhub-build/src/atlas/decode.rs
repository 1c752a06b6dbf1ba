//! Columns → definitions. Every number is checked.

use std::ops::Range;

use super::bytes::{Cursor, sign_extended, to_signed};
use super::columns::{COLUMNS, Columns, code, name, take_text};
use super::definition::{GROUP_KINDS, MAX_ARGUMENT, is_typed, shape};
use super::error::{AtlasError, FilePart};
use super::numbers::StringNumber;
use crate::btf::Kind;

/// How many words the definitions of a block may have: more than in any real block. A few bytes
/// of steps between variants can produce any number of words.
const MAX_WORDS: usize = 1 << 25;
/// How deep types may nest; the writer's limit is 128.
const MAX_NESTING: u32 = 140;

/// A group with all its variants.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) name: Vec<u8>,
    /// In [`GROUP_KINDS`].
    kind: usize,
    pub(super) variants: Vec<Decoded>,
    /// The bodies of all variants.
    words: Vec<u32>,
    /// Where each element of a variant begins, and where its last one ends.
    starts: Vec<usize>,
}

/// A variant of a group.
#[derive(Clone, Debug)]
pub(super) struct Decoded {
    pub(super) kind: Kind,
    /// Its name; [`StringNumber::EMPTY`] if it is the group's.
    pub(super) flavored: StringNumber,
    body: Range<usize>,
    elements: Range<usize>,
}

impl Group {
    pub(super) fn kind(&self) -> Kind {
        GROUP_KINDS.get(self.kind).copied().unwrap_or(Kind::Void)
    }

    /// Only name and kind, from which those of the next group are decoded.
    pub(super) fn title(&self) -> Self {
        Self {
            name: self.name.clone(),
            kind: self.kind,
            ..Self::default()
        }
    }

    pub(super) fn body(&self, variant: &Decoded) -> &[u32] {
        self.words.get(variant.body.clone()).unwrap_or_default()
    }
}

/// Where a group begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    columns: [usize; COLUMNS],
    next_string: StringNumber,
}

/// Reads the groups of a block.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    columns: Columns<Cursor<'a>>,
    next_string: StringNumber,
    groups: u32,
    /// How many words the groups had so far.
    words: usize,
}

impl<'a> Decoder<'a> {
    /// `groups` is how many the whole atlas has, `first_string` the first string that this
    /// block is the first to use.
    pub(super) fn new(
        joined: &'a [u8],
        part: FilePart,
        groups: u32,
        first_string: StringNumber,
    ) -> Result<Self, AtlasError> {
        Ok(Self {
            columns: Columns::split(joined, part)?,
            next_string: first_string,
            groups: groups.min(MAX_ARGUMENT),
            words: 0,
        })
    }

    pub(super) fn position(&self) -> Position {
        Position {
            columns: self.columns.positions(),
            next_string: self.next_string,
        }
    }

    pub(super) fn seek(&mut self, position: &Position) {
        self.columns.seek(position.columns);
        self.next_string = position.next_string;
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.columns.is_at_end()
    }

    /// The number that the next new string gets.
    pub(super) fn next_string(&self) -> StringNumber {
        self.next_string
    }

    /// Reads the next group. `group` is the previous one, and becomes this one.
    pub(super) fn group(&mut self, group: &mut Group) -> Result<(), AtlasError> {
        take_text(
            &mut self.columns.lengths,
            &mut self.columns.text,
            &mut group.name,
        )?;
        let count = self.columns.heads.len()?;
        let kind = group.kind.saturating_add(self.columns.heads.len()?);
        if kind >= GROUP_KINDS.len() {
            return Err(self.columns.heads.error("an unknown kind"));
        }
        group.kind = kind;
        group.variants.clear();
        group.words.clear();
        group.starts.clear();
        for _ in 0..count {
            self.variant(group)?;
            if group.words.len() > MAX_WORDS - self.words {
                return Err(self.columns.heads.error("a block of more than 2^25 words"));
            }
        }
        self.words += group.words.len();
        Ok(())
    }

    fn variant(&mut self, group: &mut Group) -> Result<(), AtlasError> {
        let head = self.columns.heads.len()?;
        let flavored = match head % 2 {
            0 => StringNumber::EMPTY,
            _ => self.string()?,
        };
        let mut kind = group.kind();
        if kind == Kind::Enum && self.columns.heads.below(2, "an unknown kind of enum")? == 1 {
            kind = Kind::Enum64;
        }
        let start = group.words.len();
        let first_element = group.starts.len();
        let distance = head / 2;
        let base = if distance == 0 {
            None
        } else {
            let base = group.variants.len().checked_sub(distance);
            let base = base.and_then(|base| group.variants.get(base)).cloned();
            let base = base
                .filter(|base| base.kind == kind && (kind.is_composite() || kind.is_any_enum()));
            Some(base.ok_or_else(|| self.columns.heads.error("no such base"))?)
        };
        match base {
            Some(base) => self.changed(kind, &base, group)?,
            None => self.body(kind, &mut group.words, Some(&mut group.starts), 0)?,
        }
        group.starts.push(group.words.len());
        group.variants.push(Decoded {
            kind,
            flavored,
            body: start..group.words.len(),
            elements: first_element..group.starts.len(),
        });
        Ok(())
    }

    fn changed(&mut self, kind: Kind, base: &Decoded, group: &mut Group) -> Result<(), AtlasError> {
        let Group { words, starts, .. } = group;
        for index in 0..2 {
            let old = words.get(base.body.start + index).copied().unwrap_or(0);
            let change = self.columns.heads.signed()?;
            let new = i64::from(old).checked_add(change);
            let new = new.and_then(|new| u32::try_from(new).ok());
            words.push(new.ok_or_else(|| self.columns.heads.error("a number out of range"))?);
        }
        let head = words.get(words.len() - 2).copied().unwrap_or(0);
        let count = vlen(kind, head);
        let base_count = base.elements.len() - 1;
        let (mut done, mut at, mut shift, mut before) = (0, 0usize, 0i64, 0);
        while done < count {
            let insert = self.columns.edits.len()?;
            let skip = self.columns.edits.len()?;
            let copy = self.columns.edits.len()?;
            let end = at.saturating_add(skip).saturating_add(copy);
            let new = insert.saturating_add(copy);
            if new == 0 || new > count - done || end > base_count {
                return Err(self.columns.edits.error("no such elements in the base"));
            }
            for _ in 0..insert {
                starts.push(words.len());
                before = self.element(kind, before, words, 0)?;
            }
            if copy > 0 {
                shift = shift.wrapping_add(self.columns.places.signed()?);
            }
            for number in at + skip..end {
                let from = starts[base.elements.start + number];
                let to = starts[base.elements.start + number + 1];
                starts.push(words.len());
                let place = words.len() + 1;
                words.extend_from_within(from..to);
                let moved = read_place(kind, words, place).wrapping_add_signed(shift);
                self.write_place(kind, words, place, moved)?;
                before = moved;
            }
            at = end;
            done += new;
            if words.len() > MAX_WORDS {
                return Err(self.columns.heads.error("a block of more than 2^25 words"));
            }
        }
        Ok(())
    }

    /// Reads a body without a base. Adds to `starts` where its elements begin.
    fn body(
        &mut self,
        kind: Kind,
        words: &mut Vec<u32>,
        mut starts: Option<&mut Vec<usize>>,
        depth: u32,
    ) -> Result<(), AtlasError> {
        let heads = match kind {
            kind if is_typed(kind) => return self.ty(words, depth),
            Kind::Float | Kind::Fwd => 1,
            _ => 2,
        };
        for _ in 0..heads {
            words.push(self.columns.heads.u32()?);
        }
        if matches!(kind, Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64) {
            let head = words.get(words.len() - 2).copied().unwrap_or(0);
            let mut before = 0;
            for _ in 0..vlen(kind, head) {
                if let Some(starts) = &mut starts {
                    starts.push(words.len());
                }
                before = self.element(kind, before, words, depth)?;
            }
        }
        Ok(())
    }

    /// Reads an element. Returns its bit offset or value.
    fn element(
        &mut self,
        kind: Kind,
        before: u64,
        words: &mut Vec<u32>,
        depth: u32,
    ) -> Result<u64, AtlasError> {
        let name = self.string()?;
        let moved = self.columns.places.signed()?;
        let place = before.wrapping_add_signed(moved);
        words.push(name.0);
        let at = words.len();
        match kind {
            Kind::Enum => words.push(0),
            _ => words.extend([0, 0]),
        }
        self.write_place(kind, words, at, place)?;
        if matches!(kind, Kind::Struct | Kind::Union) {
            words[at + 1] = self.columns.bits.u32()?;
            self.ty(words, depth)?;
        }
        Ok(place)
    }

    fn write_place(
        &self,
        kind: Kind,
        words: &mut [u32],
        at: usize,
        place: u64,
    ) -> Result<(), AtlasError> {
        let value = match kind {
            Kind::Enum64 => {
                let [a, b, c, d, high @ ..] = place.to_le_bytes();
                words[at] = u32::from_le_bytes([a, b, c, d]);
                words[at + 1] = u32::from_le_bytes(high);
                return Ok(());
            }
            Kind::Enum => i32::try_from(to_signed(place))
                .ok()
                .map(|value| u32::from_ne_bytes(value.to_ne_bytes())),
            _ => u32::try_from(place).ok(),
        };
        let error = || self.columns.places.error("a value of more than 32 bits");
        words[at] = value.ok_or_else(error)?;
        Ok(())
    }

    fn ty(&mut self, words: &mut Vec<u32>, depth: u32) -> Result<(), AtlasError> {
        if depth > MAX_NESTING {
            return Err(self.columns.types.error("types nest too deep"));
        }
        let types = &mut self.columns.types;
        let number = types.varint()?;
        match number {
            code::VOID => words.push(shape::VOID),
            code::PTR => {
                words.push(shape::PTR);
                self.ty(words, depth + 1)?;
            }
            code::ARRAY | code::ARRAY_OWN_INDEX => {
                let own = number == code::ARRAY_OWN_INDEX;
                words.push(shape::ARRAY | u32::from(own) << 4);
                words.push(types.u32()?);
                self.ty(words, depth + 1)?;
                if own {
                    self.ty(words, depth + 1)?;
                }
            }
            code::OTHER => {
                let group = types.below(self.groups, "no such group")?;
                let ordinal = types.u32()?;
                if ordinal == 0 {
                    return Err(types.error("ordinal 0 where only others are allowed"));
                }
                words.extend([shape::OTHER | group << 4, ordinal]);
            }
            code::PROTO => {
                let params = types.below(MAX_ARGUMENT, "too many parameters")?;
                words.push(shape::PROTO | params << 4);
                for _ in 0..=params {
                    self.ty(words, depth + 1)?;
                }
            }
            code::NAMED.. => {
                let group = u32::try_from(number - code::NAMED).ok();
                let group = group.filter(|&group| group < self.groups);
                let group = group.ok_or_else(|| types.error("no such group"))?;
                words.push(shape::NAMED | group << 4);
            }
            _ => {
                let kind = usize::try_from(number - code::INLINE).ok();
                let kind = kind.and_then(|number| code::INLINE_KINDS.get(number).copied());
                let kind = kind.ok_or_else(|| types.error("an unknown kind of type"))?;
                words.push(shape::INLINE | u32::from(kind.number()) << 4);
                self.body(kind, words, None, depth + 1)?;
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<StringNumber, AtlasError> {
        let names = &mut self.columns.names;
        match names.varint()? {
            name::NEW => {
                let number = self.next_string;
                let next = number.0.checked_add(1);
                let next = next.ok_or_else(|| names.error("too many strings"))?;
                self.next_string = StringNumber(next);
                Ok(number)
            }
            name::EMPTY => Ok(StringNumber::EMPTY),
            back => u32::try_from(back - name::EMPTY)
                .ok()
                .and_then(|back| self.next_string.0.checked_sub(back))
                .map(StringNumber)
                .ok_or_else(|| names.error("a string before the first one")),
        }
    }
}

/// The number of elements.
fn vlen(kind: Kind, head: u32) -> usize {
    match kind {
        Kind::Enum | Kind::Enum64 => (head >> 1) as usize,
        _ => head as usize,
    }
}

fn read_place(kind: Kind, words: &[u32], at: usize) -> u64 {
    match kind {
        Kind::Enum64 => u64::from(words[at]) | u64::from(words[at + 1]) << 32,
        Kind::Enum => sign_extended(words[at]),
        _ => u64::from(words[at]),
    }
}
