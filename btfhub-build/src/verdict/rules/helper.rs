//! Helpers (`enum bpf_func_id`) that the program calls.

use super::super::case::Case;
use super::super::uapi;

/// `bpf_probe_read` and `bpf_probe_read_str`, which libbpf uses if a kernel lacks the variants for
/// kernel and user memory (`bpf_object__sanitize_prog`, before Linux 5.5).
fn replacement(helper: u32) -> Option<u32> {
    match helper {
        112 | 113 => Some(4),
        114 | 115 => Some(45),
        _ => None,
    }
}

pub(super) fn check(case: &mut Case<'_>) {
    let has = |helper| case.facts.helpers.has(helper);
    let missing: Vec<_> = (case.usage.helpers.iter())
        .filter(|(helper, _)| {
            has(**helper) == Some(false)
                && replacement(**helper).is_none_or(|other| has(other) == Some(false))
        })
        .map(|(helper, found)| (*helper, *found))
        .collect();
    for (helper, (place, level)) in missing {
        let name = uapi::helper(helper);
        let text = format!(
            "the kernel has no {name}{}: call it only if bpf_core_enum_value_exists(enum \
             bpf_func_id, …) finds it",
            case.at(place),
        );
        case.findings.fails_at(level, "helper", text);
    }
    if case.facts.helpers.last().is_none() && !case.usage.helpers.is_empty() {
        let text = "the kernel's BTF does not list its helpers".to_owned();
        case.findings.unknown("helper", text);
    }
}
