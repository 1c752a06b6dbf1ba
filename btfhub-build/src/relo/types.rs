//! Matching whole types against a candidate.

use super::kind::Errno;
use super::occurrence::{At, Occurrence, Step};
use super::resolve::Matcher;
use super::shape::{CompatShape, MatchBody, MatchMember, MatchShape};
use super::trace::{Halt, Mark, MemberUse};
use crate::btf::{Kind, Type};

impl Matcher<'_> {
    /// `bpf_core_types_are_compat`.
    pub(super) fn is_compatible(&mut self, shape: &CompatShape, at: At) -> Result<bool, Halt> {
        self.trace.step()?;
        if *shape == CompatShape::TooDeep {
            return Err(Errno::Invalid.into());
        }
        let (at, ty) = self.skip(at)?;
        Ok(match (shape, ty.kind()) {
            (CompatShape::Leaf(local), kind) => *local == kind.number(),
            (CompatShape::Enum, kind) => kind.is_any_enum(),
            (CompatShape::Int, Kind::Int) => ty.int().offset() == 0,
            (CompatShape::Ptr(inner), Kind::Ptr) => {
                let occurrence = self.refers(at);
                let pointee = At::step(occurrence, Step::Pointee, ty.referenced());
                return self.is_compatible(inner, pointee);
            }
            (CompatShape::Array(inner), Kind::Array) => {
                let element = At {
                    id: ty.array().element,
                    ..at
                };
                return self.is_compatible(inner, element);
            }
            (CompatShape::FuncProto { params, result }, Kind::FuncProto) => {
                if params.len() != ty.vlen() as usize {
                    return Ok(false);
                }
                let occurrence = self.refers(at);
                for ((local, target), number) in params.iter().zip(ty.params()).zip(0..) {
                    let param = At::step(occurrence, Step::Param(number), target.ty);
                    if !self.is_compatible(local, param)? {
                        return Ok(false);
                    }
                }
                let returned = At::step(occurrence, Step::Result, ty.referenced());
                return self.is_compatible(result, returned);
            }
            _ => false,
        })
    }

    /// Marks that the target of a pointer or prototype matters.
    fn refers(&mut self, at: At) -> Occurrence {
        let occurrence = self.trace.occurrence(at.way);
        self.trace.mark(Mark::Referenced(occurrence));
        occurrence
    }

    /// `__bpf_core_types_match`.
    pub(super) fn matches(&mut self, shape: &MatchShape, at: At) -> Result<bool, Halt> {
        self.trace.step()?;
        if shape.body == MatchBody::TooDeep {
            return Err(Errno::Invalid.into());
        }
        let (at, ty) = self.skip(at)?;
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
                return Ok(kind == wanted && self.members_match(members, at, ty)?);
            }
            MatchBody::Enum { size, names } => {
                return Ok(kind.is_any_enum()
                    && *size == ty.size()
                    && self.enumerators_match(names, at, ty)?);
            }
            MatchBody::Int { size, signed } => {
                kind == Kind::Int && *size == ty.size() && *signed == ty.int().is_signed()
            }
            MatchBody::Ptr(inner) => {
                if kind != Kind::Ptr {
                    return Ok(false);
                }
                let occurrence = self.refers(at);
                let pointee = At::step(occurrence, Step::Pointee, ty.referenced());
                return self.matches(inner, pointee);
            }
            MatchBody::Array { nelems, element } => {
                let array = ty.array();
                let inner = At {
                    id: array.element,
                    ..at
                };
                return Ok(kind == Kind::Array
                    && *nelems == array.nelems
                    && self.matches(element, inner)?);
            }
            MatchBody::FuncProto { params, result } => {
                if kind != Kind::FuncProto || params.len() != ty.vlen() as usize {
                    return Ok(false);
                }
                let occurrence = self.refers(at);
                for ((local, target), number) in params.iter().zip(ty.params()).zip(0..) {
                    let param = At::step(occurrence, Step::Param(number), target.ty);
                    if !self.matches(local, param)? {
                        return Ok(false);
                    }
                }
                let returned = At::step(occurrence, Step::Result, ty.referenced());
                return self.matches(result, returned);
            }
            MatchBody::Other | MatchBody::TooDeep => false,
        })
    }

    /// `bpf_core_composites_match`.
    fn members_match(
        &mut self,
        members: &[MatchMember],
        at: At,
        ty: Type<'_>,
    ) -> Result<bool, Halt> {
        let Some(elements) = at_most(members.len(), ty.vlen()) else {
            return Ok(false);
        };
        let owner = self.trace.occurrence(at.way);
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
                let inner = At::step(owner, Step::Member(index), target.ty);
                if self.matches(&local.shape, inner)? {
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

    /// `bpf_core_enums_match`, without the size.
    fn enumerators_match(&mut self, names: &[Vec<u8>], at: At, ty: Type<'_>) -> Result<bool, Halt> {
        let Some(elements) = at_most(names.len(), ty.vlen()) else {
            return Ok(false);
        };
        let owner = self.trace.occurrence(at.way);
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
