//! A summary of about twenty lines.

use btfhub_build::report::{Effect, Report, in_groups};
use btfhub_build::support::Changes;
use btfhub_build::verdict::Outcome;

use super::wording::{
    WIDTH, and_more, clusters, cut, fitted, named, place, program, program_clusters, reasons, wrap,
};
use super::{changes, modules};
use crate::output::{Colour, Lines, Paint, count, line};

/// How many findings are shown in full.
const SHOWN: usize = 2;
/// How many verdicts on programs are shown.
const PROGRAMS: usize = 2;
/// How many sentences on types of modules are shown.
const TYPES: usize = 3;

pub(super) fn render(report: &Report, changes: Option<&Changes>, paint: Paint) -> Lines {
    let mut text = Lines::default();
    line!(
        text,
        "{}: {} in {}, on {}",
        named(&report.objects),
        count(
            report.relocations.len(),
            "distinct relocation",
            "distinct relocations"
        ),
        count(report.functions.len(), "function", "functions"),
        count(report.kernels.len(), "kernel", "kernels"),
    );
    wrap(&report.support().headline(), &mut text);
    if let Some(changes) = changes {
        changes::text(changes, paint, &mut text);
    }
    for (mark, word) in [("fails", "failing on"), ("unknown", "unknown on")] {
        let such: Vec<_> = (report.kernels.iter())
            .filter(|kernel| report.outcome_on(kernel).name() == mark)
            .collect();
        if !such.is_empty() {
            let such = fitted(&in_groups(&such), WIDTH - word.len() - 1);
            line!(text, "{}", cut(&format!("{word} {such}"), WIDTH));
        }
    }
    programs(report, paint, &mut text);
    let of_modules = modules::sentences(report);
    for sentence in of_modules.iter().take(TYPES) {
        line!(text, "{}", cut(sentence, WIDTH));
    }
    if let Some(more @ 1..) = of_modules.len().checked_sub(TYPES) {
        line!(
            text,
            "and {more} more on types of modules; --format html shows all"
        );
    }
    let findings = report.findings();
    let clusters = clusters(&findings);
    for (finding, alike) in clusters.iter().take(SHOWN) {
        let head = format!(
            "{}{}: {} on {}",
            finding.row.term,
            and_more(*alike),
            finding.verdict.status,
            count(finding.kernels.len(), "kernel", "kernels"),
        );
        let effect = mark(finding.verdict.effect, paint);
        line!(text, "{effect}  {}", cut(&head, WIDTH - 6));
        let lines = [
            finding.verdict.reason.clone(),
            fitted(&in_groups(&finding.kernels), WIDTH - 6),
            place(report, finding).unwrap_or_default(),
        ];
        for line in lines.iter().filter(|line| !line.is_empty()) {
            line!(text, "      {}", cut(line, WIDTH - 6));
        }
    }
    let rest: usize = (clusters.iter().skip(SHOWN))
        .map(|(_, alike)| 1 + alike)
        .sum();
    if rest > 0 {
        line!(
            text,
            "and {} more; --format html shows all",
            count(rest, "finding", "findings")
        );
    }
    if !report.unreadable.is_empty() {
        let first = report.unreadable.first();
        line!(
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

/// The programs that are not expected to run.
fn programs(report: &Report, paint: Paint, text: &mut Lines) {
    let findings = report.program_findings();
    let clusters = program_clusters(&findings);
    for (finding, alike) in clusters.iter().take(PROGRAMS) {
        let mark = match finding.verdict.outcome {
            Outcome::Fails(_) => paint.text(Colour::Bad, "FAIL"),
            _ => "?   ".to_owned(),
        };
        let head = format!(
            "{}{}: {} on {}",
            program(finding),
            and_more(*alike),
            finding.verdict.outcome,
            count(finding.kernels.len(), "kernel", "kernels"),
        );
        line!(text, "{mark}  {}", cut(&head, WIDTH - 6));
        let kernels = fitted(&in_groups(&finding.kernels), WIDTH - 6);
        for line in [reasons(finding, *alike), kernels] {
            line!(text, "      {}", cut(&line, WIDTH - 6));
        }
    }
    let rest: usize = (clusters.iter().skip(PROGRAMS))
        .map(|(_, alike)| 1 + alike)
        .sum();
    if rest > 0 {
        let verdicts = count(rest, "verdict", "verdicts");
        line!(text, "and {verdicts} more; --format html shows all");
    }
}

fn mark(effect: Effect, paint: Paint) -> String {
    match effect {
        Effect::ProgramFails | Effect::ObjectFails => paint.text(Colour::Bad, "FAIL"),
        Effect::WrongValue => paint.text(Colour::Bad, "BAD "),
        _ => paint.text(Colour::Good, "ok  "),
    }
}
