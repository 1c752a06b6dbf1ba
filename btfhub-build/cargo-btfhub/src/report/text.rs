//! The summary an engineer needs in twenty lines.

use std::collections::HashMap;
use std::fmt::Write as _;

use btfhub_build::report::{Effect, Finding, ProgramFinding, Report, in_groups};
use btfhub_build::verdict::Outcome;

use crate::output::{Colour, Paint, count};

/// Findings shown in full.
const SHOWN: usize = 5;
/// Verdicts on programs shown.
const PROGRAMS: usize = 3;
/// Groups of kernels named in a line.
const GROUPS: usize = 4;

pub(super) fn render(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
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
    let _ = writeln!(text, "{}", headline(report));
    for (mark, word) in [("fails", "failing on"), ("unknown", "not known for")] {
        let such: Vec<_> = (report.kernels.iter())
            .filter(|kernel| report.outcome_on(kernel).name() == mark)
            .collect();
        if !such.is_empty() {
            let _ = writeln!(text, "{word} {}", shortened(in_groups(&such)));
        }
    }
    programs(report, paint, &mut text);
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

/// How many programs run on how many kernels.
pub(super) fn headline(report: &Report) -> String {
    let kernels = |name: &str| {
        let such = report.kernels.iter();
        such.filter(|kernel| report.outcome_on(kernel).name() == name)
            .count()
    };
    let mut text = format!(
        "{}: all expected to load and attach on {} of {}",
        count(report.programs.len(), "program", "programs"),
        kernels("runs"),
        count(report.kernels.len(), "kernel", "kernels"),
    );
    if kernels("fails") > 0 {
        let _ = write!(text, ", some fail on {}", kernels("fails"));
    }
    if kernels("unknown") > 0 {
        let _ = write!(text, ", not known for {}", kernels("unknown"));
    }
    text
}

/// The programs that are not expected to run.
fn programs(report: &Report, paint: Paint, text: &mut String) {
    let findings = report.program_findings();
    let clusters = program_clusters(&findings);
    for (finding, alike) in clusters.iter().take(PROGRAMS) {
        let mark = match finding.verdict.outcome {
            Outcome::Fails(_) => paint.text(Colour::Bad, "FAIL"),
            _ => "?   ".to_owned(),
        };
        let _ = writeln!(
            text,
            "{mark}  {}{}: {} on {}: {}",
            program(finding),
            and_more(*alike),
            finding.verdict.outcome,
            count(finding.kernels.len(), "kernel", "kernels"),
            reasons(finding),
        );
    }
    let rest: usize = (clusters.iter().skip(PROGRAMS))
        .map(|(_, alike)| 1 + alike)
        .sum();
    if rest > 0 {
        let verdicts = count(rest, "verdict", "verdicts");
        let _ = writeln!(text, "and {verdicts} more; --format json has all");
    }
}

/// `on_exit (kprobe/do_exit)`, or the object where its programs are at odds.
pub(super) fn program(finding: &ProgramFinding<'_>) -> String {
    match finding.program {
        Some(program) => format!("{} ({})", program.name, program.section),
        None => format!("{} with all its programs", finding.object),
    }
}

/// All reasons in a line.
pub(super) fn reasons(finding: &ProgramFinding<'_>) -> String {
    let reasons = finding.verdict.reasons.iter();
    let texts: Vec<&str> = reasons.map(|reason| reason.text.as_str()).collect();
    texts.join("; ")
}

/// Findings that say the same of the same kernels are told by the first of them; how many
/// others there are.
pub(super) fn program_clusters<'f, 'r>(
    findings: &'f [ProgramFinding<'r>],
) -> Vec<(&'f ProgramFinding<'r>, usize)> {
    let mut clusters: Vec<(&ProgramFinding<'_>, usize)> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for finding in findings {
        let releases = finding.kernels.iter().map(|kernel| kernel.program_column);
        let key = (finding.verdict, releases.collect::<Vec<_>>());
        match known.get(&key).and_then(|&at: &usize| clusters.get_mut(at)) {
            Some((_, alike)) => *alike += 1,
            None => {
                known.insert(key, clusters.len());
                clusters.push((finding, 0));
            }
        }
    }
    clusters
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
