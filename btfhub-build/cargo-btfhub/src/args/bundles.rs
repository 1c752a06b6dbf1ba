//! The commands that make and inspect tailored BTF and bundles.

use std::path::PathBuf;

use btfhub_build::shard::Shard;
use clap::Args;

use super::shared::{
    ArchiveArgs, Certainty, FilterArgs, JobArgs, KnownArgs, ObjectArgs, SourceArgs,
};
use crate::examples;

/// Write one tailored BTF per kernel, OUT/DISTRO/VERSION/ARCH/RELEASE.btf
///
/// Each file holds exactly what the objects' CO-RE relocations need from that kernel. A
/// loader that gets it relocates as it would with the kernel's full BTF.
#[derive(Args, Debug)]
#[command(after_long_help = examples::TAILOR)]
pub(crate) struct Tailor {
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
    /// The directory to write into; existing files are replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Write one bundle: every kernel, each distinct BTF once, compressed
///
/// The same file that a build script embeds. Check it in with your crate to build on
/// machines without the archive.
#[derive(Args, Debug)]
#[command(after_long_help = examples::BUNDLE)]
pub(crate) struct Bundle {
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
    #[command(flatten)]
    pub(crate) known: KnownArgs,
    /// Record which programs fail on which kernel, for Selection::failing_programs: only proven
    /// failures, or likely ones too
    #[arg(long, value_enum, value_name = "HOW SURE")]
    pub(crate) failing_programs: Option<Certainty>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Refuse the archive unless it is in this state: a git commit, tree:HASH (for an archive
    /// that is a folder in another repository), or lock:FILE; for an atlas, its digest
    #[arg(long, value_name = "C")]
    pub(crate) pin: Option<String>,
    /// Write a shard: only the K-th of N equal parts of the kernels, K from 1 to N
    ///
    /// Any number of machines can make one each; `merge` joins them into the bundle that is
    /// written without this option. A shard is not a bundle, and nothing accepts it as one.
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<Shard>,
}

/// Join the shards of a bundle
///
/// Takes all shards that `bundle --shard` wrote, in any order, and writes what one `bundle`
/// would have written, byte for byte. Needs neither the archive nor the objects.
#[derive(Args, Debug)]
#[command(after_long_help = examples::MERGE)]
pub(crate) struct Merge {
    /// The shards
    #[arg(required = true, value_name = "SHARD")]
    pub(crate) shards: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Show a bundle: where it comes from, kernels, classes, and where its bytes go
#[derive(Args, Debug)]
#[command(after_long_help = examples::INSPECT)]
pub(crate) struct Inspect {
    /// The bundle
    pub(crate) file: PathBuf,
    /// List every kernel on its own line, with its class
    #[arg(long)]
    pub(crate) kernels: bool,
}

/// Check a bundle against the archive and the objects it was made from
///
/// Resolves every relocation in the objects against the full BTF of every kernel, and
/// against the BTF that the bundle holds for it. Any difference is an error.
#[derive(Args, Debug)]
#[command(after_long_help = examples::VERIFY)]
pub(crate) struct Verify {
    /// The bundle
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) objects: ObjectArgs,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
}

/// Show what a host would get from a bundle, and why
///
/// Describe a host with the options, or point --root at a copy of its files. Without any of
/// these options, the host is this machine. The first line of output is the entry that
/// serves the host.
#[derive(Args, Debug)]
#[command(after_long_help = examples::SELECT)]
pub(crate) struct Select {
    /// The bundle
    pub(crate) file: PathBuf,
    /// What `uname -r` prints there
    #[arg(long, value_name = "R")]
    pub(crate) release: Option<String>,
    /// What `uname -v` prints there
    #[arg(long, value_name = "V")]
    pub(crate) version_string: Option<String>,
    /// What `uname -m` prints there, or the name of an architecture
    #[arg(long, value_name = "M", visible_alias = "arch")]
    pub(crate) machine: Option<String>,
    /// The host's own os-release file
    #[arg(long, value_name = "F")]
    pub(crate) os_release: Option<PathBuf>,
    /// A directory that holds the host's /etc, /proc and /sys
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Assume that the host's kernel has no BTF of its own
    #[arg(long)]
    pub(crate) embedded: bool,
    /// Serve a release between two kernels of one class from that class
    #[arg(long)]
    pub(crate) bracketed: bool,
    /// Write the BTF that the host would get to this file
    #[arg(long, value_name = "BTF")]
    pub(crate) out: Option<PathBuf>,
}
