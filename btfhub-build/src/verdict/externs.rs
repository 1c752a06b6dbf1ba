//! Whether a kernel has the functions and variables that an object declares.

use super::facts::{Facts, FunctionList};
use crate::object::{Extern, ExternKind, Object};
use crate::relo::compat_shape;

/// What the kernel has of an extern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Presence {
    /// It is there, and fits what the object declares.
    Fits,
    /// It is there, with a type that does not fit.
    Differs,
    /// It is not there, unless a module has it.
    Missing,
    /// This kernel's BTF can't tell.
    Unknown,
}

/// The outlines of the types that an object declares for its externs.
pub(super) fn outlines(object: &Object) -> Vec<Option<String>> {
    let outline = |it: &Extern| compat_shape(object.btf(), it.ty)?.outline();
    object.externs().iter().map(outline).collect()
}

/// What the kernel has of each extern (`bpf_object__resolve_ksym_func_btf_id` and others).
pub(super) fn presence(
    object: &Object,
    outlines: &[Option<String>],
    facts: &Facts,
) -> Vec<Presence> {
    let externs = object.externs().iter().zip(outlines);
    let presence = externs.map(|(it, outline)| {
        let name = it.kernel_name();
        let fits = facts.is_compatible(name, outline.as_deref());
        match (it.kind, fits) {
            (ExternKind::Kconfig, _) => Presence::Fits,
            (ExternKind::Function | ExternKind::TypedVariable, Some(true)) => Presence::Fits,
            (ExternKind::Function | ExternKind::TypedVariable, Some(false)) => Presence::Differs,
            (ExternKind::Function, None) if facts.list == FunctionList::Full => Presence::Missing,
            (ExternKind::TypedVariable, None) if facts.list != FunctionList::None => {
                Presence::Missing
            }
            (ExternKind::Symbol, _)
                if facts.has_variable(name) || facts.function(name).is_some() =>
            {
                Presence::Fits
            }
            _ => Presence::Unknown,
        }
    });
    presence.collect()
}
