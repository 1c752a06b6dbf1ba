//! CO-RE relocations: what libbpf refuses, and invalid instructions that are reached.

use super::super::case::{Case, Relocation};
use super::super::outcome::Certainty;
use super::instead;

pub(super) fn check(case: &mut Case<'_>) {
    if let Some(refusal) = case.relocation.refusal {
        let text = refusal.to_owned();
        return case.findings.fails(Certainty::Proven, "relocation", text);
    }
    let Some((place, level)) = (case.usage.poisoned.iter())
        .max_by_key(|(place, level)| (*level, std::cmp::Reverse(*place)))
    else {
        return;
    };
    let Relocation { poisons, asked, .. } = case.relocation;
    let record = poisons(*place);
    let asked = record.map_or("what it accesses".to_owned(), asked);
    let at = case.at(*place);
    let text = match asked.split_once('.') {
        Some((root @ ("pt_regs" | "user_pt_regs"), _)) => format!(
            "the kernel's {root} does not fit the program{at}: {asked} finds nothing; registers \
             differ by architecture: compile the program for this one, or leave its kernels out"
        ),
        _ => {
            let root = record.and_then(|record| case.struct_of(record));
            let other = root.map_or_else(String::new, |root| instead::of_struct(case, &root));
            format!(
                "{asked} finds nothing here, and nothing guards it{at}{other}: check \
                 bpf_core_field_exists() (or bpf_core_type_exists(), bpf_core_enum_value_exists()) \
                 first"
            )
        }
    };
    case.findings.fails_at(*level, "relocation", text);
}
