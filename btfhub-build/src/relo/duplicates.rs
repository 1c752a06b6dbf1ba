//! Types of one kernel that no relocation can tell apart.
//!
//! A BTF that was not deduplicated holds the same type hundreds of times, and even a
//! deduplicated one may hold two structs with the same name. Equal types are interchangeable.
//! Which of them another type refers to is an accident, and a tailored BTF must not depend on
//! it.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use crate::btf::{Btf, Kind, NameFilter, Type, TypeId, essential_name};

/// Elements compared for one kernel; real ones take a few hundred thousand.
const MAX_STEPS: u32 = 1 << 24;
/// The deepest nesting of types by value; no compiler nests deeper.
const MAX_NESTING: u32 = 128;

/// For types that equal an earlier one the first of them.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    first: HashMap<TypeId, TypeId>,
    /// The names that were searched, with their kinds.
    searched: HashSet<(u8, Vec<u8>)>,
}

impl Duplicates {
    /// The representative of this type: itself, or an earlier equal one.
    pub(crate) fn of(&self, id: TypeId) -> TypeId {
        if self.first.is_empty() {
            return id;
        }
        self.first.get(&id).copied().unwrap_or(id)
    }

    /// Looks for duplicates among the types whose kind and essential name several of `ids` share;
    /// others have no duplicates. Returns whether it found new ones.
    pub(crate) fn find(&mut self, btf: &Btf, ids: impl Iterator<Item = TypeId>) -> bool {
        let mut groups: BTreeMap<(u8, &[u8]), usize> = BTreeMap::new();
        for id in ids {
            *groups.entry(group(btf, id)).or_default() += 1;
        }
        groups.retain(|(kind, name), count| {
            *count > 1 && !name.is_empty() && self.searched.insert((*kind, name.to_vec()))
        });
        if groups.is_empty() {
            return false;
        }
        let mut kinds = 0u32;
        let mut filter = NameFilter::default();
        for &(kind, name) in groups.keys() {
            kinds |= 1u32.checked_shl(u32::from(kind)).unwrap_or(0);
            filter.insert(name);
        }
        if kinds & 1 << Kind::Enum.number() != 0 {
            kinds |= 1 << Kind::Enum64.number();
        }
        let mut named = Vec::new();
        btf.find_named(kinds, &filter, &mut named);

        let before = self.first.len();
        let mut comparison = Comparison {
            btf,
            equal: HashMap::new(),
            steps: 0,
        };
        // The different types of each group, in id order.
        let mut distinct: HashMap<(u8, &[u8]), Vec<TypeId>> = HashMap::new();
        for id in named {
            let group = group(btf, id);
            if !groups.contains_key(&group) {
                continue;
            }
            let distinct = distinct.entry(group).or_default();
            match distinct
                .iter()
                .find(|&&first| comparison.are_equal(first, id, false, 0))
            {
                Some(&first) => {
                    self.first.insert(id, first);
                }
                None => distinct.push(id),
            }
        }
        self.first.len() > before
    }
}

/// What makes types candidates for the same local types: kind (ENUM and ENUM64 count as one)
/// and essential name.
fn group(btf: &Btf, id: TypeId) -> (u8, &[u8]) {
    btf.ty(id).map_or((0, b"".as_slice()), |ty| {
        (
            ty.kind().core_kind().number(),
            essential_name(btf.string(ty.name())),
        )
    })
}

/// Compares types by everything that a relocation can read from them: everything they contain
/// by value, skipping typedefs and qualifiers (`skip_mods_and_typedefs`); behind a pointer,
/// kind and name of a struct or union (`behind_ptr` in `__bpf_core_types_match`;
/// `bpf_core_fields_are_compat` ignores pointees), and everything about other types.
struct Comparison<'a> {
    btf: &'a Btf,
    /// What was compared before, and whether behind a pointer.
    equal: HashMap<(TypeId, TypeId, bool), bool>,
    steps: u32,
}

impl Comparison<'_> {
    /// Also `false` if comparing takes too long: then both are kept.
    fn are_equal(&mut self, a: TypeId, b: TypeId, behind_ptr: bool, depth: u32) -> bool {
        if a == b {
            return true;
        }
        if depth > MAX_NESTING || self.steps > MAX_STEPS {
            return false;
        }
        let asked = (a, b, behind_ptr);
        if let Some(&known) = self.equal.get(&asked) {
            return known;
        }
        let equal = match (self.btf.ty(a), self.btf.ty(b)) {
            (Some(x), Some(y)) => self.are_equal_types(x, y, behind_ptr, depth),
            _ => false,
        };
        self.equal.insert(asked, equal);
        equal
    }

    /// Like [`Comparison::are_equal`], for referenced types.
    fn refer_to_equal(&mut self, a: TypeId, b: TypeId, behind_ptr: bool, depth: u32) -> bool {
        let skip = |id| self.btf.skip_modifiers(id).map(|(id, _)| id);
        match (skip(a), skip(b)) {
            (Some(a), Some(b)) => self.are_equal(a, b, behind_ptr, depth.saturating_add(1)),
            _ => false,
        }
    }

    fn are_equal_types(&mut self, a: Type<'_>, b: Type<'_>, behind_ptr: bool, depth: u32) -> bool {
        self.steps = self.steps.saturating_add(1);
        let kind = a.kind();
        if kind != b.kind() || !self.are_equal_names(a, b) {
            return false;
        }
        match kind {
            Kind::Struct | Kind::Union if behind_ptr => true,
            Kind::Struct | Kind::Union => {
                a.vlen() == b.vlen()
                    && a.size() == b.size()
                    && a.members().zip(b.members()).all(|(x, y)| {
                        self.steps = self.steps.saturating_add(1);
                        x.bit_offset == y.bit_offset
                            && x.bitfield_size == y.bitfield_size
                            && self.btf.string(x.name) == self.btf.string(y.name)
                            && self.refer_to_equal(x.ty, y.ty, behind_ptr, depth)
                    })
            }
            Kind::Enum | Kind::Enum64 => {
                a.vlen() == b.vlen()
                    && a.size() == b.size()
                    && a.kind_flag() == b.kind_flag()
                    && a.enumerators().zip(b.enumerators()).all(|(x, y)| {
                        self.steps = self.steps.saturating_add(1);
                        x.value == y.value && self.btf.string(x.name) == self.btf.string(y.name)
                    })
            }
            Kind::Int => a.size() == b.size() && a.int() == b.int(),
            Kind::Float => a.size() == b.size(),
            Kind::Fwd => a.kind_flag() == b.kind_flag(),
            Kind::Typedef => self.refer_to_equal(a.referenced(), b.referenced(), behind_ptr, depth),
            Kind::Ptr => self.refer_to_equal(a.referenced(), b.referenced(), true, depth),
            Kind::Array => {
                let (a, b) = (a.array(), b.array());
                a.nelems == b.nelems && self.refer_to_equal(a.element, b.element, behind_ptr, depth)
            }
            Kind::FuncProto => {
                a.vlen() == b.vlen()
                    && self.refer_to_equal(a.referenced(), b.referenced(), behind_ptr, depth)
                    && a.params()
                        .zip(b.params())
                        .all(|(x, y)| self.refer_to_equal(x.ty, y.ty, behind_ptr, depth))
            }
            Kind::Void
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::Var
            | Kind::DataSec
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => false,
        }
    }

    fn are_equal_names(&self, a: Type<'_>, b: Type<'_>) -> bool {
        a.name() == b.name() || self.btf.string(a.name()) == self.btf.string(b.name())
    }
}
