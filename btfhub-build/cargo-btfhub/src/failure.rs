//! How a command ends when it does not succeed.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

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

/// What went wrong, outermost first, and the exit status it means.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) chain: Vec<String>,
    /// The command's own JSON document is on stdout already and describes the failure.
    pub(crate) is_told: bool,
    /// What the user can do.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// A failure with only a message.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            chain: vec![message.into()],
            is_told: false,
            help: None,
        }
    }

    /// It is about this file.
    pub(crate) fn at(mut self, file: &std::path::Path) -> Self {
        self.chain.insert(0, file.display().to_string());
        self
    }

    /// The arguments don't make sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).with_exit(Exit::Usage)
    }

    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// For failures that the command's result has told of, in text or JSON.
    pub(crate) fn told(mut self) -> Self {
        self.is_told = true;
        self
    }

    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
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
        self.map_err(|error| {
            let mut failure = error.into();
            failure.chain.insert(0, what());
            failure
        })
    }
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
