//! An exceeded threshold: what exceeded it, where in the source, and what to do.

use std::collections::BTreeSet;

use btfhub_build::report::{Deny, Effect, Finding, Kernel, Report, Status, in_groups};
use btfhub_build::verdict::Outcome;

use super::wording::{and_more, clusters, place, program, program_clusters, reasons, shortened};
use crate::output::{count, line};

/// How many relocations are described.
const SHOWN: usize = 3;

pub(super) fn complaint(report: &Report, deny: Deny, kernels: &[&Kernel]) -> Vec<String> {
    let mut text = vec![format!(
        "--deny {deny}: {} of {}: {}",
        kernels.len(),
        count(report.kernels.len(), "kernel", "kernels"),
        shortened(in_groups(kernels))
    )];
    if deny.is_about_programs() {
        programs(report, &mut text);
    }
    let shown = report.findings_of(|verdict| deny.shows(verdict));
    let clusters = clusters(&shown);
    for (finding, alike) in clusters.iter().take(SHOWN) {
        line!(
            text,
            "  {}{} {} {} on {}: {}",
            finding.row.term,
            and_more(*alike),
            if *alike == 0 { "is" } else { "are" },
            finding.verdict.status,
            count(finding.kernels.len(), "kernel", "kernels"),
            finding.verdict.reason
        );
        if let Some(place) = place(report, finding) {
            line!(text, "    used in {place}");
        }
    }
    let rest: usize = (clusters.iter().skip(SHOWN))
        .map(|(_, alike)| 1 + alike)
        .sum();
    if rest > 0 {
        line!(text, "  and {rest} more");
    }
    let ways: BTreeSet<&str> = shown.iter().map(way_out).collect();
    for way in ways {
        line!(text, "  what to do: {way}");
    }
    line!(
        text,
        "  or give up these kernels with --exclude, or raise the threshold",
    );
    text
}

/// The programs that fail.
fn programs(report: &Report, text: &mut Vec<String>) {
    let mut findings = report.program_findings();
    findings.retain(|finding| matches!(finding.verdict.outcome, Outcome::Fails(_)));
    let clusters = program_clusters(&findings);
    for (finding, alike) in clusters.iter().take(SHOWN) {
        line!(
            text,
            "  {}{}: {} on {}: {}",
            program(finding),
            and_more(*alike),
            finding.verdict.outcome,
            count(finding.kernels.len(), "kernel", "kernels"),
            reasons(finding, *alike),
        );
    }
    let rest: usize = (clusters.iter().skip(SHOWN))
        .map(|(_, alike)| 1 + alike)
        .sum();
    if rest > 0 {
        line!(text, "  and {rest} more");
    }
}

/// What the programmer can do.
fn way_out(finding: &Finding<'_>) -> &'static str {
    match (finding.verdict.effect, finding.verdict.status) {
        (Effect::Fine | Effect::AnswersNo | Effect::Guarded, _) => {
            "nothing, if the program's fallback there is good enough: it checks first, and loads; \
             --deny unloadable accepts that"
        }
        (Effect::ProgramFails, _)
            if matches!(finding.row.root.as_str(), "pt_regs" | "user_pt_regs") =>
        {
            "registers differ by architecture: compile the program for this one, or leave its \
             kernels out with --arch"
        }
        (Effect::ProgramFails, Status::Incompatible) => {
            "declare the kernel's other type as a flavor (struct NAME___old) and choose between \
             the two with bpf_core_field_exists() or bpf_core_type_matches()"
        }
        (Effect::ProgramFails, _) => {
            "guard the access with bpf_core_field_exists() (or bpf_core_type_exists(), \
             bpf_core_enum_value_exists()) and handle those kernels differently"
        }
        (Effect::WrongValue, _) => {
            "use the constant itself instead of bpf_core_enum_value() if it never changed, or \
             choose between its values by the kernel's version (LINUX_KERNEL_VERSION)"
        }
        (_, Status::Refused) => {
            "read the field with bpf_core_read() or BPF_CORE_READ(), which take any offset and \
             size, if the program loads it directly"
        }
        _ => {
            "move the access to a separate program and don't load that there \
             (bpf_program__set_autoload()): libbpf refuses the whole object"
        }
    }
}
