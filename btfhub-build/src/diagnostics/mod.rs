//! Lints: what a user should act on. Each has a name and a level.
//!
//! ```text
//! objects  what objects need, or lack
//! kernels  how relocations resolve on the kernels of a report
//! ```
//!
//! What only a build knows is found where it is known: `builder::lints`, `cargo`,
//! `cargo::baseline`.

mod kernels;
mod objects;

use std::collections::BTreeMap;
use std::fmt;

use btfhub_runtime::Printable;

pub(crate) use kernels::of_kernels;
pub(crate) use objects::of_objects;

use crate::error::LONGEST_LINE;
use crate::object::Object;
use crate::report::Report;

/// Something that a build may warn about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Lint {
    /// `failing-relocations`: relocations keep programs from loading on some of the kernels:
    /// the kernel lacks what they refer to, and the program does not check for it first.
    /// Default: warn.
    FailingRelocations,
    /// `truncated-enumerators`: programs get a wrong number for an enumerator on some of the
    /// kernels, because a pahole before 1.24 wrote their BTF and kept only 32 bits of its
    /// value. Default: warn.
    TruncatedEnumerators,
    /// `no-relocations`: an object uses none of the kernel's types, so there is nothing to
    /// tailor for it. It may hold only maps; and eBPF written in Rust has no CO-RE relocations
    /// today. Default: warn.
    NoRelocations,
    /// `missing-btf`: an object has no `.BTF` section, but others in the build have one: it may
    /// have been compiled without `-g`. Default: warn.
    MissingBtf,
    /// `needs-kernel-btf`: a program of an object (fentry, tp_btf, LSM, struct_ops, iterators,
    /// typed ksyms, kfuncs) needs the running kernel's own BTF, regardless of what is embedded.
    /// Default: warn.
    NeedsKernelBtf,
    /// `type-id-target`: an object uses ids of types in the kernel's BTF, which are different
    /// in a tailored one. Default: warn.
    TypeIdTarget,
    /// `aya-type-matches`: an object uses `bpf_core_type_matches`, which aya refuses. Default:
    /// warn if the loader is known to be aya, otherwise allow.
    AyaTypeMatches,
    /// `skipped-entries`: entries that cannot be used were left out, as the policy asks.
    /// Default: warn.
    SkippedEntries,
    /// `missing-entries`: a sparse checkout lacks kernels that the pin has and the build wants.
    /// (In any other checkout that is an error.) Default: warn.
    MissingEntries,
    /// `odd-entries`: the archive has what may be mistakes: misplaced files, empty files, two
    /// files for one kernel. Default: allow.
    OddEntries,
    /// `unoptimised`: a big archive was processed by unoptimised code, as build
    /// scripts are compiled by default. Default: warn.
    Unoptimised,
    /// `partial-bundle`: the bundle holds only a few kernels, because `BTFHUB_PARTIAL` is set.
    /// Default: warn.
    PartialBundle,
    /// `empty-bundle`: the bundle is empty, because this machine has no archive and the build
    /// says that it is optional. Default: warn.
    EmptyBundle,
    /// `support-lost`: the baseline (`Builder::baseline`) expected a program to run on a
    /// kernel, and it no longer is expected to. Default: deny.
    SupportLost,
}

/// What happens when a lint finds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing.
    Allow,
    /// Cargo prints a warning.
    Warn,
    /// The build fails.
    Deny,
}

/// One thing to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub(crate) lint: Lint,
    pub(crate) message: String,
}

impl Diagnostic {
    /// The lint that found it.
    pub fn lint(&self) -> Lint {
        self.lint
    }

    /// The text, without the lint's name.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.LONGEST_LINE$} [{}]",
            Printable(&self.message),
            self.lint
        )
    }
}

impl Lint {
    /// All lints.
    pub const ALL: &'static [Self] = &[
        Self::FailingRelocations,
        Self::TruncatedEnumerators,
        Self::NoRelocations,
        Self::MissingBtf,
        Self::NeedsKernelBtf,
        Self::TypeIdTarget,
        Self::AyaTypeMatches,
        Self::SkippedEntries,
        Self::MissingEntries,
        Self::OddEntries,
        Self::Unoptimised,
        Self::PartialBundle,
        Self::EmptyBundle,
        Self::SupportLost,
    ];

    /// The name to use in configuration and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::FailingRelocations => "failing-relocations",
            Self::TruncatedEnumerators => "truncated-enumerators",
            Self::NoRelocations => "no-relocations",
            Self::MissingBtf => "missing-btf",
            Self::NeedsKernelBtf => "needs-kernel-btf",
            Self::TypeIdTarget => "type-id-target",
            Self::AyaTypeMatches => "aya-type-matches",
            Self::SkippedEntries => "skipped-entries",
            Self::MissingEntries => "missing-entries",
            Self::OddEntries => "odd-entries",
            Self::Unoptimised => "unoptimised",
            Self::PartialBundle => "partial-bundle",
            Self::EmptyBundle => "empty-bundle",
            Self::SupportLost => "support-lost",
        }
    }

    /// The lint with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|lint| lint.name() == name)
    }

    /// The default level, for a program that uses this loader.
    pub fn default_level(self, loader: Option<Loader>) -> Level {
        match self {
            Self::AyaTypeMatches if loader != Some(Loader::Aya) => Level::Allow,
            Self::OddEntries => Level::Allow,
            Self::SupportLost => Level::Deny,
            Self::FailingRelocations
            | Self::TruncatedEnumerators
            | Self::NoRelocations
            | Self::MissingBtf
            | Self::NeedsKernelBtf
            | Self::TypeIdTarget
            | Self::AyaTypeMatches
            | Self::SkippedEntries
            | Self::MissingEntries
            | Self::Unoptimised
            | Self::PartialBundle
            | Self::EmptyBundle => Level::Warn,
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Level {
    /// `allow`, `warn` or `deny`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "allow" => Some(Self::Allow),
            "warn" => Some(Self::Warn),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }
}

/// The loader that loads the objects in the end, if known: advice differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Loader {
    /// libbpf, mostly through libbpf-rs.
    Libbpf,
    /// aya.
    Aya,
}

/// What the lints find in objects and in the kernels of a report on them, regardless of their
/// level. A build finds the same, and checks its archive as well.
///
/// `loader` is the one that the program uses, if known.
pub fn diagnose(objects: &[Object], report: &Report, loader: Option<Loader>) -> Vec<Diagnostic> {
    let objects: Vec<&Object> = objects.iter().collect();
    let mut found = of_objects(&objects, loader);
    found.extend(of_kernels(report));
    found
}

/// `a, b and 3 more`: the first `most` of them.
fn listed<T: fmt::Display>(all: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut all = all.into_iter();
    let named: Vec<String> = all.by_ref().take(most).map(|one| one.to_string()).collect();
    match all.count() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// The levels that the caller set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels(BTreeMap<Lint, Level>);

impl Levels {
    pub(crate) fn set(&mut self, lint: Lint, level: Level) {
        self.0.insert(lint, level);
    }

    pub(crate) fn get(&self, lint: Lint) -> Option<Level> {
        self.0.get(&lint).copied()
    }
}
