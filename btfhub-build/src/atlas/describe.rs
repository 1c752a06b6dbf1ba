//! A type of a kernel → the words of its [definition](super::definition).

use super::columns::code;
use super::definition::{is_typed, shape};
use super::error::SurveyError;
use super::numbers::{ProvisionalGroup, ProvisionalString};
use super::survey::KernelDefinitions;
use crate::btf::{Kind, StrOffset, Type, TypeId};

/// Gives numbers to names.
pub(super) trait Names {
    /// The string at an offset.
    fn string(&mut self, offset: StrOffset) -> ProvisionalString;
    /// The candidate group of a definition.
    fn group(&mut self, id: TypeId, kind: Kind, name: &[u8]) -> ProvisionalGroup;
}

/// How many types and elements the definitions of one kernel may have. An anonymous type counts
/// each time it is written inline. Real kernels have less than a million; but if anonymous
/// structs contain two anonymous structs each, the number doubles with every level.
pub(super) const MAX_STEPS: usize = 1 << 24;

/// Appends the body of the definition `id`. Subtracts from `steps` how many types and elements
/// it has.
pub(super) fn describe(
    survey: &KernelDefinitions<'_>,
    id: TypeId,
    names: &mut impl Names,
    steps: &mut usize,
    out: &mut Vec<u32>,
) -> Result<(), SurveyError> {
    let mut describer = Describer {
        survey,
        names,
        steps,
        out,
    };
    let ty = describer.lookup(id)?;
    describer.body(id, ty)
}

/// The survey has followed every reference within its limits, so the recursion here ends.
struct Describer<'a, 'b, N> {
    survey: &'a KernelDefinitions<'b>,
    names: &'a mut N,
    steps: &'a mut usize,
    out: &'a mut Vec<u32>,
}

impl<'b, N: Names> Describer<'_, 'b, N> {
    fn lookup(&self, id: TypeId) -> Result<Type<'b>, SurveyError> {
        let ty = self.survey.btf.ty(id);
        ty.ok_or_else(|| SurveyError::new(id.0, "does not exist"))
    }

    fn spend(&mut self, id: TypeId, steps: u32) -> Result<(), SurveyError> {
        let left = self.steps.checked_sub(steps as usize);
        *self.steps = left.ok_or_else(|| {
            SurveyError::new(
                id.0,
                "expands to more than 2^24 types when anonymous types are written inline",
            )
        })?;
        Ok(())
    }

    fn name(&mut self, offset: StrOffset) {
        let number = self.names.string(offset);
        self.out.push(number.0);
    }

    fn body(&mut self, id: TypeId, ty: Type<'_>) -> Result<(), SurveyError> {
        if ty.kind().is_any_enum() {
            self.spend(id, ty.vlen())?;
        }
        match ty.kind() {
            Kind::Int => self.out.extend([ty.size(), ty.int().0]),
            Kind::Float => self.out.push(ty.size()),
            Kind::Fwd => self.out.push(u32::from(ty.kind_flag())),
            kind if is_typed(kind) => self.ty(ty.referenced())?,
            kind @ (Kind::Enum | Kind::Enum64) => {
                let signed = u32::from(ty.kind_flag());
                self.out.extend([ty.vlen() << 1 | signed, ty.size()]);
                for enumerator in ty.enumerators() {
                    self.name(enumerator.name);
                    let value = enumerator.value.to_le_bytes();
                    let [a, b, c, d, high @ ..] = value;
                    self.out.push(u32::from_le_bytes([a, b, c, d]));
                    if kind == Kind::Enum64 {
                        self.out.push(u32::from_le_bytes(high));
                    }
                }
            }
            Kind::Struct | Kind::Union => {
                self.out.extend([ty.vlen(), ty.size()]);
                for member in ty.members() {
                    self.name(member.name);
                    self.out.extend([member.bit_offset, member.bitfield_size]);
                    self.ty(member.ty)?;
                }
            }
            Kind::Void
            | Kind::Ptr
            | Kind::Array
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::DataSec
            | Kind::DeclTag
            | Kind::TypeTag
            | Kind::Unknown(_) => return Err(SurveyError::no_value(id.0)),
        }
        Ok(())
    }

    fn ty(&mut self, mut id: TypeId) -> Result<(), SurveyError> {
        self.spend(id, 1)?;
        let mut ty = self.lookup(id)?;
        loop {
            match ty.kind() {
                Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {}
                Kind::Typedef if ty.name() == StrOffset(0) => {}
                _ => break,
            }
            id = ty.referenced();
            ty = self.lookup(id)?;
        }
        if let Some(ordinal) = self.survey.ordinal(id) {
            let name = self.survey.btf.string(ty.name());
            let group = self.names.group(id, ty.kind(), name).0;
            if ordinal == 0 {
                self.out.push(shape::NAMED | group << 4);
            } else {
                self.out.extend([shape::OTHER | group << 4, ordinal]);
            }
            return Ok(());
        }
        match ty.kind() {
            Kind::Void => self.out.push(shape::VOID),
            Kind::Ptr => {
                self.out.push(shape::PTR);
                self.ty(ty.referenced())?;
            }
            Kind::Array => {
                let array = ty.array();
                let start = self.out.len();
                self.out.extend([shape::ARRAY | 1 << 4, array.nelems]);
                self.ty(array.element)?;
                let index = self.out.len();
                self.ty(array.index)?;
                let usual = self.out.len();
                self.ty(self.survey.index_type)?;
                if self.out.get(index..usual) == self.out.get(usual..) {
                    self.out.truncate(index);
                    if let Some(word) = self.out.get_mut(start) {
                        *word = shape::ARRAY;
                    }
                } else {
                    self.out.truncate(usual);
                }
            }
            Kind::FuncProto => {
                self.out.push(shape::PROTO | ty.vlen() << 4);
                self.ty(ty.referenced())?;
                for param in ty.params() {
                    self.ty(param.ty)?;
                }
            }
            kind if code::INLINE_KINDS.contains(&kind) => {
                self.out.push(shape::INLINE | u32::from(kind.number()) << 4);
                self.body(id, ty)?;
            }
            _ => return Err(SurveyError::no_value(id.0)),
        }
        Ok(())
    }
}
