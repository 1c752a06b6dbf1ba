//! Matching fields and enumerators against a candidate.

use super::access::SPEC_MAX_LEN;
use super::kind::{Errno, ReloKind};
use super::local::{Accessor, Relocation, bits, is_last_member};
use super::occurrence::{At, Occurrence, Step};
use super::resolve::Matcher;
use super::shape::FieldShape;
use super::trace::{Halt, Mark, MemberUse};
use super::value::{FieldEnd, FieldValue, field_value};
use crate::btf::{Kind, TypeId};

/// The target side of an access while it grows (`bpf_core_spec`).
struct TargetSpec {
    end: FieldEnd,
    raw_len: usize,
    /// The named member that the accessors since belong to.
    named: Option<(Occurrence, u32)>,
}

impl Matcher<'_> {
    /// `bpf_core_spec_match` and `bpf_core_calc_field_relo` for a field: its bit offset and
    /// value. `None` if the candidate has no such field.
    pub(super) fn field(
        &mut self,
        relocation: &Relocation,
        accessors: &[Accessor],
        candidate: TypeId,
    ) -> Result<Option<(u32, FieldValue)>, Halt> {
        let kind = relocation.kind;
        let from = self.trace.position();
        let mut spec = TargetSpec {
            end: FieldEnd {
                type_id: candidate,
                member: None,
                bit_offset: 0,
            },
            raw_len: 0,
            named: None,
        };
        let result = self
            .find_field(accessors, candidate, &mut spec)
            .and_then(|found| {
                if found {
                    let value = field_value(self.btf, kind, spec.end, self.btf.endian())?;
                    Ok(Some((spec.end.bit_offset, value)))
                } else {
                    Ok(None)
                }
            });
        match result {
            Ok(Some((_, value))) => {
                // The sign only matters for loads that change their size.
                let sign = kind == ReloKind::FieldSigned || value.size != relocation.load.size;
                self.mark_use(kind, sign, candidate, &spec, from);
            }
            Ok(None) => {}
            // An error stops libbpf: what led to it must stay.
            Err(_) => {
                for mark in self.trace.marks_since(from) {
                    if let Mark::Member { how, .. } = mark {
                        how.offset = true;
                    }
                }
                // Of the candidate the size, if it was that of which libbpf asked;
                // not where it ran out of steps in structs without a name.
                if spec.named.is_some() || spec.raw_len <= 1 {
                    self.mark_end(candidate, &spec, MemberUse::ALL);
                }
            }
        }
        result
    }

    fn find_field(
        &mut self,
        accessors: &[Accessor],
        candidate: TypeId,
        spec: &mut TargetSpec,
    ) -> Result<bool, Halt> {
        let mut at = At::candidate(candidate);
        for (position, accessor) in accessors.iter().enumerate() {
            let (skipped, ty) = self.skip(at)?;
            at = skipped;
            match accessor {
                Accessor::Member { name, shape } => {
                    match self.find_member(name, shape, at, spec)? {
                        Some(next) => at = next,
                        None => return Ok(false),
                    }
                }
                Accessor::Index(index) => {
                    // The first index is on the candidate itself, as a pointer.
                    if position > 0 {
                        if ty.kind() != Kind::Array {
                            return Ok(false);
                        }
                        if let Some((owner, member)) = spec.named {
                            self.trace.index_tried(owner, member);
                        }
                        let array = ty.array();
                        let flexible = array.nelems == 0
                            && is_last_member(self.btf.ty(spec.end.type_id), spec.end.member);
                        if !flexible && *index >= array.nelems {
                            return Ok(false);
                        }
                        let element = At {
                            id: array.element,
                            ..at
                        };
                        at = self.skip(element)?.0;
                    }
                    if spec.raw_len == SPEC_MAX_LEN {
                        return Err(Errno::TooBig.into());
                    }
                    spec.raw_len += 1;
                    spec.end.type_id = at.id;
                    spec.end.member = None;
                    let size = self.btf.resolve_size(at.id).map_err(Errno::from)?;
                    // libbpf holds it in an `int` and takes it for an error.
                    if i32::try_from(size).is_err() {
                        return Err(Errno::Invalid.into());
                    }
                    spec.end.bit_offset = spec.end.bit_offset.wrapping_add(bits(*index, size));
                    if *index != 0 {
                        let how = MemberUse {
                            size: true,
                            ..MemberUse::default()
                        };
                        self.mark_end(candidate, spec, how);
                    }
                }
            }
        }
        Ok(true)
    }

    /// `bpf_core_match_member`: the type of the member called `name`, searched
    /// in order and through anonymous members.
    ///
    /// If a member has the right name but the wrong type, and the search continues after the
    /// anonymous struct around it, libbpf does not undo what that member added to offset and
    /// length. Neither does this.
    fn find_member(
        &mut self,
        name: &[u8],
        shape: &FieldShape,
        at: At,
        spec: &mut TargetSpec,
    ) -> Result<Option<At>, Halt> {
        let (at, ty) = self.skip(at)?;
        if !ty.kind().is_composite() {
            return Ok(None);
        }
        let mut index = 0;
        while index < ty.vlen() {
            self.trace.step()?;
            if spec.raw_len == SPEC_MAX_LEN {
                // Under any name: libbpf does not reach its name. aya-obj, which counts
                // differently, may.
                let owner = self.trace.occurrence(at.way);
                while index < ty.vlen()
                    && !is_string(self.btf.string_tail(ty.member_name(index)), name)
                {
                    self.trace.step()?;
                    index += 1;
                }
                self.trace.mark(if index < ty.vlen() {
                    let how = MemberUse::default();
                    Mark::Member { owner, index, how }
                } else {
                    Mark::OneMore(owner)
                });
                return Err(Errno::TooBig.into());
            }
            let target_name = self.btf.string_tail(ty.member_name(index));
            let anonymous = target_name.first() == Some(&0);
            if !anonymous && !is_string(target_name, name) {
                index += 1;
                continue;
            }
            let Some(member) = ty.member(index) else {
                break;
            };
            spec.end.bit_offset = spec.end.bit_offset.wrapping_add(member.bit_offset);
            spec.raw_len += 1;
            let before = self.trace.position();
            let owner = self.trace.occurrence(at.way);
            self.trace.mark(Mark::Member {
                owner,
                index,
                how: MemberUse::default(),
            });
            let inner = At::step(owner, Step::Member(index), member.ty);
            if anonymous {
                let found = self.find_member(name, shape, inner, spec)?;
                if found.is_some() {
                    return Ok(found);
                }
                if self.trace.position() == before + 1 {
                    self.trace.roll_back(before);
                }
            } else {
                if !self.fits(shape, inner)? {
                    return Ok(None);
                }
                spec.end.type_id = at.id;
                spec.end.member = Some(index);
                spec.named = Some((owner, index));
                return Ok(Some(inner));
            }
            spec.end.bit_offset = spec.end.bit_offset.wrapping_sub(member.bit_offset);
            spec.raw_len -= 1;
            index += 1;
        }
        Ok(None)
    }

    /// `bpf_core_fields_are_compat`.
    fn fits(&mut self, shape: &FieldShape, at: At) -> Result<bool, Halt> {
        let mut shape = shape;
        let mut at = at;
        loop {
            self.trace.step()?;
            let (_, ty) = self.skip(at)?;
            let target = match shape {
                FieldShape::Fwd(_) | FieldShape::Enum(_) => self.essential(ty.name())?,
                _ => b"",
            };
            let name_fits = |local: &[u8]| local.is_empty() || target.is_empty() || local == target;
            return Ok(match (shape, ty.kind()) {
                (FieldShape::Composite, Kind::Struct | Kind::Union)
                | (FieldShape::Ptr, Kind::Ptr)
                | (FieldShape::Float, Kind::Float) => true,
                (FieldShape::Int, Kind::Int) => ty.int().offset() == 0,
                (FieldShape::Fwd(local), Kind::Fwd)
                | (FieldShape::Enum(local), Kind::Enum | Kind::Enum64) => name_fits(local),
                (FieldShape::Array(element), Kind::Array) => {
                    shape = element;
                    at.id = ty.array().element;
                    continue;
                }
                _ => false,
            });
        }
    }

    /// Marks what the value of a field was computed from.
    fn mark_use(
        &mut self,
        kind: ReloKind,
        sign: bool,
        candidate: TypeId,
        spec: &TargetSpec,
        from: usize,
    ) {
        if kind == ReloKind::FieldExists {
            return;
        }
        let bitfield = spec.end.member.is_some_and(|index| {
            let owner = self.btf.ty(spec.end.type_id);
            owner
                .and_then(|owner| owner.member(index))
                .is_some_and(|member| member.bitfield_size > 0)
        });
        let offset =
            bitfield || matches!(kind, ReloKind::FieldByteOffset | ReloKind::FieldLshiftU64);
        if offset {
            for mark in self.trace.marks_since(from) {
                if let Mark::Member { how, .. } = mark {
                    how.offset = true;
                }
            }
        }
        let size = bitfield || kind != ReloKind::FieldSigned;
        self.mark_end(candidate, spec, MemberUse { offset, size, sign });
    }

    /// Marks what counts of the last named member, or before any the size of the
    /// candidate.
    fn mark_end(&mut self, candidate: TypeId, spec: &TargetSpec, how: MemberUse) {
        self.trace.mark(match spec.named {
            Some((owner, index)) => Mark::Member { owner, index, how },
            None => Mark::Size(Occurrence::Named(candidate)),
        });
    }

    /// `bpf_core_spec_match` and `bpf_core_calc_enumval_relo`: the value of the
    /// first enumerator with this essential name.
    pub(super) fn enumerator(
        &mut self,
        kind: ReloKind,
        name: &[u8],
        candidate: TypeId,
    ) -> Result<Option<u64>, Halt> {
        let (at, ty) = self.skip(At::candidate(candidate))?;
        if !ty.kind().is_any_enum() {
            return Ok(None);
        }
        for (index, enumerator) in (0..).zip(ty.enumerators()) {
            self.trace.step()?;
            if self.essential(enumerator.name)? == name {
                let value = kind == ReloKind::EnumvalValue;
                let owner = self.trace.occurrence(at.way);
                self.trace.mark(Mark::Enumerator {
                    owner,
                    index,
                    value,
                });
                return Ok(Some(if value { enumerator.value } else { 1 }));
            }
        }
        Ok(None)
    }
}

/// Whether the NUL-terminated string at the beginning of `section` is `name`.
fn is_string(section: &[u8], name: &[u8]) -> bool {
    // The first byte tells most apart, without a call: see `btf::read`.
    if section.is_empty() || name.is_empty() || section[0] != name[0] {
        return false;
    }
    section
        .split_at_checked(name.len())
        .is_some_and(|(head, tail)| head == name && tail.first() == Some(&0))
}
