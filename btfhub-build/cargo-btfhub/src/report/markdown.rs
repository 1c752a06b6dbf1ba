//! The report for a pull request.

use std::fmt::Write as _;

use btfhub_build::report::{Kernel, Report, in_groups};
use btfhub_build::support::Changes;

use super::support::headline;
use super::wording::{code, escape, named, place, program, reasons, shortened};
use super::{changes, modules};
use crate::output::count;

/// Rows of the table of findings; a comment on a pull request has a limit.
const FINDINGS: usize = 50;

pub(super) fn render(report: &Report, changes: Option<&Changes>) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "### Kernel compatibility of {}\n",
        code(&named(&report.objects))
    );
    let _ = writeln!(
        text,
        "**{}** {}.\n",
        headline(&report.support()),
        count(
            report.relocations.len(),
            "distinct relocation",
            "distinct relocations"
        ),
    );
    if let Some(changes) = changes {
        changes::markdown(changes, &mut text);
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "| kernels | expected to run | not known | some fail |\n|---|--:|--:|--:|"
    );
    for group in groups(&report.kernels) {
        let on = |name: &str| {
            let such = group.iter();
            such.filter(|kernel| report.outcome_on(kernel).name() == name)
                .count()
        };
        if let Some(first) = group.first() {
            let _ = writeln!(
                text,
                "| {}/{}/{} {} | {} | {} | {} |",
                escape(&first.distro),
                escape(&first.version),
                escape(&first.arch),
                escape(&first.series),
                on("runs"),
                on("unknown"),
                on("fails"),
            );
        }
    }
    let programs = report.program_findings();
    if !programs.is_empty() {
        let _ = writeln!(
            text,
            "\n| program | verdict | kernels | why |\n|---|---|---|---|"
        );
        for finding in programs.iter().take(FINDINGS) {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                code(&program(finding)),
                finding.verdict.outcome,
                escape(&shortened(in_groups(&finding.kernels))),
                escape(&reasons(finding)),
            );
        }
        if programs.len() > FINDINGS {
            let _ = writeln!(text, "\nAnd {} more.", programs.len() - FINDINGS);
        }
    }
    let findings = report.findings();
    if findings.is_empty() {
        text.push_str("\nNo relocation has a problem on any of them.\n");
    } else {
        let _ = writeln!(
            text,
            "\n| relocation | on | why | where |\n|---|---|---|---|"
        );
        for finding in findings.iter().take(FINDINGS) {
            let _ = writeln!(
                text,
                "| {} | {} | {}, {}: {} | {} |",
                code(&finding.asked.term),
                escape(&shortened(in_groups(&finding.kernels))),
                finding.verdict.status,
                finding.verdict.effect,
                escape(&finding.verdict.reason),
                place(report, finding).map_or_else(String::new, |place| escape(&place)),
            );
        }
        if findings.len() > FINDINGS {
            let _ = writeln!(text, "\nAnd {} more.", findings.len() - FINDINGS);
        }
    }
    let of_modules = modules::sentences(report);
    if !of_modules.is_empty() {
        text.push_str("\nTypes of modules:\n\n");
        for sentence in of_modules.iter().take(FINDINGS) {
            let _ = writeln!(text, "- {}", escape(sentence));
        }
    }
    for bad in &report.unreadable {
        let _ = writeln!(
            text,
            "\nLeft out: {}: {}",
            escape(&bad.kernel),
            escape(&bad.error)
        );
    }
    text
}

/// Kernels next to each other of one directory and series.
fn groups(kernels: &[Kernel]) -> impl Iterator<Item = &[Kernel]> {
    kernels.chunk_by(|a, b| {
        (&a.distro, &a.version, &a.arch, &a.series) == (&b.distro, &b.version, &b.arch, &b.series)
    })
}
