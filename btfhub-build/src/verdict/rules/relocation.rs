//! CO-RE relocations: what libbpf refuses, and invalid instructions that are reached.

use super::{Case, certainty};

/// What relocation comes to for a program that is loaded by itself.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Relocated {
    /// Why libbpf refuses to load.
    pub(in super::super) refusal: Option<String>,
    /// By place the records of the instructions that become invalid.
    pub(in super::super) poisoned: Vec<(super::Place, usize)>,
}

/// The same, with words for what records ask.
#[derive(Clone, Copy)]
pub(in super::super) struct Relocation<'a> {
    pub(in super::super) relocated: &'a Relocated,
    pub(in super::super) asked: &'a dyn Fn(usize) -> String,
}

pub(super) fn check(case: &mut Case<'_>) {
    if let Some(refusal) = &case.relocation.relocated.refusal {
        let text = refusal.clone();
        return case.fails(super::Certainty::Proven, "relocation", text);
    }
    let Some((place, level)) = (case.found.poisoned.iter())
        .max_by_key(|(place, level)| (*level, std::cmp::Reverse(*place)))
    else {
        return;
    };
    let Relocation { relocated, asked } = case.relocation;
    let record = (relocated.poisoned.iter()).find(|(at, _)| at == place);
    let asked = record.map_or("what it accesses".to_owned(), |(_, record)| asked(*record));
    let text = format!(
        "{asked} finds nothing here, and nothing guards it{}: ask bpf_core_field_exists() (or \
         bpf_core_type_exists(), bpf_core_enum_value_exists()) first",
        case.at(*place)
    );
    case.fails(certainty(*level), "relocation", text);
}
