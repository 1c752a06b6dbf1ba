//! Type definitions: what a class, or a whole kernel, is a set of.
//!
//! A *definition* is one type with a name, its anonymous parts inlined: the
//! members of a struct at their offsets, the values of an enum, what a typedef
//! stands for. Other types with names are referred to by name (as a
//! [`Symbol`](super::library::Symbol)), never by type id, so that one
//! definition serves every kernel that holds it whatever its ids are.

/// A name: its place in [`Names`](super::names::Names). 0 is the empty name.
pub(super) type NameId = u32;
/// A named type as references see it: its place in the library's symbols.
pub(super) type SymbolId = u32;
/// An anonymous type: its place among the library's inlined types.
pub(super) type InlineId = u32;

/// A type where another type refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Type {
    /// Type id 0.
    Void,
    /// A named type of the class.
    Symbol(SymbolId),
    /// An anonymous type; equal ones have one place.
    Inline(InlineId),
}

/// A member, an enumerator, a parameter, or a variable of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) name: NameId,
    pub(super) ty: Type,
    /// Bit offset (with the bitfield size above bit 24 where the kind flag
    /// says so), enum value, or offset in the section.
    pub(super) value: u32,
    /// Upper half of a 64-bit enum value, or size in the section.
    pub(super) high: u32,
}

/// A type. Which fields a kind uses is said by its [`Shape`]; the others are 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Definition {
    /// `BTF_KIND_*` of the kernel's `include/uapi/linux/btf.h`.
    pub(super) kind: u8,
    pub(super) kind_flag: bool,
    pub(super) name: NameId,
    /// Size in bytes.
    pub(super) size: u32,
    /// The record's extra word (`INT` encoding, number of array elements, `VAR`
    /// linkage, `DECL_TAG` component) or `FUNC`'s linkage.
    pub(super) extra: u32,
    /// What it refers to as a whole: target; element and index type.
    pub(super) types: Vec<Type>,
    pub(super) items: Vec<Item>,
}

/// Which fields the records of a kind have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) size: bool,
    pub(super) extra: bool,
    pub(super) types: usize,
    pub(super) items: Option<ItemShape>,
}

/// Which fields the items of a kind have.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemShape {
    pub(super) name: bool,
    pub(super) ty: bool,
    pub(super) value: bool,
    pub(super) high: bool,
}

pub(super) const INT: u8 = 1;
pub(super) const PTR: u8 = 2;
pub(super) const ARRAY: u8 = 3;
pub(super) const STRUCT: u8 = 4;
pub(super) const UNION: u8 = 5;
pub(super) const ENUM: u8 = 6;
pub(super) const FWD: u8 = 7;
pub(super) const TYPEDEF: u8 = 8;
pub(super) const VOLATILE: u8 = 9;
pub(super) const CONST: u8 = 10;
pub(super) const RESTRICT: u8 = 11;
pub(super) const FUNC: u8 = 12;
pub(super) const FUNC_PROTO: u8 = 13;
pub(super) const VAR: u8 = 14;
pub(super) const DATASEC: u8 = 15;
pub(super) const FLOAT: u8 = 16;
pub(super) const DECL_TAG: u8 = 17;
pub(super) const TYPE_TAG: u8 = 18;
pub(super) const ENUM64: u8 = 19;

impl Definition {
    /// A definition with nothing in it.
    pub(super) fn new(kind: u8, name: NameId) -> Self {
        Self {
            kind,
            kind_flag: false,
            name,
            size: 0,
            extra: 0,
            types: Vec::new(),
            items: Vec::new(),
        }
    }
}

impl Shape {
    /// The shape of a kind; nothing for kinds that are not known here.
    // Not inlined: used for each definition, anonymous type and record.
    #[inline(never)]
    pub(super) fn of(kind: u8) -> Option<Self> {
        let plain = Self {
            size: false,
            extra: false,
            types: 0,
            items: None,
        };
        let items = |name, ty, value, high| {
            Some(ItemShape {
                name,
                ty,
                value,
                high,
            })
        };
        Some(match kind {
            INT => Self {
                size: true,
                extra: true,
                ..plain
            },
            PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => Self { types: 1, ..plain },
            ARRAY => Self {
                extra: true,
                types: 2,
                ..plain
            },
            STRUCT | UNION => Self {
                size: true,
                items: items(true, true, true, false),
                ..plain
            },
            ENUM => Self {
                size: true,
                items: items(true, false, true, false),
                ..plain
            },
            ENUM64 => Self {
                size: true,
                items: items(true, false, true, true),
                ..plain
            },
            FWD => plain,
            FUNC | VAR | DECL_TAG => Self {
                extra: true,
                types: 1,
                ..plain
            },
            FUNC_PROTO => Self {
                types: 1,
                items: items(true, true, false, false),
                ..plain
            },
            DATASEC => Self {
                size: true,
                items: items(false, true, true, true),
                ..plain
            },
            FLOAT => Self {
                size: true,
                ..plain
            },
            _ => return None,
        })
    }
}
