//! A class's definitions → its BTF.
//!
//! The BTF of a class is canonical: first its named types in the class's order, then the
//! types without a name, each once, in the order in which a depth-first walk over the named
//! types completes them; strings in the order of first use.

use super::definition::{Definition, FUNC, Item, Shape, Type, to_index};
use super::types::{Defined, Definitions};

const HEADER_LEN: u32 = 24;
/// Deepest nesting of types without a name.
pub(super) const NESTING_MAX: u32 = 100;

/// The BTF of a class, in its byte order. `None` if the definitions do not form one (only
/// in a malformed bundle).
pub(super) fn rebuild(
    definitions: &Definitions<'_>,
    big_endian: bool,
    members: &[u32],
) -> Option<Vec<u8>> {
    let mut walk = Walk {
        definitions,
        order: Vec::new(),
        symbols: vec![0; to_index(definitions.symbols)],
        anonymous: vec![0; definitions.anonymous.len()],
    };
    for number in members {
        let (symbol, defined) = definitions.named.get(to_index(*number))?.as_ref()?;
        walk.order.push(defined);
        let id = walk.last_id()?;
        let slot = walk.symbols.get_mut(to_index(*symbol))?;
        if *slot != 0 {
            return None;
        }
        *slot = id;
    }
    for at in 0..members.len() {
        walk.parts(walk.order.get(at).copied()?, NESTING_MAX)?;
    }
    let mut output = Output {
        walk: &walk,
        big_endian,
        btf: vec![0; to_index(HEADER_LEN)],
        strings: vec![0],
        offsets: vec![0; definitions.name_count()],
    };
    for defined in &walk.order {
        output.record(&defined.definition, definitions.items(defined))?;
    }
    output.finish()
}

/// Numbers the types.
struct Walk<'l> {
    definitions: &'l Definitions<'l>,
    /// Types 1, 2, …
    order: Vec<&'l Defined>,
    /// Type ids; 0 for types that have none.
    symbols: Vec<u32>,
    anonymous: Vec<u32>,
}

impl<'l> Walk<'l> {
    fn last_id(&self) -> Option<u32> {
        u32::try_from(self.order.len()).ok()
    }

    /// Numbers the types without a name that a definition is made of.
    fn parts(&mut self, defined: &'l Defined, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        for ty in defined.definition.types {
            self.part(ty, depth)?;
        }
        for item in self.definitions.items(defined) {
            self.part(item.ty, depth)?;
        }
        Some(())
    }

    fn part(&mut self, ty: Type, depth: u32) -> Option<()> {
        let Type::Anonymous(number) = ty else {
            return Some(());
        };
        if *self.anonymous.get(to_index(number))? == 0 {
            let inner = self.definitions.anonymous.get(to_index(number))?;
            self.parts(inner, depth)?;
            self.order.push(inner);
            *self.anonymous.get_mut(to_index(number))? = self.last_id()?;
        }
        Some(())
    }

    fn id(&self, ty: Type) -> Option<u32> {
        let id = match ty {
            Type::Void => return Some(0),
            Type::Symbol(number) => *self.symbols.get(to_index(number))?,
            Type::Anonymous(number) => *self.anonymous.get(to_index(number))?,
        };
        (id != 0).then_some(id)
    }
}

struct Output<'l> {
    walk: &'l Walk<'l>,
    big_endian: bool,
    /// Header and types.
    btf: Vec<u8>,
    strings: Vec<u8>,
    /// Offset of each name in `strings`; 0 if it is not there yet.
    offsets: Vec<u32>,
}

impl Output<'_> {
    fn bytes(&self, word: u32) -> [u8; 4] {
        match self.big_endian {
            true => word.to_be_bytes(),
            false => word.to_le_bytes(),
        }
    }

    fn word(&mut self, word: u32) {
        self.btf.extend_from_slice(&self.bytes(word));
    }

    fn name(&mut self, name: u32) -> Option<()> {
        let mut offset = *self.offsets.get(to_index(name))?;
        if offset == 0 && name != 0 {
            offset = u32::try_from(self.strings.len()).ok()?;
            (self.strings).extend_from_slice(self.walk.definitions.text(name));
            self.strings.push(0);
            *self.offsets.get_mut(to_index(name))? = offset;
        }
        self.word(offset);
        Some(())
    }

    fn record(&mut self, definition: &Definition, items: &[Item]) -> Option<()> {
        let shape = Shape::of(definition.kind)?;
        self.name(definition.name)?;
        let vlen = match definition.kind {
            FUNC => definition.extra,
            _ => u32::try_from(items.len()).ok()?,
        };
        let flag = u32::from(definition.kind_flag) << 31;
        self.word(flag | u32::from(definition.kind) << 24 | u32::from(u16::try_from(vlen).ok()?));
        // A size, the one type, or nothing; an array's two types follow.
        let types = definition.types.iter().take(shape.types);
        if shape.types != 1 {
            self.word(definition.size);
        }
        for ty in types {
            self.word(self.walk.id(*ty)?);
        }
        if shape.extra && definition.kind != FUNC {
            self.word(definition.extra);
        }
        let Some(shape) = shape.items else {
            return Some(());
        };
        for item in items {
            if shape.name {
                self.name(item.name)?;
            }
            if shape.ty {
                self.word(self.walk.id(item.ty)?);
            }
            if shape.value {
                self.word(item.value);
            }
            if shape.high {
                self.word(item.high);
            }
        }
        Some(())
    }

    /// The whole file, its header filled in.
    fn finish(mut self) -> Option<Vec<u8>> {
        let types = u32::try_from(self.btf.len())
            .ok()?
            .checked_sub(HEADER_LEN)?;
        let strings = u32::try_from(self.strings.len()).ok()?;
        // Magic, version 1, no flags; length of the header; offset and length
        // of the types, and of the strings.
        let magic = if self.big_endian {
            0xeb9f_0100
        } else {
            0x0001_eb9f
        };
        let words = [magic, HEADER_LEN, 0, types, types, strings].map(|word| self.bytes(word));
        let header = words.as_flattened();
        self.btf.get_mut(..header.len())?.copy_from_slice(header);
        self.btf.extend_from_slice(&self.strings);
        Some(self.btf)
    }
}
