//! Which of the kept members are in a struct: its own, and those of the anonymous structs and
//! unions in it, if their nesting does not matter.

use foldhash::{HashSet, HashSetExt as _};

use super::keep::{Keep, Spot};
use crate::btf::{Btf, Kind, Type, TypeId};
use crate::relo::{Duplicates, MemberUse, Step};

/// No compiler nests types deeper than this.
pub(super) const MAX_NESTING: u32 = 512;

/// A member of the kernel that is kept.
pub(super) struct KeptMember {
    pub(super) owner: Spot,
    pub(super) index: u32,
    /// Bits to add to its offset: where the anonymous struct around it begins.
    pub(super) base: u32,
    pub(super) how: MemberUse,
}

/// The members to write for a struct or union.
pub(super) fn members(
    btf: &Btf,
    keep: &Keep,
    duplicates: &Duplicates,
    owner: Spot,
    ty: Type<'_>,
) -> Vec<KeptMember> {
    let flat = if keep.flatten {
        flat(btf, keep, duplicates, owner, ty)
    } else {
        None
    };
    flat.unwrap_or_else(|| own(keep, owner, ty))
}

/// Whether a type is an array without elements.
pub(super) fn is_empty_array(btf: &Btf, id: TypeId) -> Option<bool> {
    let (_, ty) = btf.skip_modifiers(id)?;
    Some(ty.kind() == Kind::Array && ty.array().nelems == 0)
}

/// The members to keep as the kernel nests them.
fn own(keep: &Keep, owner: Spot, ty: Type<'_>) -> Vec<KeptMember> {
    let members = keep.members_of(owner, ty);
    let members = members.iter().map(|(&index, &how)| KeptMember {
        owner,
        index,
        base: 0,
        how,
    });
    members.collect()
}

/// The members to keep, with anonymous structs and unions replaced by their members. `None` if
/// that could change what a search finds: a name that occurs twice, an array without length in
/// an anonymous struct, a bitfield too far away.
fn flat(
    btf: &Btf,
    keep: &Keep,
    duplicates: &Duplicates,
    owner: Spot,
    ty: Type<'_>,
) -> Option<Vec<KeptMember>> {
    let mut flat = Vec::new();
    flatten_into(btf, keep, duplicates, (owner, ty), 0, 0, &mut flat)?;
    let mut names = HashSet::new();
    for kept in &flat {
        let member = btf.ty(kept.owner.id)?.member(kept.index)?;
        let moved = kept.owner != owner;
        let far = kept.base.checked_add(member.bit_offset)? >= 1 << 24;
        if !names.insert(btf.string(member.name))
            || (moved && is_empty_array(btf, member.ty)?)
            || (moved && member.bitfield_size > 0 && far)
        {
            return None;
        }
    }
    Some(flat)
}

fn flatten_into(
    btf: &Btf,
    keep: &Keep,
    duplicates: &Duplicates,
    (owner, ty): (Spot, Type<'_>),
    base: u32,
    depth: u32,
    flat: &mut Vec<KeptMember>,
) -> Option<()> {
    let depth = depth.checked_add(1).filter(|&depth| depth < MAX_NESTING)?;
    for (&index, &how) in &*keep.members_of(owner, ty) {
        let member = ty.member(index)?;
        if !btf.string(member.name).is_empty() {
            flat.push(KeptMember {
                owner,
                index,
                base,
                how,
            });
            continue;
        }
        let inner = keep.step(owner, Step::Member(index), member.ty);
        let inner = inner.skip_modifiers(btf, duplicates)?;
        if !inner.1.kind().is_composite() {
            return None;
        }
        let base = base.checked_add(member.bit_offset)?;
        flatten_into(btf, keep, duplicates, inner, base, depth, flat)?;
    }
    Some(())
}
