//! Which programs run on which kernels, as one table that reports and baselines share; and the
//! differences between two such tables.
//!
//! ```text
//! collect   verdicts on programs and on objects → one table
//! headline  the one sentence above a report
//! changes   how a report differs from a baseline
//! read      a baseline, from the JSON of a report or of a support table
//! ```

mod changes;
mod collect;
mod headline;
#[cfg(feature = "manifest")]
mod read;

use std::fmt;

use btfhub_runtime::Printable;

pub use changes::{Change, ChangeKind, Changes};
#[cfg(feature = "manifest")]
pub use read::BaselineError;

pub use crate::verdict::Outcome;
use crate::verdict::fact;

/// A program of an object; or an object with all its programs, if each runs alone but not all
/// together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    /// The object's name.
    pub object: String,
    /// The name of the program's function; empty for an object with all its programs.
    pub name: String,
    /// The ELF section, from which libbpf takes the program's type.
    pub section: String,
}

/// A kernel, and the column with the verdicts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// os-release `ID`.
    pub distro: String,
    /// The archive's version directory.
    pub version: String,
    /// The architecture.
    pub arch: String,
    /// `uname -r`.
    pub release: String,
    /// Index into [`Support::columns`].
    pub column: usize,
}

/// The verdict on a program on a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verdict {
    /// The verdict itself.
    pub outcome: Outcome,
    /// Why; for a program that runs, what was checked.
    pub reasons: Vec<Reason>,
}

/// Why a verdict is as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason {
    /// The name of the rule.
    pub rule: String,
    /// What is wrong, and what to do.
    pub text: String,
}

/// Programs × kernels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Support {
    /// The programs, object by object.
    pub programs: Vec<Program>,
    /// By distribution, version, architecture and release, numbers as numbers.
    pub kernels: Vec<Kernel>,
    /// The distinct columns: for each of [`programs`](Self::programs) an index into
    /// [`verdicts`](Self::verdicts).
    pub columns: Vec<Vec<usize>>,
    /// The distinct verdicts.
    pub verdicts: Vec<Verdict>,
}

/// For messages: a baseline may contain any name.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole_object() {
            write!(f, "{} with all its programs", Printable(&self.object))
        } else {
            Printable(&self.name).fmt(f)
        }
    }
}

impl Program {
    /// Whether this row is for an object with all its programs.
    pub fn is_whole_object(&self) -> bool {
        self.name.is_empty() && self.section.is_empty()
    }
}

/// For messages, like [`Program`].
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.distro, &self.version, &self.arch, &self.release];
        let [distro, version, arch, release] = parts.map(|part| Printable(part));
        write!(f, "{distro}/{version}/{arch}/{release}")
    }
}

impl Verdict {
    /// The reasons in one line, for messages.
    pub fn reason(&self) -> String {
        let texts: Vec<String> = (self.reasons.iter())
            .map(|reason| format!("{:#}", Printable(&reason.text)))
            .collect();
        texts.join("; ")
    }

    /// The same, without places in the source and what to do.
    pub fn facts(&self) -> String {
        let facts: Vec<&str> = self.reasons.iter().map(Reason::fact).collect();
        Printable(&facts.join("; ")).to_string()
    }
}

impl Reason {
    /// What is wrong, without the place in the source and what to do about it.
    pub fn fact(&self) -> &str {
        fact(&self.text)
    }
}

impl Support {
    /// The verdict on a program, by its index, on a kernel.
    pub fn verdict(&self, program: usize, kernel: &Kernel) -> Option<&Verdict> {
        let column = self.columns.get(kernel.column)?;
        self.verdicts.get(*column.get(program)?)
    }

    /// The verdicts on a kernel, in the order of the programs.
    pub fn verdicts_on(&self, kernel: &Kernel) -> impl Iterator<Item = &Verdict> {
        (self.columns.get(kernel.column).into_iter().flatten())
            .filter_map(|verdict| self.verdicts.get(*verdict))
    }

    /// The worst of the verdicts on a kernel.
    pub fn outcome_on(&self, kernel: &Kernel) -> Outcome {
        (self
            .verdicts_on(kernel)
            .map(|verdict| verdict.outcome)
            .max())
        .unwrap_or(Outcome::Runs)
    }
}
