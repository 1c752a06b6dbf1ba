//! Why a relocation finds nothing in a kernel, as text.
//!
//! The engine only decides *that* nothing fits. This module follows the same names as far as
//! possible, to distinguish what is missing from what exists but does not fit.

use std::collections::HashMap;

use super::module;
use crate::btf::{Btf, Kind, Type, TypeId, essential_name};
use crate::relo::{Accessor, FieldShape, ReloKind, Relocation, Root, Spec, path, text};

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Why {
    /// Whether the target exists but does not fit; otherwise it is missing.
    pub(super) is_incompatible: bool,
    /// Whether the kernel has no type of this name at all.
    pub(super) is_nameless: bool,
    /// The reason, a clause about the kernel.
    pub(super) reason: String,
}

/// The types of a kernel that have the name of a root.
pub(super) struct TypesByName<'a> {
    btf: &'a Btf,
    types: HashMap<&'a [u8], Vec<TypeId>>,
}

impl<'a> TypesByName<'a> {
    /// Collects the types of all `roots` in one pass.
    pub(super) fn collect<'r>(btf: &'a Btf, roots: impl Iterator<Item = &'r Root>) -> Self {
        let wanted: std::collections::HashSet<&[u8]> =
            roots.map(|root| root.name.as_slice()).collect();
        let mut types: HashMap<&[u8], Vec<TypeId>> = HashMap::new();
        if !wanted.is_empty() {
            for id in btf.ids() {
                let Some(ty) = btf.ty(id) else { continue };
                if matches!(ty.kind(), Kind::Func | Kind::Var | Kind::DataSec) {
                    continue;
                }
                let name = essential_name(btf.string(ty.name()));
                if wanted.contains(name) {
                    types.entry(name).or_default().push(id);
                }
            }
        }
        // Types of modules are used if the kernel has none with that name.
        if let Some(first) = btf.first_of_modules() {
            for named in types.values_mut() {
                let kernels = named.partition_point(|&id| id < first);
                if kernels > 0 {
                    named.truncate(kernels);
                }
            }
        }
        Self { btf, types }
    }

    /// Why `relocation` finds nothing in this kernel.
    pub(super) fn why(&self, relocation: &Relocation) -> Why {
        let root = &relocation.root;
        let named = (self.types.get(root.name.as_slice())).map_or(&[][..], Vec::as_slice);
        let wanted = Kind::from_number(root.kind);
        let of_kind =
            |id: &&TypeId| (self.btf.ty(**id)).is_some_and(|ty| same_kind(ty.kind(), wanted));
        let mut best: Option<(usize, Why)> = None;
        for &id in named.iter().filter(of_kind) {
            let reached = self.candidate(relocation, id);
            if best.as_ref().is_none_or(|(depth, _)| *depth < reached.0) {
                best = Some(reached);
            }
        }
        best.map_or_else(|| self.no_candidate(root, wanted, named), |(_, why)| why)
    }

    /// Whether `relocation` reads the value of an enumerator from an ENUM of 8 bytes, whose BTF
    /// holds only 32 bits of it.
    pub(super) fn is_narrow(&self, relocation: &Relocation) -> bool {
        let (ReloKind::EnumvalValue, Spec::Enumerator(name)) = (relocation.kind, &relocation.spec)
        else {
            return false;
        };
        let named = self.types.get(relocation.root.name.as_slice());
        let holder = (named.into_iter().flatten())
            .filter_map(|&id| self.btf.ty(id))
            .filter(|ty| ty.kind().is_any_enum())
            .find(|ty| {
                let mut names = ty.enumerators().map(|enumerator| enumerator.name);
                names.any(|its| essential_name(self.btf.string(its)) == name.as_slice())
            });
        holder.is_some_and(|ty| ty.kind() == Kind::Enum && ty.size() == 8)
    }

    /// The modules that have a type for `root`.
    pub(super) fn modules(&self, root: &Root) -> impl Iterator<Item = &str> {
        let wanted = Kind::from_number(root.kind);
        let named = self.types.get(root.name.as_slice());
        let of_kind =
            move |id: &&TypeId| (self.btf.ty(**id)).is_some_and(|ty| same_kind(ty.kind(), wanted));
        (named.into_iter().flatten().filter(of_kind)).filter_map(|&id| self.btf.module_of(id))
    }

    fn no_candidate(&self, root: &Root, wanted: Kind, named: &[TypeId]) -> Why {
        let name = text(&root.name);
        let other = named.iter().find_map(|id| self.btf.ty(*id)).map(Type::kind);
        match other {
            None => Why {
                is_nameless: true,
                ..absent(match module::of_type(&name) {
                    Some(module) => format!(
                        "the kernel has no {} {name}, which is a type of module {module} unless \
                         that is built in",
                        word(wanted)
                    ),
                    None => format!("the kernel has no {} {name}", word(wanted)),
                })
            },
            Some(Kind::Fwd) => absent(format!(
                "the kernel's BTF only declares {name}, without its members"
            )),
            Some(other) => incompatible(format!(
                "{name} is {} in this kernel, {} in the program",
                a(other),
                a(wanted)
            )),
        }
    }

    /// How many accessors a candidate matches, and why it does not match the next one.
    fn candidate(&self, relocation: &Relocation, id: TypeId) -> (usize, Why) {
        match &relocation.spec {
            Spec::Field(accessors) => self.field(relocation, accessors, id),
            Spec::Enumerator(name) => {
                let root = text(&relocation.root.name);
                (0, absent(format!("enum {root} has no {}", text(name))))
            }
            Spec::Type(_) | Spec::TypeMatch(_) => {
                let name = text(&relocation.root.name);
                let reason = if relocation.kind == ReloKind::TypeMatches {
                    format!("{name} has a different layout from the program's")
                } else {
                    format!("{name} exists, but is a different type from the program's")
                };
                (0, incompatible(reason))
            }
        }
    }

    fn field(&self, relocation: &Relocation, accessors: &[Accessor], root: TypeId) -> (usize, Why) {
        let name = text(&relocation.root.name);
        let until = |end: usize| format!("{name}{}", path(accessors.get(..end).unwrap_or(&[])));
        let Some((mut id, _)) = self.btf.skip_modifiers(root) else {
            return (0, incompatible(format!("{name} refers to itself")));
        };
        for (at, accessor) in accessors.iter().enumerate() {
            let Some((_, ty)) = self.btf.skip_modifiers(id) else {
                return (at, incompatible(format!("{} refers to itself", until(at))));
            };
            match accessor {
                // The target of a pointer, used as an array: any type will do.
                Accessor::Index(_) if at == 0 => {}
                Accessor::Index(index) => {
                    if ty.kind() != Kind::Array {
                        let is = a(ty.kind());
                        let reason = format!("{} is {is} in this kernel, not an array", until(at));
                        return (at, incompatible(reason));
                    }
                    let elements = ty.array().nelems;
                    if *index >= elements && elements > 0 {
                        let reason = format!("{} has only {elements} elements", until(at));
                        return (at, absent(reason));
                    }
                    id = ty.array().element;
                }
                Accessor::Member {
                    name: member,
                    shape,
                } => {
                    if !ty.kind().is_composite() {
                        let is = a(ty.kind());
                        let reason = format!("{} is {is} in this kernel", until(at));
                        return (at, incompatible(reason));
                    }
                    let Some(found) = self.member(ty, member, MAX_NESTING) else {
                        let reason = format!("{} has no member {}", until(at), text(member));
                        return (at, absent(reason));
                    };
                    if let Some(reason) = self.misfit(shape, found) {
                        return (at, incompatible(format!("{} {reason}", until(at + 1))));
                    }
                    id = found;
                }
            }
        }
        let reason = format!("{} exists, but fits no access", until(accessors.len()));
        (accessors.len(), incompatible(reason))
    }

    /// The type of the member with this name, which may be inside an anonymous member.
    fn member(&self, owner: Type<'_>, name: &[u8], depth: u32) -> Option<TypeId> {
        let mut members = owner.members();
        members.find_map(|member| {
            let its = self.btf.string(member.name);
            if its == name {
                return Some(member.ty);
            }
            let (_, inner) = self.btf.skip_modifiers(member.ty)?;
            (its.is_empty() && inner.kind().is_composite() && depth > 0)
                .then(|| self.member(inner, name, depth - 1))
                .flatten()
        })
    }

    /// How the type of a member differs from the one that the program's access expects.
    fn misfit(&self, shape: &FieldShape, id: TypeId) -> Option<String> {
        let (_, ty) = self.btf.skip_modifiers(id)?;
        let is = ty.kind();
        let fits = match shape {
            FieldShape::Composite => is.is_composite(),
            FieldShape::Ptr => is == Kind::Ptr,
            FieldShape::Float => is == Kind::Float,
            FieldShape::Int => is == Kind::Int,
            FieldShape::Fwd(_) => is == Kind::Fwd,
            FieldShape::Enum(name) => {
                if is.is_any_enum() {
                    let its = essential_name(self.btf.string(ty.name()));
                    let named = |name: &[u8]| !name.is_empty();
                    if named(name) && named(its) && its != name.as_slice() {
                        return Some(format!(
                            "is enum {} in this kernel, enum {} in the program",
                            text(its),
                            text(name)
                        ));
                    }
                }
                is.is_any_enum()
            }
            FieldShape::Array(element) => {
                if is == Kind::Array {
                    let element = self.misfit(element, ty.array().element)?;
                    return Some(format!("has elements of another type: each {element}"));
                }
                false
            }
            FieldShape::Other => false,
        };
        (!fits).then(|| format!("is {} in this kernel, {} in the program", a(is), of(shape)))
    }
}

/// Anonymous members are never nested deeper.
const MAX_NESTING: u32 = 32;

fn absent(reason: String) -> Why {
    Why {
        is_incompatible: false,
        is_nameless: false,
        reason,
    }
}

fn incompatible(reason: String) -> Why {
    Why {
        is_incompatible: true,
        is_nameless: false,
        reason,
    }
}

fn same_kind(is: Kind, wanted: Kind) -> bool {
    is == wanted || (is.is_any_enum() && wanted.is_any_enum())
}

pub(super) fn of(shape: &FieldShape) -> &'static str {
    match shape {
        FieldShape::Composite => "a struct",
        FieldShape::Ptr => "a pointer",
        FieldShape::Float => "a floating-point number",
        FieldShape::Int => "an integer",
        FieldShape::Fwd(_) => "a declared type",
        FieldShape::Enum(_) => "an enum",
        FieldShape::Array(_) => "an array",
        FieldShape::Other => "a type that fits nothing",
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Enum | Kind::Enum64 => "enum",
        Kind::Typedef => "typedef",
        _ => "type",
    }
}

fn a(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "an integer",
        Kind::Ptr => "a pointer",
        Kind::Array => "an array",
        Kind::Struct => "a struct",
        Kind::Union => "a union",
        Kind::Enum | Kind::Enum64 => "an enum",
        Kind::Fwd => "only declared",
        Kind::Typedef => "a typedef",
        Kind::Float => "a floating-point number",
        Kind::FuncProto | Kind::Func => "a function",
        Kind::Void => "void",
        _ => "another kind of type",
    }
}
