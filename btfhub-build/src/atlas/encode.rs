//! Definitions → columns.

use super::bytes::{put, put_len, to_signed, zigzag};
use super::columns::{Columns, code, name, put_text};
use super::definition::{
    Element, GROUP_KINDS, body_len, elements, inline_kind, is_typed, shape, split, type_len,
};
use super::delta::{likeness, mark, steps};
use super::numbers::{ProvisionalString, StringNumber};
use crate::btf::Kind;

/// How many earlier variants are compared to find a base.
const NEAR: usize = 8;

/// Canonical numbers of strings, in order of first use.
#[derive(Debug)]
pub(super) struct StringNumbers {
    /// By provisional number; [`UNUSED`] if it was not used yet.
    numbers: Vec<StringNumber>,
    /// In canonical order.
    order: Vec<ProvisionalString>,
}

/// A string that was not used yet.
const UNUSED: StringNumber = StringNumber(u32::MAX);

impl StringNumbers {
    /// Makes room for `count` strings.
    pub(super) fn new(count: usize) -> Self {
        let mut numbers = vec![UNUSED; count];
        if let Some(empty) = numbers.first_mut() {
            *empty = StringNumber::EMPTY;
        }
        Self {
            numbers,
            order: vec![ProvisionalString::EMPTY],
        }
    }

    /// How many strings have canonical numbers.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The strings with canonical numbers from `first` on.
    pub(super) fn from(&self, first: usize) -> &[ProvisionalString] {
        self.order.get(first..).unwrap_or_default()
    }

    fn put(&mut self, out: &mut Vec<u8>, string: ProvisionalString) {
        if string == ProvisionalString::EMPTY {
            return put(out, name::EMPTY);
        }
        let next = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        let number = &mut self.numbers[string.index()];
        if *number == UNUSED {
            *number = StringNumber(next);
            self.order.push(string);
            put(out, name::NEW);
        } else {
            put(out, u64::from(next - number.0) + name::EMPTY);
        }
    }
}

/// A definition to write. The numbers in its words are canonical for groups, provisional for
/// strings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variant<'a> {
    pub(super) kind: Kind,
    pub(super) flavored: ProvisionalString,
    pub(super) body: &'a [u32],
}

/// Writes groups of definitions into columns.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    pub(super) columns: Columns<Vec<u8>>,
    strings: &'a mut StringNumbers,
    last_name: Vec<u8>,
    last_kind: usize,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(strings: &'a mut StringNumbers) -> Self {
        Self {
            columns: Columns::default(),
            strings,
            last_name: Vec::new(),
            last_kind: 0,
        }
    }

    /// Adds a group with all its variants.
    pub(super) fn group(&mut self, kind: Kind, name: &[u8], variants: &[Variant<'_>]) {
        let Columns { lengths, text, .. } = &mut self.columns;
        put_text(lengths, text, &self.last_name, name);
        name.clone_into(&mut self.last_name);
        let kind = GROUP_KINDS.iter().position(|&other| other == kind);
        let kind = kind.unwrap_or(self.last_kind);
        put_len(&mut self.columns.heads, variants.len());
        put_len(&mut self.columns.heads, kind - self.last_kind);
        self.last_kind = kind;

        let mut past: Vec<Past<'_>> = Vec::new();
        for variant in variants {
            // Most groups have a single variant, which is nobody's base.
            let now = (variants.len() > 1).then(|| Past::new(variant));
            let base = now.as_ref().and_then(|now| now.base(&past));
            let distance = base.map_or(0, |base| past.len() - base);
            put_len(
                &mut self.columns.heads,
                distance * 2 + usize::from(variant.flavored != ProvisionalString::EMPTY),
            );
            if variant.flavored != ProvisionalString::EMPTY {
                self.strings.put(&mut self.columns.names, variant.flavored);
            }
            if matches!(variant.kind, Kind::Enum | Kind::Enum64) {
                put_len(
                    &mut self.columns.heads,
                    usize::from(variant.kind == Kind::Enum64),
                );
            }
            match now.as_ref().zip(base.and_then(|base| past.get(base))) {
                Some((now, base)) => self.changed(variant, now, base),
                None => self.body(variant.kind, variant.body),
            }
            past.extend(now);
        }
    }

    /// Writes a definition as steps from its base.
    fn changed(&mut self, variant: &Variant<'_>, now: &Past<'_>, base: &Past<'_>) {
        let difference = |index: usize| {
            let of = |body: &[u32]| i64::from(body.get(index).copied().unwrap_or(0));
            zigzag(of(variant.body) - of(base.body))
        };
        put(&mut self.columns.heads, difference(0));
        put(&mut self.columns.heads, difference(1));
        let mut number: usize = 0;
        for step in steps(&base.elements, &now.elements) {
            put_len(&mut self.columns.edits, step.insert);
            put_len(&mut self.columns.edits, step.skip);
            put_len(&mut self.columns.edits, step.copy);
            for _ in 0..step.insert {
                let before = now.elements.get(number.wrapping_sub(1));
                let before = before.map_or(0, |element| element.place);
                self.element(&now.elements[number], before);
                number += 1;
            }
            if step.copy > 0 {
                put(&mut self.columns.places, zigzag(step.shift));
            }
            number += step.copy;
        }
    }

    fn body(&mut self, kind: Kind, body: &[u32]) {
        match kind {
            kind if is_typed(kind) => self.ty(body),
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                self.heads(body.get(..2));
                let mut before = 0;
                for element in elements(kind, body) {
                    self.element(&element, before);
                    before = element.place;
                }
            }
            _ => self.heads(Some(body)),
        }
    }

    fn heads(&mut self, words: Option<&[u32]>) {
        for &word in words.unwrap_or_default() {
            put(&mut self.columns.heads, u64::from(word));
        }
    }

    fn element(&mut self, element: &Element<'_>, before: u64) {
        let name = ProvisionalString(element.name);
        self.strings.put(&mut self.columns.names, name);
        let moved = to_signed(element.place.wrapping_sub(before));
        put(&mut self.columns.places, zigzag(moved));
        if !element.ty.is_empty() {
            put(&mut self.columns.bits, u64::from(element.bits));
            self.ty(element.ty);
        }
    }

    fn ty(&mut self, words: &[u32]) {
        let Some((&first, rest)) = words.split_first() else {
            return;
        };
        let types = &mut self.columns.types;
        let (shape, argument) = split(first);
        match shape {
            shape::NAMED => put(types, code::NAMED + u64::from(argument)),
            shape::OTHER => {
                put(types, code::OTHER);
                put(types, u64::from(argument));
                put(types, u64::from(rest.first().copied().unwrap_or(0)));
            }
            shape::PTR => {
                put(types, code::PTR);
                self.ty(rest);
            }
            shape::ARRAY => {
                let own = argument != 0;
                put(
                    types,
                    if own {
                        code::ARRAY_OWN_INDEX
                    } else {
                        code::ARRAY
                    },
                );
                put(types, u64::from(rest.first().copied().unwrap_or(0)));
                let element = rest.get(1..).unwrap_or_default();
                self.ty(element);
                if own {
                    self.ty(element.get(type_len(element)..).unwrap_or_default());
                }
            }
            shape::PROTO => {
                put(types, code::PROTO);
                put(types, u64::from(argument));
                let mut rest = rest;
                for _ in 0..=argument {
                    self.ty(rest);
                    rest = rest.get(type_len(rest)..).unwrap_or_default();
                }
            }
            shape::INLINE => {
                let kind = inline_kind(argument);
                let number = code::INLINE_KINDS.iter().position(|&other| other == kind);
                put(types, code::INLINE + number.unwrap_or(0) as u64);
                self.body(kind, rest.get(..body_len(kind, rest)).unwrap_or_default());
            }
            _ => put(types, code::VOID),
        }
    }
}

/// A variant, prepared for comparison: a base for later ones.
struct Past<'a> {
    kind: Kind,
    body: &'a [u32],
    elements: Vec<Element<'a>>,
    /// The [`mark`] of each element, sorted.
    marks: Vec<u64>,
}

impl<'a> Past<'a> {
    fn new(variant: &Variant<'a>) -> Self {
        let count = match variant.body.first() {
            Some(&head) if matches!(variant.kind, Kind::Enum | Kind::Enum64) => head >> 1,
            Some(&head) if matches!(variant.kind, Kind::Struct | Kind::Union) => head,
            _ => 0,
        };
        // Each takes at least one word.
        let count = variant.body.len().min(count as usize);
        let mut elements = Vec::with_capacity(count);
        elements.extend(self::elements(variant.kind, variant.body));
        let mut marks: Vec<u64> = elements.iter().map(mark).collect();
        marks.sort_unstable();
        Self {
            kind: variant.kind,
            body: variant.body,
            elements,
            marks,
        }
    }

    /// The index of the most similar of the last variants; `None` if none is similar at all.
    fn base(&self, past: &[Past<'_>]) -> Option<usize> {
        let mut best = None;
        let first = past.len().saturating_sub(NEAR);
        for (number, other) in past.iter().enumerate().skip(first) {
            if other.kind != self.kind {
                continue;
            }
            let alike = likeness(&other.marks, &self.marks);
            if alike > 0 && best.is_none_or(|(_, most)| alike >= most) {
                best = Some((number, alike));
            }
        }
        best.map(|(number, _)| number)
    }
}
