//! On which kernels a program loads and attaches, how sure that is, and why not.
//!
//! ```text
//! uapi       names of the numbers of the kernel's interface
//! section    section → program type, attach type, target (libbpf's table)
//! module     names of what is mostly in modules
//! alternative  other names for what a kernel may lack
//! facts      a kernel's BTF → what it has of what programs ask for
//! age        how new a kernel is
//! program    objects → programs, their functions, what they refer to
//! reach      which instructions can be come to
//! found      a program on a kernel → what it does there
//! rules      one rule a file: what of it the kernel does not take
//! judge      objects × kernels → verdicts
//! ```
//!
//! A verdict is about one program that is loaded by itself by libbpf 1.7, with the
//! relocations against the BTF that was looked at, by a user with all capabilities, and
//! attached as `bpf_program__attach` does it.

mod age;
mod alternative;
mod facts;
mod found;
mod judge;
mod module;
mod program;
pub(crate) mod reach;
mod rules;
mod section;
mod uapi;

use std::fmt;

pub use judge::{Facts, Judge, Judged, Kernel, KernelBtf};
pub use program::Program;
pub use section::{Hook, SectionDef, section_def};

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
            _ => None,
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
            _ => f.write_str(self.name()),
        }
    }
}
