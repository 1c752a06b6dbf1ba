//! Options that several commands take.

use std::path::PathBuf;

use btfhub_build::Modules;
use clap::{Args, ValueEnum};

/// Where the kernels come from.
#[derive(Args, Clone, Debug)]
pub(crate) struct ArchiveArgs {
    /// A checkout of a BTFhub archive, or a folder laid out like one
    ///
    /// May be given several times. Without it: the archive named by
    /// [package.metadata.btfhub] in Cargo.toml; without that, the archives that the
    /// variable BTFHUB_ARCHIVE lists, separated as in PATH.
    #[arg(long = "archive", value_name = "DIR")]
    pub(crate) archives: Vec<PathBuf>,
    /// Also take entries behind links that lead out of the archive
    #[arg(long)]
    pub(crate) follow_links: bool,
}

/// What can be used in addition to archives, and how entries are read.
#[derive(Args, Clone, Debug)]
pub(crate) struct SourceArgs {
    /// An atlas, which holds the kernels of an archive (`cargo btfhub atlas build`)
    ///
    /// May be given several times, instead of archives or alongside them. A kernel that an
    /// archive also holds is taken from the archive.
    #[arg(long = "atlas", value_name = "FILE")]
    pub(crate) atlases: Vec<PathBuf>,
    /// Leave out entries that can't be decoded and list them, instead of failing
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// The largest size an entry may unpack to, in bytes [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    pub(crate) entry_limit: Option<u64>,
}

/// Which of the archive's kernels to take.
#[derive(Args, Clone, Debug)]
pub(crate) struct FilterArgs {
    /// Only kernels of this architecture: x86_64, arm64, ... [default: all]
    #[arg(
        long = "arch",
        value_name = "ARCH",
        value_delimiter = ',',
        alias = "machine"
    )]
    pub(crate) archs: Vec<String>,
    /// Only kernels that a pattern matches: DISTRO/VERSION/ARCH/RELEASE with *, ? and [...]
    ///
    /// A * also matches slashes, and a directory stands for everything in it: "ubuntu/20.04",
    /// "*-generic". Kernel versions work too: ">=4.18", ">=5.4, <5.11".
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Exclude kernels that a pattern matches; overrides --include. May be given several times
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
}

/// The eBPF objects.
#[derive(Args, Clone, Debug)]
pub(crate) struct ObjectArgs {
    /// A compiled eBPF object (clang -g -O2 -target bpf)
    ///
    /// May be given several times. Without it: the objects named by
    /// [package.metadata.btfhub] in Cargo.toml.
    #[arg(long = "object", value_name = "O")]
    pub(crate) objects: Vec<PathBuf>,
    /// A module whose types are used, if entries hold modules [default: all they hold]
    ///
    /// List several in the order in which they are loaded: "nf_conntrack,openvswitch".
    #[arg(long = "module", value_name = "NAME", value_delimiter = ',')]
    pub(crate) modules: Vec<String>,
}

impl ObjectArgs {
    /// The modules whose types are used.
    pub(crate) fn modules(&self) -> Modules {
        if self.modules.is_empty() {
            Modules::All
        } else {
            Modules::named(&self.modules)
        }
    }
}

/// What verdicts need to know beyond objects and kernels.
#[derive(Args, Clone, Debug)]
pub(crate) struct KnownArgs {
    /// What user space attaches a program to, as its section would name it
    ///
    /// For a bare SEC("kprobe") or a placeholder: on_open=vfs_open. May be given several times.
    #[arg(long, value_name = "PROGRAM=TARGET")]
    pub(crate) target: Vec<String>,
    /// Whether the kernels that a filter matches have their own BTF: yes or no
    ///
    /// For example 'debian/*=yes'. Otherwise their names and functions decide. The last
    /// filter that matches wins.
    #[arg(long, value_name = "FILTER=yes|no")]
    pub(crate) own_btf: Vec<String>,
}

/// How much of the machine to use.
#[derive(Args, Clone, Debug)]
pub(crate) struct JobArgs {
    /// How many kernels to work on at once [default: the number of processors]
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
}

/// How certain it is that a program fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Certainty {
    /// It follows from the kernel's BTF, symbols and release alone
    Proven,
    /// Strong hints count as well
    Likely,
}
