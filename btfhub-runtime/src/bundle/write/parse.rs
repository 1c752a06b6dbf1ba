//! BTF → a class's definitions.
//!
//! BTF that is not in the canonical form that [`rebuild`](super::super::rebuild) writes is stored
//! as bytes. So nothing here has to be refused, and nothing is trusted: the writer compares
//! what the finished bundle returns.

use foldhash::{HashMap, HashMapExt as _};

use crate::bundle::classes::MEMBERS_MAX;
use crate::bundle::definition::to_index;
use crate::bundle::definition::{ARRAY, Definition, FUNC, Item, ItemShape, Shape, TYPE_TAG, Type};
use crate::bundle::rebuild::NESTING_MAX;

const HEADER_LEN: usize = 24;

/// A definition with its items; names, symbols and types without a name in the
/// numbers of [`Known`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Taken {
    pub(super) definition: Definition,
    pub(super) items: Vec<Item>,
}

/// A class as it is to be written.
#[derive(Clone, Debug)]
pub(super) enum Class<'b> {
    Definitions {
        big_endian: bool,
        /// Places in [`Known::named`] of its type ids 1, 2, …
        members: Vec<u32>,
    },
    Bytes(&'b [u8]),
}

/// What classes consist of, each once, in the order of first occurrence.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) names: Vec<Vec<u8>>,
    pub(super) symbols: Vec<Symbol>,
    pub(super) anonymous: Vec<Taken>,
    /// Each with the symbol that it defines.
    pub(super) named: Vec<(u32, Taken)>,
    name_numbers: HashMap<Vec<u8>, u32>,
    symbol_numbers: HashMap<Symbol, u32>,
    anonymous_numbers: HashMap<Taken, u32>,
    named_numbers: HashMap<(u32, Taken), u32>,
}

/// A type with a name, as others refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Symbol {
    pub(super) name: u32,
    pub(super) kind: u8,
    /// Which of the class's types with both.
    pub(super) ordinal: u32,
}

impl Known {
    pub(super) fn new() -> Self {
        let mut known = Self {
            names: Vec::new(),
            symbols: Vec::new(),
            anonymous: Vec::new(),
            named: Vec::new(),
            name_numbers: HashMap::new(),
            symbol_numbers: HashMap::new(),
            anonymous_numbers: HashMap::new(),
            named_numbers: HashMap::new(),
        };
        known.name(b"");
        known
    }

    fn name(&mut self, text: &[u8]) -> u32 {
        if let Some(number) = self.name_numbers.get(text) {
            return *number;
        }
        numbered(&mut self.name_numbers, &mut self.names, text.to_vec())
    }

    /// The class of a BTF.
    pub(super) fn class<'b>(&mut self, btf: &'b [u8]) -> Class<'b> {
        ParsedBtf::read(btf, self)
            .and_then(|parsed| parsed.class(self))
            .unwrap_or(Class::Bytes(btf))
    }
}

/// The number of something, which is its place among all.
fn numbered<T: Clone + Eq + core::hash::Hash>(
    numbers: &mut HashMap<T, u32>,
    all: &mut Vec<T>,
    new: T,
) -> u32 {
    // Each takes several bytes, so there can't be 2³² of them.
    let next = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let number = *numbers.entry(new.clone()).or_insert(next);
    if number == next {
        all.push(new);
    }
    number
}

/// A type record, its names numbered.
struct Record {
    name: u32,
    info: u32,
    /// Size or type.
    size: u32,
    words: Vec<u32>,
}

impl Record {
    fn kind(&self) -> u8 {
        let [_, _, _, kind] = self.info.to_le_bytes();
        kind & 0x1f
    }
}

struct ParsedBtf {
    big_endian: bool,
    records: Vec<Record>,
    /// Symbols of the leading named types.
    symbols: Vec<u32>,
    /// Types without a name that were parsed, by position in `records`.
    anonymous: Vec<Option<u32>>,
}

impl ParsedBtf {
    fn read(btf: &[u8], known: &mut Known) -> Option<Self> {
        let big_endian = match btf.first_chunk::<2>()? {
            [0xeb, 0x9f] => true,
            [0x9f, 0xeb] => false,
            _ => return None,
        };
        let word = |at: usize| -> Option<u32> {
            let bytes = *btf.get(at..)?.first_chunk::<4>()?;
            Some(match big_endian {
                true => u32::from_be_bytes(bytes),
                false => u32::from_le_bytes(bytes),
            })
        };
        let types_end = HEADER_LEN.checked_add(to_index(word(12)?))?;
        let strings = btf.get(types_end..)?;
        // By offset, cached: most are needed again.
        let mut names = vec![None; strings.len()];
        let mut name = |offset: u32| -> Option<u32> {
            let number = names.get_mut(to_index(offset))?;
            if number.is_none() {
                let tail = strings.get(to_index(offset)..)?;
                let len = tail.iter().position(|b| *b == 0)?;
                *number = Some(known.name(tail.get(..len)?));
            }
            *number
        };
        let mut records = Vec::new();
        let mut at = HEADER_LEN;
        while at < types_end {
            let mut next = || {
                let value = word(at);
                at += 4;
                value
            };
            let mut record = Record {
                name: name(next()?)?,
                info: next()?,
                size: next()?,
                words: Vec::new(),
            };
            let kind = record.kind();
            let shape = Shape::of(kind)?;
            let vlen = record.info & 0xffff;
            let odd = record.info & 0x60ff_0000 != 0;
            if odd || (vlen != 0 && shape.items.is_none() && kind != FUNC) {
                return None;
            }
            let fixed = match kind {
                ARRAY => 3,
                FUNC => 0,
                _ => usize::from(shape.extra),
            };
            for _ in 0..fixed {
                record.words.push(next()?);
            }
            if let Some(item) = shape.items {
                for _ in 0..vlen {
                    if item.name {
                        record.words.push(name(next()?)?);
                    }
                    for _ in 0..words_of(item) {
                        record.words.push(next()?);
                    }
                }
            }
            records.push(record);
        }
        Some(Self {
            big_endian,
            anonymous: vec![None; records.len()],
            records,
            symbols: Vec::new(),
        })
    }

    fn class<'b>(mut self, known: &mut Known) -> Option<Class<'b>> {
        let mut met: HashMap<(u8, u32), u32> = HashMap::new();
        let named = |r: &&Record| r.name != 0 && r.kind() != TYPE_TAG;
        for record in self.records.iter().take_while(named) {
            let ordinal = met.entry((record.kind(), record.name)).or_insert(0);
            let symbol = Symbol {
                name: record.name,
                kind: record.kind(),
                ordinal: *ordinal,
            };
            *ordinal += 1;
            let number = numbered(&mut known.symbol_numbers, &mut known.symbols, symbol);
            self.symbols.push(number);
        }
        let mut members = Vec::new();
        for (at, symbol) in self.symbols.clone().into_iter().enumerate() {
            let taken = self.definition(at, 0, known)?;
            let member = (symbol, taken);
            members.push(numbered(&mut known.named_numbers, &mut known.named, member));
        }
        (members.len() <= MEMBERS_MAX).then_some(Class::Definitions {
            big_endian: self.big_endian,
            members,
        })
    }

    fn ty(&mut self, id: u32, depth: u32, known: &mut Known) -> Option<Type> {
        let Some(at) = to_index(id).checked_sub(1) else {
            return Some(Type::Void);
        };
        if let Some(symbol) = self.symbols.get(at) {
            return Some(Type::Symbol(*symbol));
        }
        if let Some(number) = *self.anonymous.get(at)? {
            return Some(Type::Anonymous(number));
        }
        if depth >= NESTING_MAX {
            return None;
        }
        let taken = self.definition(at, depth + 1, known)?;
        // Of these only a type tag has a name.
        if taken.definition.name != 0 && taken.definition.kind != TYPE_TAG {
            return None;
        }
        let number = numbered(&mut known.anonymous_numbers, &mut known.anonymous, taken);
        *self.anonymous.get_mut(at)? = Some(number);
        Some(Type::Anonymous(number))
    }

    fn definition(&mut self, at: usize, depth: u32, known: &mut Known) -> Option<Taken> {
        let record = self.records.get(at)?;
        let (info, size) = (record.info, record.size);
        let mut words = record.words.clone().into_iter();
        let shape = Shape::of(record.kind())?;
        let mut definition = Definition {
            kind: record.kind(),
            kind_flag: info >> 31 == 1,
            name: record.name,
            size: if shape.size { size } else { 0 },
            extra: 0,
            types: [Type::Void; 2],
        };
        match shape.types {
            1 => definition.types = [self.ty(size, depth, known)?, Type::Void],
            types => {
                for ty in definition.types.iter_mut().take(types) {
                    *ty = self.ty(words.next()?, depth, known)?;
                }
            }
        }
        if definition.kind == FUNC {
            definition.extra = info & 0xffff;
        } else if shape.extra {
            definition.extra = words.next()?;
        }
        let mut items = Vec::new();
        if let Some(shape) = shape.items {
            for _ in 0..info & 0xffff {
                let mut next = |is: bool| if is { words.next() } else { Some(0) };
                let (name, ty) = (next(shape.name)?, next(shape.ty)?);
                let (value, high) = (next(shape.value)?, next(shape.high)?);
                let ty = self.ty(ty, depth, known)?;
                items.push(Item {
                    name,
                    ty,
                    value,
                    high,
                });
            }
        }
        Some(Taken { definition, items })
    }
}

/// Words of an item after its name.
fn words_of(item: ItemShape) -> usize {
    usize::from(item.ty) + usize::from(item.value) + usize::from(item.high)
}
