//! The words for what is to be expected of a program on a kernel.

use std::fmt;

/// What is to be expected of a program on a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Verdict {
    /// In a word.
    pub outcome: Outcome,
    /// Why; for [`Outcome::Runs`] what was checked.
    pub reasons: Vec<Reason>,
}

/// The word of a [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is expected to load and attach: no reason against it was found.
    Runs,
    /// What decides is not known.
    Unknown,
    /// It does not load, or not attach.
    Fails(Certainty),
}

/// How sure a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// A strong hint says so.
    Likely,
    /// libbpf or the kernel decides by what was looked at.
    Proven,
}

/// Why a verdict is as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Reason {
    /// The name of the rule, as `helper`: see docs/verdicts.md.
    pub rule: &'static str,
    /// A sentence about the kernel, and what to do.
    pub text: String,
}

impl Reason {
    /// What it says of the kernel, without the place in the source and what to do about it.
    pub fn fact(&self) -> &str {
        fact(&self.text)
    }
}

/// [`Reason::fact`], for a reason that was read.
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

    /// How sure a failure is.
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
