//! What changed since a baseline, in words.

use std::fmt::Write as _;

use btfhub_build::report::Deny;
use btfhub_build::support::{Change, ChangeKind, Changes, Kernel, Program};

use btfhub_runtime::Printable;

use super::wording::{WIDTH, code, cut, escape, shortened, wrap};
use crate::output::{Colour, Lines, Paint, count, line};

/// How many changes the text and a complaint list.
const SHOWN: usize = 4;
/// Rows of the table; comments on pull requests are limited in size.
const ROWS: usize = 50;

/// What changed, in a line.
fn summary(changes: &Changes) -> String {
    if changes.is_empty() {
        return "nothing changed since the baseline".to_owned();
    }
    let of = |kind| changes.of(kind).count();
    let lost = match changes.lost().len() {
        0 => "nothing lost".to_owned(),
        some => format!("support lost on {}", count(some, "kernel", "kernels")),
    };
    let mut parts = vec![lost];
    let counts = [
        (of(ChangeKind::Lost), "verdict lost", "verdicts lost"),
        (of(ChangeKind::Won), "verdict won", "verdicts won"),
        (
            of(ChangeKind::Changed),
            "verdict changed",
            "verdicts changed",
        ),
        (changes.kernels_gone.len(), "kernel gone", "kernels gone"),
        (changes.kernels_new.len(), "new kernel", "new kernels"),
        (changes.programs_gone.len(), "program gone", "programs gone"),
        (changes.programs_new.len(), "new program", "new programs"),
    ];
    for (number, one, many) in counts {
        if number > 0 {
            parts.push(count(number, one, many));
        }
    }
    format!("since the baseline: {}", parts.join(", "))
}

pub(super) fn text(changes: &Changes, paint: Paint, text: &mut Lines) {
    wrap(&summary(changes), text);
    for change in changes.verdicts.iter().take(SHOWN) {
        let word = format!("{:<7}", change.kind.name());
        let word = match change.kind {
            ChangeKind::Lost => paint.text(Colour::Bad, &word),
            ChangeKind::Won => paint.text(Colour::Good, &word),
            ChangeKind::Changed => word,
        };
        let [head, why] = told(change);
        line!(text, "{word} {}", cut(&head, WIDTH - 8));
        line!(text, "        {}", cut(&why, WIDTH - 8));
    }
    let rest = changes.verdicts.len().saturating_sub(SHOWN);
    if rest > 0 {
        let more = count(rest, "change", "changes");
        line!(text, "and {more} more; --format json has all");
    }
}

/// What changed and where, and why.
fn told(change: &Change) -> [String; 2] {
    let after = change.after.reason();
    let reason = match change.kind {
        ChangeKind::Won => format!("before: {}", change.before.reason()),
        _ if after.is_empty() => change.before.reason(),
        _ => after,
    };
    [
        format!(
            "{}: {} → {} on {}",
            change.program,
            change.before.outcome,
            change.after.outcome,
            shortened(groups(&change.kernels)),
        ),
        reason,
    ]
}

/// Kernels by directory, with their number.
pub(super) fn groups(kernels: &[Kernel]) -> Vec<String> {
    let same = |a: &Kernel, b: &Kernel| {
        (&a.distro, &a.version, &a.arch) == (&b.distro, &b.version, &b.arch)
    };
    (kernels.chunk_by(same))
        .filter_map(|some| {
            let first = some.first()?;
            let directory = [&first.distro, &first.version, &first.arch];
            let [distro, version, arch] = directory.map(|name| Printable(name));
            Some(match some.len() {
                1 => first.to_string(),
                number => format!("{distro}/{version}/{arch} ({number})"),
            })
        })
        .collect()
}

pub(super) fn markdown(changes: &Changes, text: &mut String) {
    let _ = writeln!(
        text,
        "\n#### What changed\n\n{}.",
        capital(&summary(changes))
    );
    if !changes.verdicts.is_empty() {
        text.push_str("\n| | program | kernels | was | is | why |\n|---|---|---|---|---|---|\n");
        for change in changes.verdicts.iter().take(ROWS) {
            let [_, why] = told(change);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                change.kind.name(),
                code(&change.program.to_string()),
                escape(&shortened(groups(&change.kernels))),
                change.before.outcome,
                change.after.outcome,
                escape(&why),
            );
        }
        if changes.verdicts.len() > ROWS {
            let _ = writeln!(text, "\nAnd {} more.", changes.verdicts.len() - ROWS);
        }
    }
    for (what, kernels) in [
        ("Kernels gone", &changes.kernels_gone),
        ("New kernels", &changes.kernels_new),
    ] {
        if !kernels.is_empty() {
            let _ = writeln!(text, "\n{what}: {}.", escape(&shortened(groups(kernels))));
        }
    }
    for (what, programs) in [
        ("Programs gone", &changes.programs_gone),
        ("New programs", &changes.programs_new),
    ] {
        if !programs.is_empty() {
            let _ = writeln!(text, "\n{what}: {}.", shortened(named(programs, code)));
        }
    }
}

/// Programs with their objects: several objects may have a program of the same name.
fn named(programs: &[Program], write: impl Fn(&str) -> String) -> Vec<String> {
    let named = |program: &Program| match program.is_whole_object() {
        true => program.to_string(),
        false => format!(
            "{} of {}",
            write(&program.to_string()),
            write(&Printable(&program.object).to_string())
        ),
    };
    programs.iter().map(named).collect()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// The complaint of `--deny lost`, in lines.
pub(super) fn complaint(changes: &Changes, deny: Deny) -> Vec<String> {
    let lost = changes.lost();
    let mut text = vec![format!(
        "--deny {deny}: support lost on {} of {}: {}",
        lost.len(),
        count(changes.kernels_before(), "kernel", "kernels"),
        shortened(groups(lost))
    )];
    for change in changes.of(ChangeKind::Lost).take(SHOWN) {
        let [head, why] = told(change);
        line!(text, "  {head}");
        line!(text, "    {why}");
    }
    let lost = changes.of(ChangeKind::Lost).count();
    if lost > SHOWN {
        line!(text, "  and {} more", lost - SHOWN);
    }
    if !changes.kernels_gone.is_empty() {
        let gone = shortened(groups(&changes.kernels_gone));
        line!(text, "  kernels no longer in the report: {gone}");
    }
    if !changes.programs_gone.is_empty() {
        let gone = shortened(named(&changes.programs_gone, str::to_owned));
        line!(text, "  programs no longer in the report: {gone}");
    }
    line!(
        text,
        "  if that is intended, update the baseline: --format support --json --out FILE"
    );
    text
}
