//! How a command ends when it does not succeed.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use btfhub_runtime::Printable;

/// The exit status, part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Ambiguous = 4,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Ambiguous => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What went wrong, outermost first, and the exit status. Nothing that a message quotes can end its
/// line.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    chain: Vec<String>,
    /// The command's own JSON document is on stdout already and describes the failure.
    pub(crate) is_told: bool,
    /// What the user can do.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// A failure with only a message.
    pub(crate) fn new(message: impl AsRef<str>) -> Self {
        Self::of_lines([message])
    }

    /// A failure whose message has several lines.
    pub(crate) fn of_lines<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Self {
        let lines: Vec<String> = lines.into_iter().map(|line| shown(line.as_ref())).collect();
        Self {
            exit: Exit::Failed,
            chain: vec![lines.join("\n")],
            is_told: false,
            help: None,
        }
    }

    /// It is about this file.
    pub(crate) fn at(self, file: &Path) -> Self {
        self.during(&file.display().to_string())
    }

    /// Adds what was being done.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.chain.insert(0, shown(what));
        self
    }

    /// Adds a cause.
    pub(crate) fn because(mut self, cause: &str) -> Self {
        self.chain.push(shown(cause));
        self
    }

    /// Without the outermost message, which a caller gives in another form.
    pub(crate) fn cause(mut self) -> Self {
        self.chain.remove(0);
        self
    }

    /// The messages, outermost first.
    pub(crate) fn chain(&self) -> &[String] {
        &self.chain
    }

    /// All in one line.
    pub(crate) fn in_a_line(&self) -> String {
        self.chain.join(": ")
    }

    /// The arguments don't make sense.
    pub(crate) fn usage(message: impl AsRef<str>) -> Self {
        Self::new(message).with_exit(Exit::Usage)
    }

    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// For failures that the command's output already describes, in text or JSON.
    pub(crate) fn told(mut self) -> Self {
        self.is_told = true;
        self
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        let text = |error: &(dyn Error + 'static)| match error.is::<btfhub_build::Error>() {
            // Each of its lines is safe already.
            true => error.to_string(),
            false => shown(&error.to_string()),
        };
        let mut chain = vec![text(error)];
        let mut source = error.source();
        while let Some(cause) = source {
            let text = text(cause);
            // Some libraries repeat their cause in their own message.
            if chain.last().is_none_or(|last| !last.ends_with(&text)) {
                chain.push(text);
            }
            source = cause.source();
        }
        Self {
            exit: Exit::Failed,
            chain,
            is_told: false,
            help: None,
        }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes = self.chain.iter();
        if let Some(message) = causes.next() {
            f.write_str(message)?;
        }
        for cause in causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        Ok(())
    }
}

/// Adds what was being done when an error occurred.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| error.into().during(&what()))
    }
}

/// More bytes than a line of a message needs, even if it names a path.
const LONGEST_LINE: usize = 8192;

/// A line of a message, as it is shown.
pub(crate) fn shown(line: &str) -> String {
    format!("{:.LONGEST_LINE$}", Printable(line))
}

/// An error of the library, with its help.
pub(crate) fn failure(error: btfhub_build::Error) -> Failure {
    let exit = match error.kind() {
        btfhub_build::ErrorKind::Config => Exit::Usage,
        _ => Exit::Failed,
    };
    let help = error.help_text().map(str::to_owned);
    let mut failure = Failure::from(error).with_exit(exit);
    failure.help = help;
    failure
}
