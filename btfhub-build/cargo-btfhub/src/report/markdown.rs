//! The report for a pull request.

use std::fmt::Write as _;

use btfhub_build::report::{Kernel, Report, in_groups};
use btfhub_build::support::Changes;
use btfhub_build::verdict::Outcome;

use super::support::headline;
use super::wording::{
    and_more, clusters, code, escape, named, place, program, program_clusters, reasons, shortened,
};
use super::{changes, modules};
use crate::output::count;

/// Rows of the table of findings; comments on pull requests are limited in size.
const FINDINGS: usize = 50;

pub(super) fn render(report: &Report, changes: Option<&Changes>) -> String {
    let mut text = String::new();
    let objects = named(&report.objects);
    let _ = writeln!(
        text,
        "### Kernel compatibility of {}\n",
        match report.objects.contains(&objects) {
            true => code(&objects),
            false => escape(&objects),
        }
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
    kernels(report, &mut text);
    programs(report, &mut text);
    relocations(report, &mut text);
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

/// By directory and series: the worst verdict on each program on any of the kernels.
fn kernels(report: &Report, text: &mut String) {
    text.push_str(
        "| kernels | number | programs expected to run | unknown on some | failing on some |\n\
         |---|--:|--:|--:|--:|\n",
    );
    let support = report.support();
    let kernels: Vec<_> = report.kernels.iter().zip(&support.kernels).collect();
    for group in kernels.chunk_by(|(a, _), (b, _)| is_one_group(a, b)) {
        let Some((first, _)) = group.first() else {
            continue;
        };
        let worst = |program| {
            let verdicts = group
                .iter()
                .filter_map(|(_, it)| support.verdict(program, it));
            verdicts.map(|verdict| verdict.outcome).max()
        };
        let worst: Vec<Outcome> = (0..support.programs.len()).filter_map(worst).collect();
        let of = |name| {
            worst
                .iter()
                .filter(|outcome| outcome.name() == name)
                .count()
        };
        let _ = writeln!(
            text,
            "| {}/{}/{} {} | {} | {} | {} | {} |",
            escape(&first.distro),
            escape(&first.version),
            escape(&first.arch),
            escape(&first.series),
            group.len(),
            of("runs"),
            of("unknown"),
            of("fails"),
        );
    }
}

fn is_one_group(a: &Kernel, b: &Kernel) -> bool {
    (&a.distro, &a.version, &a.arch, &a.series) == (&b.distro, &b.version, &b.arch, &b.series)
}

/// The programs that are not expected to run everywhere.
fn programs(report: &Report, text: &mut String) {
    let findings = report.program_findings();
    let clusters = program_clusters(&findings);
    if clusters.is_empty() {
        return;
    }
    text.push_str("\n| program | verdict | kernels | why |\n|---|---|---|---|\n");
    for (finding, alike) in clusters.iter().take(FINDINGS) {
        let _ = writeln!(
            text,
            "| {}{} | {} | {} | {} |",
            code(&program(finding)),
            and_more(*alike),
            finding.verdict.outcome,
            escape(&shortened(in_groups(&finding.kernels))),
            escape(&reasons(finding, *alike)),
        );
    }
    rest(clusters.iter().map(|(_, alike)| *alike), text);
}

fn relocations(report: &Report, text: &mut String) {
    let findings = report.findings();
    let clusters = clusters(&findings);
    if clusters.is_empty() {
        text.push_str("\nNo relocation has a problem on any of them.\n");
        return;
    }
    text.push_str("\n| relocation | on | why | where |\n|---|---|---|---|\n");
    for (finding, alike) in clusters.iter().take(FINDINGS) {
        let _ = writeln!(
            text,
            "| {}{} | {} | {}, {}: {} | {} |",
            code(&finding.row.term),
            and_more(*alike),
            escape(&shortened(in_groups(&finding.kernels))),
            finding.verdict.status,
            finding.verdict.effect,
            escape(&finding.verdict.reason),
            place(report, finding).map_or_else(String::new, |place| escape(&place)),
        );
    }
    rest(clusters.iter().map(|(_, alike)| *alike), text);
}

/// What the table leaves out.
fn rest(alike: impl Iterator<Item = usize>, text: &mut String) {
    let more: usize = alike.skip(FINDINGS).map(|alike| 1 + alike).sum();
    if more > 0 {
        let _ = writeln!(text, "\nAnd {more} more.");
    }
}
