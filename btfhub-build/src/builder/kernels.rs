//! Which entries of the archives a build takes.

use std::collections::{BTreeMap, HashSet};

use btfhub_runtime::Arch;

use super::Builder;
use crate::archive::{Archive, Digest, Entry, Filter, FilterError, Oddity, Pinned};
use crate::atlas::{Atlas, KernelNumber};
use crate::error::{Error, ErrorKind, GET_AN_ARCHIVE};
use crate::shard::Shard;

/// How many kernels a partial bundle holds at most.
const PARTIAL: usize = 8;

/// The archives of a build, and the entries that it takes.
#[derive(Debug)]
pub(super) struct Chosen {
    archives: Vec<(Archive, Option<Pinned>)>,
    pub(super) atlases: Vec<Atlas>,
    /// For each atlas, whether it is pinned.
    pinned_atlases: Vec<bool>,
    /// By kernel, then by path: the order of a bundle's index.
    pub(super) entries: Vec<ChosenEntry>,
    /// How many entries a complete bundle would have.
    pub(super) in_all: usize,
}

/// An entry and which of the archives it is from.
#[derive(Clone, Debug)]
pub(super) struct ChosenEntry {
    pub(super) entry: Entry,
    /// Atlases are numbered after the archives.
    pub(super) archive: usize,
    pub(super) in_atlas: Option<InAtlas>,
}

/// Where an atlas has a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct InAtlas {
    pub(super) atlas: usize,
    pub(super) kernel: KernelNumber,
    /// Of the entry that it was made from.
    pub(super) digest: Digest,
}

impl Chosen {
    /// What the entries of an archive must be, if it is pinned.
    pub(super) fn pinned(&self, archive: usize) -> Option<&Pinned> {
        self.archives.get(archive)?.1.as_ref()
    }

    /// Leaves only the entries of this part.
    pub(super) fn divide(&mut self, shard: Shard) {
        let entries = std::mem::take(&mut self.entries).into_iter().enumerate();
        let part = entries.filter(|(at, _)| shard.takes(*at));
        self.entries = part.map(|(_, chosen)| chosen).collect();
    }

    /// The pin of each archive, and then of each atlas, if it has one.
    pub(super) fn pins(&self) -> Vec<Option<String>> {
        let archives = self.archives.iter();
        let pinned = archives.map(|(_, pinned)| pinned.as_ref().map(|pinned| pinned.line.clone()));
        let atlases = self.atlases.iter().zip(&self.pinned_atlases);
        let pinned_atlases = atlases
            .map(|(atlas, is_pinned)| is_pinned.then(|| format!("atlas {}", atlas.digest())));
        pinned.chain(pinned_atlases).collect()
    }

    /// The entries at these places.
    pub(super) fn used(&self, kernels: &[(usize, Digest)]) -> Vec<Entry> {
        let places = kernels.iter().map(|(at, _)| *at);
        let entries = places.filter_map(|at| Some(self.entries.get(at)?.entry.clone()));
        entries.collect()
    }

    pub(super) fn into_archives(self) -> Vec<Archive> {
        self.archives
            .into_iter()
            .map(|(archive, _)| archive)
            .collect()
    }
}

/// Scans the archives and chooses.
pub(super) fn choose(builder: &Builder) -> Result<Chosen, Error> {
    if builder.archives.is_empty() && builder.atlases.is_empty() {
        return Err(Error::new(ErrorKind::Config, "no BTF archive was named").help(GET_AN_ARCHIVE));
    }
    let filters = |filters: &[String]| {
        let filters = filters.iter().map(|filter| Filter::new(filter));
        filters.collect::<Result<Vec<_>, _>>().map_err(not_a_filter)
    };
    let (include, exclude) = (filters(&builder.include)?, filters(&builder.exclude)?);
    let archs: Option<Vec<Arch<'_>>> =
        (builder.archs.as_ref()).map(|archs| archs.iter().map(|arch| Arch::new(arch)).collect());

    one_archive(builder)?;
    let mut archives = (builder.archives.iter())
        .map(|(root, _)| {
            if builder.follow_links {
                Archive::scan_following_links(root)
            } else {
                Archive::scan(root)
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    all_readable(&archives)?;
    let atlases = open(builder)?;
    let of_atlases = of_atlases(&atlases, archives.len());
    if let ([archive], true) = (archives.as_slice(), atlases.is_empty()) {
        if archive.entries().is_empty() {
            return Err(archive.no_entries());
        }
    }
    let of_archs =
        |entry: &&Entry| (archs.as_ref()).is_none_or(|archs| archs.contains(&entry.kernel().arch));
    let all = || {
        let of_archives = archives.iter().flat_map(Archive::entries);
        of_archives.chain(of_atlases.iter().map(|chosen| &chosen.entry))
    };
    if !all().any(|entry| of_archs(&entry)) {
        return Err(none_for_arch(
            &archives,
            archs.as_deref().unwrap_or_default(),
        ));
    }
    let taken = |entry: &&Entry| {
        let any = |filters: &[Filter]| filters.iter().any(|filter| filter.matches(&entry.kernel()));
        of_archs(entry) && (include.is_empty() || any(&include)) && !any(&exclude)
    };
    let mut entries: Vec<ChosenEntry> = Vec::new();
    let mut pinned = Vec::new();
    let mut earlier = HashSet::new();
    for ((number, archive), (_, pin)) in archives.iter().enumerate().zip(builder.archives()) {
        let of_this: Vec<Entry> = archive.entries().iter().filter(taken).cloned().collect();
        pinned.push(
            pin.map(|pin| pin.check(archive, &of_this, |entry| taken(&entry)))
                .transpose()?,
        );
        let kernels: Vec<String> = of_this
            .iter()
            .map(|entry| entry.kernel().to_string())
            .collect();
        let new = (of_this.into_iter().zip(&kernels))
            .filter(|(_, kernel)| !earlier.contains(*kernel))
            .map(|(entry, _)| ChosenEntry {
                entry,
                archive: number,
                in_atlas: None,
            });
        entries.extend(new);
        earlier.extend(kernels);
    }
    for chosen in &of_atlases {
        if taken(&&chosen.entry) && earlier.insert(chosen.entry.kernel().to_string()) {
            entries.push(chosen.clone());
        }
    }
    entries.sort_by(|a, b| {
        let key = |chosen: &ChosenEntry| (chosen.entry.path().to_owned(), chosen.archive);
        (a.entry.kernel().cmp(&b.entry.kernel())).then_with(|| key(a).cmp(&key(b)))
    });
    if entries.is_empty() {
        let message = format!(
            "none of the {} kernels passes the filters",
            all().filter(of_archs).count()
        );
        return Err(Error::new(ErrorKind::Config, message).help(format!(
            "included: {}; excluded: {}; `cargo btfhub list --kernels` lists what the archive \
             holds",
            listed(&builder.include, "anything"),
            listed(&builder.exclude, "nothing"),
        )));
    }
    for (archive, pinned) in archives.iter_mut().zip(&mut pinned) {
        if let Some(pinned) = pinned {
            archive.add_missing(std::mem::take(&mut pinned.missing));
        }
    }
    let in_all = entries.len();
    if builder.partial {
        entries = spread(entries, PARTIAL);
    }
    Ok(Chosen {
        archives: archives.into_iter().zip(pinned).collect(),
        pinned_atlases: builder
            .atlases
            .iter()
            .map(|(_, pin)| pin.is_some())
            .collect(),
        atlases,
        entries,
        in_all,
    })
}

/// What cannot be read may be kernels, and the bundle would then lack them.
fn all_readable(archives: &[Archive]) -> Result<(), Error> {
    let unreadable: Vec<String> = (archives.iter())
        .flat_map(|archive| {
            let odd = archive.anomalies().iter();
            odd.filter(|anomaly| matches!(anomaly.oddity(), Oddity::Unreadable(_)))
                .map(|anomaly| format!("{}/{anomaly}", archive.root().display()))
        })
        .collect();
    if unreadable.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the archive can't be read as a whole: {}",
        unreadable.join("; ")
    );
    Err(Error::new(ErrorKind::Archive, message)
        .help("there may be kernels in it that the bundle would lack; repair it or remove it"))
}

/// The kernels of atlases, by the entries they were made from.
fn of_atlases(atlases: &[Atlas], archives: usize) -> Vec<ChosenEntry> {
    let mut entries = Vec::new();
    for (number, atlas) in atlases.iter().enumerate() {
        for (kernel, id) in atlas.kernels() {
            let Some(source) = atlas.source(kernel) else {
                continue;
            };
            entries.push(ChosenEntry {
                entry: Entry::of_kernel(id, &source.path),
                archive: archives + number,
                in_atlas: Some(InAtlas {
                    atlas: number,
                    kernel,
                    digest: source.digest,
                }),
            });
        }
    }
    entries
}

/// At most `count` of the entries, spread over the list, and always the same ones.
fn spread(entries: Vec<ChosenEntry>, count: usize) -> Vec<ChosenEntry> {
    let total = entries.len();
    let mut taken = 0;
    let part = entries.into_iter().enumerate().filter(|(at, _)| {
        let due = (at + 1).saturating_mul(count.min(total)) / total;
        let take = due > taken;
        taken = due;
        take
    });
    part.map(|(_, entry)| entry).collect()
}

pub(super) fn not_a_filter(error: FilterError) -> Error {
    Error::new(ErrorKind::Config, error.to_string())
}

fn listed(filters: &[String], none: &str) -> String {
    if filters.is_empty() {
        none.to_owned()
    } else {
        let quoted = filters.iter().map(|filter| format!("`{filter}`"));
        quoted.collect::<Vec<_>>().join(" or ")
    }
}

fn none_for_arch(archives: &[Archive], archs: &[Arch<'_>]) -> Error {
    let mut there: BTreeMap<Arch<'_>, usize> = BTreeMap::new();
    for entry in archives.iter().flat_map(Archive::entries) {
        *there.entry(entry.kernel().arch).or_default() += 1;
    }
    let wanted: Vec<&str> = archs.iter().map(|arch| arch.as_str()).collect();
    let roots: Vec<String> = (archives.iter())
        .map(|archive| archive.root().display().to_string())
        .collect();
    let message = format!(
        "the BTF archive {} holds no entry for {}",
        roots.join(", "),
        wanted.join(", ")
    );
    let counts: Vec<String> = (there.iter())
        .map(|(arch, count)| format!("{arch} ({count})"))
        .collect();
    Error::new(ErrorKind::Archive, message).help(if counts.is_empty() {
        "it holds no entry at all".to_owned()
    } else {
        format!(
            "it holds {}; in a sparse checkout `git sparse-checkout list` lists what is there",
            counts.join(", ")
        )
    })
}

/// A pin of "the archive" means nothing if there are several, or none.
fn one_archive(builder: &Builder) -> Result<(), Error> {
    let message = match (&builder.pin, builder.archives.as_slice()) {
        (None, _) | (Some(_), [(_, None)]) => return Ok(()),
        (Some(pin), []) => format!("{pin} pins an archive, but none is named"),
        (Some(pin), [_]) => format!("{pin} pins the archive a second time"),
        (Some(pin), all) => format!("{pin} pins one archive, but {} are named", all.len()),
    };
    Err(Error::new(ErrorKind::Config, message).help(
        "name each archive with its pin (Builder::pinned_archive), and an atlas with its digest \
         (Builder::pinned_atlas)",
    ))
}

/// Opens the atlases of a build, each with its digest.
fn open(builder: &Builder) -> Result<Vec<Atlas>, Error> {
    let opened = builder
        .atlases()
        .map(|(file, digest)| Atlas::open(file, digest));
    opened.collect()
}
