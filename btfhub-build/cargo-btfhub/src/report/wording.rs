//! Wording that all formats share.

use std::collections::HashMap;
use std::fmt::Write as _;

use btfhub_build::report::{Finding, ProgramFinding, Report};
use btfhub_build::verdict::Reason;
use btfhub_runtime::Printable;

use crate::output::{Lines, count};

/// How many groups of kernels a line names.
const GROUPS: usize = 4;
/// Columns of a line.
pub(super) const WIDTH: usize = 100;

/// `on_exit (kprobe/do_exit)`, or the object if its programs are in conflict.
pub(super) fn program(finding: &ProgramFinding<'_>) -> String {
    match finding.program {
        Some(program) => format!("{} ({})", program.name, program.section),
        None => format!("{} with all its programs", finding.object),
    }
}

/// All reasons in a line; with place and advice only if they are for a single program.
pub(super) fn reasons(finding: &ProgramFinding<'_>, alike: usize) -> String {
    if alike > 0 {
        return facts(finding).join("; ");
    }
    let reasons = finding.verdict.reasons.iter();
    let texts: Vec<&str> = reasons.map(|reason| reason.text.as_str()).collect();
    texts.join("; ")
}

fn facts<'r>(finding: &ProgramFinding<'r>) -> Vec<&'r str> {
    (finding.verdict.reasons.iter().map(Reason::fact)).collect()
}

/// Groups findings with the same content and kernels, wherever they are in the source: the first of
/// each group, and how many others there are.
pub(super) fn program_clusters<'f, 'r>(
    findings: &'f [ProgramFinding<'r>],
) -> Vec<(&'f ProgramFinding<'r>, usize)> {
    let mut clusters: Vec<(&ProgramFinding<'_>, usize)> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for finding in findings {
        let releases = finding.kernels.iter().map(|kernel| kernel.program_column);
        let key = (
            finding.verdict.outcome,
            facts(finding),
            releases.collect::<Vec<_>>(),
        );
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

/// The objects by name, or their number if there are many.
pub(super) fn named(objects: &[String]) -> String {
    if objects.len() > 4 {
        format!("{} objects", objects.len())
    } else {
        objects.join(", ")
    }
}

/// Groups findings with the same content and kernels: the first of each group, and how many others
/// there are.
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

pub(super) fn shortened(groups: Vec<String>) -> String {
    first_of(&groups, GROUPS)
}

/// As many groups as fit in a line.
pub(super) fn fitted(groups: &[String], width: usize) -> String {
    let fits = |some: &usize| first_of(groups, *some).chars().count() <= width;
    let some = (1..=groups.len()).rev().find(fits).unwrap_or(1);
    first_of(groups, some)
}

fn first_of(groups: &[String], some: usize) -> String {
    let mut text = groups.get(..some).unwrap_or(groups).join(", ");
    if let Some(more @ 1..) = groups.len().checked_sub(some) {
        let _ = write!(text, " and {}", count(more, "more group", "more groups"));
    }
    text
}

/// The place of a finding: function, section, source line, or instruction if the object has no
/// line info.
pub(super) fn place(report: &Report, finding: &Finding<'_>) -> Option<String> {
    let site = finding.site()?;
    let function = report.functions.get(site.function)?;
    let mut place = format!("{} ({})", function.name, function.section);
    let Some(line) = &site.line else {
        let _ = write!(place, " instruction {}", site.insn);
        return Some(place);
    };
    let _ = write!(place, " {}", line.file);
    // 0 means that the compiler knew none.
    if line.line > 0 {
        let _ = write!(place, ":{}", line.line);
    }
    if !line.text.is_empty() {
        let _ = write!(place, ": {}", line.text);
    }
    Some(place)
}

/// A sentence in lines.
pub(super) fn wrap(sentence: &str, text: &mut Lines) {
    let mut line = String::new();
    let mut column = 0;
    for word in sentence.split(' ') {
        let wide = word.chars().count();
        if column > 0 && column + 1 + wide > WIDTH {
            text.push(std::mem::take(&mut line));
            column = 0;
        } else if column > 0 {
            line.push(' ');
            column += 1;
        }
        line.push_str(word);
        column += wide;
    }
    text.push(line);
}

/// Cuts a text to this many characters, the last of which is then `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Invisible; separates characters that pages would otherwise turn into links.
const APART: &str = "&#8203;";

/// Text in a cell of a table. It stays plain text: it mentions nobody (`@team`), refers to no issue
/// (`#1`, `GH-1`) and forms no link, all of which pages detect even without markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = format!("{:#}", Printable(text));
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '|' | '*' | '_' | '`' | '<' | '[' | '\\' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(char);
            }
            '&' => escaped.push_str("&amp;"),
            _ => escaped.push(char),
        }
        let is_link = match char {
            '@' => true,
            '#' => chars.peek().is_some_and(char::is_ascii_digit),
            '-' => is_issue(&escaped) && chars.peek().is_some_and(char::is_ascii_digit),
            ':' => chars.peek() == Some(&'/'),
            'w' | 'W' => chars.peek() == Some(&'.'),
            _ => false,
        };
        if is_link {
            escaped.push_str(APART);
        }
    }
    escaped
}

/// Whether a text ends as the number of an issue begins: `GH-1`.
fn is_issue(text: &str) -> bool {
    let end = text.len().checked_sub("GH-".len());
    end.and_then(|at| text.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case("GH-"))
}

/// Code in a cell of a table. Pages look for no links in code.
pub(super) fn code(text: &str) -> String {
    let text = Printable(text).to_string();
    format!("`{}`", text.replace('`', "'").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_cell_is_nothing_but_text() {
        for (text, cell) in [
            (
                "5.10.0-8-amd64, 4.18.0-80.el8.x86_64",
                r"5.10.0-8-amd64, 4.18.0-80.el8.x86\_64",
            ),
            ("@team", "@&#8203;team"),
            ("x#12 # y", "x#&#8203;12 # y"),
            ("GH-1 gh-x -1", "GH-&#8203;1 gh-x -1"),
            ("http://a.b", "http:&#8203;//a.b"),
            ("www.a.b", "www&#8203;.a.b"),
            ("&#64;team", r"&amp;#&#8203;64;team"),
            ("a|b\n<i>`[x](y)", r"a\|b\\n\<i>\`\[x](y)"),
        ] {
            assert_eq!(escape(text), cell);
        }
    }
}
