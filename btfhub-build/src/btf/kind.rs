//! The kinds of types, and how many words their records have.

/// `BTF_KIND_*` of include/uapi/linux/btf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the kernel's names say it
#[non_exhaustive]
pub enum Kind {
    /// `void` (`BTF_KIND_UNKN`): no record has it.
    Void,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    DataSec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
    /// A kind of a later kernel, whose records the layout section lets us skip.
    Unknown(u8),
}

impl Kind {
    /// From the number in a type's `info` word.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Void,
            1 => Self::Int,
            2 => Self::Ptr,
            3 => Self::Array,
            4 => Self::Struct,
            5 => Self::Union,
            6 => Self::Enum,
            7 => Self::Fwd,
            8 => Self::Typedef,
            9 => Self::Volatile,
            10 => Self::Const,
            11 => Self::Restrict,
            12 => Self::Func,
            13 => Self::FuncProto,
            14 => Self::Var,
            15 => Self::DataSec,
            16 => Self::Float,
            17 => Self::DeclTag,
            18 => Self::TypeTag,
            19 => Self::Enum64,
            other => Self::Unknown(other),
        }
    }

    /// The number in a type's `info` word.
    pub const fn number(self) -> u8 {
        match self {
            Self::Void => 0,
            Self::Int => 1,
            Self::Ptr => 2,
            Self::Array => 3,
            Self::Struct => 4,
            Self::Union => 5,
            Self::Enum => 6,
            Self::Fwd => 7,
            Self::Typedef => 8,
            Self::Volatile => 9,
            Self::Const => 10,
            Self::Restrict => 11,
            Self::Func => 12,
            Self::FuncProto => 13,
            Self::Var => 14,
            Self::DataSec => 15,
            Self::Float => 16,
            Self::DeclTag => 17,
            Self::TypeTag => 18,
            Self::Enum64 => 19,
            Self::Unknown(number) => number,
        }
    }

    /// STRUCT or UNION (libbpf's `btf_is_composite`).
    pub fn is_composite(self) -> bool {
        matches!(self, Self::Struct | Self::Union)
    }

    /// ENUM or ENUM64 (libbpf's `btf_is_any_enum`).
    pub fn is_any_enum(self) -> bool {
        matches!(self, Self::Enum | Self::Enum64)
    }

    /// Kinds that libbpf's `skip_mods_and_typedefs` skips.
    pub fn is_modifier_or_typedef(self) -> bool {
        matches!(
            self,
            Self::Typedef | Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag
        )
    }

    /// libbpf's `btf_kind_core_compat`: equal, or both some enum.
    pub fn is_core_compatible(self, other: Self) -> bool {
        self.core_kind() == other.core_kind()
    }

    /// The one of the kinds that are candidates for each other: ENUM for ENUM64.
    pub(crate) fn core_kind(self) -> Self {
        match self {
            Self::Enum64 => Self::Enum,
            kind => kind,
        }
    }
}

/// Bits 0–23 of `info`: members, enumerators, parameters. (16 bits until
/// libbpf 1.7; the others were zero.)
pub(super) const VLEN_MASK: u32 = 0x00ff_ffff;
/// Bits 24–30 of `info`, shifted down.
pub(super) const KIND_MASK: u32 = 0x7f;
/// Words of a record before those that its kind adds: name, info, size or type.
pub(super) const BASE_WORDS: usize = 3;

/// Words that follow the base of a record, by kind: a fixed part …
///
/// Tables are statics: unoptimised, a constant is copied whole for each look.
pub(super) static FIXED_WORDS: [usize; KNOWN_KINDS] =
    [0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0];
/// … and a part for each of `vlen` elements.
pub(super) static ELEMENT_WORDS: [usize; KNOWN_KINDS] =
    [0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3];
/// Kinds 0 … 19.
pub(super) const KNOWN_KINDS: usize = 20;

/// Bit *n* for kind number *n*: the kinds whose types are found by name, of which
/// [`Btf`](super::Btf) keeps a list. Half of a kernel's types are functions and
/// pointers.
pub(super) const LISTED_KINDS: u32 = 1 << 1 | 0b1_1111 << 4 | 1 << 16 | 1 << 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for number in 0..=127 {
            let kind = Kind::from_number(number);
            assert_eq!(kind.number(), number);
            let is_known = !matches!(kind, Kind::Unknown(_));
            assert_eq!(is_known, usize::from(number) < KNOWN_KINDS, "{number}");
        }
    }
}
