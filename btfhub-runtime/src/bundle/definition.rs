//! A type, independent of the kernel it comes from.
//!
//! A definition is one record of BTF: the members of a struct at their offsets, the values of
//! an enum, the target of a typedef. It refers to named types by kind and name (a *symbol*),
//! never by type id, so one definition serves every kernel that has it. Types without a name
//! are definitions too, and each is stored once.

/// A reference to a type, in a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Type {
    /// Type id 0.
    Void,
    /// A type without a name, by its number among those.
    Anonymous(u32),
    /// A type with a name, by its symbol's number.
    Symbol(u32),
}

/// A member, an enumerator, a parameter, or a variable of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    /// The name's number; 0 is the empty one.
    pub(super) name: u32,
    pub(super) ty: Type,
    /// Bit offset (with the bitfield size above bit 24 where the kind flag
    /// says so), enum value, or offset in the section.
    pub(super) value: u32,
    /// Upper half of a 64-bit enum value, or size in the section.
    pub(super) high: u32,
}

/// A type without its items. [`Shape`] says which fields a kind uses; the others are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Definition {
    /// `BTF_KIND_*` of the kernel's `include/uapi/linux/btf.h`.
    pub(super) kind: u8,
    pub(super) kind_flag: bool,
    /// The name's number.
    pub(super) name: u32,
    /// Size in bytes.
    pub(super) size: u32,
    /// The record's extra word (`INT` encoding, number of array elements, `VAR`
    /// linkage, `DECL_TAG` component) or `FUNC`'s linkage.
    pub(super) extra: u32,
    /// What it refers to as a whole: target; element and index type.
    pub(super) types: [Type; 2],
}

/// Which fields the records of a kind have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) size: bool,
    pub(super) extra: bool,
    /// How many of [`Definition::types`].
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

impl Shape {
    /// The shape of a kind; `None` for unknown kinds.
    // Not inlined: used for each definition and record.
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

/// A number as an index; an index past every end if it does not fit.
pub(super) fn to_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
