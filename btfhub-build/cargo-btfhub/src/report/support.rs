//! The table of supported kernels: for a README, and as JSON for a baseline.

use std::fmt::Write as _;

use btfhub_build::support::{Kernel, Support};
use btfhub_build::verdict::Outcome;

use super::wording::{code, escape};
use crate::failure::Failure;
use crate::output::count;

/// The lines of a page between which the table is written.
const BEGIN: &str = "<!-- btfhub-support: written by `cargo btfhub report --format support` -->";
const END: &str = "<!-- /btfhub-support -->";

/// How many ranges of releases a cell lists.
const RANGES: usize = 8;
/// How many programs a footnote names for one reason.
const NAMED: usize = 4;
/// How many reasons a footnote lists.
const REASONS: usize = 4;

/// Consecutive releases of one directory with the same verdicts.
struct Range<'s> {
    kernels: Vec<&'s Kernel>,
    outcome: Outcome,
    /// The footnote; empty if everything runs.
    note: String,
}

/// The kernels of a directory.
fn directories(support: &Support) -> impl Iterator<Item = &[Kernel]> {
    (support.kernels)
        .chunk_by(|a, b| (&a.distro, &a.version, &a.arch) == (&b.distro, &b.version, &b.arch))
}

fn ranges<'s>(support: &Support, kernels: &'s [Kernel]) -> Vec<Range<'s>> {
    let mut ranges: Vec<Range<'_>> = Vec::new();
    for kernel in kernels {
        let outcome = support.outcome_on(kernel);
        let note = note(support, kernel);
        match ranges.last_mut().filter(|range| range.note == note) {
            Some(range) => range.kernels.push(kernel),
            None => ranges.push(Range {
                kernels: vec![kernel],
                outcome,
                note,
            }),
        }
    }
    ranges
}

/// `5.10.0-30-amd64 – 5.10.0-46-amd64 (12)`.
fn named(range: &Range<'_>) -> String {
    match range.kernels.as_slice() {
        [] => String::new(),
        [one] => escape(&one.release),
        [first, .., last] => format!(
            "{} – {} ({})",
            escape(&first.release),
            escape(&last.release),
            range.kernels.len()
        ),
    }
}

/// The table in Markdown, between its markers.
pub(super) fn markdown(support: &Support) -> String {
    let mut notes: Vec<String> = Vec::new();
    let mut text = format!("{BEGIN}\n\n{}\n\n", headline(support));
    text.push_str("| distribution | architecture | kernels | every program is expected to run | otherwise |\n");
    text.push_str("|---|---|--:|---|---|\n");
    for kernels in directories(support) {
        let Some(first) = kernels.first() else {
            continue;
        };
        let ranges = ranges(support, kernels);
        let (run, rest): (Vec<_>, Vec<_>) =
            (ranges.iter()).partition(|range| range.outcome == Outcome::Runs);
        let run: Vec<String> = run.into_iter().map(named).collect();
        let rest: Vec<String> = (rest.into_iter())
            .map(|range| {
                let number = match notes.iter().position(|known| *known == range.note) {
                    Some(at) => at + 1,
                    None => {
                        notes.push(range.note.clone());
                        notes.len()
                    }
                };
                let word = match range.outcome {
                    Outcome::Unknown => "unknown",
                    _ => "some fail",
                };
                format!("{} {word}[^btfhub-{number}]", named(range))
            })
            .collect();
        let _ = writeln!(
            text,
            "| {} {} | {} | {} | {} | {} |",
            escape(&first.distro),
            escape(&first.version),
            escape(&first.arch),
            kernels.len(),
            cell(&run),
            cell(&rest),
        );
    }
    for (at, note) in notes.iter().enumerate() {
        let _ = write!(text, "\n[^btfhub-{}]: {note}\n", at + 1);
    }
    let _ = write!(text, "\n{END}\n");
    text
}

/// The headline; text in backquotes is code.
pub(super) fn headline(support: &Support) -> String {
    let text = support.headline();
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => escape(part),
        _ => code(part),
    });
    parts.collect()
}

fn cell(ranges: &[String]) -> String {
    let shown = ranges.get(..RANGES).unwrap_or(ranges).join(", ");
    match ranges.len().saturating_sub(RANGES) {
        0 if ranges.is_empty() => "–".to_owned(),
        0 => shown,
        more => format!("{shown} and {}", count(more, "more range", "more ranges")),
    }
}

/// Which programs are not expected to run on a kernel, and why; empty if all are.
fn note(support: &Support, kernel: &Kernel) -> String {
    // By reason, in the order of the programs.
    let mut known: Vec<(Outcome, String, Vec<String>)> = Vec::new();
    for (program, verdict) in support.programs.iter().zip(support.verdicts_on(kernel)) {
        if verdict.outcome == Outcome::Runs {
            continue;
        }
        let name = code(&program.to_string());
        let facts = verdict.facts();
        let is_same = |(outcome, of, _): &&mut (Outcome, String, _)| {
            (*outcome, of.as_str()) == (verdict.outcome, facts.as_str())
        };
        match known.iter_mut().find(is_same) {
            Some((.., names)) => names.push(name),
            None => known.push((verdict.outcome, facts, vec![name])),
        }
    }
    known.sort_by_key(|(outcome, _, names)| std::cmp::Reverse((*outcome, names.len())));
    let mut parts: Vec<String> = (known.iter().take(REASONS))
        .map(|(outcome, facts, names)| {
            let shown = names.get(..NAMED).unwrap_or(names).join(", ");
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{shown}{more}: {outcome}: {}", escape(facts))
        })
        .collect();
    let rest: usize = (known.iter().skip(REASONS))
        .map(|(.., names)| names.len())
        .sum();
    if rest > 0 {
        let more = count(rest, "more program", "more programs");
        parts.push(format!("{more} for other reasons"));
    }
    parts.join("; ")
}

/// A page with its table replaced, with the page's line endings.
pub(super) fn within(page: &str, table: &str) -> Result<String, Failure> {
    let (from, to) = place(page)?;
    let before = page.get(..from).unwrap_or_default();
    let old = page.get(from..to).unwrap_or_default();
    let after = page.get(to..).unwrap_or_default();
    let table = table.trim_end();
    let first = old.split('\n').next();
    let is_windows = first.is_some_and(|first| first.ends_with('\r'));
    let table = match is_windows {
        true => table.replace('\n', "\r\n"),
        false => table.to_owned(),
    };
    Ok(format!("{before}{table}{after}"))
}

/// Checks that the page has exactly this table; the error shows the first difference.
pub(super) fn check(page: &str, table: &str) -> Result<Option<[String; 2]>, Failure> {
    let (from, to) = place(page)?;
    let has = page.get(from..to).unwrap_or_default();
    // A checkout on Windows may have changed the line endings.
    let (mut has, mut is) = (has.lines(), table.trim_end().lines());
    loop {
        match (has.next(), is.next()) {
            (None, None) => return Ok(None),
            (has, is) if has == is => {}
            (has, is) => {
                return Ok(Some([
                    format!("  it says:   {}", has.unwrap_or("nothing more")),
                    format!("  should be: {}", is.unwrap_or("nothing more")),
                ]));
            }
        }
    }
}

/// Where the table is, with its markers, each of which must be on a line of its own exactly once.
fn place(page: &str) -> Result<(usize, usize), Failure> {
    let mut found = Vec::new();
    let mut start = 0;
    for (number, line) in page.split_inclusive('\n').enumerate() {
        let marker = line.trim();
        if [BEGIN, END].contains(&marker) {
            let from = start + line.len() - line.trim_start().len();
            found.push((marker, from, from + marker.len(), number + 1));
        }
        start += line.len();
    }
    let what = match found.as_slice() {
        [(BEGIN, from, ..), (END, _, to, _)] => return Ok((*from, *to)),
        [] => {
            "the page has no markers for the table: add these two lines where it belongs".to_owned()
        }
        found => {
            let lines: Vec<String> = found.iter().map(|(.., line)| line.to_string()).collect();
            format!(
                "the markers of the table are not clear (line {}): the page needs these two lines, \
                 once each",
                lines.join(", ")
            )
        }
    };
    Err(Failure::of_lines([
        what,
        format!("  {BEGIN}"),
        format!("  {END}"),
    ]))
}
