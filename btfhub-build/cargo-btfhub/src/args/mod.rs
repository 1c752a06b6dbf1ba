//! The argument model. Doc comments are the `--help` texts.

pub(crate) mod atlas;

use std::path::PathBuf;

use btfhub_build::Modules;
use btfhub_build::shard::Shard;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::examples;

use self::atlas::Atlas;

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
/// An eBPF CO-RE program needs the BTF of the kernel it is loaded on. For kernels that
/// have none, the BTFhub archive has it. These commands reduce the archive's BTF to what
/// your objects need, pack it, inspect it, and report which kernels your objects will
/// load on.
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

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Print one JSON document on stdout instead of text
    #[arg(long, global = true, display_order = 100)]
    pub(crate) json: bool,
    /// The Cargo.toml whose [package.metadata.btfhub] supplies options that are not given
    ///
    /// Default: the package of the current directory; outside of any package, the only one
    /// in the workspace that has the table. If you name one, its filters and lints count even
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

/// What verdicts need and objects and kernels don't say.
#[derive(Args, Clone, Debug)]
pub(crate) struct KnownArgs {
    /// What user space attaches a program to, as its section would name it
    ///
    /// For a bare SEC("kprobe") or a stand-in: on_open=vfs_open. May be given several times.
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

/// Show what an archive holds: distributions, versions, architectures, kernels, anomalies
///
/// Reads only names and, without --modules, decodes nothing; `check` looks inside.
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
    /// List the modules that each kernel's entry holds BTF of, and whether it holds symbols;
    /// decodes the entries
    #[arg(long)]
    pub(crate) modules: bool,
    #[command(flatten)]
    pub(crate) jobs: JobArgs,
}

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
    /// Keep which programs fail on which kernel, for Selection::failing_programs: those of
    /// which that is proven, or also those of which it is likely
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
/// against the BTF that the bundle holds for it. A difference is an error that names both.
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

/// How sure it is that a program fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Certainty {
    /// libbpf or the kernel decides by what is known of the kernel
    Proven,
    /// Strong hints count as well
    Likely,
}

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
    /// What to write [default: text; json with --json, which takes no other]
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
    /// Exit with 1 if more kernels than a threshold are of a kind: KIND or KIND>N or KIND>N%
    ///
    /// KIND: unloadable (a program does not load or does not attach there); absent,
    /// incompatible, truncated, ambiguous or refused (some relocation has this result, guarded
    /// or not); unguarded (a relocation has one of these results and nothing guards it); or
    /// lost (the baseline expected a program to run there, and it no longer is expected to).
    /// "unloadable" alone means "unloadable>0". May be given several times.
    #[arg(long, value_name = "KIND[>N[%]]")]
    pub(crate) deny: Vec<String>,
    #[command(flatten)]
    pub(crate) known: KnownArgs,
}

/// Write a lock file, a digest per entry, to pin an archive that is not a git checkout
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
    /// With them the report knows which functions can be probed and traced there. Addresses
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
