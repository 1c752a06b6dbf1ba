//! Helpers (`enum bpf_func_id`) that are called where the program comes to.

use super::super::case::Case;
use super::super::uapi;

/// `bpf_probe_read` and `bpf_probe_read_str`, which libbpf takes where a kernel lacks those
/// that tell kernel from user memory (`bpf_object__sanitize_prog`, before Linux 5.5).
fn replacement(helper: u32) -> Option<u32> {
    match helper {
        112 | 113 => Some(4),
        114 | 115 => Some(45),
        _ => None,
    }
}

pub(super) fn check(case: &mut Case<'_>) {
    let has = |helper| case.facts.helpers.has(helper);
    let missing: Vec<_> = (case.found.helpers.iter())
        .filter(|(helper, _)| {
            has(**helper) == Some(false)
                && replacement(**helper).is_none_or(|other| has(other) == Some(false))
        })
        .map(|(helper, found)| (*helper, *found))
        .collect();
    for (helper, (place, level)) in missing {
        let name = uapi::helper(helper);
        let text = format!(
            "the kernel has no {name}{}: call it only where bpf_core_enum_value_exists(enum \
             bpf_func_id, …) says so",
            case.at(place),
        );
        case.findings.fails_at(level, "helper", text);
    }
    if case.facts.helpers.last().is_none() && !case.found.helpers.is_empty() {
        let text = "the kernel's BTF does not tell its helpers".to_owned();
        case.findings.unknown("helper", text);
    }
}
