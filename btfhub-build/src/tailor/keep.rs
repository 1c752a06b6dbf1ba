//! Marks → what is kept, and which of its properties matter.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use crate::btf::{Btf, Kind, Type, TypeId};
use crate::relo::{
    Duplicates, Mark, MemberUse, Occurrence, Occurrences, ReloKind, Relocations, Step, Traced,
    TracedCandidate, TracedGroup, essential, has_name,
};

/// What is kept of a kernel. Ids are the kernel's.
#[derive(Debug, Default)]
pub(super) struct Keep {
    /// Candidates.
    pub(super) roots: BTreeSet<TypeId>,
    /// Named structs, unions, enums, forward declarations (and with `exact`, integers) that are
    /// kept, candidates or not.
    pub(super) types: BTreeSet<TypeId>,
    occurrences: Occurrences,
    members: HashMap<Occurrence, BTreeMap<u32, MemberUse>>,
    enumerators: HashMap<Occurrence, BTreeMap<u32, bool>>,
    at_least: HashMap<Occurrence, u32>,
    /// Structs and unions for which it matters that they have another member.
    one_more: HashSet<Occurrence>,
    /// Types whose size counts.
    sized: HashSet<Occurrence>,
    /// Pointers and prototypes whose targets matter.
    referenced: HashSet<Occurrence>,
    /// Array members into which an index was tried.
    indexed: HashSet<(Occurrence, u32)>,
    /// Names and sizes of integers and what pointers point at are kept
    /// everywhere.
    pub(super) exact: bool,
    /// Members of anonymous structs and unions may move up into the struct
    /// around them: nothing looks at how they are nested.
    pub(super) flatten: bool,
    /// The `long` that gives the pointer size, if that matters.
    pub(super) long: Option<Long>,
}

/// A type and its occurrence; `None` if nothing was read there or beyond, up to the next named
/// type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub(super) id: TypeId,
    pub(super) occurrence: Option<Occurrence>,
}

impl Spot {
    /// A type with a name, or a candidate.
    pub(super) fn named(id: TypeId) -> Self {
        Self {
            id,
            occurrence: Some(Occurrence::Named(id)),
        }
    }

    /// Whether it is known by its name.
    pub(super) fn is_named(self) -> bool {
        self.occurrence == Some(Occurrence::Named(self.id))
    }

    /// The target of an array or a typedef at this spot.
    pub(super) fn of(self, id: TypeId) -> Self {
        Self { id, ..self }
    }

    /// The type behind typedefs and qualifiers, the first of its duplicates.
    pub(super) fn skip_modifiers<'b>(
        self,
        btf: &'b Btf,
        duplicates: &Duplicates,
    ) -> Option<(Self, Type<'b>)> {
        let (id, ty) = btf.skip_modifiers(self.id)?;
        let first = duplicates.of(id);
        let ty = if first == id { ty } else { btf.ty(first)? };
        let spot = if has_name(btf, ty) {
            Self::named(first)
        } else {
            self.of(first)
        };
        Some((spot, ty))
    }
}

/// Rounds in which spare candidates are added back one after another; real kernels take two.
const MAX_ROUNDS: u32 = 32;

/// What gives the pointer size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Long {
    /// By an INT called `long` of this size.
    Plain(u32),
    /// The kernel's own INT: relocations look for integers by name, and one with a made-up name
    /// would be a new candidate.
    Kernels(TypeId),
}

impl Keep {
    /// `None` if a kept type is of a kind that no relocation can use.
    pub(super) fn new(
        relocations: &Relocations,
        traced: Traced,
        btf: &Btf,
        duplicates: &Duplicates,
    ) -> Option<Self> {
        let Traced {
            groups,
            occurrences,
            indexed,
        } = traced;
        let exact = relocations.has_type_matches();
        // Nesting can make libbpf stop with an error, which then must stay.
        let refused = groups
            .iter()
            .flat_map(|group| &group.candidates)
            .any(|candidate| {
                candidate
                    .results
                    .iter()
                    .any(|result| matches!(result, Some(Err(_))))
            });
        let mut keep = Self {
            exact,
            flatten: !exact && !refused,
            occurrences,
            indexed: indexed.into_iter().collect(),
            ..Self::default()
        };
        let wanted: Vec<Vec<&TracedCandidate>> = groups
            .iter()
            .map(|group| essential(relocations, group))
            .collect();
        // Candidates that change nothing, unless they are kept anyway; and their group.
        let mut spare: Vec<(&TracedCandidate, usize)> = Vec::new();
        for (number, (group, wanted)) in groups.iter().zip(&wanted).enumerate() {
            let several = wanted.len() > 1;
            for candidate in wanted {
                keep.add(candidate, several);
            }
            let ids_count = has_type_id_target(relocations, group);
            let mut seen: HashMap<TypeId, u32> = HashMap::new();
            for candidate in &group.aya {
                let seen = seen.entry(duplicates.of(candidate.id)).or_default();
                // Like in `essential`: a third adds nothing.
                if *seen < if ids_count { 2 } else { 1 } {
                    keep.add(candidate, true);
                }
                *seen += 1;
            }
            if wanted.len() == group.candidates.len() {
                continue;
            }
            let wanted: HashSet<TypeId> = wanted.iter().map(|candidate| candidate.id).collect();
            spare.extend(
                group
                    .candidates
                    .iter()
                    .filter(|candidate| !wanted.contains(&candidate.id))
                    .map(|candidate| (candidate, number)),
            );
        }
        for round in 0u32.. {
            let pointers_measured = keep.reach(btf, duplicates)?;
            // A spare candidate that another type holds becomes a candidate again, and must
            // have the same result as before. If each adds back only the next one, all are
            // added in the end.
            let (back, rest): (Vec<_>, Vec<_>) = spare.into_iter().partition(|(candidate, _)| {
                keep.types.contains(&candidate.id) || round >= MAX_ROUNDS
            });
            spare = rest;
            if back.is_empty() {
                if pointers_measured {
                    keep.tell_pointer_size(relocations, btf);
                }
                return Some(keep);
            }
            let mut joined = HashSet::new();
            for (candidate, group) in back {
                // Now libbpf compares the offsets of the others with its own.
                if joined.insert(group) {
                    for other in wanted.get(group).into_iter().flatten() {
                        keep.add(other, true);
                    }
                }
                keep.add(candidate, true);
            }
        }
        None
    }

    /// Adds a candidate and its marks; `several` if others match too, so that libbpf compares
    /// their offsets.
    fn add(&mut self, candidate: &TracedCandidate, several: bool) {
        self.roots.insert(candidate.id);
        for mark in &candidate.marks {
            match *mark {
                Mark::Member { owner, index, how } => {
                    let member = self
                        .members
                        .entry(owner)
                        .or_default()
                        .entry(index)
                        .or_default();
                    member.offset |= how.offset | several;
                    member.size |= how.size;
                    member.sign |= how.sign;
                }
                Mark::Size(id) => {
                    self.sized.insert(id);
                }
                Mark::Enumerator {
                    owner,
                    index,
                    value,
                } => {
                    *self
                        .enumerators
                        .entry(owner)
                        .or_default()
                        .entry(index)
                        .or_default() |= value;
                }
                Mark::AtLeast { owner, elements } => {
                    let least = self.at_least.entry(owner).or_default();
                    *least = elements.max(*least);
                }
                Mark::OneMore(owner) => {
                    self.one_more.insert(owner);
                }
                Mark::Referenced(id) => {
                    self.referenced.insert(id);
                }
            }
        }
    }

    /// Collects the types that the candidates lead to, and returns whether the size of a
    /// pointer matters.
    fn reach(&mut self, btf: &Btf, duplicates: &Duplicates) -> Option<bool> {
        let mut pointers_measured = false;
        let mut open: Vec<(Spot, bool)> = Vec::new();
        for &root in &self.roots {
            let ty = btf.ty(root)?;
            let spot = Spot::named(root);
            let sized = self.is_sized(spot);
            match ty.kind() {
                Kind::Typedef => {
                    let target = spot.of(ty.referenced());
                    open.push((target.skip_modifiers(btf, duplicates)?.0, sized));
                }
                Kind::Int | Kind::Float => {}
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => {
                    open.push((spot, sized));
                }
                Kind::Void
                | Kind::Ptr
                | Kind::Array
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::Func
                | Kind::FuncProto
                | Kind::Var
                | Kind::DataSec
                | Kind::DeclTag
                | Kind::TypeTag
                | Kind::Unknown(_) => return None,
            }
        }
        // A type that is found to be measured only later is walked once more.
        let mut walked: HashSet<(Spot, bool)> = HashSet::new();
        while let Some((spot, sized)) = open.pop() {
            let ty = btf.ty(spot.id)?;
            if !walked.insert((spot, sized)) {
                continue;
            }
            let mut refer = |spot: Spot, sized| {
                open.push((spot.skip_modifiers(btf, duplicates)?.0, sized));
                Some(())
            };
            match ty.kind() {
                Kind::Void | Kind::Float => continue,
                Kind::Int if !self.exact => continue,
                Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Fwd => {}
                Kind::Ptr => {
                    pointers_measured |= sized;
                    if self.follows(spot) {
                        refer(self.step(spot, Step::Pointee, ty.referenced()), false)?;
                    }
                }
                Kind::Array => refer(spot.of(ty.array().element), sized)?,
                Kind::FuncProto => {
                    if self.follows(spot) {
                        refer(self.step(spot, Step::Result, ty.referenced()), false)?;
                        for (number, param) in (0..).zip(ty.params()) {
                            refer(self.step(spot, Step::Param(number), param.ty), false)?;
                        }
                    }
                }
                Kind::Struct | Kind::Union => {
                    for (&index, how) in &*self.members_of(spot, ty) {
                        let member = ty.member(index)?;
                        refer(self.step(spot, Step::Member(index), member.ty), how.size)?;
                    }
                }
                Kind::Typedef
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::Func
                | Kind::Var
                | Kind::DataSec
                | Kind::DeclTag
                | Kind::TypeTag
                | Kind::Unknown(_) => return None,
            }
            if spot.is_named() {
                self.types.insert(spot.id);
                if sized {
                    self.sized.insert(Occurrence::Named(spot.id));
                }
            }
        }
        Some(pointers_measured)
    }

    /// What the type at a spot refers to.
    pub(super) fn step(&self, from: Spot, step: Step, id: TypeId) -> Spot {
        let occurrence = from
            .occurrence
            .and_then(|occurrence| self.occurrences.step(occurrence, step));
        Spot { id, occurrence }
    }

    fn tell_pointer_size(&mut self, relocations: &Relocations, btf: &Btf) {
        let by_name = self.exact
            || relocations
                .list()
                .iter()
                .any(|relocation| relocation.root.kind == Kind::Int.number());
        self.long = if by_name {
            btf.long().map(Long::Kernels)
        } else {
            btf.pointer_size().map(Long::Plain)
        };
    }

    /// Everything that is kept except types without a name, and the candidates.
    pub(super) fn ids(&self) -> impl Iterator<Item = TypeId> {
        let long = match self.long {
            Some(Long::Kernels(id)) => Some(id),
            _ => None,
        };
        let kept = self.types.union(&self.roots).copied();
        kept.chain(long.filter(|id| !self.types.contains(id) && !self.roots.contains(id)))
    }

    /// Whether the target of this pointer or prototype matters.
    pub(super) fn follows(&self, spot: Spot) -> bool {
        let is_read = |occurrence| self.referenced.contains(&occurrence);
        self.exact || spot.occurrence.is_some_and(is_read)
    }

    /// Whether the size of this type matters. For a type without a name, it also does if the
    /// size of what has this type does.
    pub(super) fn is_sized(&self, spot: Spot) -> bool {
        spot.occurrence
            .is_some_and(|occurrence| self.sized.contains(&occurrence))
    }

    /// Whether it matters that it has another member after those that are kept.
    pub(super) fn has_one_more(&self, spot: Spot) -> bool {
        let has = |occurrence| self.one_more.contains(&occurrence);
        spot.occurrence.is_some_and(has)
    }

    /// Whether an index was tried into this member.
    pub(super) fn is_indexed(&self, owner: Spot, index: u32) -> bool {
        let is_tried = |occurrence| self.indexed.contains(&(occurrence, index));
        owner.occurrence.is_some_and(is_tried)
    }

    /// The members to keep of a struct or union, in order.
    pub(super) fn members_of(&self, spot: Spot, ty: Type<'_>) -> Cow<'_, BTreeMap<u32, MemberUse>> {
        self.elements(&self.members, spot, ty)
    }

    /// The enumerators to keep of an enum, in order, and whether the value of
    /// each counts.
    pub(super) fn enumerators_of(&self, spot: Spot, ty: Type<'_>) -> Cow<'_, BTreeMap<u32, bool>> {
        self.elements(&self.enumerators, spot, ty)
    }

    /// The kept elements of a type, plus its first others until there are as many as a
    /// comparison of lengths needs.
    fn elements<'k, T: Clone + Default>(
        &'k self,
        kept: &'k HashMap<Occurrence, BTreeMap<u32, T>>,
        spot: Spot,
        ty: Type<'_>,
    ) -> Cow<'k, BTreeMap<u32, T>> {
        let Some(occurrence) = spot.occurrence else {
            return Cow::Owned(BTreeMap::new());
        };
        let kept = kept.get(&occurrence);
        let mut elements = kept.map_or_else(|| Cow::Owned(BTreeMap::new()), Cow::Borrowed);
        if let Some(&least) = self.at_least.get(&occurrence) {
            let mut index = 0;
            while elements.len() < least as usize && index < ty.vlen() {
                elements.to_mut().entry(index).or_default();
                index += 1;
            }
        }
        elements
    }
}

/// Whether relocations of a group use ids, which distinguish equal types.
fn has_type_id_target(relocations: &Relocations, group: &TracedGroup) -> bool {
    let list = relocations.list().get(group.relocations.clone());
    list.unwrap_or_default()
        .iter()
        .any(|relocation| relocation.kind == ReloKind::TypeIdTarget)
}
