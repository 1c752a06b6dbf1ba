//! Matching whole types against a candidate.

use super::kind::Errno;
use super::resolve::Matcher;
use super::shape::{CompatShape, MatchBody, MatchMember, MatchShape};
use super::trace::{Halt, Mark, MemberUse};
use crate::btf::{Kind, Type, TypeId};

impl Matcher<'_> {
    /// `bpf_core_types_are_compat`.
    pub(super) fn is_compatible(&mut self, shape: &CompatShape, id: TypeId) -> Result<bool, Halt> {
        self.trace.step()?;
        if *shape == CompatShape::TooDeep {
            return Err(Errno::Invalid.into());
        }
        let (id, ty) = self.skip(id)?;
        Ok(match (shape, ty.kind()) {
            (CompatShape::Leaf(local), kind) => *local == kind.number(),
            (CompatShape::Enum, kind) => kind.is_any_enum(),
            (CompatShape::Int { plain }, Kind::Int) => *plain && ty.int().offset() == 0,
            (CompatShape::Ptr(inner), Kind::Ptr) => {
                self.trace.mark(Mark::Referenced(id));
                return self.is_compatible(inner, ty.referenced());
            }
            (CompatShape::Array(inner), Kind::Array) => {
                return self.is_compatible(inner, ty.array().element);
            }
            (CompatShape::FuncProto { params, result }, Kind::FuncProto) => {
                if params.len() != ty.vlen() as usize {
                    return Ok(false);
                }
                self.trace.mark(Mark::Referenced(id));
                for (local, target) in params.iter().zip(ty.params()) {
                    if !self.is_compatible(local, target.ty)? {
                        return Ok(false);
                    }
                }
                return self.is_compatible(result, ty.referenced());
            }
            _ => false,
        })
    }

    /// `__bpf_core_types_match`.
    pub(super) fn matches(&mut self, shape: &MatchShape, id: TypeId) -> Result<bool, Halt> {
        self.trace.step()?;
        if shape.body == MatchBody::TooDeep {
            return Err(Errno::Invalid.into());
        }
        let (id, ty) = self.skip(id)?;
        if self.essential(ty.name())? != shape.name {
            return Ok(false);
        }
        let kind = ty.kind();
        Ok(match &shape.body {
            MatchBody::Void => kind == Kind::Void,
            MatchBody::Fwd { union, behind_ptr } => match kind {
                Kind::Fwd => *union == ty.kind_flag(),
                Kind::Struct => *behind_ptr && !union,
                Kind::Union => *behind_ptr && *union,
                _ => false,
            },
            MatchBody::Opaque { union } => match kind {
                Kind::Fwd => *union == ty.kind_flag(),
                Kind::Struct => !union,
                Kind::Union => *union,
                _ => false,
            },
            MatchBody::Composite { union, members } => {
                let wanted = if *union { Kind::Union } else { Kind::Struct };
                return Ok(kind == wanted && self.members_match(members, id, ty)?);
            }
            MatchBody::Enum { size, names } => {
                return Ok(kind.is_any_enum()
                    && *size == ty.size()
                    && self.enumerators_match(names, id, ty)?);
            }
            MatchBody::Int { size, signed } => {
                kind == Kind::Int && *size == ty.size() && *signed == ty.int().is_signed()
            }
            MatchBody::Ptr(inner) => {
                if kind != Kind::Ptr {
                    return Ok(false);
                }
                self.trace.mark(Mark::Referenced(id));
                return self.matches(inner, ty.referenced());
            }
            MatchBody::Array { nelems, element } => {
                let array = ty.array();
                return Ok(kind == Kind::Array
                    && *nelems == array.nelems
                    && self.matches(element, array.element)?);
            }
            MatchBody::FuncProto { params, result } => {
                if kind != Kind::FuncProto || params.len() != ty.vlen() as usize {
                    return Ok(false);
                }
                self.trace.mark(Mark::Referenced(id));
                for (local, target) in params.iter().zip(ty.params()) {
                    if !self.matches(local, target.ty)? {
                        return Ok(false);
                    }
                }
                return self.matches(result, ty.referenced());
            }
            MatchBody::Other | MatchBody::TooDeep => false,
        })
    }

    /// `bpf_core_composites_match`.
    fn members_match(
        &mut self,
        members: &[MatchMember],
        owner: TypeId,
        ty: Type<'_>,
    ) -> Result<bool, Halt> {
        let Some(elements) = at_most(members.len(), ty.vlen()) else {
            return Ok(false);
        };
        self.trace.mark(Mark::AtLeast { owner, elements });
        for local in members {
            let mut matched = false;
            for (index, target) in (0..).zip(ty.members()) {
                self.trace.step()?;
                if self.essential(target.name)? != local.name {
                    continue;
                }
                let before = self.trace.position();
                self.trace.mark(Mark::Member {
                    owner,
                    index,
                    how: MemberUse::default(),
                });
                if self.matches(&local.shape, target.ty)? {
                    matched = true;
                    break;
                }
                self.trace.roll_back(before);
            }
            if !matched {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `bpf_core_enums_match` but for the size.
    fn enumerators_match(
        &mut self,
        names: &[Vec<u8>],
        owner: TypeId,
        ty: Type<'_>,
    ) -> Result<bool, Halt> {
        let Some(elements) = at_most(names.len(), ty.vlen()) else {
            return Ok(false);
        };
        self.trace.mark(Mark::Size(owner));
        self.trace.mark(Mark::AtLeast { owner, elements });
        for local in names {
            let mut matched = false;
            for (index, target) in (0..).zip(ty.enumerators()) {
                self.trace.step()?;
                if self.essential(target.name)? == local.as_slice() {
                    self.trace.mark(Mark::Enumerator {
                        owner,
                        index,
                        value: false,
                    });
                    matched = true;
                    break;
                }
            }
            if !matched {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// `local` as a number of elements, if the target has as many.
fn at_most(local: usize, target: u32) -> Option<u32> {
    u32::try_from(local).ok().filter(|&local| local <= target)
}
