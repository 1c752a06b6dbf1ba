//! The coding of a definition's items: members with their offsets, enumerators
//! with their values, parameters.
//!
//! Against a reference (an earlier variant of the same type) most of it is
//! predicted: the same items in the same order, and, where something grew, all
//! offsets behind it moved by the same distance.

use super::coder::Coder;
use super::definition::{Definition, Item, ItemShape, STRUCT, Type, UNION};
use super::library::Library;
use super::model::{Set, count, hash, place};

/// Most items of one definition: the records' `vlen` has 16 bits.
const ITEMS_MAX: usize = 0xffff;

impl Library {
    /// Codes the items: those of the reference are kept or dropped in order,
    /// others come between them.
    pub(super) fn items<C: Coder>(
        &mut self,
        c: &mut C,
        out: &mut Definition,
        shape: ItemShape,
        mut wanted: &[Item],
        reference: &[Item],
        depth: u32,
    ) {
        wanted = C::wanted(Some(wanted)).unwrap_or(&[]);
        let owner = hash(out.name, depth);
        let mut rest = reference;
        let mut kept_all = 1;
        if reference.is_empty() {
            self.shift = 0;
        }
        while out.items.len() <= ITEMS_MAX && !c.overrun() {
            if let Some((old, later)) = rest.split_first() {
                let comes = |item: &Item| self.known_name(item.name) == Some(old.name);
                let keep = wanted.first().is_some_and(comes);
                let drop = C::WRITES && !wanted.iter().any(comes);
                let contexts = [(60, kept_all), (61, hash(owner, old.name))];
                if (self.model).bit(c, Set::Item, &contexts, 0, keep) {
                    rest = later;
                    let item = self.item(c, out, shape, wanted.first(), Some(old), depth);
                    out.items.push(item);
                    wanted = wanted.get(1..).unwrap_or(&[]);
                    continue;
                }
                kept_all = 0;
                if (self.model).bit(c, Set::Item, &[(62, 0)], 0, drop) {
                    rest = later;
                    continue;
                }
            } else {
                let contexts = [
                    (63, u32::from(!reference.is_empty())),
                    (64, u32::from(out.kind) | count(out.items.len()).min(7) << 8),
                ];
                if (self.model).bit(c, Set::Item, &contexts, 0, wanted.is_empty()) {
                    break;
                }
            }
            let item = self.item(c, out, shape, wanted.first(), None, depth);
            out.items.push(item);
            wanted = wanted.get(1..).unwrap_or(&[]);
        }
    }

    fn item<C: Coder>(
        &mut self,
        c: &mut C,
        owner: &Definition,
        shape: ItemShape,
        wanted: Option<&Item>,
        reference: Option<&Item>,
        depth: u32,
    ) -> Item {
        let wanted = C::wanted(wanted);
        let mut out = Item {
            name: 0,
            ty: Type::Void,
            value: 0,
            high: 0,
        };
        let kind = u32::from(owner.kind);
        let previous = owner.items.last();
        if let Some(reference) = reference {
            out.name = reference.name;
        } else if shape.name {
            let context = (kind, hash(owner.name, kind));
            out.name = self.name(c, context, wanted.map_or(0, |w| w.name));
        }
        if shape.ty {
            let at = hash(70 + kind, out.name);
            let near = previous.map_or(hash(kind, depth), |p| hash(1, self.type_hash(p.ty)));
            let ty = wanted.map_or(Type::Void, |w| w.ty);
            out.ty = self.ty(c, (at, near), ty, reference.map(|r| r.ty), depth);
        }
        if shape.value {
            let value = wanted.map_or(0, |w| w.value);
            out.value = match reference {
                Some(reference) => self.moved(c, owner, reference, value),
                None => self.value(c, owner, previous, value),
            };
        }
        if shape.high {
            let old = previous.map_or(0, |p| p.high);
            let contexts = [(71, kind), (72, hash(old, kind))];
            let high = wanted.map_or(0, |w| w.high);
            out.high = (self.model).number(c, Set::Value, &contexts, high);
        }
        out
    }

    /// A type as a context: what it is and how large.
    fn type_hash(&self, ty: Type) -> u32 {
        match ty {
            Type::Void => 1,
            Type::Symbol(id) => 2 + id,
            Type::Inline(id) => match self.inlines.get(place(id)) {
                Some(inner) => hash(inner.kind.into(), hash(inner.extra, inner.size)),
                None => 0,
            },
        }
    }

    /// Codes a value against that of the same item in the reference.
    fn moved<C: Coder>(
        &mut self,
        c: &mut C,
        owner: &Definition,
        reference: &Item,
        wanted: u32,
    ) -> u32 {
        let first = u32::from(owner.items.is_empty());
        let still = u32::from(self.shift == 0);
        let expected = reference.value.wrapping_add(self.shift);
        let contexts = [
            (80, first << 1 | still),
            (81, hash(owner.name, reference.name)),
        ];
        if (self.model).bit(c, Set::Shift, &contexts, 0, wanted == expected) {
            return expected;
        }
        let near = hash(u32::from(owner.kind), first);
        let off = self.distance(c, 82, (near, owner.name), wanted.wrapping_sub(expected));
        let value = expected.wrapping_add(off);
        self.shift = value.wrapping_sub(reference.value);
        value
    }

    /// Codes a value of an item without reference, against the item before.
    fn value<C: Coder>(
        &mut self,
        c: &mut C,
        owner: &Definition,
        previous: Option<&Item>,
        wanted: u32,
    ) -> u32 {
        let kind = u32::from(owner.kind);
        let bitfields = owner.kind_flag && matches!(owner.kind, STRUCT | UNION);
        let split = |value: u32| match bitfields {
            true => (value >> 24, value & 0xff_ffff),
            false => (0, value),
        };
        let (size, offset) = split(wanted);
        let (last_size, last) = previous.map_or((0, 0), |p| split(p.value));
        let size = if bitfields {
            let contexts = [(85, 0), (86, last_size)];
            (self.model).number(c, Set::Value, &contexts, size) & 0xff
        } else {
            0
        };
        let before = previous.map_or(0, |p| self.type_hash(p.ty));
        let near = hash(kind, u32::from(previous.is_none()));
        let nearer = hash(before, kind | last_size << 8);
        let off = self.distance(c, 87, (near, nearer), offset.wrapping_sub(last));
        let offset = last.wrapping_add(off);
        match bitfields {
            true => size << 24 | offset & 0xff_ffff,
            false => offset,
        }
    }

    /// Codes a signed distance: sign, whether it is whole words, half words or
    /// bytes, and how many.
    fn distance<C: Coder>(
        &mut self,
        c: &mut C,
        seed: u32,
        (near, nearer): (u32, u32),
        wanted: u32,
    ) -> u32 {
        let contexts = [(seed, near), (seed, nearer)];
        let negative = (self.model).bit(c, Set::Shift, &contexts, 1, wanted >> 31 == 1);
        let signed = |value: u32| match negative {
            true => value.wrapping_neg(),
            false => value,
        };
        let magnitude = signed(wanted);
        let unit = match magnitude {
            whole if whole % 64 == 0 => 0,
            half if half % 32 == 0 => 1,
            bytes if bytes % 8 == 0 => 2,
            _ => 3,
        };
        let contexts = [(seed + 1, near), (seed + 1, nearer)];
        let unit = (self.model).tree(c, Set::Shift, &contexts, 2, unit);
        let scale = match unit {
            0 => 6,
            1 => 5,
            2 => 3,
            _ => 0,
        };
        let what = u32::from(negative) | unit << 1;
        let contexts = [
            (seed + 1, hash(near, what)),
            (seed + 1, hash(nearer, what)),
            (seed + 2, what),
        ];
        let magnitude = (self.model).number(c, Set::Value, &contexts, magnitude >> scale);
        signed(magnitude << scale)
    }
}
