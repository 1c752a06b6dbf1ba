//! The values of a field: offset, size, signedness, shifts. One function serves the local side
//! and each candidate, as `bpf_core_calc_field_relo` does.

use super::kind::{Errno, ReloKind};
use crate::btf::{Btf, Endian, Kind, TypeId};

/// The last accessor of an access, and the offset that the whole adds up to.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldEnd {
    /// The struct (for a named member) or the element (for an index).
    pub(super) type_id: TypeId,
    /// Which member, if it is a named member.
    pub(super) member: Option<u32>,
    /// `bpf_core_spec::bit_offset`.
    pub(super) bit_offset: u32,
}

/// What one side contributes to a field relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FieldValue {
    pub(super) value: u64,
    /// `field_sz`: bytes to load, or 0 if a load can't be adjusted.
    pub(super) size: u32,
    pub(super) load: LoadClass,
    /// Whether the instruction must hold the local value.
    pub(super) validate: bool,
}

/// What `bpf_core_calc_relo` looks at before it adjusts the size of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoadClass {
    /// A pointer.
    Pointer,
    /// An integer whose encoding is not exactly `BTF_INT_SIGNED`.
    Unsigned,
    /// Anything else: its size can't be adjusted.
    Other,
}

fn load_class(btf: &Btf, id: TypeId) -> LoadClass {
    match btf.ty(id) {
        Some(ty) if ty.kind() == Kind::Ptr => LoadClass::Pointer,
        Some(ty) if ty.kind() == Kind::Int && ty.int().encoding() != 1 => LoadClass::Unsigned,
        _ => LoadClass::Other,
    }
}

/// The size of one element, below all dimensions of an array.
fn element_size(btf: &Btf, id: TypeId) -> Result<u32, Errno> {
    let mut id = id;
    // Each dimension is a different type; otherwise the arrays form a cycle.
    for _ in 0..=btf.type_count() {
        let (skipped, ty) = btf.skip_modifiers(id).ok_or(Errno::Invalid)?;
        if ty.kind() != Kind::Array {
            return btf.resolve_size(skipped).map_err(|_| Errno::Invalid);
        }
        id = ty.array().element;
    }
    Err(Errno::Invalid)
}

/// `bpf_core_calc_field_relo` for a field that was found. `FieldLshiftU64`
/// depends on the byte order that the *loader* was compiled for, which is that
/// of the kernel: `endian`.
///
/// # Errors
/// `Invalid` for a field without a size, for an index used for more than offset and size, and
/// if libbpf would divide by zero; `TooBig` for a bitfield that does not fit a load of 8 bytes.
pub(super) fn field_value(
    btf: &Btf,
    kind: ReloKind,
    end: FieldEnd,
    endian: Endian,
) -> Result<FieldValue, Errno> {
    let plain = |value: u64| FieldValue {
        value,
        size: 0,
        load: LoadClass::Other,
        validate: true,
    };
    if kind == ReloKind::FieldExists {
        return Ok(plain(1));
    }
    let Some(index) = end.member else {
        return match kind {
            ReloKind::FieldByteOffset => Ok(FieldValue {
                value: u64::from(end.bit_offset / 8),
                size: element_size(btf, end.type_id)?,
                load: load_class(btf, end.type_id),
                validate: true,
            }),
            ReloKind::FieldByteSize => Ok(plain(u64::from(
                btf.resolve_size(end.type_id).map_err(|_| Errno::Invalid)?,
            ))),
            ReloKind::FieldExists
            | ReloKind::FieldSigned
            | ReloKind::FieldLshiftU64
            | ReloKind::FieldRshiftU64
            | ReloKind::TypeIdLocal
            | ReloKind::TypeIdTarget
            | ReloKind::TypeExists
            | ReloKind::TypeSize
            | ReloKind::EnumvalExists
            | ReloKind::EnumvalValue
            | ReloKind::TypeMatches => Err(Errno::Invalid),
        };
    };

    let owner = btf.ty(end.type_id).ok_or(Errno::Invalid)?;
    let member = owner.member(index).ok_or(Errno::Invalid)?;
    let (type_id, ty) = btf.skip_modifiers(member.ty).ok_or(Errno::Invalid)?;
    let bit_off = end.bit_offset;
    let bitfield = member.bitfield_size > 0;
    let (byte_off, byte_size, bit_size) = if bitfield {
        let (byte_off, byte_size) = bitfield_load(bit_off, member.bitfield_size, ty.size())?;
        (byte_off, byte_size, member.bitfield_size)
    } else {
        let size = btf.resolve_size(type_id).map_err(|_| Errno::Invalid)?;
        (bit_off / 8, size, size.wrapping_mul(8))
    };
    let validated = |value: u64| FieldValue {
        validate: !bitfield,
        ..plain(value)
    };
    // The arithmetic is libbpf's, on `__u32`: it wraps on nonsense.
    let used_bits = bit_off
        .wrapping_add(bit_size)
        .wrapping_sub(byte_off.wrapping_mul(8));
    Ok(match kind {
        ReloKind::FieldByteOffset if bitfield => validated(u64::from(byte_off)),
        ReloKind::FieldByteOffset => FieldValue {
            size: element_size(btf, type_id)?,
            load: load_class(btf, type_id),
            ..validated(u64::from(byte_off))
        },
        ReloKind::FieldByteSize => validated(u64::from(byte_size)),
        ReloKind::FieldSigned => {
            let signed = (ty.kind().is_any_enum() && ty.kind_flag())
                || (ty.kind() == Kind::Int && ty.int().is_signed());
            plain(u64::from(signed))
        }
        ReloKind::FieldLshiftU64 => validated(match endian {
            Endian::Little => u64::from(64u32.wrapping_sub(used_bits)),
            Endian::Big => u64::from(
                8u32.wrapping_sub(byte_size)
                    .wrapping_mul(8)
                    .wrapping_add(bit_off.wrapping_sub(byte_off.wrapping_mul(8))),
            ),
        }),
        ReloKind::FieldRshiftU64 => plain(u64::from(64u32.wrapping_sub(bit_size))),
        ReloKind::FieldExists
        | ReloKind::TypeIdLocal
        | ReloKind::TypeIdTarget
        | ReloKind::TypeExists
        | ReloKind::TypeSize
        | ReloKind::EnumvalExists
        | ReloKind::EnumvalValue
        | ReloKind::TypeMatches => return Err(Errno::NotSupported),
    })
}

/// The smallest aligned load that holds a bitfield: its byte offset and size.
fn bitfield_load(bit_off: u32, bit_size: u32, declared: u32) -> Result<(u32, u32), Errno> {
    let mut byte_size = declared;
    let align = |byte_size: u32| {
        (bit_off / 8)
            .checked_div(byte_size)
            .map(|loads| loads.wrapping_mul(byte_size))
            // libbpf divides by zero here.
            .ok_or(Errno::Invalid)
    };
    let mut byte_off = align(byte_size)?;
    while bit_off
        .wrapping_add(bit_size)
        .wrapping_sub(byte_off.wrapping_mul(8))
        > byte_size.wrapping_mul(8)
    {
        if byte_size >= 8 {
            return Err(Errno::TooBig);
        }
        byte_size *= 2;
        byte_off = align(byte_size)?;
    }
    Ok((byte_off, byte_size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitfield_is_loaded_with_the_smallest_load() {
        assert_eq!(bitfield_load(3, 5, 4), Ok((0, 4)));
        assert_eq!(bitfield_load(35, 5, 4), Ok((4, 4)));
        assert_eq!(bitfield_load(30, 5, 4), Ok((0, 8)));
        assert_eq!(bitfield_load(7, 2, 1), Ok((0, 2)));
        assert_eq!(bitfield_load(60, 8, 8), Err(Errno::TooBig));
        assert_eq!(bitfield_load(60, 8, 0), Err(Errno::Invalid));
    }
}
