//! One type record.

use super::kind::{BASE_WORDS, KIND_MASK, Kind, VLEN_MASK};
use super::{StrOffset, TypeId};

/// A view of one type record (`struct btf_type` and what follows it).
///
/// The elements of a record (members, enumerators, …) are checked when a BTF
/// is read; asking a type for elements that its kind does not have gives none.
#[derive(Clone, Copy, Debug)]
pub struct Type<'a> {
    /// From the record's first word to the end of the type section.
    words: &'a [u32],
}

/// A member of a STRUCT or UNION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Empty for an anonymous member.
    pub name: StrOffset,
    /// Its type.
    pub ty: TypeId,
    /// Bits from the beginning of the struct.
    pub bit_offset: u32,
    /// Bits of a bitfield, 0 for an ordinary member.
    pub bitfield_size: u32,
}

/// An enumerator of an ENUM or ENUM64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enumerator {
    /// Its name.
    pub name: StrOffset,
    /// Its value as libbpf reads it: for an ENUM, sign-extended from 32 bits regardless of
    /// signedness.
    pub value: u64,
}

/// A parameter of a FUNC_PROTO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Empty if it has none.
    pub name: StrOffset,
    /// Its type; `void` without a name means `...`.
    pub ty: TypeId,
}

/// What an ARRAY adds (`struct btf_array`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// Type of the elements.
    pub element: TypeId,
    /// Type of the index.
    pub index: TypeId,
    /// Number of elements.
    pub nelems: u32,
}

/// What an INT adds (`BTF_INT_ENCODING`, `_OFFSET`, `_BITS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntEncoding(pub u32);

impl IntEncoding {
    /// `BTF_INT_SIGNED` (1), `_CHAR` (2) and `_BOOL` (4).
    pub fn encoding(self) -> u32 {
        (self.0 >> 24) & 0x0f
    }

    /// Offset of a bitfield of the old kind.
    pub fn offset(self) -> u32 {
        (self.0 >> 16) & 0xff
    }

    /// Whether `BTF_INT_SIGNED` is set.
    pub fn is_signed(self) -> bool {
        self.encoding() & 1 != 0
    }
}

/// The record of `void`.
const VOID: &[u32] = &[0, 0, 0];

impl<'a> Type<'a> {
    pub(super) fn new(words: &'a [u32]) -> Self {
        Self { words }
    }

    pub(super) fn void() -> Self {
        Self { words: VOID }
    }

    /// Without `get` and the methods of `Option`: these are calls in unoptimised code, and most
    /// of the time in resolution is spent here.
    fn word(self, index: usize) -> u32 {
        if index < self.words.len() {
            self.words[index]
        } else {
            0
        }
    }

    /// Its name; empty for anonymous types.
    pub fn name(self) -> StrOffset {
        StrOffset(self.word(0))
    }

    /// Its kind.
    pub fn kind(self) -> Kind {
        // Seven bits.
        #[allow(clippy::cast_possible_truncation)]
        Kind::from_number(((self.word(1) >> 24) & KIND_MASK) as u8)
    }

    /// Number of members, enumerators, parameters or variables.
    pub fn vlen(self) -> u32 {
        self.word(1) & VLEN_MASK
    }

    /// `kind_flag`: bitfields for STRUCT and UNION, a union for FWD, signed
    /// values for ENUM and ENUM64.
    pub fn kind_flag(self) -> bool {
        self.word(1) >> 31 != 0
    }

    /// Bytes, for INT, ENUM, ENUM64, STRUCT, UNION, FLOAT and DATASEC. For the
    /// kinds that refer to a type this is the same word: libbpf reads a
    /// bitfield's `size` without looking at the kind.
    pub fn size(self) -> u32 {
        self.word(2)
    }

    /// What it refers to, for the kinds that refer to one type.
    pub fn referenced(self) -> TypeId {
        TypeId(self.word(2))
    }

    /// The encoding of an INT.
    pub fn int(self) -> IntEncoding {
        IntEncoding(self.word(BASE_WORDS))
    }

    /// The word after a VAR (`linkage`) or DECL_TAG (`component_idx`).
    pub fn extra(self) -> u32 {
        self.word(BASE_WORDS)
    }

    /// What an ARRAY holds.
    pub fn array(self) -> Array {
        Array {
            element: TypeId(self.word(BASE_WORDS)),
            index: TypeId(self.word(BASE_WORDS + 1)),
            nelems: self.word(BASE_WORDS + 2),
        }
    }

    /// Member `index` of a STRUCT or UNION.
    pub fn member(self, index: u32) -> Option<Member> {
        if index >= self.vlen() {
            return None;
        }
        let at = BASE_WORDS + index as usize * 3;
        let offset = self.word(at + 2);
        let (bit_offset, bitfield_size) = if self.kind_flag() {
            (offset & 0x00ff_ffff, offset >> 24)
        } else {
            (offset, 0)
        };
        Some(Member {
            name: StrOffset(self.word(at)),
            ty: TypeId(self.word(at + 1)),
            bit_offset,
            bitfield_size,
        })
    }

    /// The name of member `index`, without the rest, for searches by name.
    pub fn member_name(self, index: u32) -> StrOffset {
        StrOffset(self.word(BASE_WORDS + index as usize * 3))
    }

    /// The members of a STRUCT or UNION in order.
    pub fn members(self) -> impl Iterator<Item = Member> + 'a {
        (0..self.vlen()).map_while(move |index| self.member(index))
    }

    /// Enumerator `index` of an ENUM or ENUM64.
    pub fn enumerator(self, index: u32) -> Option<Enumerator> {
        if index >= self.vlen() {
            return None;
        }
        if self.kind() == Kind::Enum64 {
            let at = BASE_WORDS + index as usize * 3;
            return Some(Enumerator {
                name: StrOffset(self.word(at)),
                value: u64::from(self.word(at + 1)) | u64::from(self.word(at + 2)) << 32,
            });
        }
        let at = BASE_WORDS + index as usize * 2;
        Some(Enumerator {
            name: StrOffset(self.word(at)),
            // `__s32 val` assigned to a `__u64`.
            #[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]
            value: i64::from(self.word(at + 1) as i32) as u64,
        })
    }

    /// The enumerators of an ENUM or ENUM64 in order.
    pub fn enumerators(self) -> impl Iterator<Item = Enumerator> + 'a {
        (0..self.vlen()).map_while(move |index| self.enumerator(index))
    }

    /// Parameter `index` of a FUNC_PROTO.
    pub fn param(self, index: u32) -> Option<Param> {
        if index >= self.vlen() {
            return None;
        }
        let at = BASE_WORDS + index as usize * 2;
        Some(Param {
            name: StrOffset(self.word(at)),
            ty: TypeId(self.word(at + 1)),
        })
    }

    /// The parameters of a FUNC_PROTO in order.
    pub fn params(self) -> impl Iterator<Item = Param> + 'a {
        (0..self.vlen()).map_while(move |index| self.param(index))
    }

    /// What a DATASEC holds, in order: VARs and FUNCs.
    pub fn variables(self) -> impl Iterator<Item = TypeId> + 'a {
        let count = if self.kind() == Kind::DataSec {
            self.vlen()
        } else {
            0
        };
        (0..count).map(move |index| TypeId(self.word(BASE_WORDS + index as usize * 3)))
    }
}
