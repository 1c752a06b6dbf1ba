//! Every relocation × every kernel: on which kernels the objects will load, and why not on
//! the others.
//!
//! ```text
//! rows     distinguishes relocations with the same text
//! why      why a relocation finds nothing in a kernel
//! module   names of types that usually belong to modules
//! answer   how relocations resolve on a kernel
//! effect   what that means for the programs
//! order    the order of kernels
//! survey   objects → their relocations; kernel → answer; answers → Report
//! finding  what needs attention
//! deny     thresholds
//! paths    source paths as readers know them
//! ```
//!
//! A [`Survey`] is made from the objects once. Any number of threads ask it about kernels; it
//! then assembles the [`Report`] from the answers.

mod answer;
mod deny;
mod effect;
mod finding;
mod module;
mod order;
mod paths;
mod rows;
mod survey;
mod why;

use std::fmt;

use btfhub_runtime::Printable;

use crate::verdict::{self, Outcome, Program};

pub use crate::insn::{Insn, Patched, Refusal, patch};
pub use crate::relo::term;
pub use answer::KernelAnswer;
pub use deny::{Deny, DenyError};
pub use finding::{Finding, ProgramFinding, in_groups};
pub(crate) use order::by_name;
pub use survey::Survey;

/// How a relocation resolves on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Status {
    /// A target was found.
    Resolved,
    /// The kernel lacks the type, member or enumerator.
    Absent,
    /// It exists, but the program's access does not fit it.
    Incompatible,
    /// The enumerator exists, but the kernel's BTF holds only 32 bits of its larger value:
    /// that is how pahole before 1.24 wrote an enum of 8 bytes.
    Truncated,
    /// Several types fit and disagree: libbpf refuses the object.
    Ambiguous,
    /// libbpf refuses the object for another reason.
    Refused,
}

impl Status {
    /// All of them, best first.
    pub const ALL: [Self; 6] = [
        Self::Resolved,
        Self::Absent,
        Self::Incompatible,
        Self::Truncated,
        Self::Ambiguous,
        Self::Refused,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Absent => "absent",
            Self::Incompatible => "incompatible",
            Self::Truncated => "truncated",
            Self::Ambiguous => "ambiguous",
            Self::Refused => "refused",
        }
    }
}

/// What a relocation's status means for the programs: the worst effect of all places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// The instructions get the kernel's value.
    Fine,
    /// The program asks whether something exists (or for its size or id), and gets 0.
    AnswersNo,
    /// The instructions become invalid, but no program can reach them on this kernel.
    Guarded,
    /// Everything loads, and the instructions get a number that is not the kernel's.
    WrongValue,
    /// A program can reach an invalid instruction: the verifier refuses that program.
    ProgramFails,
    /// libbpf refuses to load the object.
    ObjectFails,
}

impl Effect {
    /// All of them, best first.
    pub const ALL: [Self; 6] = [
        Self::Fine,
        Self::AnswersNo,
        Self::Guarded,
        Self::WrongValue,
        Self::ProgramFails,
        Self::ObjectFails,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::AnswersNo => "answers-no",
            Self::Guarded => "guarded",
            Self::WrongValue => "wrong-value",
            Self::ProgramFails => "program-fails",
            Self::ObjectFails => "object-fails",
        }
    }

    /// Whether a program or object does not load.
    pub fn fails(self) -> bool {
        matches!(self, Self::ProgramFails | Self::ObjectFails)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a relocation resolves, and what that means; shared by kernels where both are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Verdict {
    /// How it resolves.
    pub status: Status,
    /// What that means for the programs.
    pub effect: Effect,
    /// The value that goes into the instructions, if there is one. Ids of types
    /// (`bpf_core_type_id_kernel`) have none: they differ from boot to boot.
    pub value: Option<u64>,
    /// Why, in a sentence; empty if all is well.
    pub reason: String,
    /// The functions that don't load because of it: indices into [`Report::functions`],
    /// ascending.
    pub failing: Vec<usize>,
}

/// A function with relocations: a program, or a subprogram that programs call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Function {
    /// The object's name.
    pub object: String,
    /// The ELF section, from which libbpf takes the program's type.
    pub section: String,
    /// The function; empty if the object has no symbol for it.
    pub name: String,
}

/// An instruction that a relocation patches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// Index into [`Report::functions`].
    pub function: usize,
    /// Which instruction of the section, counted from 0 in units of 8 bytes as libbpf and
    /// `llvm-objdump` count.
    pub insn: usize,
    /// The source line, if the object has line info.
    pub line: Option<SourceLine>,
}

/// A line of the program's source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceLine {
    /// The file as the compiler was given it.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1; 0 if unknown.
    pub column: u32,
    /// The line itself, without the white space around it.
    pub text: String,
}

/// A distinct relocation, and where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelocationRow {
    /// As the source would write it.
    pub term: String,
    /// libbpf's word for its kind.
    pub kind: String,
    /// The type that the access starts from.
    pub root: String,
    /// The modules that have this type on some of the kernels.
    pub modules: Vec<String>,
    /// Whether no kernel has a type of this name: it may belong to a module whose BTF the
    /// entries lack.
    pub in_no_kernel: bool,
    /// The module that usually has it.
    pub usual_module: Option<&'static str>,
    /// Relocations, by index, that check whether this or a part of the path to it exists, so
    /// that they can guard it.
    pub guards: Vec<usize>,
    /// All its instructions, by function and place.
    pub sites: Vec<Site>,
}

/// A kernel of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kernel {
    /// os-release `ID`.
    pub distro: String,
    /// The archive's version directory.
    pub version: String,
    /// The architecture.
    pub arch: String,
    /// `uname -r`.
    pub release: String,
    /// The first two numbers of the release.
    pub series: String,
    /// Index into [`Report::columns`].
    pub column: usize,
    /// Index into [`Report::program_columns`].
    pub program_column: usize,
    /// Index into [`Report::object_columns`].
    pub object_column: usize,
}

impl fmt::Display for Kernel {
    /// `distro/version/arch/release`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.distro, &self.version, &self.arch, &self.release];
        let [distro, version, arch, release] = parts.map(|part| Printable(part));
        write!(f, "{distro}/{version}/{arch}/{release}")
    }
}

/// A kernel whose entry could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// `distro/version/arch/release`.
    pub kernel: String,
    /// Why.
    pub error: String,
}

/// The compatibility report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The objects' names.
    pub objects: Vec<String>,
    /// The functions that relocations are in.
    pub functions: Vec<Function>,
    /// The relocations, in the order of their terms.
    pub relocations: Vec<RelocationRow>,
    /// By distribution, version, architecture and release, numbers as numbers.
    pub kernels: Vec<Kernel>,
    /// The distinct columns: for each of [`relocations`](Self::relocations) an index into
    /// [`verdicts`](Self::verdicts).
    pub columns: Vec<Vec<usize>>,
    /// The distinct verdicts.
    pub verdicts: Vec<Verdict>,
    /// The programs, object by object.
    pub programs: Vec<Program>,
    /// The distinct columns of verdicts on programs: for each of
    /// [`programs`](Self::programs) an index into
    /// [`program_verdicts`](Self::program_verdicts).
    pub program_columns: Vec<Vec<usize>>,
    /// The distinct verdicts on a program that is loaded by itself.
    pub program_verdicts: Vec<verdict::Verdict>,
    /// The distinct columns of verdicts on objects: for each of
    /// [`objects`](Self::objects) an index into
    /// [`object_verdicts`](Self::object_verdicts).
    pub object_columns: Vec<Vec<usize>>,
    /// The distinct verdicts on an object with all programs that libbpf loads by default.
    pub object_verdicts: Vec<verdict::Verdict>,
    /// Kernels left out because their entry is damaged.
    pub unreadable: Vec<Unreadable>,
}

impl Report {
    /// The verdict on a relocation on a kernel.
    pub fn verdict(&self, kernel: &Kernel, relocation: usize) -> Option<&Verdict> {
        let column = self.columns.get(kernel.column)?;
        self.verdicts.get(*column.get(relocation)?)
    }

    /// The verdicts of a kernel, in the order of the relocations.
    pub fn verdicts_of(&self, kernel: &Kernel) -> impl Iterator<Item = &Verdict> {
        (self.columns.get(kernel.column).into_iter().flatten())
            .filter_map(|verdict| self.verdicts.get(*verdict))
    }

    /// The verdicts on the programs on a kernel, in the order of
    /// [`programs`](Self::programs).
    pub fn program_verdicts_of(&self, kernel: &Kernel) -> impl Iterator<Item = &verdict::Verdict> {
        (self
            .program_columns
            .get(kernel.program_column)
            .into_iter()
            .flatten())
        .filter_map(|verdict| self.program_verdicts.get(*verdict))
    }

    /// The verdicts on the objects on a kernel, in the order of [`objects`](Self::objects).
    pub fn object_verdicts_of(&self, kernel: &Kernel) -> impl Iterator<Item = &verdict::Verdict> {
        (self
            .object_columns
            .get(kernel.object_column)
            .into_iter()
            .flatten())
        .filter_map(|verdict| self.object_verdicts.get(*verdict))
    }

    /// What to expect of all objects on a kernel: the worst of their verdicts.
    pub fn outcome_on(&self, kernel: &Kernel) -> Outcome {
        (self
            .object_verdicts_of(kernel)
            .map(|verdict| verdict.outcome))
        .max()
        .unwrap_or(Outcome::Runs)
    }

    /// Whether every program is expected to load and attach on a kernel.
    pub fn loads_on(&self, kernel: &Kernel) -> bool {
        self.outcome_on(kernel) == Outcome::Runs
    }
}
