//! What commands print: results on stdout, everything else on stderr. Progress and colours
//! are for terminals only.

use std::io::{self, IsTerminal, Write};

use btfhub_runtime::Printable;
use serde::Serialize;

use crate::args::Global;
use crate::failure::{self, Context, Failure};

/// Where results and notes go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
        }
    }

    /// The result: `text` or, with `--json`, `document`.
    pub(crate) fn result<L: Into<Lines>>(
        self,
        document: &impl Serialize,
        text: impl FnOnce() -> L,
    ) -> Result<(), Failure> {
        if self.json {
            stdout(json(document)?.as_bytes())
        } else {
            stdout(text().into().shown(Paint::stdout()).as_bytes())
        }
    }

    /// Prints a line for the user that is not part of the result.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            say(&failure::shown(text));
        }
    }

    /// A counter on the terminal, if stderr is one.
    pub(crate) fn progress(self, what: &'static str) -> Progress {
        Progress {
            what,
            shown: !self.quiet && io::stderr().is_terminal() && !is_dumb(),
        }
    }
}

/// Text as lines. Nothing that a line quotes can end it or steer the terminal.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<String>);

impl Lines {
    pub(crate) fn push(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }

    /// The text for a stream.
    pub(crate) fn shown(&self, paint: Paint) -> String {
        let lines = self.0.iter().map(|line| shown_line(line, paint) + "\n");
        lines.collect()
    }
}

/// One line.
impl From<String> for Lines {
    fn from(line: String) -> Self {
        Self(vec![line])
    }
}

impl FromIterator<String> for Lines {
    fn from_iter<T: IntoIterator<Item = String>>(lines: T) -> Self {
        Self(lines.into_iter().collect())
    }
}

/// Adds a line to [`Lines`], as `writeln!` does to a `String`.
macro_rules! line {
    ($lines:expr, $($said:tt)+) => {
        $lines.push(format!($($said)+))
    };
}
pub(crate) use line;

/// A terminal that says it can't move its cursor.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Text in colour, for a stream that shows colours: a terminal, unless `NO_COLOR` is set
/// (<https://no-color.org>).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

/// The codes for a terminal: red and bold, green, cyan, and reset.
const COLOURS: [&str; 4] = ["\x1b[1;31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"];

/// The meaning of a colour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Colour {
    Bad,
    Good,
    Hint,
}

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self::on(io::stdout().is_terminal())
    }

    pub(crate) fn stderr() -> Self {
        Self::on(io::stderr().is_terminal())
    }

    /// No colours, for files.
    pub(crate) fn none() -> Self {
        Self(false)
    }

    fn on(is_terminal: bool) -> Self {
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(is_terminal && !is_refused && !is_dumb())
    }

    pub(crate) fn text(self, colour: Colour, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let [bad, good, hint, end] = COLOURS;
        let begin = match colour {
            Colour::Bad => bad,
            Colour::Good => good,
            Colour::Hint => hint,
        };
        format!("{begin}{text}{end}")
    }
}

/// A line on the terminal that is rewritten as work progresses.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    pub(crate) fn set(&self, done: usize, total: usize) {
        if self.shown {
            raw_stderr(&format!("\r{} {done}/{total}\x1b[K", self.what));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            raw_stderr("\r\x1b[K");
        }
    }
}

/// Writes all of `bytes` to stdout. If the reader is gone (`| head`), that is not a failure.
pub(crate) fn stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "cannot write to stdout".into()),
    }
}

/// Writes a line to stderr; a failure to do so can't be reported anywhere.
pub(crate) fn say(line: &str) {
    raw_stderr(&(shown_line(line, Paint::stderr()) + "\n"));
}

/// The same for text that may have several lines, all known to be safe.
pub(crate) fn stderr(text: &str) {
    raw_stderr(&shown(text, Paint::stderr()));
}

fn raw_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A document, followed by a line end.
pub(crate) fn json(document: &impl Serialize) -> Result<String, Failure> {
    Ok(shown_json(&serde_json::to_string_pretty(document)?) + "\n")
}

/// JSON in which everything that a terminal could interpret is escaped, and `##`, with which
/// commands begin in the logs of CI.
pub(crate) fn shown_json(json: &str) -> String {
    use std::fmt::Write as _;
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        let is_command = c == '#' && shown.ends_with('#');
        if c == '\n' || (Printable::is_plain_char(c) && !is_command) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown
}

/// Makes each line of a text safe for a stream.
pub(crate) fn shown(text: &str, paint: Paint) -> String {
    let lines: Vec<String> = (text.split('\n').map(|line| shown_line(line, paint))).collect();
    lines.join("\n")
}

/// Makes a line safe for a stream: of everything that could control a terminal, only our own
/// colours remain.
fn shown_line(line: &str, paint: Paint) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('\x1b') {
        let (plain, odd) = rest.split_at(at);
        let mut colours = COLOURS.iter().filter(|_| paint.0);
        let kept = colours.find(|kept| odd.starts_with(**kept));
        shown += &format!("{:#}", Printable(plain));
        shown += kept.unwrap_or(&"\\u{1b}");
        rest = odd
            .get(kept.map_or(1, |kept| kept.len())..)
            .unwrap_or_default();
    }
    shown + &format!("{:#}", Printable(rest))
}

/// `1 kernel`, `2 kernels`.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
