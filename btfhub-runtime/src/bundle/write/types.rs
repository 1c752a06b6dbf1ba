//! Writing the types' section.

use std::collections::HashMap;

use super::parse::{Class, Known, Taken};
use crate::bundle::classes::CHAIN_MAX;
use crate::bundle::cursor::{put_after, put_bytes, put_varint};
use crate::bundle::definition::to_index;
use crate::bundle::definition::{Shape, TYPE_TAG, Type};
use crate::bundle::whole::each_class;

/// How many earlier classes are searched for a class's reference. Searching all would make a
/// bundle of 702 classes 3 % smaller, but writing one of 5,000 classes would take twenty times
/// as long.
const REFERENCES: usize = 256;

/// The section for these BTFs, class 0 first. Nothing when it is too large.
pub(super) fn write(btfs: &[&[u8]]) -> Option<Vec<u8>> {
    let mut known = Known::new();
    let mut classes: Vec<Class<'_>> = btfs.iter().map(|btf| known.class(btf)).collect();
    loop {
        let content = Columns::default().section(&known, &classes)?;
        let mut wrong = vec![true; btfs.len()];
        // If this can't be read, the proof of the whole bundle can't read it either.
        let count = u32::try_from(btfs.len()).ok()?;
        let _read = each_class(&content, count, &mut |class, btf| {
            if let (Some(wrong), Some(wanted)) =
                (wrong.get_mut(to_index(class)), btfs.get(to_index(class)))
            {
                *wrong = btf != *wanted;
            }
        });
        let mut is_right = true;
        for ((class, btf), wrong) in classes.iter_mut().zip(btfs).zip(wrong) {
            if wrong && matches!(class, Class::Definitions { .. }) {
                *class = Class::Bytes(btf);
                is_right = false;
            }
        }
        if is_right {
            return Some(content);
        }
    }
}

/// The columns, in the order of the section.
#[derive(Default)]
struct Columns {
    text: Vec<u8>,
    kinds: Vec<u8>,
    variants: Vec<u8>,
    heads: Vec<u8>,
    fields: Vec<u8>,
    names: Vec<u8>,
    item_types: Vec<u8>,
    values: Vec<u8>,
    highs: Vec<u8>,
    forms: Vec<u8>,
    counts: Vec<u8>,
    kept: Vec<u8>,
    dropped: Vec<u8>,
    added: Vec<u8>,
    definitions: Vec<u8>,
    bytes: Vec<u8>,
    /// The number in the section of each name that is in it.
    name_numbers: HashMap<u32, u32>,
    last_name: u32,
}

/// What is in the section, in its order, and the number of each.
struct Order {
    /// Places in [`Known::anonymous`].
    anonymous: Vec<u32>,
    anonymous_numbers: Vec<Option<u32>>,
    /// Symbols, each with the places in [`Known::named`] of its definitions.
    symbols: Vec<(u32, Vec<u32>)>,
    symbol_numbers: Vec<Option<u32>>,
    named_numbers: Vec<u32>,
}

impl Order {
    fn new(known: &Known, classes: &[Class<'_>]) -> Option<Self> {
        let mut is_used = vec![false; known.named.len()];
        for class in classes {
            let Class::Definitions { members, .. } = class else {
                continue;
            };
            for member in members {
                *is_used.get_mut(to_index(*member))? = true;
            }
        }
        let mut order = Self {
            anonymous: Vec::new(),
            anonymous_numbers: vec![None; known.anonymous.len()],
            symbols: Vec::new(),
            symbol_numbers: vec![None; known.symbols.len()],
            named_numbers: vec![0; known.named.len()],
        };
        let mut definitions = vec![Vec::new(); known.symbols.len()];
        for (at, (symbol, _)) in (0..).zip(&known.named) {
            if is_used.get(to_index(at)) == Some(&true) {
                definitions.get_mut(to_index(*symbol))?.push(at);
            }
        }
        order.symbols = (0..)
            .zip(definitions)
            .filter(|(_, used)| !used.is_empty())
            .collect();
        order.symbols.sort_by_key(|(symbol, _)| {
            let symbol = known.symbols.get(to_index(*symbol));
            symbol.map(|s| (known.names.get(to_index(s.name)), s.kind, s.ordinal))
        });
        let mut next = 0;
        for (number, (symbol, definitions)) in (0..).zip(order.symbols.clone()) {
            *order.symbol_numbers.get_mut(to_index(symbol))? = Some(number);
            for at in definitions {
                *order.named_numbers.get_mut(to_index(at))? = next;
                next += 1;
                order.walk(known, &known.named.get(to_index(at))?.1)?;
            }
        }
        Some(order)
    }

    /// Numbers the types without a name in a definition, each after the types that it refers
    /// to.
    fn walk(&mut self, known: &Known, taken: &Taken) -> Option<()> {
        let items = taken.items.iter().map(|item| item.ty);
        for ty in taken.definition.types.into_iter().chain(items) {
            let Type::Anonymous(at) = ty else {
                continue;
            };
            if self.anonymous_numbers.get(to_index(at))?.is_none() {
                self.walk(known, known.anonymous.get(to_index(at))?)?;
                let number = u32::try_from(self.anonymous.len()).ok()?;
                *self.anonymous_numbers.get_mut(to_index(at))? = Some(number);
                self.anonymous.push(at);
            }
        }
        Some(())
    }

    /// The number by which definitions refer to a type.
    fn ty(&self, ty: Type) -> Option<u32> {
        let anonymous = u32::try_from(self.anonymous.len()).ok()?;
        match ty {
            Type::Void => Some(0),
            Type::Anonymous(at) => (*self.anonymous_numbers.get(to_index(at))?)?.checked_add(1),
            Type::Symbol(at) => {
                let number = (*self.symbol_numbers.get(to_index(at))?)?;
                number.checked_add(anonymous)?.checked_add(1)
            }
        }
    }
}

impl Columns {
    fn section(mut self, known: &Known, classes: &[Class<'_>]) -> Option<Vec<u8>> {
        let order = Order::new(known, classes)?;
        self.name_numbers.insert(0, 0);
        for at in &order.anonymous {
            let taken = known.anonymous.get(to_index(*at))?;
            self.kinds.push(taken.definition.kind);
            if taken.definition.kind == TYPE_TAG {
                self.name(known, taken.definition.name)?;
            }
            self.definition(known, &order, taken)?;
        }
        for (symbol, definitions) in &order.symbols {
            let symbol = known.symbols.get(to_index(*symbol))?;
            self.kinds.push(symbol.kind);
            self.name(known, symbol.name)?;
            put_varint(
                &mut self.variants,
                u32::try_from(definitions.len() - 1).ok()?,
            );
            for at in definitions {
                self.definition(known, &order, &known.named.get(to_index(*at))?.1)?;
            }
        }
        self.classes(&order, classes)?;

        let mut out = Vec::new();
        put_varint(&mut out, u32::try_from(order.anonymous.len()).ok()?);
        put_varint(&mut out, u32::try_from(order.symbols.len()).ok()?);
        for column in [
            &self.text,
            &self.kinds,
            &self.variants,
            &self.heads,
            &self.fields,
            &self.names,
            &self.item_types,
            &self.values,
            &self.highs,
            &self.forms,
            &self.counts,
            &self.kept,
            &self.dropped,
            &self.added,
            &self.definitions,
            &self.bytes,
        ] {
            put_bytes(&mut out, column)?;
        }
        Some(out)
    }

    fn name(&mut self, known: &Known, name: u32) -> Option<()> {
        let next = u32::try_from(self.name_numbers.len()).ok()?;
        let number = *self.name_numbers.entry(name).or_insert(next);
        if number == next {
            self.text
                .extend_from_slice(known.names.get(to_index(name))?);
            self.text.push(0);
        }
        put_after(&mut self.names, self.last_name.wrapping_add(1), number);
        self.last_name = number;
        Some(())
    }

    fn definition(&mut self, known: &Known, order: &Order, taken: &Taken) -> Option<()> {
        let definition = &taken.definition;
        let shape = Shape::of(definition.kind)?;
        let count = u32::try_from(taken.items.len()).ok()?;
        put_varint(
            &mut self.heads,
            count << 1 | u32::from(definition.kind_flag),
        );
        if shape.size {
            put_varint(&mut self.fields, definition.size);
        }
        if shape.extra {
            put_varint(&mut self.fields, definition.extra);
        }
        for ty in definition.types.iter().take(shape.types) {
            put_varint(&mut self.fields, order.ty(*ty)?);
        }
        let Some(shape) = shape.items else {
            return Some(());
        };
        let mut value = 0;
        for item in &taken.items {
            if shape.name {
                self.name(known, item.name)?;
            }
            if shape.ty {
                put_varint(&mut self.item_types, order.ty(item.ty)?);
            }
            if shape.value {
                put_after(&mut self.values, value, item.value);
                value = item.value;
            }
            if shape.high {
                put_varint(&mut self.highs, item.high);
            }
        }
        Some(())
    }

    fn classes(&mut self, order: &Order, classes: &[Class<'_>]) -> Option<()> {
        let mut before: Vec<Before> = Vec::new();
        for class in classes {
            let (big_endian, members) = match class {
                Class::Bytes(bytes) => {
                    let len = u32::try_from(bytes.len()).ok()?;
                    put_varint(&mut self.forms, len.checked_mul(4)? | 2);
                    self.bytes.extend_from_slice(bytes);
                    before.push(Before::default());
                    continue;
                }
                Class::Definitions {
                    big_endian,
                    members,
                } => (*big_endian, members),
            };
            let members: Option<Vec<u32>> = (members.iter())
                .map(|at| order.named_numbers.get(to_index(*at)).copied())
                .collect();
            let mut new = Before::new(members?)?;
            let reference = nearest(&new, &before);
            let (back, old) = match reference.and_then(|at| before.get(at)) {
                Some(old) => {
                    new.chain = old.chain + 1;
                    (before.len() - reference?, &old.members[..])
                }
                None => (0, &[][..]),
            };
            let back = u32::try_from(back).ok()?;
            put_varint(&mut self.forms, back << 2 | u32::from(big_endian));
            self.edits(old, &new.members)?;
            before.push(new);
        }
        Some(())
    }

    /// Describes how to get one list of definitions from another. Both ascend if types are
    /// ordered by name; otherwise the description is longer than necessary.
    fn edits(&mut self, mut old: &[u32], mut new: &[u32]) -> Option<()> {
        let mut count = 0;
        loop {
            let kept = old.iter().zip(new).take_while(|(a, b)| a == b).count();
            old = old.get(kept..)?;
            new = new.get(kept..)?;
            if old.is_empty() && new.is_empty() {
                break;
            }
            let (mut dropped, mut added) = (0, 0);
            loop {
                match (old.get(dropped), new.get(added)) {
                    (Some(a), Some(b)) if a == b => break,
                    (Some(a), Some(b)) if a > b => added += 1,
                    (Some(_), _) => dropped += 1,
                    (None, Some(_)) => added += 1,
                    (None, None) => break,
                }
            }
            put_varint(&mut self.kept, u32::try_from(kept).ok()?);
            put_varint(&mut self.dropped, u32::try_from(dropped).ok()?);
            put_varint(&mut self.added, u32::try_from(added).ok()?);
            let mut expected = old.first().copied().unwrap_or(0);
            for definition in new.get(..added)? {
                put_after(&mut self.definitions, expected, *definition);
                expected = definition.wrapping_add(1);
            }
            old = old.get(dropped..)?;
            new = new.get(added..)?;
            count += 1;
        }
        put_varint(&mut self.counts, count);
        Some(())
    }
}

/// A class that later ones may refer to.
#[derive(Default)]
struct Before {
    /// Numbers of definitions; none for a class kept as bytes.
    members: Vec<u32>,
    /// A bit for each definition.
    set: Vec<u64>,
    /// References from it to the last.
    chain: usize,
}

impl Before {
    fn new(members: Vec<u32>) -> Option<Self> {
        let last = members.iter().max().map_or(0, |last| to_index(*last));
        let mut set = vec![0u64; last / 64 + 1];
        for member in &members {
            *set.get_mut(to_index(*member) / 64)? |= 1 << (member % 64);
        }
        Some(Self {
            members,
            set,
            chain: 0,
        })
    }

    /// How many definitions only one of two has.
    fn distance(&self, other: &Self) -> u32 {
        let (short, long) = match self.set.len() <= other.set.len() {
            true => (&self.set, &other.set),
            false => (&other.set, &self.set),
        };
        let (both, rest) = long.split_at(short.len());
        let differ: u32 = (both.iter().zip(short))
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        differ + rest.iter().map(|bits| bits.count_ones()).sum::<u32>()
    }
}

/// The earlier class that is most similar to a class. Among equals, the one with the fewest
/// references behind it, then the last. `None` if they have too little in common to be worth a
/// reference.
fn nearest(class: &Before, before: &[Before]) -> Option<usize> {
    let candidates = before.iter().enumerate().rev().take(REFERENCES);
    candidates
        .filter(|(_, old)| old.chain < CHAIN_MAX && !old.members.is_empty())
        .map(|(at, old)| (class.distance(old), old.chain, at))
        .filter(|(distance, ..)| to_index(*distance) < class.members.len())
        .min_by_key(|(distance, chain, _)| (*distance, *chain))
        .map(|(.., at)| at)
}
