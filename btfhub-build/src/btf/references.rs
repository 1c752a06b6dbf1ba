//! The strings and types that a record refers to.

use super::kind::{BASE_WORDS, ELEMENT_WORDS, KIND_MASK, KNOWN_KINDS, Kind, VLEN_MASK};

/// A word of a record that refers to something.
pub(super) enum Reference<'a> {
    /// An offset into the string section.
    String(&'a mut u32),
    /// A type id.
    Type(&'a mut u32),
}

/// Shows every reference of a record, to be read or changed (libbpf's
/// `btf_field_iter`). Of a kind that is unknown here only the name is known.
pub(super) fn each(record: &mut [u32], mut show: impl FnMut(Reference<'_>)) {
    let [name, info, third, rest @ ..] = record else {
        return;
    };
    show(Reference::String(name));
    let number = (*info >> 24) & KIND_MASK;
    let kind = Kind::from_number(u8::try_from(number).unwrap_or(u8::MAX));
    match kind {
        Kind::Ptr
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::FuncProto
        | Kind::Var
        | Kind::DeclTag
        | Kind::TypeTag => show(Reference::Type(third)),
        Kind::Array => {
            if let [element, index, ..] = rest {
                show(Reference::Type(element));
                show(Reference::Type(index));
            }
        }
        Kind::Void
        | Kind::Int
        | Kind::Struct
        | Kind::Union
        | Kind::Enum
        | Kind::Fwd
        | Kind::DataSec
        | Kind::Float
        | Kind::Enum64
        | Kind::Unknown(_) => {}
    }
    let words = ELEMENT_WORDS.get(number as usize).copied().unwrap_or(0);
    let count = (*info & VLEN_MASK) as usize;
    for element in rest.chunks_exact_mut(words.max(1)).take(count) {
        match (kind, element) {
            (Kind::Struct | Kind::Union | Kind::FuncProto, [name, ty, ..]) => {
                show(Reference::String(name));
                show(Reference::Type(ty));
            }
            (Kind::Enum | Kind::Enum64, [name, ..]) => show(Reference::String(name)),
            (Kind::DataSec, [ty, ..]) => show(Reference::Type(ty)),
            _ => {}
        }
    }
}

/// Whether [`each`] knows all references of records of this kind.
pub(super) fn are_known(info: u32) -> bool {
    (((info >> 24) & KIND_MASK) as usize) < KNOWN_KINDS
}

/// The words of the record that begins at `pos` and ends before `next`.
pub(super) fn record<'a>(words: &'a mut [u32], pos: u32, next: Option<&u32>) -> &'a mut [u32] {
    let end = next.map_or(words.len(), |&next| next as usize);
    let record = words.get_mut(pos as usize..end).unwrap_or_default();
    debug_assert!(record.len() >= BASE_WORDS);
    record
}
