//! The kernels and objects that a command works on.

use std::collections::BTreeMap;

use btfhub_build::archive::{Archive, Decoded, Entry, Filter};
use btfhub_build::atlas::{Atlas, KernelNumber};
use btfhub_build::input;
use btfhub_build::object::Object;
use btfhub_build::{Builder, ErrorKind};
use btfhub_runtime::{Arch, KernelId};

use crate::args::{ArchiveArgs, FilterArgs, ObjectArgs, SourceArgs};
use crate::failure::{Exit, Failure, failure};
use crate::files;

/// `--arch`, `--include` and `--exclude`, parsed.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// `None`: every architecture.
    archs: Option<Vec<String>>,
    include: Vec<Filter>,
    exclude: Vec<Filter>,
}

impl Wanted {
    pub(crate) fn new(args: &FilterArgs) -> Result<Self, Failure> {
        let filters = |option: &str, patterns: &[String]| -> Result<Vec<Filter>, Failure> {
            (patterns.iter())
                .map(|pattern| {
                    Filter::new(pattern)
                        .map_err(|error| Failure::usage(format!("{option}: {error}")))
                })
                .collect()
        };
        let all = args.archs.is_empty() || args.archs.iter().any(|arch| arch == "all");
        Ok(Self {
            archs: (!all).then(|| {
                (args.archs.iter())
                    .map(|arch| Arch::new(arch).as_str().to_owned())
                    .collect()
            }),
            include: filters("--include", &args.include)?,
            exclude: filters("--exclude", &args.exclude)?,
        })
    }

    /// Whether the options select this kernel.
    pub(crate) fn takes(&self, kernel: &KernelId<'_>) -> bool {
        let matched = |filters: &[Filter]| filters.iter().any(|filter| filter.matches(kernel));
        (self.archs.as_ref()).is_none_or(|archs| archs.iter().any(|a| a == kernel.arch.as_str()))
            && (self.include.is_empty() || matched(&self.include))
            && !matched(&self.exclude)
    }
}

/// The archives of the arguments, scanned.
pub(crate) fn scan(args: &ArchiveArgs) -> Result<Vec<Archive>, Failure> {
    if args.archives.is_empty() {
        return Err(no_archive());
    }
    (args.archives.iter())
        .map(|root| {
            let scanned = if args.follow_links {
                Archive::scan_following_links(root)
            } else {
                Archive::scan(root)
            };
            scanned.map_err(|error| {
                let mut failure = failure(error);
                failure.help = Some(
                    "--archive takes a checkout of a BTFhub archive (`cargo btfhub fetch` makes \
                     one) or a folder laid out like one"
                        .to_owned(),
                );
                failure
            })
        })
        .collect()
}

fn no_archive() -> Failure {
    Failure::usage(
        "no archive: name one with --archive DIR, in BTFHUB_ARCHIVE, or in \
         [package.metadata.btfhub] of your Cargo.toml",
    )
}

/// The objects of the arguments, read.
pub(crate) fn objects(args: &ObjectArgs) -> Result<Vec<Object>, Failure> {
    if args.objects.is_empty() {
        return Err(no_object());
    }
    let named = args.objects.iter().fold(Builder::new(), Builder::object);
    (named.object_files().map_err(failure)?.iter())
        .map(|path| {
            let data = files::read(path, input::FILE_LIMIT)?;
            let name = path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy();
            Ok(Object::parse(&name, &data)?)
        })
        .collect()
}

/// Reads and decodes an entry. The inner failure is the entry's, which a command may report and
/// then continue; the outer one is the machine's.
pub(crate) fn decoded(entry: &Entry, limit: u64) -> Result<Result<Decoded, Failure>, Failure> {
    let decoded = (entry.read()).and_then(|packed| entry.decode(&packed, limit));
    match decoded {
        Err(error) if error.kind() == ErrorKind::Entry => {
            // Callers add the name of the entry.
            Ok(Err(Failure::from(error).cause()))
        }
        decoded => Ok(Ok(decoded.map_err(failure)?)),
    }
}

/// The sources of a command's kernels.
#[derive(Debug)]
pub(crate) struct Sources {
    archives: Vec<Archive>,
    atlases: Vec<Atlas>,
}

/// A kernel from one of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Entry(&'a Entry),
    Atlas(&'a Atlas, KernelNumber, KernelId<'a>),
}

impl<'a> Source<'a> {
    pub(crate) fn kernel(self) -> KernelId<'a> {
        match self {
            Self::Entry(entry) => entry.kernel(),
            Self::Atlas(_, _, kernel) => kernel,
        }
    }
}

impl Sources {
    /// The archives of the arguments, scanned, and the atlases; there must be
    /// either.
    pub(crate) fn open(archive: &ArchiveArgs, source: &SourceArgs) -> Result<Self, Failure> {
        let atlases = source.atlases.iter();
        let atlases = atlases.map(|file| Atlas::open(file, None).map_err(failure));
        let atlases = atlases.collect::<Result<Vec<_>, _>>()?;
        let archives = if archive.archives.is_empty() && !atlases.is_empty() {
            Vec::new()
        } else {
            scan(archive)?
        };
        Ok(Self { archives, atlases })
    }

    /// The wanted kernels, each once, in their order.
    pub(crate) fn wanted(&self, wants: &Wanted) -> Result<Vec<Source<'_>>, Failure> {
        if self.atlases.is_empty() {
            let entries = wanted(&self.archives, wants)?;
            return Ok(entries.into_iter().map(Source::Entry).collect());
        }
        let entries = self.archives.iter().flat_map(Archive::entries);
        let mut all: Vec<Source<'_>> = entries.map(Source::Entry).collect();
        for atlas in &self.atlases {
            let kernels = atlas.kernels();
            all.extend(kernels.map(|(number, kernel)| Source::Atlas(atlas, number, kernel)));
        }
        let count = all.len();
        all.retain(|source| wants.takes(&source.kernel()));
        // Stable: of two sources of one kernel, the first is kept.
        all.sort_by(|a, b| a.kernel().cmp(&b.kernel()));
        all.dedup_by(|later, first| later.kernel() == first.kernel());
        if all.is_empty() {
            let message = "no kernel fits --arch, --include and --exclude; there are";
            return Err(Failure::new(format!("{message} {count}")).with_exit(Exit::NotFound));
        }
        Ok(all)
    }
}

/// The wanted entries of the archives, by kernel, each kernel once.
pub(crate) fn wanted<'a>(
    archives: &'a [Archive],
    wanted: &Wanted,
) -> Result<Vec<&'a Entry>, Failure> {
    let mut entries: Vec<&Entry> = (archives.iter())
        .flat_map(Archive::entries)
        .filter(|entry| wanted.takes(&entry.kernel()))
        .collect();
    // Stable: of two entries for one kernel, the first archive's is kept.
    entries.sort_by(|a, b| a.kernel().cmp(&b.kernel()));
    entries.dedup_by(|later, first| later.kernel() == first.kernel());
    if let ([archive], true) = (archives, entries.is_empty()) {
        if archive.entries().is_empty() {
            return Err(failure(archive.no_entries()).with_exit(Exit::NotFound));
        }
    }
    if entries.is_empty() {
        return Err(no_kernel_fits(archives));
    }
    Ok(entries)
}

/// The error if the filters select nothing.
pub(crate) fn no_kernel_fits(archives: &[Archive]) -> Failure {
    let roots: Vec<_> = (archives.iter())
        .map(|archive| archive.root().display().to_string())
        .collect();
    Failure::new(format!(
        "{}: no kernel fits --arch, --include and --exclude; the archive holds {}",
        roots.join(", "),
        held(archives)
    ))
    .with_exit(Exit::NotFound)
}

/// `arm64 (2), x86_64 (3)`, or that there is nothing.
fn held(archives: &[Archive]) -> String {
    let mut archs: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in archives.iter().flat_map(Archive::entries) {
        *archs.entry(entry.kernel().arch.as_str()).or_default() += 1;
    }
    if archs.is_empty() {
        return "no entry at all".to_owned();
    }
    let counts: Vec<_> = (archs.iter())
        .map(|(arch, kernels)| format!("{arch} ({kernels})"))
        .collect();
    counts.join(", ")
}

pub(crate) fn no_object() -> Failure {
    Failure::usage(
        "no object: name one with --object O, or in [package.metadata.btfhub] of your Cargo.toml",
    )
}
