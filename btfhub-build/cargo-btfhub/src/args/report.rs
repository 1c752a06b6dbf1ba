//! The arguments of `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::shared::{ArchiveArgs, FilterArgs, JobArgs, KnownArgs, ObjectArgs, SourceArgs};
use crate::examples;

/// The output of `report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A summary of about twenty lines
    Text,
    /// Everything, in a versioned schema (docs/report.md)
    Json,
    /// One self-contained page to open in a browser
    Html,
    /// For a pull request
    Markdown,
    /// The table of supported kernels, in Markdown for a README; with --json, a baseline
    Support,
    #[value(skip)]
    SupportJson,
}

/// Report on which kernels programs load and attach, and how relocations resolve
///
/// For every program: fails (why, how certain, what to do), expected to run, or unknown. For every
/// distinct CO-RE relocation: resolved, absent, incompatible, ambiguous or refused, on which
/// kernels, and whether the program guards against it.
#[derive(Args, Debug)]
#[command(after_long_help = examples::REPORT)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) objects: ObjectArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
    /// What to write [default: text; with --json: json]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// The file to write [default: stdout]
    #[arg(long, value_name = "F")]
    pub(crate) out: Option<PathBuf>,
    /// Cut this directory off the front of source paths [default: the packages of the objects]
    ///
    /// Objects record source paths as the compiler got them, often as absolute paths on the
    /// machine that built them. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub(crate) path_prefix: Vec<String>,
    /// Show what changed since an earlier --format support --json, or --format json
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the table of --format support into this page, between its markers
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(crate) into: Option<PathBuf>,
    /// Exit with 1 if the table in this page differs from that of --format support
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(crate) check: Option<PathBuf>,
    /// Exit with 1 if KIND occurs on more kernels than a threshold: KIND, KIND>N or KIND>N%
    ///
    /// KIND: unloadable (a program does not load or attach there); absent, incompatible,
    /// truncated, ambiguous or refused (some relocation has this status, guarded or not);
    /// unguarded (a program fails there because something is absent or incompatible and nothing
    /// guards it); or lost (a program that the baseline expects to run there no longer is).
    /// "unloadable" alone means "unloadable>0". May be given several times.
    #[arg(long, value_name = "KIND[>N[%]]")]
    pub(crate) deny: Vec<String>,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
}
