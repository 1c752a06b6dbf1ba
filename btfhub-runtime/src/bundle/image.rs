//! A class's definitions → its BTF file image.
//!
//! The image of a class is canonical: first its named types in the class's
//! order, then the anonymous ones in the order in which a depth-first walk over
//! the named ones completes them, each once; strings in the order of first use.

use super::definition::{ARRAY, Definition, FUNC, Shape, SymbolId, Type};
use super::library::Library;
use super::model::place;

const HEADER_WORDS: usize = 6;
/// Deepest nesting of anonymous types.
const NESTING_MAX: u32 = 100;

/// The BTF image of a class, in its byte order. Nothing when the definitions
/// do not make one (only in a malformed bundle).
pub(super) fn emit(
    library: &Library,
    big_endian: bool,
    members: &[(SymbolId, usize)],
) -> Option<Vec<u8>> {
    let mut walk = Walk {
        library,
        order: Vec::new(),
        symbols: vec![0; library.symbols.len()],
        inlines: vec![0; library.inlines.len()],
    };
    for (symbol, definition) in members {
        walk.order
            .push(&library.definitions.get(*definition)?.definition);
        let id = walk.last_id()?;
        let slot = walk.symbols.get_mut(place(*symbol))?;
        if *slot != 0 {
            return None;
        }
        *slot = id;
    }
    for at in 0..members.len() {
        walk.parts(walk.order.get(at).copied()?, NESTING_MAX)?;
    }
    let mut out = Output {
        walk: &walk,
        words: vec![0; HEADER_WORDS],
        strings: vec![0],
        offsets: vec![0; place(library.names.count())],
    };
    for definition in &walk.order {
        out.record(definition)?;
    }
    out.image(big_endian)
}

/// Numbers the types.
struct Walk<'l> {
    library: &'l Library,
    /// Types 1, 2, …
    order: Vec<&'l Definition>,
    /// Type ids, 0 for those that have none.
    symbols: Vec<u32>,
    inlines: Vec<u32>,
}

impl<'l> Walk<'l> {
    fn last_id(&self) -> Option<u32> {
        u32::try_from(self.order.len()).ok()
    }

    /// Numbers the anonymous types that a definition is made of.
    fn parts(&mut self, definition: &'l Definition, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let items = definition.items.iter().map(|item| item.ty);
        for ty in definition.types.iter().copied().chain(items) {
            if let Type::Inline(id) = ty {
                if *self.inlines.get(place(id))? == 0 {
                    let inner = self.library.inlines.get(place(id))?;
                    self.parts(inner, depth)?;
                    self.order.push(inner);
                    *self.inlines.get_mut(place(id))? = self.last_id()?;
                }
            }
        }
        Some(())
    }

    fn id(&self, ty: Type) -> Option<u32> {
        let id = match ty {
            Type::Void => return Some(0),
            Type::Symbol(id) => *self.symbols.get(place(id))?,
            Type::Inline(id) => *self.inlines.get(place(id))?,
        };
        (id != 0).then_some(id)
    }
}

struct Output<'l> {
    walk: &'l Walk<'l>,
    /// Header and types.
    words: Vec<u32>,
    strings: Vec<u8>,
    /// Offset of each name in `strings`, 0 where it is not there yet.
    offsets: Vec<u32>,
}

impl Output<'_> {
    fn name(&mut self, name: u32) -> Option<()> {
        let mut offset = *self.offsets.get(place(name))?;
        if offset == 0 && name != 0 {
            offset = u32::try_from(self.strings.len()).ok()?;
            self.strings
                .extend_from_slice(self.walk.library.names.get(name));
            self.strings.push(0);
            *self.offsets.get_mut(place(name))? = offset;
        }
        self.words.push(offset);
        Some(())
    }

    fn record(&mut self, definition: &Definition) -> Option<()> {
        let shape = Shape::of(definition.kind)?;
        self.name(definition.name)?;
        let vlen = if definition.kind == FUNC {
            definition.extra
        } else {
            u32::try_from(definition.items.len()).ok()?
        };
        if vlen > 0xffff {
            return None;
        }
        let flag = u32::from(definition.kind_flag) << 31;
        self.words
            .push(flag | u32::from(definition.kind) << 24 | vlen);
        let mut types = definition.types.iter();
        if definition.kind == ARRAY {
            self.words.push(0);
        } else if shape.size {
            self.words.push(definition.size);
        } else if shape.types == 0 {
            self.words.push(0);
        }
        for ty in types.by_ref() {
            self.words.push(self.walk.id(*ty)?);
        }
        if shape.extra && definition.kind != FUNC {
            self.words.push(definition.extra);
        }
        let Some(shape) = shape.items else {
            return Some(());
        };
        for item in &definition.items {
            if shape.name {
                self.name(item.name)?;
            }
            if shape.ty {
                self.words.push(self.walk.id(item.ty)?);
            }
            if shape.value {
                self.words.push(item.value);
            }
            if shape.high {
                self.words.push(item.high);
            }
        }
        Some(())
    }

    /// Header, types and strings.
    fn image(&mut self, big_endian: bool) -> Option<Vec<u8>> {
        let len = u32::try_from(HEADER_WORDS * 4).ok()?;
        let types = u32::try_from(self.words.len()).ok()?.checked_mul(4)? - len;
        let strings = u32::try_from(self.strings.len()).ok()?;
        // Magic, version 1, no flags; length of the header; offset and length
        // of the types, and of the strings.
        let magic = if big_endian { 0xeb9f_0100 } else { 0x0001_eb9f };
        let header = [magic, len, 0, types, types, strings];
        self.words.get_mut(..HEADER_WORDS)?.copy_from_slice(&header);
        let mut image = Vec::new();
        for word in &self.words {
            image.extend_from_slice(&match big_endian {
                true => word.to_be_bytes(),
                false => word.to_le_bytes(),
            });
        }
        image.extend_from_slice(&self.strings);
        Some(image)
    }
}
