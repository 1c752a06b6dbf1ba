//! The summary an engineer needs in twenty lines.

use std::collections::HashMap;
use std::fmt::Write as _;

use btfhub_build::report::{Effect, Finding, Report, in_groups};

use crate::output::{Colour, Paint, count};

/// Findings shown in full.
const SHOWN: usize = 5;
/// Groups of kernels named in a line.
const GROUPS: usize = 4;

pub(super) fn render(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let loading = (report.kernels.iter())
        .filter(|kernel| report.loads_on(kernel))
        .count();
    let _ = writeln!(
        text,
        "{}: {} in {}, asked of {}",
        named(&report.objects),
        count(
            report.relocations.len(),
            "distinct relocation",
            "distinct relocations"
        ),
        count(report.functions.len(), "function", "functions"),
        count(report.kernels.len(), "kernel", "kernels"),
    );
    let _ = writeln!(
        text,
        "everything loads on {loading} of {}",
        count(report.kernels.len(), "kernel", "kernels")
    );
    let failing: Vec<_> = (report.kernels.iter())
        .filter(|kernel| !report.loads_on(kernel))
        .collect();
    if !failing.is_empty() {
        let _ = writeln!(text, "not on {}", shortened(in_groups(&failing)));
    }
    let counts: Vec<String> = (Effect::ALL.iter())
        .map(|effect| {
            let cells = (report.kernels.iter())
                .flat_map(|kernel| report.verdicts_of(kernel))
                .filter(|verdict| verdict.effect == *effect);
            format!("{} {}", cells.count(), effect.name())
        })
        .collect();
    let _ = writeln!(text, "cells: {}", counts.join(", "));
    let findings = report.findings();
    let clusters = clusters(&findings);
    for (finding, alike) in clusters.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "{}  {}{}: {} on {}: {}",
            mark(finding.verdict.effect, paint),
            finding.asked.term,
            and_more(*alike),
            finding.verdict.status,
            count(finding.kernels.len(), "kernel", "kernels"),
            finding.verdict.reason,
        );
        let groups = shortened(in_groups(&finding.kernels));
        let place = place(report, finding).map_or_else(String::new, |place| format!("; {place}"));
        let _ = writeln!(text, "      {groups}{place}");
    }
    let rest: usize = (clusters.iter().skip(SHOWN))
        .map(|(_, alike)| 1 + alike)
        .sum();
    if rest > 0 {
        let _ = writeln!(
            text,
            "and {} more; --format html shows all",
            count(rest, "finding", "findings")
        );
    }
    if !report.unreadable.is_empty() {
        let first = report.unreadable.first();
        let _ = writeln!(
            text,
            "left out: {} with a damaged entry, first {}",
            count(report.unreadable.len(), "kernel", "kernels"),
            first
                .map(|bad| format!("{}: {}", bad.kernel, bad.error))
                .unwrap_or_default()
        );
    }
    text
}

/// The objects by name, or their number where there are many.
pub(super) fn named(objects: &[String]) -> String {
    if objects.len() > 4 {
        format!("{} objects", objects.len())
    } else {
        objects.join(", ")
    }
}

fn mark(effect: Effect, paint: Paint) -> String {
    match effect {
        Effect::ProgramFails | Effect::ObjectFails => paint.text(Colour::Bad, "FAIL"),
        _ => paint.text(Colour::Good, "ok  "),
    }
}

/// Findings that say the same of the same kernels are told by the first of them; how many
/// others there are.
pub(super) fn clusters<'f, 'r>(findings: &'f [Finding<'r>]) -> Vec<(&'f Finding<'r>, usize)> {
    let mut clusters: Vec<(&Finding<'_>, usize)> = Vec::new();
    let mut known: HashMap<_, Vec<usize>> = HashMap::new();
    for finding in findings {
        let verdict = finding.verdict;
        let same = known
            .entry((verdict.effect, verdict.status, &verdict.reason))
            .or_default();
        let cluster = same.iter().find_map(|&at| {
            let (first, _) = clusters.get(at)?;
            (first.kernels == finding.kernels).then_some(at)
        });
        match cluster.and_then(|at| clusters.get_mut(at)) {
            Some((_, alike)) => *alike += 1,
            None => {
                same.push(clusters.len());
                clusters.push((finding, 0));
            }
        }
    }
    clusters
}

/// ` and 3 more`, or nothing.
pub(super) fn and_more(alike: usize) -> String {
    match alike {
        0 => String::new(),
        alike => format!(" and {alike} more"),
    }
}

pub(super) fn shortened(mut groups: Vec<String>) -> String {
    let more = groups.len().saturating_sub(GROUPS);
    groups.truncate(GROUPS);
    let mut text = groups.join(", ");
    if more > 0 {
        let _ = write!(text, " and {}", count(more, "more group", "more groups"));
    }
    text
}

/// Where a finding bites: function, section, instruction and source line.
pub(super) fn place(report: &Report, finding: &Finding<'_>) -> Option<String> {
    let site = finding.site()?;
    let function = report.functions.get(site.function)?;
    let mut place = format!(
        "{} ({}) instruction {}",
        function.name, function.section, site.insn
    );
    if let Some(line) = &site.line {
        let _ = write!(place, ", {}:{}", line.file, line.line);
        if !line.text.is_empty() {
            let _ = write!(place, ": {}", line.text);
        }
    }
    Some(place)
}
