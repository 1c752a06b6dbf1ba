//! Marks → what is kept, and what of it counts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::btf::{Btf, Kind, Type, TypeId};
use crate::relo::{
    Mark, MemberUse, ReloKind, Relocations, TracedCandidate, TracedGroup, Twins, essential,
};

/// What is kept of a kernel. Ids are the kernel's.
#[derive(Debug, Default)]
pub(super) struct Keep {
    /// Candidates.
    pub(super) roots: BTreeSet<TypeId>,
    /// Structs, unions, enums, forward declarations (and with `exact` integers)
    /// that are kept, candidates or not.
    pub(super) types: BTreeSet<TypeId>,
    members: BTreeMap<TypeId, BTreeMap<u32, MemberUse>>,
    enumerators: BTreeMap<TypeId, BTreeMap<u32, bool>>,
    at_least: BTreeMap<TypeId, u32>,
    /// Types whose size counts.
    sized: HashSet<TypeId>,
    /// Pointers and prototypes of which it counts what they refer to.
    referenced: HashSet<TypeId>,
    /// Array members into which an index was tried.
    pub(super) indexed: HashSet<(TypeId, u32)>,
    /// Names and sizes of integers and what pointers point at are kept
    /// everywhere.
    pub(super) exact: bool,
    /// Members of anonymous structs and unions may move up into the struct
    /// around them: nothing looks at how they are nested.
    pub(super) flatten: bool,
    /// The `long` that tells the pointer size, if that counts.
    pub(super) long: Option<Long>,
}

/// Rounds in which spare candidates come back one after another; real kernels
/// take two.
const MAX_ROUNDS: u32 = 32;

/// How the pointer size is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Long {
    /// By an INT called `long` of this size.
    Plain(u32),
    /// By the kernel's own INT: relocations ask for integers by name, and one
    /// of a made-up name would be a new candidate.
    Kernels(TypeId),
}

impl Keep {
    /// `None` where a type is kept of a kind that no relocation can use.
    pub(super) fn new(
        relocations: &Relocations,
        groups: &[TracedGroup],
        indexed: Vec<(TypeId, u32)>,
        btf: &Btf,
        twins: &Twins,
    ) -> Option<Self> {
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
            indexed: indexed.into_iter().collect(),
            ..Self::default()
        };
        let wanted: Vec<Vec<&TracedCandidate>> = groups
            .iter()
            .map(|group| essential(relocations, group))
            .collect();
        // Candidates that change nothing, unless they are there anyway; and which
        // of the groups they are of.
        let mut spare: Vec<(&TracedCandidate, usize)> = Vec::new();
        for (number, (group, wanted)) in groups.iter().zip(&wanted).enumerate() {
            let several = wanted.len() > 1;
            for candidate in wanted {
                keep.add(candidate, several);
            }
            let ids_count = has_type_id_target(relocations, group);
            let mut seen: HashMap<TypeId, u32> = HashMap::new();
            for candidate in &group.aya {
                let seen = seen.entry(twins.of(candidate.id)).or_default();
                // As in `essential`: a third adds nothing.
                if *seen < if ids_count { 2 } else { 1 } {
                    keep.add(candidate, true);
                }
                *seen += 1;
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
            let pointers_measured = keep.reach(btf, twins)?;
            // A spare candidate that another type holds will be a candidate
            // again: it must answer as it did. Where each brings back but the
            // next one, all come back at last.
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

    /// Adds a candidate and its marks; `several` when others match beside it,
    /// so that libbpf compares their offsets.
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
                Mark::Referenced(id) => {
                    self.referenced.insert(id);
                }
            }
        }
    }

    /// Collects the types that the candidates lead to, and tells whether the
    /// size of a pointer counts.
    fn reach(&mut self, btf: &Btf, twins: &Twins) -> Option<bool> {
        let mut pointers_measured = false;
        let target = |id| Some(twins.of(btf.skip_modifiers(id)?.0));
        let mut open: Vec<(TypeId, bool)> = Vec::new();
        for &root in &self.roots {
            let ty = btf.ty(root)?;
            let sized = self.sized.contains(&root);
            match ty.kind() {
                Kind::Typedef => open.push((target(ty.referenced())?, sized)),
                Kind::Int | Kind::Float => {}
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => {
                    open.push((root, sized));
                }
                _ => return None,
            }
        }
        // A type that is found to be measured only later is walked once more.
        let mut walked: HashSet<(TypeId, bool)> = HashSet::new();
        while let Some((id, sized)) = open.pop() {
            let ty = btf.ty(id)?;
            if !walked.insert((id, sized)) {
                continue;
            }
            match ty.kind() {
                Kind::Void | Kind::Float => {}
                Kind::Int => {
                    if self.exact {
                        self.types.insert(id);
                    }
                }
                Kind::Ptr => {
                    pointers_measured |= sized;
                    if self.follows(id) {
                        open.push((target(ty.referenced())?, false));
                    }
                }
                Kind::Array => open.push((target(ty.array().element)?, sized)),
                Kind::FuncProto => {
                    if self.follows(id) {
                        open.push((target(ty.referenced())?, false));
                        for param in ty.params() {
                            open.push((target(param.ty)?, false));
                        }
                    }
                }
                Kind::Struct | Kind::Union => {
                    if sized {
                        self.sized.insert(id);
                    }
                    self.types.insert(id);
                    for (index, how) in self.members_of(id, ty) {
                        open.push((target(ty.member(index)?.ty)?, how.size));
                    }
                }
                Kind::Enum | Kind::Enum64 | Kind::Fwd => {
                    if sized {
                        self.sized.insert(id);
                    }
                    self.types.insert(id);
                }
                _ => return None,
            }
        }
        Some(pointers_measured)
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

    /// All that is kept but for what has no name.
    pub(super) fn ids(&self) -> impl Iterator<Item = TypeId> {
        let long = match self.long {
            Some(Long::Kernels(id)) => Some(id),
            _ => None,
        };
        let kept = self.types.union(&self.roots).copied();
        kept.chain(long.filter(|id| !self.types.contains(id) && !self.roots.contains(id)))
    }

    /// Whether it counts what this pointer or prototype refers to.
    pub(super) fn follows(&self, id: TypeId) -> bool {
        self.exact || self.referenced.contains(&id)
    }

    /// Whether the size of this type counts.
    pub(super) fn is_sized(&self, id: TypeId) -> bool {
        self.sized.contains(&id)
    }

    /// The members to keep of a struct or union, in order.
    pub(super) fn members_of(&self, id: TypeId, ty: Type<'_>) -> BTreeMap<u32, MemberUse> {
        let mut members = self.members.get(&id).cloned().unwrap_or_default();
        self.fill(id, ty, &mut members);
        members
    }

    /// The enumerators to keep of an enum, in order, and whether the value of
    /// each counts.
    pub(super) fn enumerators_of(&self, id: TypeId, ty: Type<'_>) -> BTreeMap<u32, bool> {
        let mut enumerators = self.enumerators.get(&id).cloned().unwrap_or_default();
        self.fill(id, ty, &mut enumerators);
        enumerators
    }

    /// Adds the first elements that are not kept until there are as many as a
    /// comparison of lengths needs.
    fn fill<T: Default>(&self, id: TypeId, ty: Type<'_>, kept: &mut BTreeMap<u32, T>) {
        let least = self.at_least.get(&id).map_or(0, |&least| least as usize);
        let mut index = 0;
        while kept.len() < least && index < ty.vlen() {
            kept.entry(index).or_default();
            index += 1;
        }
    }
}

/// Whether relocations of a group ask for ids, which tell equal types apart.
fn has_type_id_target(relocations: &Relocations, group: &TracedGroup) -> bool {
    let list = relocations.list().get(group.relocations.clone());
    list.unwrap_or_default()
        .iter()
        .any(|relocation| relocation.kind == ReloKind::TypeIdTarget)
}
