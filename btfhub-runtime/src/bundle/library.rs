//! The library: names, symbols, definitions and classes, in the order in which
//! they were first met, and the coding of symbols, types and definitions.
//!
//! A *symbol* is what a reference says of a named type: kind, name, and which
//! of several types with both alike. A class holds one definition for each of
//! its symbols; the definitions that one symbol has in different classes are
//! its *variants*.
//!
//! Each function codes one thing and runs in both directions (see
//! [`coder`](super::coder)). While writing, the thing wanted is given in the
//! numbers of [`Wanted`]; while reading these are ignored.

use std::sync::Arc;

use super::coder::Coder;
use super::definition::{Definition, NameId, Shape, SymbolId, Type};
use super::model::{LargeModel, Set, count, hash, place};
use super::names::Names;

/// Deepest nesting of anonymous types that is coded.
pub(super) const DEPTH_MAX: u32 = 24;

/// A named type as references see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub(super) kind: u8,
    pub(super) name: NameId,
    /// How many definitions it has so far.
    pub(super) variants: usize,
    /// The latest of them: a place in the library's `definitions`.
    pub(super) latest: Option<usize>,
}

/// A definition of a symbol.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) definition: Arc<Definition>,
    /// The one that the symbol had before.
    pub(super) earlier: Option<usize>,
}

/// A class: its definitions in the order of its type ids, or, where these do
/// not give back its bytes, the bytes themselves.
#[derive(Clone, Debug)]
pub(super) enum Class {
    /// (symbol, place in `definitions`) for type ids 1, 2, …
    Definitions {
        big_endian: bool,
        members: Vec<(SymbolId, usize)>,
    },
    Bytes(Vec<u8>),
}

/// What the writer wants to be coded: names, symbols and inlined types in
/// numbers of its own, and the library's numbers of those coded so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Nothing while reading.
    pub(super) given: Option<Arc<Given>>,
    pub(super) known_names: Vec<Option<u32>>,
    pub(super) known_symbols: Vec<Option<u32>>,
    pub(super) known_inlines: Vec<Option<u32>>,
}

/// What a [`Wanted`] names by numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    pub(super) names: Vec<Vec<u8>>,
    /// Kind, name, and which of the class's types with both, in class order.
    pub(super) symbols: Vec<(u8, NameId, u32)>,
    pub(super) inlines: Vec<Definition>,
}

/// See the module. Each block goes on from a copy of one, so that what is large
/// in it is shared.
#[derive(Clone, Debug)]
pub(super) struct Library {
    pub(super) model: LargeModel,
    pub(super) names: Names,
    pub(super) symbols: Vec<Symbol>,
    pub(super) inlines: Vec<Arc<Definition>>,
    pub(super) definitions: Vec<Variant>,
    pub(super) classes: Vec<Class>,
    pub(super) wanted: Wanted,
    /// How far the item coded last had moved against its reference.
    pub(super) shift: u32,
}

fn known(ids: &[Option<u32>], wanted: u32) -> Option<u32> {
    ids.get(place(wanted)).copied().flatten()
}

fn learn<C: Coder>(ids: &mut [Option<u32>], wanted: u32, id: u32) {
    if let Some(slot) = C::wanted(ids.get_mut(place(wanted))) {
        *slot = Some(id);
    }
}

impl Library {
    pub(super) fn new() -> Self {
        Self {
            model: LargeModel::large(),
            names: Names::new(),
            symbols: Vec::new(),
            inlines: Vec::new(),
            definitions: Vec::new(),
            classes: Vec::new(),
            wanted: Wanted::default(),
            shift: 0,
        }
    }

    /// The library's number of a symbol of the writer, once it was coded.
    pub(super) fn known_symbol(&self, wanted: SymbolId) -> Option<SymbolId> {
        known(&self.wanted.known_symbols, wanted)
    }

    /// The same of a name.
    pub(super) fn known_name(&self, wanted: NameId) -> Option<NameId> {
        known(&self.wanted.known_names, wanted)
    }

    fn known_type(&self, wanted: Type) -> Option<Type> {
        match wanted {
            Type::Void => Some(Type::Void),
            Type::Symbol(id) => self.known_symbol(id).map(Type::Symbol),
            Type::Inline(id) => known(&self.wanted.known_inlines, id).map(Type::Inline),
        }
    }

    /// Whether a definition to be coded is the same as one of the library.
    pub(super) fn same_definition(&self, wanted: &Definition, other: &Definition) -> bool {
        let same_type = |w: Type, o: Type| self.known_type(w) == Some(o);
        wanted.kind == other.kind
            && wanted.kind_flag == other.kind_flag
            && self.known_name(wanted.name) == Some(other.name)
            && wanted.size == other.size
            && wanted.extra == other.extra
            && wanted.types.len() == other.types.len()
            && wanted.items.len() == other.items.len()
            && (wanted.types.iter().zip(&other.types)).all(|(w, o)| same_type(*w, *o))
            && (wanted.items.iter().zip(&other.items)).all(|(w, o)| {
                self.known_name(w.name) == Some(o.name)
                    && w.value == o.value
                    && w.high == o.high
                    && same_type(w.ty, o.ty)
            })
    }

    /// Codes a name. `field` says what is named, `near` beside what.
    pub(super) fn name<C: Coder>(
        &mut self,
        c: &mut C,
        context: (u32, u32),
        wanted: NameId,
    ) -> NameId {
        let known = C::wanted(self.known_name(wanted));
        let given = C::wanted(self.wanted.given.as_deref());
        let text = given.and_then(|given| given.names.get(place(wanted)));
        let text = text.map_or(&[][..], |text| text);
        let id = self
            .names
            .code(c, &mut self.model.mixer(), context, known, text);
        learn::<C>(&mut self.wanted.known_names, wanted, id);
        id
    }

    /// Codes a symbol that may be known or new.
    pub(super) fn symbol<C: Coder>(&mut self, c: &mut C, near: u32, wanted: SymbolId) -> SymbolId {
        let known = C::wanted(self.known_symbol(wanted));
        let is_new = C::WRITES && known.is_none();
        let contexts = [(30, 0), (31, near)];
        if self.symbols.is_empty() || (self.model).bit(c, Set::Symbol, &contexts, 0, is_new) {
            return self.new_symbol(c, near, wanted);
        }
        let contexts = [(32, 0), (33, near)];
        let count = count(self.symbols.len());
        (self.model).choice(c, Set::Symbol, &contexts, count, known.unwrap_or(0))
    }

    /// Codes a symbol that is not there yet.
    pub(super) fn new_symbol<C: Coder>(
        &mut self,
        c: &mut C,
        near: u32,
        wanted: SymbolId,
    ) -> SymbolId {
        let given = C::wanted(self.wanted.given.as_deref());
        let (kind, name) = match given.and_then(|given| given.symbols.get(place(wanted))) {
            Some((kind, name, _)) => (*kind, *name),
            None => (0, 0),
        };
        let last = self.symbols.last().map_or(0, |symbol| symbol.kind.into());
        let contexts = [(34, 0), (35, near), (36, last)];
        let kind = (self.model).tree(c, Set::Symbol, &contexts, 5, kind.into());
        let name = self.name(c, (0x80 | kind, 0), name);
        let id = count(self.symbols.len());
        self.symbols.push(Symbol {
            kind: u8::try_from(kind).unwrap_or(0),
            name,
            variants: 0,
            latest: None,
        });
        learn::<C>(&mut self.wanted.known_symbols, wanted, id);
        id
    }

    /// Codes a reference to a type. `at` says whose type it is, `near` which
    /// type came before.
    pub(super) fn ty<C: Coder>(
        &mut self,
        c: &mut C,
        (at, near): (u32, u32),
        wanted: Type,
        reference: Option<Type>,
        depth: u32,
    ) -> Type {
        const AGAIN: u32 = 30;
        const SYMBOL: u32 = 31;
        let wanted = C::wanted(Some(wanted)).unwrap_or(Type::Void);
        let known = C::wanted(self.known_type(wanted));
        if let Some(reference) = reference {
            let contexts = [(40, 0), (41, at)];
            if (self.model).bit(c, Set::Type, &contexts, 0, known == Some(reference)) {
                return reference;
            }
        }
        let inner = match wanted {
            Type::Inline(id) => C::wanted(self.wanted.given.as_deref())
                .and_then(|given| given.inlines.get(place(id)))
                .cloned(),
            _ => None,
        };
        let form = match (wanted, known, &inner) {
            (Type::Symbol(_), ..) => SYMBOL,
            (Type::Inline(_), Some(_), _) => AGAIN,
            (Type::Inline(_), None, Some(inner)) => inner.kind.into(),
            _ => 0,
        };
        let contexts = [(42, depth), (43, at), (44, near)];
        let form = (self.model).tree(c, Set::Type, &contexts, 5, form);
        if form == SYMBOL {
            let wanted = match wanted {
                Type::Symbol(id) => id,
                _ => 0,
            };
            return Type::Symbol(self.symbol(c, hash(at, depth), wanted));
        }
        if form == AGAIN && !self.inlines.is_empty() {
            let wanted = match known {
                Some(Type::Inline(id)) => id,
                _ => 0,
            };
            let contexts = [(45, 0), (46, at), (47, near)];
            let count = count(self.inlines.len());
            return Type::Inline((self.model).choice(c, Set::Type, &contexts, count, wanted));
        }
        let kind = u8::try_from(form).unwrap_or(0);
        if depth >= DEPTH_MAX || Shape::of(kind).is_none() || c.overrun() {
            return Type::Void;
        }
        let reference = match reference {
            Some(Type::Inline(id)) => self.inlines.get(place(id)),
            _ => None,
        };
        let reference = reference.filter(|inner| inner.kind == kind).cloned();
        // Only a type tag has a name though it is inlined.
        let name = inner.as_ref().map_or(0, |inner| inner.name);
        let named = (self.model).bit(c, Set::Type, &[(48, form)], 0, name != 0);
        let name = if named {
            self.name(c, (0x40 | form, at), name)
        } else {
            0
        };
        let blank = Definition::new(kind, name);
        let definition = self.definition(
            c,
            blank,
            at,
            inner.as_ref(),
            reference.as_deref(),
            depth + 1,
        );
        let id = count(self.inlines.len());
        self.inlines.push(Arc::new(definition));
        if let Type::Inline(wanted) = wanted {
            learn::<C>(&mut self.wanted.known_inlines, wanted, id);
        }
        Type::Inline(id)
    }

    /// Codes what a definition, of which kind and name are known, holds.
    /// `reference` is one that it probably resembles.
    pub(super) fn definition<C: Coder>(
        &mut self,
        c: &mut C,
        mut out: Definition,
        at: u32,
        wanted: Option<&Definition>,
        reference: Option<&Definition>,
        depth: u32,
    ) -> Definition {
        let wanted = C::wanted(wanted);
        let Some(shape) = Shape::of(out.kind) else {
            return out;
        };
        let kind = u32::from(out.kind);
        let old = reference.map_or(2, |r| r.kind_flag.into());
        let contexts = [(50, kind), (51, kind | old << 8)];
        let flag = wanted.is_some_and(|w| w.kind_flag);
        out.kind_flag = (self.model).bit(c, Set::Field, &contexts, 0, flag);
        if shape.size {
            let old = reference.map_or(u32::MAX, |r| r.size);
            let contexts = [
                (52, kind),
                (53, hash(old, kind)),
                (54, hash(out.name, kind)),
            ];
            let size = wanted.map_or(0, |w| w.size);
            out.size = (self.model).number(c, Set::Field, &contexts, size);
        }
        if shape.extra {
            let old = reference.map_or(u32::MAX, |r| r.extra);
            let contexts = [(55, kind), (56, hash(old, kind)), (57, hash(at, kind))];
            let extra = wanted.map_or(0, |w| w.extra);
            out.extra = (self.model).number(c, Set::Field, &contexts, extra);
        }
        for (i, part) in (0..shape.types).zip(0u32..) {
            let wanted = wanted.and_then(|w| w.types.get(i)).copied();
            let old = reference.and_then(|r| r.types.get(i)).copied();
            let at = hash(hash(kind, part), if part == 0 { at } else { 0 });
            let ty = self.ty(c, (at, kind), wanted.unwrap_or(Type::Void), old, depth);
            out.types.push(ty);
        }
        if let Some(shape) = shape.items {
            let wanted = wanted.map_or(&[][..], |w| &w.items);
            let reference = reference.map_or(&[][..], |r| &r.items);
            self.items(c, &mut out, shape, wanted, reference, depth);
        }
        out
    }
}
