//! The arguments of `atlas`. Doc comments are the `--help` texts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::{ArchiveArgs, FilterArgs, JobArgs};
use crate::examples;

/// The whole archive in a few megabytes: each type definition kept once for all kernels
///
/// `bundle`, `tailor` and `report` take it with --atlas, build scripts with
/// `Builder::atlas`; it is pinned by its digest, and no entry is decoded again.
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

/// Write an atlas of the kernels of archives
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
    /// An older atlas: entries that it was made from are not decoded again
    ///
    /// The result is the same as without it.
    #[arg(long, value_name = "OLD")]
    pub(crate) base: Option<PathBuf>,
    /// Compress quickly, to a file some 20% larger
    #[arg(long)]
    pub(crate) fast: bool,
    /// Leave out functions and variables, which the report's verdicts ask for
    ///
    /// Bundles come out the same; verdicts that hang on a function say unknown.
    #[arg(long)]
    pub(crate) without_functions: bool,
}

/// Show an atlas: its digest, what it holds, what its bytes are made of
#[derive(Args, Debug)]
#[command(after_long_help = examples::ATLAS_INSPECT)]
pub(crate) struct AtlasInspect {
    /// The atlas
    pub(crate) file: PathBuf,
    /// Every kernel on a line of its own
    #[arg(long)]
    pub(crate) kernels: bool,
    /// The definitions with this name (task_struct), as C
    #[arg(long = "type", value_name = "NAME")]
    pub(crate) types: Vec<String>,
    /// Only those of this kernel, DISTRO/VERSION/ARCH/RELEASE
    #[arg(long, value_name = "KERNEL", requires = "types")]
    pub(crate) kernel: Option<String>,
}

/// Write a complete BTF of one kernel's types
///
/// What any CO-RE relocation can ask for comes to the same in it as in the kernel's own.
/// Functions and variables are in it where they are in the atlas; sections, qualifiers and
/// tags are not.
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
/// Expands all of it, decodes every entry again, and compares the definitions.
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

/// Show which kernels and definitions came, went and changed
///
/// A and B are atlases, or kernels of them: FILE:DISTRO/VERSION/ARCH/RELEASE.
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
