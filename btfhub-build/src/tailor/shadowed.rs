//! Types of modules that must not become candidates.
//!
//! libbpf looks into modules only for a local type for which the kernel itself has no
//! candidate. In a tailored BTF nothing distinguishes a module's types from the kernel's. So a
//! referenced type of a module must not keep a name that relocations look for if the kernel
//! also has a type with that name.

use crate::btf::{Btf, Kind, TypeId, essential_name};
use crate::relo::Relocations;

/// The same BTF, in which nothing finds the `shadowed` types by name.
pub(super) fn without(btf: &Btf, shadowed: &[TypeId], relocations: &Relocations) -> Btf {
    let renamed = shadowed.iter().filter_map(|&id| {
        let ty = btf.ty(id)?;
        let name = match ty.kind() {
            // Their names are compared if a field has this type, and one without a name equals
            // any (`bpf_core_fields_are_compat`).
            Kind::Enum | Kind::Enum64 | Kind::Fwd => Vec::new(),
            _ => another(btf.string(ty.name()), relocations),
        };
        Some((id, name))
    });
    btf.renamed(renamed)
}

/// A name that no relocation looks for. No C compiler writes one with a colon.
fn another(name: &[u8], relocations: &Relocations) -> Vec<u8> {
    let mut name = essential_name(name).to_vec();
    name.extend_from_slice(b":module");
    while relocations.look_for(essential_name(&name)) {
        name.push(b':');
    }
    name
}
