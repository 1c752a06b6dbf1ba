//! A relocation, written as in the C source that uses it.

use std::fmt::Write as _;

use super::{Accessor, ReloKind, Relocation, Spec};
use crate::btf::{Kind, StrOffset};
pub(crate) use crate::error::shown as text;
use crate::object::Object;

/// `task_struct.__state` for a field that is read or written; for everything else, the macro of
/// bpf_core_read.h: `bpf_core_field_exists(task_struct.__state)`.
///
/// Shifts and signs come from `BPF_CORE_READ_BITFIELD` and have no macro of their own; they are
/// named after libbpf's kind.
///
/// `root` is the program's name for the type, with its flavor (`kernfs_node___old`); without
/// the flavor it is [`Root::name`](crate::relo::Root::name).
pub fn term(relocation: &Relocation, root: &[u8]) -> String {
    let root = text(root);
    let of_type = || format!("{}{root}", keyword(relocation.root.kind));
    match &relocation.spec {
        Spec::Field(accessors) => {
            let path = format!("{root}{}", path(accessors));
            match relocation.kind {
                ReloKind::FieldByteOffset => path,
                ReloKind::FieldExists => format!("bpf_core_field_exists({path})"),
                ReloKind::FieldByteSize => format!("bpf_core_field_size({path})"),
                kind => format!("{kind}({path})"),
            }
        }
        Spec::Enumerator(name) => {
            let name = text(name);
            match relocation.kind {
                ReloKind::EnumvalExists => {
                    format!("bpf_core_enum_value_exists({}, {name})", of_type())
                }
                _ => format!("bpf_core_enum_value({}, {name})", of_type()),
            }
        }
        Spec::Type(_) | Spec::TypeMatch(_) => {
            let macro_name = match relocation.kind {
                ReloKind::TypeExists => "bpf_core_type_exists",
                ReloKind::TypeSize => "bpf_core_type_size",
                ReloKind::TypeMatches => "bpf_core_type_matches",
                _ => "bpf_core_type_id_kernel",
            };
            format!("{macro_name}({})", of_type())
        }
    }
}

/// `.comm[3]`: the access behind the root type's name.
pub(crate) fn path(accessors: &[Accessor]) -> String {
    let mut path = String::new();
    for (at, accessor) in accessors.iter().enumerate() {
        match accessor {
            // `p->x` begins at element 0 of what p points to.
            Accessor::Index(0) if at == 0 => {}
            Accessor::Index(index) => {
                let _ = write!(path, "[{index}]");
            }
            Accessor::Member { name, .. } => {
                path.push('.');
                path.push_str(&text(name));
            }
        }
    }
    path
}

/// As C writes it before a name of this kind.
fn keyword(kind: u8) -> &'static str {
    match Kind::from_number(kind) {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        Kind::Enum | Kind::Enum64 => "enum ",
        _ => "",
    }
}

/// A record that is not a valid relocation: its root and its access, unchanged.
pub(crate) fn raw_term(object: &Object, type_id: crate::btf::TypeId, access: StrOffset) -> String {
    let btf = object.btf();
    let name = btf.ty(type_id).map(|ty| text(btf.string(ty.name())));
    let name = name.filter(|name| !name.is_empty());
    format!(
        "{} access {}",
        name.as_deref().unwrap_or("(a type without name)"),
        text(btf.string(access))
    )
}
