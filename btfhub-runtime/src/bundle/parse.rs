//! A BTF file image → a class's definitions, for the writer.
//!
//! Whatever is not in the canonical form that [`image`](super::image) writes is
//! kept as bytes: nothing here needs to be refused, and nothing is trusted, for
//! the writer compares what the finished bundle gives back.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::class::WantedClass;
use super::definition::{ARRAY, Definition, FUNC, Item, ItemShape, Shape, TYPE_TAG, Type};
use super::library::{DEPTH_MAX, Given, Wanted};
use super::model::{count, place};

const HEADER_LEN: usize = 24;
/// Most types of a class that is taken apart; larger ones are kept as bytes.
const TYPES_MAX: usize = 1 << 14;

/// The writer's numbers of names, symbols and inlined types, over all classes.
#[derive(Debug)]
pub(super) struct Numbers {
    given: Given,
    names: HashMap<Vec<u8>, u32>,
    symbols: HashMap<(u8, u32, u32), u32>,
    inlines: HashMap<Definition, u32>,
    /// The definitions of all members: equal ones are one.
    definitions: HashSet<Arc<Definition>>,
}

impl Numbers {
    pub(super) fn new() -> Self {
        let mut numbers = Self {
            given: Given::default(),
            names: HashMap::new(),
            symbols: HashMap::new(),
            inlines: HashMap::new(),
            definitions: HashSet::new(),
        };
        numbers.name(b"");
        numbers
    }

    /// What is to be coded, of which nothing is known yet but the empty name.
    pub(super) fn wanted(self) -> Wanted {
        let mut known_names = vec![None; self.given.names.len()];
        if let Some(empty) = known_names.first_mut() {
            *empty = Some(0);
        }
        Wanted {
            known_names,
            known_symbols: vec![None; self.given.symbols.len()],
            known_inlines: vec![None; self.given.inlines.len()],
            given: Some(Arc::new(self.given)),
        }
    }

    fn name(&mut self, text: &[u8]) -> u32 {
        if let Some(id) = self.names.get(text) {
            return *id;
        }
        let id = count(self.given.names.len());
        self.names.insert(text.to_vec(), id);
        self.given.names.push(text.to_vec());
        id
    }

    fn symbol(&mut self, key: (u8, u32, u32)) -> u32 {
        let next = count(self.given.symbols.len());
        let id = *self.symbols.entry(key).or_insert(next);
        if id == next {
            self.given.symbols.push(key);
        }
        id
    }

    fn inline(&mut self, definition: Definition) -> u32 {
        let next = count(self.given.inlines.len());
        if let Some(id) = self.inlines.get(&definition) {
            return *id;
        }
        self.inlines.insert(definition.clone(), next);
        self.given.inlines.push(definition);
        next
    }

    fn member(&mut self, definition: Definition) -> Arc<Definition> {
        if let Some(known) = self.definitions.get(&definition) {
            return Arc::clone(known);
        }
        let definition = Arc::new(definition);
        self.definitions.insert(Arc::clone(&definition));
        definition
    }

    /// The class of a BTF image.
    pub(super) fn class(&mut self, btf: &[u8]) -> WantedClass {
        Image::read(btf, self)
            .and_then(|image| image.class(self))
            .unwrap_or_else(|| WantedClass::Bytes(btf.to_vec()))
    }
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

struct Image {
    big_endian: bool,
    records: Vec<Record>,
    /// Symbols of the leading named types.
    symbols: Vec<u32>,
    /// Inlined types that were taken apart, by place in `records`.
    inlines: Vec<Option<u32>>,
}

impl Image {
    fn read(btf: &[u8], numbers: &mut Numbers) -> Option<Self> {
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
        let types_end = HEADER_LEN.checked_add(place(word(12)?))?;
        let strings = btf.get(types_end..)?;
        // By offset, once asked for: most are asked for again.
        let mut names = vec![None; strings.len()];
        let mut name = |offset: u32| -> Option<u32> {
            let known = names.get_mut(place(offset))?;
            if known.is_none() {
                let tail = strings.get(place(offset)..)?;
                let len = tail.iter().position(|b| *b == 0)?;
                *known = Some(numbers.name(tail.get(..len)?));
            }
            *known
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
            if odd
                || records.len() >= TYPES_MAX
                || (vlen != 0 && shape.items.is_none() && kind != FUNC)
            {
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
            inlines: vec![None; records.len()],
            records,
            symbols: Vec::new(),
        })
    }

    fn class(mut self, numbers: &mut Numbers) -> Option<WantedClass> {
        let mut met: HashMap<(u8, u32), u32> = HashMap::new();
        let named = |r: &&Record| r.name != 0 && r.kind() != TYPE_TAG;
        for record in self.records.iter().take_while(named) {
            let ordinal = met.entry((record.kind(), record.name)).or_insert(0);
            let key = (record.kind(), record.name, *ordinal);
            *ordinal += 1;
            self.symbols.push(numbers.symbol(key));
        }
        let mut members = Vec::new();
        for (at, symbol) in self.symbols.clone().into_iter().enumerate() {
            let definition = self.definition(at, 0, numbers)?;
            members.push((symbol, numbers.member(definition)));
        }
        Some(WantedClass::Definitions {
            big_endian: self.big_endian,
            members,
        })
    }

    fn ty(&mut self, id: u32, depth: u32, numbers: &mut Numbers) -> Option<Type> {
        let Some(at) = place(id).checked_sub(1) else {
            return Some(Type::Void);
        };
        if let Some(symbol) = self.symbols.get(at) {
            return Some(Type::Symbol(*symbol));
        }
        if let Some(known) = *self.inlines.get(at)? {
            return Some(Type::Inline(known));
        }
        if depth >= DEPTH_MAX {
            return None;
        }
        let definition = self.definition(at, depth + 1, numbers)?;
        let inline = numbers.inline(definition);
        *self.inlines.get_mut(at)? = Some(inline);
        Some(Type::Inline(inline))
    }

    fn definition(&mut self, at: usize, depth: u32, numbers: &mut Numbers) -> Option<Definition> {
        let record = self.records.get(at)?;
        let (info, size) = (record.info, record.size);
        let mut words = record.words.clone().into_iter();
        let mut out = Definition::new(record.kind(), record.name);
        out.kind_flag = info >> 31 == 1;
        let shape = Shape::of(out.kind)?;
        if out.kind == ARRAY {
            for _ in 0..2 {
                out.types.push(self.ty(words.next()?, depth, numbers)?);
            }
        } else if shape.types == 1 {
            out.types.push(self.ty(size, depth, numbers)?);
        }
        if shape.size {
            out.size = size;
        }
        if out.kind == FUNC {
            out.extra = info & 0xffff;
        } else if shape.extra {
            out.extra = words.next()?;
        }
        let Some(item) = shape.items else {
            return Some(out);
        };
        for _ in 0..info & 0xffff {
            let mut next = |is: bool| if is { words.next() } else { Some(0) };
            let name = next(item.name)?;
            let ty = next(item.ty)?;
            let (value, high) = (next(item.value)?, next(item.high)?);
            out.items.push(Item {
                name,
                ty: self.ty(ty, depth, numbers)?,
                value,
                high,
            });
        }
        Some(out)
    }
}

/// Words of an item after its name.
fn words_of(item: ItemShape) -> usize {
    usize::from(item.ty) + usize::from(item.value) + usize::from(item.high)
}
