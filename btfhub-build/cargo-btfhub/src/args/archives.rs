//! The commands that inspect or change an archive.

use std::path::PathBuf;

use clap::Args;

use super::shared::{ArchiveArgs, FilterArgs, JobArgs};
use crate::examples;

/// Show what an archive holds: distributions, versions, architectures, kernels, anomalies
///
/// Reads only names, and decodes nothing without --modules; `check` decodes the entries.
#[derive(Args, Debug)]
#[command(after_long_help = examples::LIST)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// List every kernel on its own line, DISTRO/VERSION/ARCH/RELEASE
    #[arg(long)]
    pub(crate) kernels: bool,
    /// List the modules whose BTF each entry holds, and whether it holds symbols; decodes the
    /// entries
    #[arg(long)]
    pub(crate) modules: bool,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
}

/// Write a lock file with a digest per entry, to pin an archive that is not a git checkout
#[derive(Args, Debug)]
#[command(after_long_help = examples::LOCK)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
    /// The file to write [default: btfhub.lock in this directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write nothing; exit with 1 if the lock file does not match the archive
    #[arg(long)]
    pub(crate) check: bool,
}

/// Download the part of an archive that you need, at one commit
///
/// Makes a git clone without history and without the files that the patterns exclude. If it
/// is interrupted, run it again and it continues. Needs git 2.27 or later.
#[derive(Args, Debug)]
#[command(after_long_help = examples::FETCH)]
pub(crate) struct Fetch {
    /// The commit to fetch
    #[arg(long, value_name = "C")]
    pub(crate) pin: String,
    /// The directory to write the checkout to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// The repository to fetch from
    #[arg(
        long,
        value_name = "U",
        default_value = "https://github.com/aquasecurity/btfhub-archive"
    )]
    pub(crate) url: String,
}

/// Put a kernel of your own into an archive
///
/// FILE is raw BTF (a copy of /sys/kernel/btf/vmlinux, or what `pahole --btf_encode_detached`
/// writes), an ELF file with a .BTF section (vmlinux), a boot image (vmlinuz, Image) in any of
/// the kernel's compression formats, an archive entry (.btf.tar.xz), or a vmlinux with only
/// DWARF, which `pahole` (package dwarves) encodes.
#[derive(Args, Debug)]
#[command(after_long_help = examples::ADD)]
pub(crate) struct Add {
    /// The kernel
    pub(crate) file: PathBuf,
    /// The archive; created if it does not exist
    #[arg(long, value_name = "DIR", env = "BTFHUB_ARCHIVE")]
    pub(crate) archive: PathBuf,
    /// os-release ID of the distribution
    #[arg(long, value_name = "D")]
    pub(crate) distro: String,
    /// os-release VERSION_ID of the distribution
    #[arg(long, value_name = "V")]
    pub(crate) version: String,
    /// `uname -r` of the kernel [default: what the image says, or the file's name]
    #[arg(long, value_name = "R")]
    pub(crate) release: Option<String>,
    /// Its architecture [default: what the image, the release or the types say]
    #[arg(long, value_name = "ARCH", alias = "machine")]
    pub(crate) arch: Option<String>,
    /// Its modules: /sys/kernel/btf, /lib/modules/R, or the directory of an unpacked package
    ///
    /// Takes the BTF of all modules below it, from .ko files, compressed or not, or as the
    /// kernel exposes it. The modules must have been built with this kernel.
    #[arg(long, value_name = "DIR")]
    pub(crate) modules: Option<PathBuf>,
    /// Its symbols: /proc/kallsyms of a host that runs it, or a copy
    ///
    /// With them, the report knows which functions can be probed and traced there. Addresses
    /// may be hidden (zeros).
    #[arg(long, value_name = "FILE", requires = "traceable")]
    pub(crate) symbols: Option<PathBuf>,
    /// The functions that it can trace: /sys/kernel/tracing/available_filter_functions
    #[arg(long, value_name = "FILE", requires = "symbols")]
    pub(crate) traceable: Option<PathBuf>,
    /// Replace an existing entry that has different contents
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Remove kernels from an archive
#[derive(Args, Debug)]
#[command(after_long_help = examples::REMOVE)]
pub(crate) struct Remove {
    /// The kernels, as DISTRO/VERSION/ARCH/RELEASE, which `list --kernels` prints
    #[arg(required = true, value_name = "KERNEL")]
    pub(crate) kernels: Vec<String>,
    /// The archive
    #[arg(long, value_name = "DIR", env = "BTFHUB_ARCHIVE")]
    pub(crate) archive: PathBuf,
}

/// Decode every entry of an archive and report what is wrong with it
#[derive(Args, Debug)]
#[command(after_long_help = examples::CHECK)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
}
