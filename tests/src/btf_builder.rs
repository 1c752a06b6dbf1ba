//! Handmade BTF, for cases that no compiler writes.

use std::collections::HashMap;

/// The `BTF_KIND_*` that are used here.
pub mod kind {
    #![allow(missing_docs, reason = "the names say it")]
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// Encoding bit of an INT: signed.
pub const INT_SIGNED: u32 = 1;

/// A member of a struct or union.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Empty for none.
    pub name: &'a str,
    /// Its type.
    pub ty: u32,
    /// Offset in bits.
    pub bit_offset: u32,
    /// Width of a bitfield; 0 for none.
    pub bits: u32,
}

/// A member at an offset in bytes, no bitfield.
#[must_use]
pub fn member(name: &str, ty: u32, byte_offset: u32) -> Member<'_> {
    Member {
        name,
        ty,
        bit_offset: byte_offset * 8,
        bits: 0,
    }
}

/// A bitfield at an offset in bits.
#[must_use]
pub fn bitfield(name: &str, ty: u32, bit_offset: u32, bits: u32) -> Member<'_> {
    Member {
        name,
        ty,
        bit_offset,
        bits,
    }
}

/// Types and strings that become a file image.
#[derive(Debug, Clone)]
pub struct BtfBuilder {
    big_endian: bool,
    first_id: u32,
    first_string: u32,
    types: Vec<u32>,
    count: u32,
    strings: Vec<u8>,
    known: HashMap<String, u32>,
    layout: Vec<u8>,
    header_len: u32,
}

impl Default for BtfBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BtfBuilder {
    /// Little-endian, with a header of 24 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            big_endian: false,
            first_id: 1,
            first_string: 0,
            types: Vec::new(),
            count: 0,
            strings: vec![0],
            known: HashMap::from([(String::new(), 0)]),
            layout: Vec::new(),
            header_len: 24,
        }
    }

    /// Big-endian.
    #[must_use]
    pub fn big_endian() -> Self {
        Self {
            big_endian: true,
            ..Self::new()
        }
    }

    /// Types on top of a base: ids and string offsets continue where that ends.
    #[must_use]
    pub fn split(base: &Self) -> Self {
        Self {
            big_endian: base.big_endian,
            first_id: base.first_id + base.count,
            first_string: base.first_string + to_u32(base.strings.len()),
            strings: Vec::new(),
            ..Self::new()
        }
    }

    /// A header of 32 bytes with a layout section: for each kind, the bytes of a type after the
    /// common twelve, and the bytes per element.
    pub fn layout(&mut self, sizes: &[(u8, u8)]) {
        self.header_len = 32;
        for (info, element) in sizes {
            self.layout.extend([*info, *element, 0, 0]);
        }
    }

    /// A header longer than any known one.
    pub fn longer_header(&mut self, len: u32) {
        self.header_len = len;
    }

    /// The offset of a string, which is added once.
    pub fn string(&mut self, text: &str) -> u32 {
        if let Some(at) = self.known.get(text) {
            return *at;
        }
        let at = self.first_string + to_u32(self.strings.len());
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        self.known.insert(text.to_owned(), at);
        at
    }

    /// The id that the next type will get.
    #[must_use]
    pub fn next_id(&self) -> u32 {
        self.first_id + self.count
    }

    /// Any type: its three common words and what follows.
    pub fn raw(&mut self, name: &str, info: u32, size_or_type: u32, rest: &[u32]) -> u32 {
        let id = self.next_id();
        let name = self.string(name);
        self.types.extend([name, info, size_or_type]);
        self.types.extend(rest);
        self.count += 1;
        id
    }

    /// An INT.
    pub fn int(&mut self, name: &str, size: u32, encoding: u32) -> u32 {
        self.raw(
            name,
            kind::INT << 24,
            size,
            &[(encoding << 24) | (size * 8)],
        )
    }

    /// PTR, TYPEDEF, CONST, VOLATILE, RESTRICT, TYPE_TAG, FUNC: kinds that refer to one type.
    pub fn reference(&mut self, of: u32, name: &str, ty: u32) -> u32 {
        self.raw(name, of << 24, ty, &[])
    }

    /// A pointer.
    pub fn pointer(&mut self, ty: u32) -> u32 {
        self.reference(kind::PTR, "", ty)
    }

    /// A typedef.
    pub fn typedef(&mut self, name: &str, ty: u32) -> u32 {
        self.reference(kind::TYPEDEF, name, ty)
    }

    /// An array.
    pub fn array(&mut self, ty: u32, index: u32, len: u32) -> u32 {
        self.raw("", kind::ARRAY << 24, 0, &[ty, index, len])
    }

    /// STRUCT or UNION; with `kind_flag` if a member is a bitfield.
    pub fn composite(&mut self, of: u32, name: &str, size: u32, members: &[Member<'_>]) -> u32 {
        let flag = members.iter().any(|m| m.bits != 0);
        let mut rest = Vec::new();
        for m in members {
            let offset = if flag {
                m.bits << 24 | m.bit_offset
            } else {
                m.bit_offset
            };
            rest.extend([self.string(m.name), m.ty, offset]);
        }
        let info = u32::from(flag) << 31 | of << 24 | to_u32(members.len());
        self.raw(name, info, size, &rest)
    }

    /// A struct.
    pub fn structure(&mut self, name: &str, size: u32, members: &[Member<'_>]) -> u32 {
        self.composite(kind::STRUCT, name, size, members)
    }

    /// An ENUM.
    pub fn enumeration(&mut self, name: &str, size: u32, signed: bool, of: &[(&str, i32)]) -> u32 {
        let mut rest = Vec::new();
        for (name, value) in of {
            rest.extend([self.string(name), u32::from_ne_bytes(value.to_ne_bytes())]);
        }
        let info = u32::from(signed) << 31 | kind::ENUM << 24 | to_u32(of.len());
        self.raw(name, info, size, &rest)
    }

    /// An ENUM64.
    pub fn enumeration64(&mut self, name: &str, signed: bool, of: &[(&str, u64)]) -> u32 {
        let mut rest = Vec::new();
        for (name, value) in of {
            let [low, high] = [*value & 0xffff_ffff, *value >> 32];
            let word = |v: u64| u32::try_from(v).expect("32 bits");
            rest.extend([self.string(name), word(low), word(high)]);
        }
        let info = u32::from(signed) << 31 | kind::ENUM64 << 24 | to_u32(of.len());
        self.raw(name, info, 8, &rest)
    }

    /// A forward declaration.
    pub fn forward(&mut self, name: &str, union: bool) -> u32 {
        self.raw(name, u32::from(union) << 31 | kind::FWD << 24, 0, &[])
    }

    /// A function's signature.
    pub fn prototype(&mut self, returns: u32, params: &[(&str, u32)]) -> u32 {
        let mut rest = Vec::new();
        for (name, ty) in params {
            rest.extend([self.string(name), *ty]);
        }
        let info = kind::FUNC_PROTO << 24 | to_u32(params.len());
        self.raw("", info, returns, &rest)
    }

    /// A float.
    pub fn float(&mut self, name: &str, size: u32) -> u32 {
        self.raw(name, kind::FLOAT << 24, size, &[])
    }

    /// The file image.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let types_len = to_u32(self.types.len() * 4);
        let strings_len = to_u32(self.strings.len());
        // The layout is between types and strings.
        let layout_len = to_u32(self.layout.len());
        let strings_at = types_len + layout_len;
        let mut words = vec![self.header_len, 0, types_len, strings_at, strings_len];
        if self.header_len >= 32 {
            words.extend([types_len, layout_len]);
        }
        let mut image = Vec::new();
        let magic: u16 = 0xeb9f;
        image.extend(if self.big_endian {
            magic.to_be_bytes()
        } else {
            magic.to_le_bytes()
        });
        image.extend([1, 0]); // version, flags
        let push = |image: &mut Vec<u8>, word: u32| {
            image.extend(if self.big_endian {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            });
        };
        for word in words {
            push(&mut image, word);
        }
        image.resize(self.header_len as usize, 0);
        for word in &self.types {
            push(&mut image, *word);
        }
        image.extend(&self.layout);
        image.extend(&self.strings);
        image
    }
}

fn to_u32(len: usize) -> u32 {
    u32::try_from(len).expect("small test data")
}
