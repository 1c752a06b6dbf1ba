//! The coding of a class against an earlier one.

use std::sync::Arc;

use super::coder::Coder;
use super::definition::{Definition, SymbolId};
use super::library::{Class, Library, Variant};
use super::model::{Set, count, hash, place};

/// A class that is to be coded, in the writer's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "write"), allow(dead_code))] // only the writer has one
pub(super) enum WantedClass {
    Definitions {
        big_endian: bool,
        /// For type ids 1, 2, …
        members: Vec<(SymbolId, Arc<Definition>)>,
    },
    Bytes(Vec<u8>),
}

/// Most named types of a class that is coded as definitions.
const MEMBERS_MAX: usize = 1 << 14;

/// What becomes of a definition of the reference class that is not kept.
const CHANGE: u32 = 0;
const DROP: u32 = 1;
const INSERT_BEFORE: u32 = 2;

impl Library {
    /// Codes a class and appends it: whether as bytes or as definitions, and
    /// in the latter case how many classes back the one is that it resembles.
    pub(super) fn class<C: Coder>(&mut self, c: &mut C, wanted: Option<&WantedClass>, back: u32) {
        let wanted = C::wanted(wanted);
        let known = self.symbols.len() + self.inlines.len() + self.definitions.len();
        c.spend(known / 32);
        let (as_bytes, bytes) = match wanted {
            Some(WantedClass::Bytes(bytes)) => (true, &bytes[..]),
            _ => (false, &[][..]),
        };
        let class = if (self.model).bit(c, Set::Class, &[(100, 0)], 0, as_bytes) {
            Class::Bytes(self.bytes(c, bytes))
        } else {
            let mut reference = None;
            if let Some(last) = self.classes.len().checked_sub(1) {
                let back = (self.model).number(c, Set::Class, &[(101, 0)], back);
                reference = last.checked_sub(place(back));
            }
            self.members(c, wanted, reference)
        };
        self.classes.push(class);
    }

    fn bytes<C: Coder>(&mut self, c: &mut C, wanted: &[u8]) -> Vec<u8> {
        let len = (self.model).number(c, Set::Bytes, &[(102, 0)], count(wanted.len()));
        let mut out: Vec<u8> = Vec::new();
        while count(out.len()) < len && !c.overrun() {
            let back = |n: usize| match out.len().checked_sub(n).and_then(|at| out.get(at)) {
                Some(byte) => u32::from(*byte),
                None => 0,
            };
            let phase = count(out.len()) & 3;
            let contexts = [
                (103, back(1)),
                (104, back(1) << 8 | back(2)),
                (105, back(1) << 16 | back(2) << 8 | back(3)),
                // The same byte of the word, or of the member, before.
                (106, back(4) << 8 | phase),
                (107, back(12) << 8 | phase),
            ];
            let byte = wanted.get(out.len()).map_or(0, |b| u32::from(*b));
            let byte = (self.model).tree(c, Set::Bytes, &contexts, 8, byte);
            out.push(u8::try_from(byte).unwrap_or(0));
        }
        out
    }

    fn members<C: Coder>(
        &mut self,
        c: &mut C,
        wanted: Option<&WantedClass>,
        reference: Option<usize>,
    ) -> Class {
        let (big_endian, mut rest) = match C::wanted(wanted) {
            Some(WantedClass::Definitions {
                big_endian,
                members,
            }) => (*big_endian, &members[..]),
            _ => (false, &[][..]),
        };
        let (old_endian, old) = match reference.and_then(|at| self.classes.get(at)) {
            Some(Class::Definitions {
                big_endian,
                members,
            }) => (u32::from(*big_endian), members.clone()),
            _ => (2, Vec::new()),
        };
        let mut old = &old[..];
        let from_nothing = u32::from(old.is_empty());
        let big_endian = (self.model).bit(c, Set::Class, &[(110, old_endian)], 0, big_endian);
        let mut members: Vec<(SymbolId, usize)> = Vec::new();
        let mut there = vec![false; self.symbols.len()];
        let mut unchanged = 0u32;
        self.shift = 0;
        while members.len() < MEMBERS_MAX && !c.overrun() {
            let next = rest.first();
            let member = if let Some((&(symbol, definition), later)) = old.split_first() {
                let comes =
                    |n: &(SymbolId, Arc<Definition>)| self.known_symbol(n.0) == Some(symbol);
                let same_symbol = next.is_some_and(comes);
                let known = self.definitions.get(definition);
                let keep = same_symbol
                    && (next.zip(known))
                        .is_some_and(|(n, k)| self.same_definition(&n.1, &k.definition));
                let op = match () {
                    () if same_symbol => CHANGE,
                    () if C::WRITES && rest.iter().any(comes) => INSERT_BEFORE,
                    () => DROP,
                };
                let contexts = [
                    (111, unchanged.min(20)),
                    (112, symbol),
                    (113, hash(symbol, count(definition))),
                ];
                if (self.model).bit(c, Set::Class, &contexts, 0, keep) {
                    unchanged += 1;
                    old = later;
                    (symbol, definition)
                } else {
                    unchanged = 0;
                    let contexts = [(114, 0), (115, symbol)];
                    match (self.model).tree(c, Set::Class, &contexts, 2, op) {
                        CHANGE => {
                            old = later;
                            let wanted = next.map(|n| &*n.1);
                            (symbol, self.variant(c, symbol, wanted, Some(definition)))
                        }
                        DROP => {
                            old = later;
                            continue;
                        }
                        _ => self.inserted(c, next, &members, &mut there),
                    }
                }
            } else {
                let contexts = [(116, from_nothing)];
                if (self.model).bit(c, Set::Class, &contexts, 0, rest.is_empty()) {
                    break;
                }
                self.inserted(c, next, &members, &mut there)
            };
            rest = rest.get(1..).unwrap_or(&[]);
            members.push(member);
            there.resize(self.symbols.len(), false);
            if let Some(there) = there.get_mut(place(member.0)) {
                *there = true;
            }
        }
        Class::Definitions {
            big_endian,
            members,
        }
    }

    /// Codes a member that the reference class does not have here. Its symbol
    /// is new, or the first by name of those that something refers to and that
    /// are still to come, or any other.
    fn inserted<C: Coder>(
        &mut self,
        c: &mut C,
        wanted: Option<&(SymbolId, Arc<Definition>)>,
        members: &[(SymbolId, usize)],
        there: &mut Vec<bool>,
    ) -> (SymbolId, usize) {
        there.resize(self.symbols.len(), false);
        // Each comparison of names looks at up to 64 bytes, or more of them.
        let comparison = 1 + self.names.longest() / 64;
        c.spend(self.symbols.len().saturating_mul(comparison) / 32);
        let last = members.last().and_then(|m| self.symbols.get(place(m.0)));
        let last = last.map_or(&[][..], |symbol| self.names.get(symbol.name));
        let mut first = None;
        for ((symbol, there), id) in self.symbols.iter().zip(there.iter()).zip(0u32..) {
            let key = (self.names.get(symbol.name), symbol.kind);
            if !*there && key.0 >= last && first.is_none_or(|(least, _)| key < least) {
                first = Some((key, id));
            }
        }
        let expected = first.map(|(_, id)| id);
        let wanted = C::wanted(wanted);
        let id = wanted.map_or(0, |w| w.0);
        let known = C::wanted(self.known_symbol(id));
        let is_new = C::WRITES && known.is_none();
        let contexts = [(117, u32::from(expected.is_some()))];
        let symbol = if (self.model).bit(c, Set::Class, &contexts, 0, is_new) {
            self.new_symbol(c, 0, id)
        } else {
            match expected {
                Some(expected)
                    if (self.model).bit(c, Set::Class, &[(118, 0)], 0, known == Some(expected)) =>
                {
                    expected
                }
                _ => self.symbol(c, 1, id),
            }
        };
        (symbol, self.variant(c, symbol, wanted.map(|w| &*w.1), None))
    }

    /// Codes which definition a symbol has: one of its variants or a new one.
    fn variant<C: Coder>(
        &mut self,
        c: &mut C,
        symbol: SymbolId,
        wanted: Option<&Definition>,
        old: Option<usize>,
    ) -> usize {
        let wanted = C::wanted(wanted);
        let Some(known) = self.symbols.get(place(symbol)) else {
            return 0;
        };
        c.spend(known.variants / 32);
        let blank = Definition::new(known.kind, known.name);
        let mut variants = Vec::new();
        let mut next = known.latest;
        while let Some(variant) = next {
            if next != old {
                variants.push(variant);
            }
            next = self.definitions.get(variant).and_then(|v| v.earlier);
        }
        if !variants.is_empty() {
            let is = |v: &usize| match (wanted, self.definitions.get(*v)) {
                (Some(wanted), Some(known)) => self.same_definition(wanted, &known.definition),
                _ => false,
            };
            let choice = variants.iter().position(is).map_or(0, |at| count(at) + 1);
            let contexts = [(120, count(variants.len()).min(8)), (121, symbol)];
            let choice = (self.model).number(c, Set::Variant, &contexts, choice);
            let chosen = place(choice).checked_sub(1).and_then(|at| variants.get(at));
            if let Some(variant) = chosen {
                return *variant;
            }
        }
        let reference = old.or(variants.first().copied());
        let reference = reference.and_then(|at| self.definitions.get(at));
        let reference = reference.map(|variant| Arc::clone(&variant.definition));
        let definition = self.definition(c, blank, 0, wanted, reference.as_deref(), 0);
        let id = self.definitions.len();
        let mut earlier = None;
        if let Some(symbol) = self.symbols.get_mut(place(symbol)) {
            earlier = symbol.latest.replace(id);
            symbol.variants += 1;
        }
        self.definitions.push(Variant {
            definition: Arc::new(definition),
            earlier,
        });
        id
    }
}
