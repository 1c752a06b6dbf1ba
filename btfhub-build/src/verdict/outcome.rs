//! What to expect of a program on a kernel.

use std::fmt;

/// What to expect of a program on a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Verdict {
    /// The verdict itself.
    pub outcome: Outcome,
    /// Why; for [`Outcome::Runs`], what was checked.
    pub reasons: Vec<Reason>,
}

/// Whether a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is expected to load and attach: no rule found a problem.
    Runs,
    /// What it depends on is not known.
    Unknown,
    /// It does not load or does not attach.
    Fails(Certainty),
}

/// How certain a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// There is a strong hint.
    Likely,
    /// It follows from the kernel's BTF, symbols and release alone.
    Proven,
}

/// Why a verdict is as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Reason {
    /// The name of the rule, such as `helper`: see docs/verdicts.md.
    pub rule: &'static str,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Reason {
    /// What is wrong, without the place in the source and what to do about it.
    pub fn fact(&self) -> &str {
        fact(&self.text)
    }
}

/// [`Reason::fact`], for a reason that was read from a file.
pub(crate) fn fact(text: &str) -> &str {
    let ends = [": ", "; ", " (in "].map(|mark| text.find(mark));
    let end = ends.into_iter().flatten().min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

impl Outcome {
    /// `runs`, `unknown` or `fails`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Unknown => "unknown",
            Self::Fails(_) => "fails",
        }
    }

    /// How certain a failure is.
    pub fn certainty(self) -> Option<Certainty> {
        match self {
            Self::Fails(certainty) => Some(certainty),
            Self::Runs | Self::Unknown => None,
        }
    }
}

impl Certainty {
    /// `likely` or `proven`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Proven => "proven",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails(certainty) => write!(f, "fails ({})", certainty.name()),
            Self::Runs | Self::Unknown => f.write_str(self.name()),
        }
    }
}
