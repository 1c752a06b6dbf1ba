//! What to build, and the stages in their order.
//!
//! ```text
//! configured the settings, for tools
//! objects   files → eBPF objects
//! kernels   archives and atlases → the entries to take
//! questions what verdicts need from kernels
//! work      entries × relocations → tailored BTF, several at a time: an entry of an archive
//!           (entry), kernels of an atlas (from_atlas), what came out (collector)
//! verdicts  which programs run on which of the kernels
//! failing   which of them the bundle says fail
//! generate  the stages in order, up to the bundle and its proof
//! shard     the same stages for a part of the kernels
//! ```

mod bad_entry;
mod collector;
mod configured;
mod entry;
mod failing;
mod from_atlas;
mod generate;
mod kernels;
mod lints;
mod objects;
mod progress;
mod questions;
mod shard;
mod verdicts;
mod work;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::archive::{self, Pin};
use crate::diagnostics::{Level, Levels, Lint, Loader};
use crate::error::Error;
use crate::modules::Modules;
use crate::verdict::Certainty;

pub use bad_entry::BadEntry;
pub use generate::{Generated, Kernel};
pub(crate) use objects::Loaded;
pub use progress::Progress;

/// Tailors the kernels of a BTFhub archive to your eBPF objects.
///
/// In a build script, call [`build`](Self::build); your program embeds the result:
///
/// ```no_run
/// use btfhub_build::Builder;
///
/// fn main() -> Result<(), btfhub_build::Error> {
///     Builder::new()
///         .archive("/srv/btfhub-archive")
///         .object("src/bpf/probe.bpf.o")
///         .build("probe")
/// }
/// ```
///
/// Anywhere else, call [`generate`](Self::generate). It returns the bundle and
/// ignores the environment.
#[derive(Clone, Debug)]
#[must_use = "a Builder does nothing until `build` or `generate`"]
pub struct Builder {
    /// Each with its own pin, if it was added with one.
    pub(crate) archives: Vec<(PathBuf, Option<Pin>)>,
    /// The pin of a build's only archive.
    pin: Option<Pin>,
    /// Each with its digest, if it was added with one.
    pub(crate) atlases: Vec<(PathBuf, Option<String>)>,
    objects: Vec<objects::ObjectSource>,
    include: Vec<String>,
    exclude: Vec<String>,
    pub(crate) archs: Option<Vec<String>>,
    pub(crate) follow_links: bool,
    on_bad_entry: OnBadEntry,
    entry_limit: u64,
    pub(crate) modules: Modules,
    pub(crate) jobs: Option<NonZeroUsize>,
    pub(crate) cache_dir: Option<PathBuf>,
    /// Take only a few kernels, and say so in the bundle.
    pub(crate) partial: bool,
    pub(crate) optional: bool,
    pub(crate) prepared: Option<PathBuf>,
    pub(crate) levels: Levels,
    /// How certain a failure must be for the bundle to record it; `None` records nothing.
    failing: Option<Certainty>,
    /// Whether the caller asked for verdicts.
    verdicts: bool,
    /// Programs, and what user space attaches them to.
    targets: Vec<(String, String)>,
    /// Filters, and whether the kernels that they match have their own BTF.
    own_btf: Vec<(String, bool)>,
    /// The file that says what ran where before.
    pub(crate) baseline: Option<PathBuf>,
    pub(crate) loader: Option<Loader>,
    /// The Cargo.toml that the settings were read from.
    pub(crate) manifest: Option<PathBuf>,
}

/// What to do with entries that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnBadEntry {
    /// Fail, and name all of them.
    #[default]
    Fail,
    /// Leave them out; [`Generated::bad_entries`] lists them.
    Skip,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Starts without archives and objects; everything else has its default.
    pub fn new() -> Self {
        Self {
            archives: Vec::new(),
            pin: None,
            atlases: Vec::new(),
            objects: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            archs: None,
            follow_links: false,
            on_bad_entry: OnBadEntry::default(),
            entry_limit: archive::DEFAULT_LIMIT,
            modules: Modules::All,
            jobs: None,
            cache_dir: None,
            partial: false,
            optional: false,
            prepared: None,
            levels: Levels::default(),
            failing: None,
            verdicts: false,
            targets: Vec::new(),
            own_btf: Vec::new(),
            baseline: None,
            loader: None,
            manifest: None,
        }
    }

    /// Adds an archive: a checkout of a BTFhub archive, or a folder with the same
    /// layout. If several archives hold the same kernel, the one added first wins.
    ///
    /// Default: none; [`build`](Self::build) uses the archives named by the variable
    /// `BTFHUB_ARCHIVE`.
    pub fn archive(mut self, root: impl AsRef<Path>) -> Self {
        self.archives.push((root.as_ref().to_owned(), None));
        self
    }

    /// Adds an archive that must match this [`Pin`]. Use it for builds with several
    /// archives; pin a single one with [`pin`](Self::pin), [`pin_tree`](Self::pin_tree) or
    /// [`lock`](Self::lock).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), btfhub_build::Error> {
    /// use btfhub_build::{Builder, Pin};
    ///
    /// Builder::new()
    ///     .pinned_archive("our-kernels", Pin::Lock("our-kernels.lock".into()))
    ///     .pinned_archive("/srv/btfhub-archive", Pin::Commit("0123456789abcdef…".into()))
    ///     .object("src/bpf/probe.bpf.o")
    ///     .build("probe")
    /// # }
    /// ```
    pub fn pinned_archive(mut self, root: impl AsRef<Path>, pin: Pin) -> Self {
        self.archives.push((root.as_ref().to_owned(), Some(pin)));
        self
    }

    /// Adds an atlas (`cargo btfhub atlas build`), one file with all kernels of an archive. The
    /// bundle is the same as one made from that archive, and much faster to make. If an archive
    /// holds the same kernel, it is taken from the archive; among atlases, the one added first
    /// wins.
    ///
    /// Default: none.
    pub fn atlas(mut self, file: impl AsRef<Path>) -> Self {
        self.atlases.push((file.as_ref().to_owned(), None));
        self
    }

    /// Adds an atlas that must have this digest.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), btfhub_build::Error> {
    /// btfhub_build::Builder::new()
    ///     // `cargo btfhub atlas inspect` prints it.
    ///     .pinned_atlas("btf/kernels.atlas", "b3bc36e2a5c2f1a0…")
    ///     .object("src/bpf/probe.bpf.o")
    ///     .build("probe")
    /// # }
    /// ```
    pub fn pinned_atlas(mut self, file: impl AsRef<Path>, digest: impl Into<String>) -> Self {
        let file = file.as_ref().to_owned();
        self.atlases.push((file, Some(digest.into())));
        self
    }

    /// Requires the archive to be a git checkout at this commit, and every file that is
    /// used to be the one in the commit. To prove it, the build hashes the commit, the trees,
    /// and the very bytes that it decodes. It needs no git. Give all digits of the commit's
    /// id: anything shorter can change its meaning.
    ///
    /// This pins the build's only archive, whether it is named here or by `BTFHUB_ARCHIVE`.
    /// With several archives the build fails: pin each one with
    /// [`pinned_archive`](Self::pinned_archive).
    ///
    /// Default: not pinned. Where the bundle would record the pin, it records a digest of
    /// what was used from the archive.
    pub fn pin(mut self, commit: impl Into<String>) -> Self {
        self.pin = Some(Pin::Commit(commit.into()));
        self
    }

    /// Like [`pin`](Self::pin), for an archive that is a folder in another git
    /// repository: its tree must have this hash (`git rev-parse
    /// HEAD:path/to/archive`).
    pub fn pin_tree(mut self, hash: impl Into<String>) -> Self {
        self.pin = Some(Pin::Tree(hash.into()));
        self
    }

    /// Like [`pin`](Self::pin), for an archive without git: each entry that is
    /// used must have the digest recorded in this lock file. `cargo btfhub lock`
    /// writes one.
    pub fn lock(mut self, file: impl AsRef<Path>) -> Self {
        self.pin = Some(Pin::Lock(file.as_ref().to_owned()));
        self
    }

    /// Adds a compiled eBPF object (`clang -g -O2 -target bpf`), or all files that
    /// match a pattern (`bpf/*.o`; a pattern must be UTF-8 and match
    /// something).
    ///
    /// * libbpf-cargo: `SkeletonBuilder::obj(path)` chooses where the object is
    ///   written. Without it, the object is in a temporary directory that
    ///   disappears with the builder.
    /// * aya-build: `OUT_DIR` holds one file per binary, with the binary's name.
    pub fn object(mut self, path: impl AsRef<Path>) -> Self {
        self.objects
            .push(objects::ObjectSource::Path(path.as_ref().to_owned()));
        self
    }

    /// Adds every eBPF object in a directory: all files named `*.o`, and all
    /// others that are eBPF ELF files. Not recursive. Finding none is an error.
    pub fn objects_in(mut self, directory: impl AsRef<Path>) -> Self {
        let source = objects::ObjectSource::Directory(directory.as_ref().to_owned());
        self.objects.push(source);
        self
    }

    /// Takes only kernels that match at least one of the included filters. A filter is
    ///
    /// * a glob over `<distro>/<version>/<arch>/<release>`, in which `*` also matches `/`:
    ///   `ubuntu/20.04/*`, `*/x86_64/*`, `*-generic`. A glob that matches a directory matches
    ///   everything in it: `ubuntu/20.04`.
    /// * or comparisons with the release's leading numbers, all of which must hold: `>=4.18`,
    ///   `>=5.4, <5.11`, `=5.10` (every 5.10 kernel).
    ///
    /// Default: all kernels.
    pub fn include(mut self, filter: impl Into<String>) -> Self {
        self.include.push(filter.into());
        self
    }

    /// Leaves out the kernels that match the filter, even if they are included.
    ///
    /// Default: none.
    pub fn exclude(mut self, filter: impl Into<String>) -> Self {
        self.exclude.push(filter.into());
        self
    }

    /// Takes only kernels of this architecture, in any spelling (`x86_64`, `arm64`,
    /// `aarch64`). Call it again to add architectures.
    ///
    /// Default: in [`build`](Self::build) the target's, in
    /// [`generate`](Self::generate) every architecture.
    pub fn arch(mut self, arch: impl Into<String>) -> Self {
        self.archs.get_or_insert_default().push(arch.into());
        self
    }

    /// Also takes entries behind links that lead out of their archive. Use it for an
    /// archive that is assembled from links.
    ///
    /// Default: entries behind such links are left out (`cargo btfhub list` names them).
    pub fn follow_links(mut self) -> Self {
        self.follow_links = true;
        self
    }

    /// What to do with entries that cannot be decoded or parsed. If this machine can't
    /// read an entry (no permission, no memory, a failing disk), that is always an
    /// error.
    ///
    /// Default: [`OnBadEntry::Fail`].
    pub fn on_bad_entry(mut self, policy: OnBadEntry) -> Self {
        self.on_bad_entry = policy;
        self
    }

    /// How many bytes one entry may decompress to.
    ///
    /// Default: 256 MiB, far above the largest real one.
    pub fn entry_limit(mut self, bytes: u64) -> Self {
        self.entry_limit = bytes;
        self
    }

    /// For entries that hold the BTF of modules: the modules whose types are used in
    /// addition to the kernel's own, in the order in which the modules are loaded. A
    /// kernel that lacks one of them, or has it built in, is used all the same.
    ///
    /// ```
    /// # let builder = btfhub_build::Builder::new();
    /// builder.modules(["nf_conntrack", "openvswitch"])
    /// # ;
    /// ```
    ///
    /// Default: all modules in the entry ([`Modules::All`]).
    pub fn modules<M: AsRef<str>>(mut self, names: impl IntoIterator<Item = M>) -> Self {
        self.modules = Modules::named(names);
        self
    }

    /// How many kernels to work on at once; each takes about 30 MB. The result
    /// does not depend on it.
    ///
    /// Default: in [`build`](Self::build) cargo's job limit (`NUM_JOBS`), in
    /// [`generate`](Self::generate) the number of processors of this machine.
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// In [`build`](Self::build): if this machine has no archive, embeds an empty bundle and
    /// warns instead of failing. That is the case if no archive is named, or if the named one
    /// does not exist or is an empty directory, such as a submodule that was not fetched. The
    /// program then finds no embedded BTF. Cargo can't watch for a directory that does not
    /// exist: once the archive is there, `touch build.rs`.
    ///
    /// Default: an archive is required.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// In [`build`](Self::build): embeds this bundle, which was made earlier (`cargo btfhub
    /// bundle`) and checked in, whether or not this machine has an archive. It must have been
    /// made for exactly the relocations that the objects have now, and must hold kernels for
    /// the target. With `BTFHUB_UPDATE=1` in the environment, the build makes it again from the
    /// archive, for all architectures unless [`arch`](Self::arch) names some.
    ///
    /// Default: the bundle is made from the archive.
    pub fn prepared(mut self, bundle: impl AsRef<Path>) -> Self {
        self.prepared = Some(bundle.as_ref().to_owned());
        self
    }

    /// Sets what happens when a lint finds something.
    ///
    /// Default: see each [`Lint`].
    pub fn lint(mut self, lint: Lint, level: Level) -> Self {
        self.levels.set(lint, level);
        self
    }

    /// Determines which programs run on which kernels: [`Generated::support`]. A partial bundle
    /// has no verdicts.
    ///
    /// The facts for this are read when an entry is decoded, and remembered in the
    /// [`cache_dir`](Self::cache_dir).
    ///
    /// Default: only if something needs it, such as a baseline.
    pub fn verdicts(mut self) -> Self {
        self.verdicts = true;
        self
    }

    /// Records in the bundle which programs fail on which kernel, for
    /// `Selection::failing_programs` in btfhub-runtime: only proven failures, or likely ones
    /// too. A failure is proven if libbpf or the kernel decides it by what is known about that
    /// kernel; see docs/verdicts.md. Takes some hundred bytes for all kernels together.
    ///
    /// Default: the bundle records nothing about programs.
    pub fn failing_programs(mut self, least: Certainty) -> Self {
        self.failing = Some(least);
        self
    }

    /// What user space attaches a program to, as a section would name it: `vfs_open` for a
    /// `SEC("kprobe")` or a stand-in. Used for verdicts; applies to all programs with that
    /// name.
    ///
    /// Default: what the section says; if it says nothing, the verdict is unknown.
    pub fn target(mut self, program: impl Into<String>, target: impl Into<String>) -> Self {
        self.targets.push((program.into(), target.into()));
        self
    }

    /// Whether the kernels that a filter matches have their own BTF, which some kinds of
    /// programs need. Used for verdicts; the last filter that matches wins.
    ///
    /// Default: decided from the kernels' names and functions.
    pub fn own_btf(mut self, kernels: impl Into<String>, has: bool) -> Self {
        self.own_btf.push((kernels.into(), has));
        self
    }

    /// In [`build`](Self::build): compares what is expected to run on the kernels of the target
    /// with this file, which `cargo btfhub report --format support --json` wrote, and fails if
    /// support is lost ([`Lint::SupportLost`]). A [`prepared`](Self::prepared) or partial
    /// bundle is not compared.
    ///
    /// Needs the feature `manifest`. Default: none.
    #[cfg(feature = "manifest")]
    pub fn baseline(mut self, file: impl AsRef<Path>) -> Self {
        self.baseline = Some(file.as_ref().to_owned());
        self
    }

    /// The loader that the program uses, so that lints give advice that fits it.
    ///
    /// Default: with [`from_manifest`](Self::from_manifest), aya or libbpf-rs, if the
    /// package depends on exactly one of them; otherwise unknown.
    pub fn loader(mut self, loader: Loader) -> Self {
        self.loader = Some(loader);
        self
    }

    /// Caches work in this directory: the results for these relocations, and the entries'
    /// type definitions, so that entries are decoded only once even if the relocations
    /// change. The keys are digests of the content, so any number of builds can share the
    /// directory, and you can delete it at any time.
    ///
    /// Default: in [`build`](Self::build) a directory below cargo's target
    /// directory; the variable `BTFHUB_CACHE_DIR` names another one and overrides
    /// this setting. In [`generate`](Self::generate) none.
    pub fn cache_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.cache_dir = Some(directory.as_ref().to_owned());
        self
    }

    /// The files that the objects are read from. Expands patterns and directories
    /// now.
    ///
    /// # Errors
    /// If no object was added, a pattern matches nothing, or a directory holds
    /// none.
    pub fn object_files(&self) -> Result<Vec<PathBuf>, Error> {
        objects::files(&self.objects)
    }

    /// The directories in which a new file may be a new object.
    pub(crate) fn object_directories(&self) -> impl Iterator<Item = &Path> {
        objects::directories(&self.objects)
    }

    /// Reads the objects.
    pub(crate) fn load_objects(&self) -> Result<Vec<Loaded>, Error> {
        objects::load(&self.objects)
    }
}
