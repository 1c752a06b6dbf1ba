//! Checks that every reference in a BTF is valid (libbpf's `btf_sanity_check`).
//!
//! While a file is indexed, [`Highest`] collects what each record refers to; that suffices to
//! accept nearly every file. [`Btf::check`] goes through the others type by type, and says
//! which one is wrong.

use super::error::{BtfError, BtfErrorKind};
use super::kind::{BASE_WORDS, KIND_MASK, VLEN_MASK};
use super::{Btf, Kind, Type, TypeId};

/// Bit *n* for kind number *n*: the kinds whose third word is a type.
const REFERRING_KINDS: u32 = 1 << 2 | 0b1111 << 8 | 0b11 << 13 | 0b11 << 17;

/// The highest numbers that records refer to. If these are valid, all are; otherwise
/// [`Btf::check`] finds out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Highest {
    string: u32,
    ty: u32,
    /// A function whose prototype was not met before it.
    pub(super) in_doubt: bool,
}

impl Highest {
    pub(super) fn are_sound(self, btf: &Btf) -> bool {
        let strings = btf.first_string.saturating_add(btf.strings_len());
        self.string < strings && self.ty < btf.type_count() && !self.in_doubt
    }

    /// Adds a record; for a function, only its name. This is hot, so kinds are numbers and
    /// lists are matched with patterns.
    #[inline(always)]
    pub(super) fn look_at(&mut self, kind: usize, record: &[u32]) {
        let [name, _, referenced, elements @ ..] = record else {
            return;
        };
        if *name > self.string {
            self.string = *name;
        }
        // A mask instead of an unpredictable branch. (Kinds above 31 may look like one of
        // these; `Btf::check` then decides.)
        let refers = (REFERRING_KINDS >> (kind & 31) & 1).wrapping_neg();
        if *referenced & refers > self.ty {
            self.ty = *referenced;
        }
        // Most have none.
        if !elements.is_empty() {
            self.look_into(kind, elements);
        }
    }

    /// Takes in the elements of a record.
    fn look_into(&mut self, kind: usize, elements: &[u32]) {
        let (mut string, mut ty) = (self.string, self.ty);
        let mut rest = elements;
        match kind {
            3 => {
                if let [element, index, ..] = elements {
                    ty = ty.max(*element).max(*index);
                }
            }
            4 | 5 => {
                while let [name, of, _, tail @ ..] = rest {
                    if *name > string {
                        string = *name;
                    }
                    if *of > ty {
                        ty = *of;
                    }
                    rest = tail;
                }
            }
            6 => {
                while let [name, _, tail @ ..] = rest {
                    if *name > string {
                        string = *name;
                    }
                    rest = tail;
                }
            }
            19 => {
                while let [name, _, _, tail @ ..] = rest {
                    if *name > string {
                        string = *name;
                    }
                    rest = tail;
                }
            }
            13 => {
                while let [name, of, tail @ ..] = rest {
                    if *name > string {
                        string = *name;
                    }
                    if *of > ty {
                        ty = *of;
                    }
                    rest = tail;
                }
            }
            15 => {
                while let [of, _, _, tail @ ..] = rest {
                    if *of > ty {
                        ty = *of;
                    }
                    rest = tail;
                }
            }
            _ => {}
        }
        (self.string, self.ty) = (string, ty);
    }
}

impl Btf {
    /// libbpf's `btf_sanity_check`: every reference is valid. Goes through all types once more,
    /// to say which one is not.
    pub(super) fn check(&self, file_offset: u64, start: usize) -> Result<(), BtfError> {
        let (words, index) = self.records();
        let types = self.type_count();
        let strings = self.first_string.saturating_add(self.strings_len());
        let mut number = 0;
        while number < index.len() {
            let pos = index[number] as usize;
            let info = words[pos + 1];
            let mut good = words[pos] < strings;
            let mut at = pos + BASE_WORDS;
            // The numbers of `Kind`, without the conversion, because this is hot. Each arm goes
            // through the elements of a record: how many words they have, and which of them are
            // strings and types.
            match (info >> 24) & KIND_MASK {
                2 | 8..=11 | 14 | 17 | 18 => good &= words[pos + 2] < types,
                12 => {
                    let proto = words[pos + 2];
                    good &= if proto >= self.first_id && proto < types {
                        let at = index[(proto - self.first_id) as usize] as usize;
                        (words[at + 1] >> 24) & KIND_MASK == 13
                    } else {
                        self.ty(TypeId(proto)).map(Type::kind) == Some(Kind::FuncProto)
                    };
                }
                3 => good &= words[at] < types && words[at + 1] < types,
                4 | 5 => {
                    let end = at + 3 * (info & VLEN_MASK) as usize;
                    while at < end {
                        good &= words[at] < strings && words[at + 1] < types;
                        at += 3;
                    }
                }
                6 => {
                    let end = at + 2 * (info & VLEN_MASK) as usize;
                    while at < end {
                        good &= words[at] < strings;
                        at += 2;
                    }
                }
                19 => {
                    let end = at + 3 * (info & VLEN_MASK) as usize;
                    while at < end {
                        good &= words[at] < strings;
                        at += 3;
                    }
                }
                13 => {
                    // libbpf does not check the result here and reads a null
                    // pointer later; nobody writes such a file.
                    good &= words[pos + 2] < types;
                    let end = at + 2 * (info & VLEN_MASK) as usize;
                    while at < end {
                        good &= words[at] < strings && words[at + 1] < types;
                        at += 2;
                    }
                }
                15 => {
                    let end = at + 3 * (info & VLEN_MASK) as usize;
                    while at < end {
                        good &= words[at] < types;
                        at += 3;
                    }
                }
                _ => {}
            }
            if !good {
                let id = self
                    .first_id
                    .saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
                let offset = file_offset + 4 * (pos.saturating_sub(start)) as u64;
                return Err(BtfError::new(offset, self.fault(TypeId(id), strings)));
            }
            number += 1;
        }
        Ok(())
    }

    /// Which reference of a type that did not pass leads nowhere.
    fn fault(&self, id: TypeId, strings: u32) -> BtfErrorKind {
        let types = self.type_count();
        let Some(ty) = self.ty(id) else {
            return BtfErrorKind::TypeOverrun { id: id.0 };
        };
        let mut names = vec![ty.name()];
        let mut references = Vec::new();
        match ty.kind() {
            Kind::Struct | Kind::Union => {
                names.extend(ty.members().map(|member| member.name));
                references.extend(ty.members().map(|member| member.ty));
            }
            Kind::Enum | Kind::Enum64 => {
                names.extend(ty.enumerators().map(|enumerator| enumerator.name));
            }
            Kind::FuncProto => {
                names.extend(ty.params().map(|param| param.name));
                references.push(ty.referenced());
                references.extend(ty.params().map(|param| param.ty));
            }
            Kind::Array => references.extend([ty.array().element, ty.array().index]),
            // A variable of a section has its type in the position where a member has its name.
            Kind::DataSec => {
                references.extend((0..ty.vlen()).map(|index| TypeId(ty.member_name(index).0)));
            }
            Kind::Void
            | Kind::Int
            | Kind::Ptr
            | Kind::Fwd
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::Var
            | Kind::Float
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => references.push(ty.referenced()),
        }
        let id = id.0;
        if let Some(name) = names.into_iter().find(|name| name.0 >= strings) {
            let target = name.0;
            BtfErrorKind::StringReference { id, target }
        } else if let Some(reference) = references.into_iter().find(|ty| ty.0 >= types) {
            let target = reference.0;
            BtfErrorKind::TypeReference { id, target }
        } else {
            BtfErrorKind::FuncWithoutProto { id }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)] // a failed test panics
mod tests {
    use super::Btf;
    use crate::btf::kind::{ELEMENT_WORDS, FIXED_WORDS};

    /// One type of every kind, with two elements where it has any; all that it
    /// refers to is there. Function prototypes stand before functions, and behind.
    fn every_kind() -> Vec<u32> {
        let mut types = Vec::new();
        for kind in [
            13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
        ] {
            let vlen = if ELEMENT_WORDS[kind] > 0 { 2 } else { 0 };
            let info = u32::try_from(kind << 24 | vlen).unwrap();
            types.extend([1, info, 1]);
            types.resize(
                types.len() + FIXED_WORDS[kind] + ELEMENT_WORDS[kind] * vlen,
                1,
            );
        }
        let len = u32::try_from(4 * types.len()).unwrap();
        let header = [0x0001_eb9f, 24, 0, len, len, 4];
        [&header[..], &types, &[u32::from_ne_bytes(*b"\0ab\0")]].concat()
    }

    fn parse(words: &[u32]) -> Option<Btf> {
        Btf::from_words(words.to_vec(), 4 * words.len()).ok()
    }

    #[test]
    fn what_a_walk_over_all_types_refuses_is_refused_at_first_sight() {
        let words = every_kind();
        let whole = parse(&words).expect("a sound BTF");
        assert!(whole.check(0, 6).is_ok());
        let types = whole.type_count();
        let mut refused = 0;
        for at in 6..words.len() - 1 {
            for value in [0, 1, 3, 4, 14, types - 1, types, types + 1, u32::MAX] {
                let mut words = words.clone();
                words[at] = value;
                match parse(&words) {
                    Some(btf) => assert!(btf.check(0, 6).is_ok(), "word {at} is {value}"),
                    None => refused += 1,
                }
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
