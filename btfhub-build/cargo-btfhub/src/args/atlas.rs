//! The arguments of `atlas`. Doc comments are the `--help` texts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::{ArchiveArgs, FilterArgs, JobArgs};
use crate::examples;

/// Work with an atlas: a whole archive in a few megabytes, each type definition stored once
///
/// `bundle`, `tailor` and `report` take it with --atlas, build scripts with
/// `Builder::atlas`. It is pinned by its digest, and its entries need not be decoded again.
#[derive(Args, Debug)]
#[command(after_long_help = examples::ATLAS)]
pub(crate) struct Atlas {
    #[command(subcommand)]
    pub(crate) command: AtlasCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AtlasCommand {
    Build(AtlasBuild),
    Inspect(AtlasInspect),
    Extract(AtlasExtract),
    Verify(AtlasVerify),
    Diff(AtlasDiff),
}

/// Write an atlas of the kernels in archives
#[derive(Args, Debug)]
#[command(after_long_help = examples::ATLAS_BUILD)]
pub(crate) struct AtlasBuild {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// An older atlas: the entries it was made from are not decoded again
    ///
    /// The result is the same as without this option.
    #[arg(long, value_name = "OLD")]
    pub(crate) base: Option<PathBuf>,
    /// Compress quickly, to a file about 20% larger
    #[arg(long)]
    pub(crate) fast: bool,
    /// Leave out functions and variables, which only the report's verdicts use
    ///
    /// Bundles stay the same; verdicts that depend on a function say unknown.
    #[arg(long)]
    pub(crate) without_functions: bool,
}

/// Show an atlas: its digest, its contents, and where its bytes go
#[derive(Args, Debug)]
#[command(after_long_help = examples::ATLAS_INSPECT)]
pub(crate) struct AtlasInspect {
    /// The atlas
    pub(crate) file: PathBuf,
    /// List every kernel on its own line
    #[arg(long)]
    pub(crate) kernels: bool,
    /// Show the definitions with this name (task_struct), as C
    #[arg(long = "type", value_name = "NAME")]
    pub(crate) types: Vec<String>,
    /// Only the definitions of this kernel, DISTRO/VERSION/ARCH/RELEASE; without --type, its
    /// modules
    #[arg(long, value_name = "KERNEL")]
    pub(crate) kernel: Option<String>,
}

/// Write one kernel's types as a complete BTF
///
/// Every CO-RE relocation resolves to the same result in it as in the kernel's own BTF.
/// It holds functions and variables if the atlas does; it has no sections, qualifiers or
/// tags.
#[derive(Args, Debug)]
#[command(after_long_help = examples::ATLAS_EXTRACT)]
pub(crate) struct AtlasExtract {
    /// The atlas
    pub(crate) file: PathBuf,
    /// The kernel, DISTRO/VERSION/ARCH/RELEASE
    pub(crate) kernel: String,
    /// The file to write
    #[arg(long, value_name = "BTF")]
    pub(crate) out: PathBuf,
}

/// Check an atlas against the archive it was made from
///
/// Expands the whole atlas, decodes every entry again, and compares the definitions.
#[derive(Args, Debug)]
#[command(after_long_help = examples::ATLAS_VERIFY)]
pub(crate) struct AtlasVerify {
    /// The atlas
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
}

/// Show which kernels and definitions were added, removed and changed
///
/// A and B are atlases, or single kernels in them: FILE:DISTRO/VERSION/ARCH/RELEASE.
#[derive(Args, Debug)]
#[command(after_long_help = examples::ATLAS_DIFF)]
pub(crate) struct AtlasDiff {
    /// Before
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// After
    #[arg(value_name = "B")]
    pub(crate) after: String,
    /// Only definitions with this name (task_struct), line by line
    #[arg(long = "type", value_name = "NAME")]
    pub(crate) types: Vec<String>,
}
