//! The types section: names, and the definitions that classes consist of.

use core::ops::Range;

use super::classes::Classes;
use super::cursor::Cursor;
use super::definition::to_index;
use super::definition::{Definition, Item, Shape, TYPE_TAG, Type};

/// The section's columns.
#[derive(Clone, Copy)]
pub(super) struct Columns<'c> {
    anonymous: u32,
    symbols: u32,
    /// Names 1, 2, …, each followed by a zero byte.
    text: Cursor<'c>,
    kinds: Cursor<'c>,
    variants: Cursor<'c>,
    heads: Cursor<'c>,
    fields: Cursor<'c>,
    names: Cursor<'c>,
    item_types: Cursor<'c>,
    values: Cursor<'c>,
    highs: Cursor<'c>,
    pub(super) classes: Classes<'c>,
}

impl<'c> Columns<'c> {
    pub(super) fn read(content: &'c [u8]) -> Option<Self> {
        let mut from = Cursor::new(content);
        let (anonymous, symbols) = (from.varint()?, from.varint()?);
        let mut columns = [from; 9];
        for column in &mut columns {
            *column = from.column()?;
        }
        let [text, kinds, variants, heads, fields, names, rest @ ..] = columns;
        let [item_types, values, highs] = rest;
        let columns = Self {
            anonymous,
            symbols,
            text,
            kinds,
            variants,
            heads,
            fields,
            names,
            item_types,
            values,
            highs,
            classes: Classes::read(&mut from)?,
        };
        from.end()?;
        Some(columns)
    }
}

/// The names and definitions of a section, or only those that are wanted.
pub(super) struct Definitions<'c> {
    text: &'c [u8],
    /// Where each name ends in `text`; the first one is the empty name.
    ends: Vec<usize>,
    /// How many symbols there are.
    pub(super) symbols: u32,
    pub(super) anonymous: Vec<Defined>,
    /// Each with the number of its symbol. `None` if not wanted.
    pub(super) named: Vec<Option<(u32, Defined)>>,
    items: Vec<Item>,
}

/// A definition, and where its items are.
#[derive(Clone)]
pub(super) struct Defined {
    pub(super) definition: Definition,
    items: Range<usize>,
}

impl<'c> Definitions<'c> {
    /// Reads the definitions of types without a name, and the others that are `wanted`; all if
    /// `wanted` is `None`.
    pub(super) fn read(mut columns: Columns<'c>, wanted: Option<&[u32]>) -> Option<Self> {
        let text = columns.text.rest();
        let mut definitions = Self {
            text,
            ends: vec![0],
            symbols: columns.symbols,
            anonymous: Vec::new(),
            named: Vec::new(),
            items: Vec::new(),
        };
        for (end, byte) in (0..).zip(text) {
            if *byte == 0 {
                definitions.ends.push(end);
            }
        }
        let last_name = &mut 0;
        // Each definition has a head of a byte at least.
        let mut is_wanted = vec![wanted.is_none(); columns.heads.rest().len()];
        for number in wanted.unwrap_or(&[]) {
            *is_wanted.get_mut(to_index(*number))? = true;
        }
        for _ in 0..columns.anonymous {
            let kind = columns.kinds.byte()?;
            let name = match kind {
                TYPE_TAG => definitions.name(&mut columns, last_name)?,
                _ => 0,
            };
            let defined = definitions.definition(&mut columns, (kind, name), last_name)?;
            definitions.anonymous.push(defined);
        }
        for symbol in 0..columns.symbols {
            let kind = columns.kinds.byte()?;
            let name = definitions.name(&mut columns, last_name)?;
            for _ in 0..=columns.variants.varint()? {
                let items = definitions.items.len();
                let defined = definitions.definition(&mut columns, (kind, name), last_name)?;
                let is_wanted = *is_wanted.get(definitions.named.len())?;
                if !is_wanted {
                    definitions.items.truncate(items);
                }
                definitions
                    .named
                    .push(is_wanted.then_some((symbol, defined)));
            }
        }
        Some(definitions)
    }

    /// The name's bytes; empty if there is no such name.
    pub(super) fn text(&self, name: u32) -> &'c [u8] {
        let at = to_index(name);
        let end = self.ends.get(at).copied().unwrap_or(0);
        let start = match at {
            0 | 1 => 0,
            _ => self.ends.get(at - 1).map_or(0, |end| end + 1),
        };
        self.text.get(start..end).unwrap_or(&[])
    }

    /// How many names there are, including the empty one.
    pub(super) fn name_count(&self) -> usize {
        self.ends.len()
    }

    /// Names and types, including those without a name.
    #[cfg(feature = "write")]
    pub(super) fn size(&self) -> usize {
        self.name_count() + self.anonymous.len() + self.named.len()
    }

    pub(super) fn items(&self, defined: &Defined) -> &[Item] {
        self.items.get(defined.items.clone()).unwrap_or(&[])
    }

    /// Reads the number of a name. Mostly it is the one after the name before.
    fn name(&self, columns: &mut Columns<'_>, last: &mut u32) -> Option<u32> {
        *last = columns.names.after(last.wrapping_add(1))?;
        (to_index(*last) < self.ends.len()).then_some(*last)
    }

    fn ty(&self, column: &mut Cursor<'_>, anonymous: u32) -> Option<Type> {
        let number = column.varint()?;
        let Some(number) = number.checked_sub(1) else {
            return Some(Type::Void);
        };
        match number.checked_sub(anonymous) {
            // A type without a name comes after the types it refers to.
            None if to_index(number) < self.anonymous.len() => Some(Type::Anonymous(number)),
            Some(symbol) if symbol < self.symbols => Some(Type::Symbol(symbol)),
            _ => None,
        }
    }

    fn definition(
        &mut self,
        columns: &mut Columns<'_>,
        (kind, name): (u8, u32),
        last_name: &mut u32,
    ) -> Option<Defined> {
        let shape = Shape::of(kind)?;
        let anonymous = columns.anonymous;
        let head = columns.heads.varint()?;
        let mut definition = Definition {
            kind,
            kind_flag: head & 1 == 1,
            name,
            size: 0,
            extra: 0,
            types: [Type::Void; 2],
        };
        if shape.size {
            definition.size = columns.fields.varint()?;
        }
        if shape.extra {
            definition.extra = columns.fields.varint()?;
        }
        for ty in definition.types.iter_mut().take(shape.types) {
            *ty = self.ty(&mut columns.fields, anonymous)?;
        }
        let start = self.items.len();
        let count = head >> 1;
        match shape.items {
            None if count > 0 => return None,
            None => {}
            Some(shape) => {
                let mut value = 0;
                for _ in 0..count {
                    let mut item = Item {
                        name: 0,
                        ty: Type::Void,
                        value: 0,
                        high: 0,
                    };
                    if shape.name {
                        item.name = self.name(columns, last_name)?;
                    }
                    if shape.ty {
                        item.ty = self.ty(&mut columns.item_types, anonymous)?;
                    }
                    if shape.value {
                        value = columns.values.after(value)?;
                        item.value = value;
                    }
                    if shape.high {
                        item.high = columns.highs.varint()?;
                    }
                    self.items.push(item);
                }
            }
        }
        Some(Defined {
            definition,
            items: start..self.items.len(),
        })
    }
}
