//! The summary an engineer needs in some twenty lines.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use btfhub_build::report::{Effect, Finding, ProgramFinding, Report, in_groups};
use btfhub_build::support::Changes;
use btfhub_build::verdict::Outcome;
use btfhub_runtime::Printable;

use super::changes;
use crate::output::{Colour, Paint, count};

/// Findings shown in full.
const SHOWN: usize = 2;
/// Verdicts on programs shown.
const PROGRAMS: usize = 2;
/// Types of modules shown, and modules named for one.
const TYPES: usize = 3;
/// Columns of a line.
pub(super) const WIDTH: usize = 100;
/// Groups of kernels named in a line.
const GROUPS: usize = 4;

/// The types that some of the kernels have in a module.
fn of_modules(report: &Report, text: &mut String) {
    let mut types: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for asked in &report.relocations {
        if !asked.modules.is_empty() {
            let modules = asked.modules.iter().map(String::as_str);
            types.entry(&asked.root).or_default().extend(modules);
        }
    }
    for (ty, modules) in types.iter().take(TYPES) {
        let named: Vec<&str> = modules.iter().take(TYPES).copied().collect();
        let more = match modules.len().saturating_sub(TYPES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = named.join(", ");
        let named = Printable(&named);
        let line = match modules.len() {
            1 => format!("{ty}: in module {named}, where it is loaded"),
            _ => format!("{ty}: in modules {named}{more}, where they are loaded"),
        };
        let _ = writeln!(text, "{}", cut(&line, WIDTH));
    }
    if let Some(more @ 1..) = types.len().checked_sub(TYPES) {
        let _ = writeln!(text, "and {more} more in modules; --format json names them");
    }
}

pub(super) fn render(report: &Report, changes: Option<&Changes>, paint: Paint) -> String {
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
    wrap(&report.support().headline(), &mut text);
    if let Some(changes) = changes {
        changes::text(changes, paint, &mut text);
    }
    for (mark, word) in [("fails", "failing on"), ("unknown", "not known for")] {
        let such: Vec<_> = (report.kernels.iter())
            .filter(|kernel| report.outcome_on(kernel).name() == mark)
            .collect();
        if !such.is_empty() {
            let such = format!("{word} {}", shortened(in_groups(&such)));
            let _ = writeln!(text, "{}", cut(&such, WIDTH));
        }
    }
    programs(report, paint, &mut text);
    of_modules(report, &mut text);
    let findings = report.findings();
    let clusters = clusters(&findings);
    for (finding, alike) in clusters.iter().take(SHOWN) {
        let head = format!(
            "{}{}: {} on {}",
            finding.asked.term,
            and_more(*alike),
            finding.verdict.status,
            count(finding.kernels.len(), "kernel", "kernels"),
        );
        let effect = mark(finding.verdict.effect, paint);
        let _ = writeln!(text, "{effect}  {}", cut(&head, WIDTH - 6));
        let lines = [
            finding.verdict.reason.clone(),
            shortened(in_groups(&finding.kernels)),
            place(report, finding).unwrap_or_default(),
        ];
        for line in lines.iter().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "      {}", cut(line, WIDTH - 6));
        }
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

/// The programs that are not expected to run.
fn programs(report: &Report, paint: Paint, text: &mut String) {
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
        let _ = writeln!(text, "{mark}  {}", cut(&head, WIDTH - 6));
        for line in [reasons(finding), shortened(in_groups(&finding.kernels))] {
            let _ = writeln!(text, "      {}", cut(&line, WIDTH - 6));
        }
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
        Effect::WrongValue => paint.text(Colour::Bad, "BAD "),
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

/// Where a finding bites: function, section, source line, or instruction where the object has
/// no line info.
pub(super) fn place(report: &Report, finding: &Finding<'_>) -> Option<String> {
    let site = finding.site()?;
    let function = report.functions.get(site.function)?;
    let mut place = format!("{} ({})", function.name, function.section);
    let Some(line) = &site.line else {
        let _ = write!(place, " instruction {}", site.insn);
        return Some(place);
    };
    let _ = write!(place, " {}", line.file);
    // 0 says that the compiler knew none.
    if line.line > 0 {
        let _ = write!(place, ":{}", line.line);
    }
    if !line.text.is_empty() {
        let _ = write!(place, ": {}", line.text);
    }
    Some(place)
}

/// A sentence in lines.
pub(super) fn wrap(sentence: &str, text: &mut String) {
    let mut column = 0;
    for word in sentence.split(' ') {
        let wide = word.chars().count();
        if column > 0 && column + 1 + wide > WIDTH {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += wide;
    }
    text.push('\n');
}

/// At most so many characters, the last of them `…` where some are left out.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
