//! The programs that fail on the running kernel, as a list and in words.

use core::fmt;

use crate::Printable;

/// Which programs of the bundle's objects fail on the running kernel.
///
/// `{}` prints one line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingPrograms {
    /// By object and program.
    programs: Vec<FailingProgram>,
    is_known: bool,
}

/// A program that fails on the running kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FailingProgram {
    /// The object's name: that of its file when the bundle was made.
    pub object: String,
    /// The program's function.
    pub program: String,
    /// Why, in some words.
    pub reason: String,
}

impl FailingPrograms {
    /// Where it is not known.
    pub(super) const UNKNOWN: Self = Self {
        programs: Vec::new(),
        is_known: false,
    };

    /// These, ordered.
    pub(super) fn known(programs: Vec<FailingProgram>) -> Self {
        Self {
            programs,
            is_known: true,
        }
    }

    /// Whether the bundle knows this kernel. Where it does not, the list is empty, and any
    /// program may fail. Where it does, a program that is not in the list may still fail: see
    /// what [verdicts](https://docs.rs/btfhub-build) don't check.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// All of them, by object and program.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &FailingProgram> {
        self.programs.iter()
    }

    /// A program of an object, by their names, if it fails.
    pub fn get(&self, object: &str, program: &str) -> Option<&FailingProgram> {
        (self.programs.iter()).find(|it| it.object == object && it.program == program)
    }
}

impl fmt::Display for FailingPrograms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_known {
            return f.write_str("which programs fail here is not known");
        }
        if self.programs.is_empty() {
            return f.write_str("no program is known to fail here");
        }
        f.write_str("failing here: ")?;
        for (number, program) in self.programs.iter().enumerate() {
            let separator = if number > 0 { "; " } else { "" };
            write!(f, "{separator}{program}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FailingProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            program,
            reason,
        } = self;
        write!(
            f,
            "{} of {} ({})",
            Printable(program),
            Printable(object),
            Printable(reason)
        )
    }
}

/// A list that was asked for, and how it is printed: a program that asks for none is without
/// the code of either.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) programs: FailingPrograms,
    pub(super) show: fn(&FailingPrograms, &mut fmt::Formatter<'_>) -> fmt::Result,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.show)(&self.programs, f)
    }
}
