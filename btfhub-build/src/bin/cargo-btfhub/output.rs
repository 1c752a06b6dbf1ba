//! What commands print: results on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;

use crate::args::Global;
use crate::failure::{Context, Failure};

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
    pub(crate) fn result(
        self,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            let mut json = serde_json::to_string_pretty(document)?;
            json.push('\n');
            stdout(json.as_bytes())
        } else {
            stdout(text().as_bytes())
        }
    }

    /// A remark for the user, not part of the result.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            stderr(&format!("{text}\n"));
        }
    }

    /// A counter on the terminal, where there is one.
    pub(crate) fn progress(self, what: &'static str) -> Progress {
        Progress {
            what,
            shown: !self.quiet && io::stderr().is_terminal(),
        }
    }
}

/// A line on the terminal that is rewritten as work goes on.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    pub(crate) fn set(&self, done: usize, total: usize) {
        if self.shown {
            stderr(&format!("\r{} {done}/{total}\x1b[K", self.what));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            stderr("\r\x1b[K");
        }
    }
}

/// Writes all of `bytes` to stdout. A reader that went away (`| head`) is no failure.
pub(crate) fn stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context(|| "cannot write to stdout".into()),
    }
}

/// Writes to stderr, where nobody can be told of a failure to do so.
pub(crate) fn stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Makes `path` hold `bytes`, wholly or not at all: a neighbour is written and renamed.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Err(Failure::usage(format!(
            "{}: no name of a file to write",
            path.display()
        )));
    };
    std::fs::create_dir_all(parent).context(|| format!("cannot make {}", parent.display()))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.part", std::process::id()));
    let temporary = parent.join(temporary);
    let written = std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path))
        .context(|| format!("cannot write {}", path.display()));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
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
