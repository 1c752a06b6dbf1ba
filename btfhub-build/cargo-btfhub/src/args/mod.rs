//! The argument model. Doc comments are the `--help` texts.

mod archives;
pub(crate) mod atlas;
mod bundles;
mod report;
mod shared;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::examples;

pub(crate) use archives::{Add, Check, Fetch, List, Lock, Remove};
use atlas::Atlas;
pub(crate) use bundles::{Bundle, Inspect, Merge, Select, Tailor, Verify};
pub(crate) use report::{Format, Report};
pub(crate) use shared::{
    ArchiveArgs, Certainty, FilterArgs, JobArgs, KnownArgs, ObjectArgs, SourceArgs,
};

const EXAMPLES_AND_EXIT_STATUS: &str = "\
Examples:
  cargo btfhub list --archive btfhub-archive
  cargo btfhub report --archive btfhub-archive --object probe.bpf.o
  cargo btfhub bundle --archive btfhub-archive --object probe.bpf.o --out probe.btfhub
  cargo btfhub select probe.btfhub --release 5.4.0-80-generic --machine x86_64
  cargo btfhub help report

Exit status:
  0  done
  1  failed (report --deny: a threshold was exceeded)
  2  wrong usage
  3  not found (select: no BTF for this host; fetch: no such commit; no kernel fits the filters)
  4  ambiguous (select: several kernels fit and their BTF differs)

With --json, a failure is also one document on stdout.";

/// Tailor the kernel BTF of a BTFhub archive to your eBPF objects.
///
/// An eBPF CO-RE program needs the BTF of the kernel it is loaded on. The BTFhub archive has it
/// for kernels that lack it. These commands reduce the archive's BTF to what your objects need,
/// pack it, inspect it, and report which kernels your objects will load on.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-btfhub",
    bin_name = "cargo btfhub",
    version,
    after_help = EXAMPLES_AND_EXIT_STATUS,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Print one JSON document on stdout instead of text
    #[arg(long, global = true, display_order = 100)]
    pub(crate) json: bool,
    /// The Cargo.toml whose [package.metadata.btfhub] supplies options that are not given
    ///
    /// Default: the package of the current directory; outside of any package, the only one
    /// in the workspace that has the table. If you name one, its filters and lints apply even
    /// if options name archive and objects.
    #[arg(long, global = true, value_name = "PATH", display_order = 102)]
    pub(crate) manifest_path: Option<PathBuf>,
    /// No progress and no notes on stderr, only errors
    #[arg(long, short, global = true, display_order = 101)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(List),
    Tailor(Tailor),
    Bundle(Bundle),
    Merge(Merge),
    Inspect(Inspect),
    Verify(Verify),
    Select(Select),
    Report(Report),
    Lock(Lock),
    Fetch(Fetch),
    Add(Add),
    Remove(Remove),
    Check(Check),
    Atlas(Atlas),
    Completions(Completions),
    Man(Man),
}

/// Print a shell's completion script
#[derive(Args, Debug)]
#[command(after_long_help = examples::COMPLETIONS)]
pub(crate) struct Completions {
    pub(crate) shell: clap_complete::Shell,
}

/// Print the man page, or write one page per command
#[derive(Args, Debug)]
#[command(after_long_help = examples::MAN)]
pub(crate) struct Man {
    /// Write cargo-btfhub.1, cargo-btfhub-list.1, ... to this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
