//! Record → [`Relocation`]: everything that the local side contributes.

use super::access::parse_access;
use super::kind::{Errno, ReloKind};
use super::shape::{CompatShape, FieldShape, MatchShape, Shaper};
use super::value::{FieldEnd, LoadClass, field_value};
use crate::btf::{Btf, CoreRelo, Kind, Type, TypeId, essential_name};

/// One distinct CO-RE relocation: everything that its answer depends on, except the target.
/// Ordered so that relocations with the same candidates are adjacent.
///
/// The value that the compiler computed is not part of it: it affects how an instruction is
/// patched ([`LocalValue`]), but not how a relocation resolves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relocation {
    /// Which target types are candidates.
    pub root: Root,
    /// The kind.
    pub kind: ReloKind,
    /// What is looked for in a candidate.
    pub spec: Spec,
    /// The load that the program was compiled with.
    pub load: LocalLoad,
    /// The local name up to the first `___`, if that is not the root's name: aya-obj cuts
    /// flavors there, and so has different candidates.
    pub aya_name: Option<Vec<u8>>,
}

/// What makes a target type a candidate (`bpf_core_add_cands`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root {
    /// The local type's name without flavor.
    pub name: Vec<u8>,
    /// Its kind; ENUM stands for both ENUM and ENUM64.
    pub kind: u8,
}

/// What is looked for in a candidate (`bpf_core_spec` of the local side).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spec {
    /// A field: the turning points of the access string. The first one is an
    /// index.
    Field(Vec<Accessor>),
    /// An enumerator, by its essential name.
    Enumerator(Vec<u8>),
    /// The type itself.
    Type(CompatShape),
    /// The type itself, member by member.
    TypeMatch(MatchShape),
}

/// A turning point of an access (`bpf_core_accessor`): a named member or an
/// index into an array. Anonymous members are not turning points.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accessor {
    /// `[index]`.
    Index(u32),
    /// `.name`.
    Member {
        /// The member's name.
        name: Vec<u8>,
        /// What its type must fit.
        shape: FieldShape,
    },
}

/// The size of the local field, with which the kernel's is compared (`bpf_core_calc_relo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalLoad {
    /// `orig_sz`: bytes, or 0 if the size can't be adjusted.
    pub size: u32,
    /// How the size may be adjusted.
    pub class: LoadClass,
}

/// What one record's instruction was compiled with: `orig_val` and `validate` of
/// `bpf_core_relo_res`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalValue {
    /// The value that the compiler put into the instruction.
    pub value: u64,
    /// Whether the instruction must hold `value`.
    pub validate: bool,
}

/// The local side of a record, before any target is looked at.
pub(super) enum Local {
    /// Candidates decide.
    Relocation(Relocation, LocalValue),
    /// `TypeIdLocal`: the local id, for any target.
    TypeId(TypeId),
}

/// Computes the local side of one record (`bpf_core_parse_spec`, and `bpf_core_calc_relo` of
/// the local spec).
///
/// # Errors
/// The error with which libbpf refuses the object for any target.
pub(super) fn localize(btf: &Btf, record: &CoreRelo) -> Result<Local, Errno> {
    let kind = ReloKind::from_number(record.kind).ok_or(Errno::Invalid)?;
    let ty = btf.ty(record.type_id).ok_or(Errno::Invalid)?;
    let access = btf.string(record.access_str);
    if kind.is_type() && access != b"0" {
        return Err(Errno::Invalid);
    }
    if kind == ReloKind::TypeIdLocal {
        return Ok(Local::TypeId(record.type_id));
    }
    let name = btf.string(ty.name());
    if name.is_empty() {
        return Err(Errno::Invalid);
    }
    let root = Root {
        name: essential_name(name).to_vec(),
        kind: ty.kind().core_kind().number(),
    };
    let first = name.windows(3).position(|three| three == b"___");
    let aya_name = first
        .and_then(|end| name.get(..end))
        .filter(|&cut| cut != root.name)
        .map(<[u8]>::to_vec);
    let mut shaper = Shaper::new(btf);
    let plain = |value: u64| LocalValue {
        value,
        validate: true,
    };
    let mut load = LocalLoad {
        size: 0,
        class: LoadClass::Other,
    };
    let (spec, local) = match kind {
        ReloKind::TypeMatches => (Spec::TypeMatch(shaper.matching(record.type_id)?), plain(1)),
        ReloKind::TypeExists => (Spec::Type(shaper.compat(record.type_id)?), plain(1)),
        ReloKind::TypeSize => {
            let size = btf
                .resolve_size(record.type_id)
                .map_err(|_| Errno::Invalid)?;
            let spec = Spec::Type(shaper.compat(record.type_id)?);
            (spec, plain(u64::from(size)))
        }
        // The instruction holds the local id, which is not validated.
        ReloKind::TypeIdTarget => (
            Spec::Type(shaper.compat(record.type_id)?),
            LocalValue {
                validate: false,
                ..plain(0)
            },
        ),
        ReloKind::EnumvalExists | ReloKind::EnumvalValue => {
            let (name, value) = enumerator(btf, record.type_id, &parse_access(access)?)?;
            let value = if kind == ReloKind::EnumvalExists {
                1
            } else {
                value
            };
            (Spec::Enumerator(name), plain(value))
        }
        ReloKind::FieldByteOffset
        | ReloKind::FieldByteSize
        | ReloKind::FieldExists
        | ReloKind::FieldSigned
        | ReloKind::FieldLshiftU64
        | ReloKind::FieldRshiftU64
        | ReloKind::TypeIdLocal => {
            // For any problem with the access string, libbpf returns -EINVAL.
            let (accessors, end) = field(btf, record.type_id, &parse_access(access)?, &mut shaper)
                .map_err(|_| Errno::Invalid)?;
            let value = field_value(btf, kind, end, btf.endian())?;
            load = LocalLoad {
                size: value.size,
                class: value.load,
            };
            (
                Spec::Field(accessors),
                LocalValue {
                    value: value.value,
                    validate: value.validate,
                },
            )
        }
    };
    let relocation = Relocation {
        root,
        kind,
        spec,
        load,
        aya_name,
    };
    Ok(Local::Relocation(relocation, local))
}

/// The enumerator that an access string of one number names.
fn enumerator(btf: &Btf, id: TypeId, steps: &[u32]) -> Result<(Vec<u8>, u64), Errno> {
    let (_, ty) = btf.skip_modifiers(id).ok_or(Errno::Invalid)?;
    let ([index], true) = (steps, ty.kind().is_any_enum()) else {
        return Err(Errno::Invalid);
    };
    let enumerator = ty.enumerator(*index).ok_or(Errno::Invalid)?;
    let name = essential_name(btf.string(enumerator.name)).to_vec();
    Ok((name, enumerator.value))
}

/// The turning points of a field access, and where it ends.
fn field(
    btf: &Btf,
    root: TypeId,
    steps: &[u32],
    shaper: &mut Shaper<'_>,
) -> Result<(Vec<Accessor>, FieldEnd), Errno> {
    let (&first, rest) = steps.split_first().ok_or(Errno::Invalid)?;
    let (mut id, _) = btf.skip_modifiers(root).ok_or(Errno::Invalid)?;
    let mut accessors = vec![Accessor::Index(first)];
    let mut end = FieldEnd {
        type_id: id,
        member: None,
        bit_offset: bits(first, btf.resolve_size(id)?),
    };
    for &step in rest {
        let (owner, ty) = btf.skip_modifiers(id).ok_or(Errno::Invalid)?;
        match ty.kind() {
            Kind::Struct | Kind::Union => {
                let member = ty.member(step).ok_or(Errno::Invalid)?;
                end.bit_offset = end.bit_offset.wrapping_add(member.bit_offset);
                if member.name.0 != 0 {
                    let name = btf.string(member.name);
                    if name.is_empty() {
                        return Err(Errno::Invalid);
                    }
                    accessors.push(Accessor::Member {
                        name: name.to_vec(),
                        shape: shaper.field(member.ty)?,
                    });
                    end.type_id = owner;
                    end.member = Some(step);
                }
                id = member.ty;
            }
            Kind::Array => {
                let array = ty.array();
                let (element, _) = btf.skip_modifiers(array.element).ok_or(Errno::Invalid)?;
                let flexible = array.nelems == 0 && is_last_member(btf.ty(end.type_id), end.member);
                if !flexible && step >= array.nelems {
                    return Err(Errno::Invalid);
                }
                accessors.push(Accessor::Index(step));
                end.type_id = element;
                end.member = None;
                let size = btf.resolve_size(element)?;
                end.bit_offset = end.bit_offset.wrapping_add(bits(step, size));
                id = element;
            }
            _ => return Err(Errno::Invalid),
        }
    }
    Ok((accessors, end))
}

/// libbpf's `is_flex_arr`, without the check of the number of elements: whether the accessor
/// before the array is the last member of its struct.
pub(super) fn is_last_member(owner: Option<Type<'_>>, member: Option<u32>) -> bool {
    match (owner, member) {
        (Some(owner), Some(index)) => index.checked_add(1) == Some(owner.vlen()),
        _ => false,
    }
}

/// `index * size * 8` as it ends up in a `__u32`.
pub(super) fn bits(index: u32, size: u32) -> u32 {
    index.wrapping_mul(size).wrapping_mul(8)
}
