//! The error of everything that touches files, processes or the environment.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

use btfhub_runtime::Printable;

/// What went wrong, in terms that the user can act on. The message names the file, the archive
/// entry or the kernel; [`source`](StdError::source) leads to the cause; the help says what to
/// do about it.
///
/// `Debug` prints the whole chain readably, so that a build script may be
///
/// ```no_run
/// fn main() -> Result<(), btfhub_build::Error> {
///     // …
/// #   Ok(())
/// }
/// ```
///
/// and its failure is readable text, without a panic or a backtrace.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    /// Below the message.
    lines: Vec<String>,
    /// As it is shown.
    help: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Which side an [`Error`] lies on, for callers that treat some differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The archive as a whole: missing, empty, nothing for this architecture.
    Archive,
    /// One or more entries of the archive cannot be used.
    Entry,
    /// An eBPF object cannot be used.
    Object,
    /// The archive is not the one that was pinned.
    Pin,
    /// The configuration makes no sense.
    Config,
    /// A diagnostic that the caller denied.
    Denied,
    /// A prepared bundle is stale or unusable.
    Prepared,
    /// The proof failed: relocations resolve differently with the bundle than with the full
    /// BTF.
    Proof,
    /// A shard cannot be used, or shards cannot be joined.
    Shard,
    /// Reading or writing a file failed.
    Io,
}

impl Error {
    /// An error with only a message.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            lines: Vec::new(),
            help: None,
            source: None,
        }))
    }

    /// Adds lines below the message.
    pub(crate) fn lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.0.lines.extend(lines);
        self
    }

    /// Adds what the user can do.
    pub(crate) fn help(mut self, help: impl AsRef<str>) -> Self {
        self.0.help = Some(shown(help.as_ref().as_bytes()));
        self
    }

    /// Adds a command that the user can run.
    pub(crate) fn command(mut self, what: &str, command: &str) -> Self {
        let lines = [what, command].map(|line| shown(line.as_bytes()));
        self.0.help = Some(lines.join("\n  "));
        self
    }

    /// Adds the cause.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Which side the error lies on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the user can do about it, if known.
    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

/// A name of an object or a kernel as it may be shown, all of it.
pub(crate) fn shown(name: &[u8]) -> String {
    format!("{:#}", Printable(&String::from_utf8_lossy(name)))
}

/// A path as it may be shown.
pub(crate) fn shown_path(path: &Path) -> String {
    shown(path.as_os_str().as_encoded_bytes())
}

/// `1 entry`, `2 entries`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The first few of a list.
pub(crate) fn some(mut items: impl Iterator<Item = impl fmt::Display>) -> String {
    let mut text: Vec<String> = (items.by_ref().take(3))
        .map(|item| item.to_string())
        .collect();
    if items.next().is_some() {
        text.push("…".to_owned());
    }
    text.join(", ")
}

/// A word of a command that a message tells, as one pastes it into a shell.
pub(crate) fn shell_word(word: impl fmt::Display) -> String {
    let word = word.to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:=,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// More bytes than a line of a message needs, even if it names a path.
pub(crate) const LONGEST_LINE: usize = 8192;

/// Where to get an archive.
pub(crate) const GET_AN_ARCHIVE: &str = "get one with `cargo btfhub fetch` or `git clone \
     https://github.com/aquasecurity/btfhub-archive`, and name its directory in Builder::archive or \
     in the variable BTFHUB_ARCHIVE; Builder::prepared and Builder::optional do without";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.LONGEST_LINE$}", Printable(&self.0.message))?;
        self.0
            .lines
            .iter()
            .try_for_each(|line| write!(f, "\n{:.LONGEST_LINE$}", Printable(line)))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        if cause.is_some() {
            f.write_str("\n\nCaused by:")?;
        }
        while let Some(error) = cause {
            write!(f, "\n    {:.LONGEST_LINE$}", Printable(&error.to_string()))?;
            cause = error.source();
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n\nHelp: {help}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
