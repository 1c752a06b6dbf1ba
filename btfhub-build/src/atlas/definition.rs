//! A definition as words: a named type with its anonymous types written inline. It refers to
//! other named types by candidate group and ordinal.
//!
//! ```text
//! INT       size, encoding               FLOAT    size
//! FWD       1 for a union                TYPEDEF, FUNC, VAR   type
//! ENUM      head, size, (name, value)…            head = vlen << 1 | signed
//! ENUM64    head, size, (name, low, high)…
//! STRUCT    vlen, size, (name, bit offset, bits, type)…      UNION the same
//!
//! type      shape | argument << 4, then by shape
//!   VOID    –                            NAMED    argument: group
//!   OTHER   argument: group; ordinal     PTR      type
//!   ARRAY   argument: 1 if its index type isn't the kernel's usual one, else 0;
//!           nelems, type[, index type]
//!   PROTO   argument: parameters; result, type…
//!   INLINE  argument: kind; the words of that kind
//! ```
//!
//! A name is the number of a string, and a group is the number of a (kind, essential name):
//! provisional ones while an atlas is made, canonical ones once it is read. The first
//! definition of a group in a kernel has ordinal 0; references to it are NAMED.

use super::bytes::sign_extended;
use crate::btf::Kind;

/// The shape of a type, in the lower four bits of its first word.
pub(super) mod shape {
    pub(in crate::atlas) const VOID: u32 = 0;
    pub(in crate::atlas) const NAMED: u32 = 1;
    pub(in crate::atlas) const OTHER: u32 = 2;
    pub(in crate::atlas) const PTR: u32 = 3;
    pub(in crate::atlas) const ARRAY: u32 = 4;
    pub(in crate::atlas) const PROTO: u32 = 5;
    pub(in crate::atlas) const INLINE: u32 = 6;
}

/// Splits the first word of a type into shape and argument.
pub(super) fn split(word: u32) -> (u32, u32) {
    (word & 15, word >> 4)
}

/// There are fewer groups and strings than this, because an argument has 28 bits.
pub(super) const MAX_ARGUMENT: u32 = u32::MAX >> 4;

/// The kinds of definitions, in the order of groups. INT is first, because most references are
/// to an INT, and smaller numbers take fewer bytes.
pub(super) const GROUP_KINDS: [Kind; 9] = [
    Kind::Int,
    Kind::Float,
    Kind::Typedef,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Fwd,
    Kind::Func,
    Kind::Var,
];

/// Whether types of a kind have only a name and a type that they refer to.
pub(super) fn is_typed(kind: Kind) -> bool {
    matches!(kind, Kind::Typedef | Kind::Func | Kind::Var)
}

/// The number of words of the type at the start of `words`; 0 if there is none.
pub(super) fn type_len(words: &[u32]) -> usize {
    let Some(&first) = words.first() else {
        return 0;
    };
    let (shape, argument) = split(first);
    match shape {
        shape::OTHER => 2,
        shape::PTR => 1 + type_len(words.get(1..).unwrap_or_default()),
        shape::ARRAY => {
            let mut len = 2 + type_len(words.get(2..).unwrap_or_default());
            if argument != 0 {
                len += type_len(words.get(len..).unwrap_or_default());
            }
            len
        }
        shape::PROTO => {
            let mut len = 1;
            let mut types = 0;
            while types <= argument {
                len += type_len(words.get(len..).unwrap_or_default());
                types += 1;
            }
            len
        }
        shape::INLINE => {
            let kind = inline_kind(argument);
            1 + body_len(kind, words.get(1..).unwrap_or_default())
        }
        _ => 1,
    }
}

/// The kind of an INLINE type.
pub(super) fn inline_kind(argument: u32) -> Kind {
    Kind::from_number(u8::try_from(argument).unwrap_or(u8::MAX))
}

/// The number of words of the body at the start of `words`, of a definition or an inline type.
pub(super) fn body_len(kind: Kind, words: &[u32]) -> usize {
    let head = words.first().copied().unwrap_or(0);
    match kind {
        Kind::Int => 2,
        kind if is_typed(kind) => type_len(words),
        Kind::Enum => 2 + 2 * (head >> 1) as usize,
        Kind::Enum64 => 2 + 3 * (head >> 1) as usize,
        Kind::Struct | Kind::Union => {
            let mut len = 2;
            let mut members = 0;
            while members < head {
                len += 3;
                len += type_len(words.get(len..).unwrap_or_default());
                members += 1;
            }
            len
        }
        _ => 1,
    }
}

/// A member or enumerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) name: u32,
    /// Bit offset, or value; an ENUM's value is sign-extended.
    pub(super) place: u64,
    /// The size of a bitfield, else 0.
    pub(super) bits: u32,
    /// The words of its type; empty for enumerators.
    pub(super) ty: &'a [u32],
}

/// The elements in a body. Only ENUM, ENUM64, STRUCT and UNION have any.
pub(super) fn elements(kind: Kind, body: &[u32]) -> Elements<'_> {
    let rest = match kind {
        Kind::Enum | Kind::Enum64 | Kind::Struct | Kind::Union => body.get(2..),
        _ => None,
    };
    Elements {
        kind,
        rest: rest.unwrap_or_default(),
    }
}

/// See [`elements`].
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    kind: Kind,
    rest: &'a [u32],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (element, len) = match (self.kind, self.rest) {
            (Kind::Enum, &[name, value, ..]) => (
                Element {
                    name,
                    place: sign_extended(value),
                    bits: 0,
                    ty: &[],
                },
                2,
            ),
            (Kind::Enum64, &[name, low, high, ..]) => (
                Element {
                    name,
                    place: u64::from(low) | u64::from(high) << 32,
                    bits: 0,
                    ty: &[],
                },
                3,
            ),
            (_, &[name, place, bits, ref rest @ ..]) => {
                let len = type_len(rest);
                let element = Element {
                    name,
                    place: u64::from(place),
                    bits,
                    ty: rest.get(..len)?,
                };
                (element, 3 + len)
            }
            _ => return None,
        };
        self.rest = self.rest.get(len..)?;
        Some(element)
    }
}

/// Replaces the group of each reference in a body by what `change` makes of it.
pub(super) fn change_groups(kind: Kind, body: &mut [u32], change: &impl Fn(u32) -> u32) {
    let mut at = match kind {
        kind if is_typed(kind) => 0,
        Kind::Struct | Kind::Union => 2,
        _ => return,
    };
    if is_typed(kind) {
        change_type(body, &mut at, change);
        return;
    }
    let members = body.first().copied().unwrap_or(0);
    let mut member = 0;
    while member < members {
        at += 3;
        change_type(body, &mut at, change);
        member += 1;
    }
}

/// The same for the type at `at`; then moves `at` to its end.
fn change_type(words: &mut [u32], at: &mut usize, change: &impl Fn(u32) -> u32) {
    let Some(first) = words.get_mut(*at) else {
        return;
    };
    let (shape, argument) = split(*first);
    match shape {
        shape::NAMED | shape::OTHER => {
            *first = shape | change(argument) << 4;
            *at += if shape == shape::OTHER { 2 } else { 1 };
        }
        shape::PTR => {
            *at += 1;
            change_type(words, at, change);
        }
        shape::ARRAY => {
            *at += 2;
            change_type(words, at, change);
            if argument != 0 {
                change_type(words, at, change);
            }
        }
        shape::PROTO => {
            *at += 1;
            let mut types = 0;
            while types <= argument {
                change_type(words, at, change);
                types += 1;
            }
        }
        shape::INLINE => {
            *at += 1;
            let kind = inline_kind(argument);
            let body = words.get_mut(*at..).unwrap_or_default();
            let len = body_len(kind, body);
            change_groups(kind, body, change);
            *at += len;
        }
        _ => *at += 1,
    }
}
