//! Walks an archive and lists its content.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::anomaly::{Anomaly, Oddity};
use super::entry::{Entry, SUFFIX, is_name, release_of};
use super::links::{Lead, follow};
use crate::error::{Error, ErrorKind, GET_AN_ARCHIVE};
use crate::input;

/// How deep below the root a name is still looked at: an entry is at 4; one
/// more level each way shows a root that was named one directory off.
const DEEPEST: usize = 6;

/// A regular file no longer than this may replace a link.
const LONGEST_LINK_FILE: u64 = 64;

/// Longer than any Git LFS pointer, shorter than any xz of a kernel's BTF.
const LONGEST_LFS_POINTER: u64 = 1024;

/// A scanned archive: its entries in the order of a bundle's index, and the
/// anomalies by path. The order of the directory on disk does not show.
#[derive(Clone, Debug)]
pub struct Archive {
    root: PathBuf,
    entries: Vec<Entry>,
    anomalies: Vec<Anomaly>,
}

impl Archive {
    /// Lists an archive. Files are not opened, except those so small that they
    /// may be Git LFS pointers or links checked out as files. Links that lead
    /// out of the archive are left out.
    ///
    /// # Errors
    /// Only if the root is not a readable directory. An archive without entries is valid;
    /// [`Archive::no_entries`] makes the error for callers that need some.
    pub fn scan(root: impl AsRef<Path>) -> Result<Self, Error> {
        Self::walk(root.as_ref(), false)
    }

    /// Like [`scan`](Self::scan), but includes the entries behind links that lead out of the
    /// archive. For an archive that is assembled from links.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_following_links(root: impl AsRef<Path>) -> Result<Self, Error> {
        Self::walk(root.as_ref(), true)
    }

    fn walk(root: &Path, follow_links: bool) -> Result<Self, Error> {
        let canonical = fs::canonicalize(root).map_err(|error| {
            let seen_from = match std::env::current_dir() {
                Ok(here) if root.is_relative() => format!(", seen from {}", here.display()),
                _ => String::new(),
            };
            Error::new(
                ErrorKind::Archive,
                format!("no BTF archive at {}{seen_from}", root.display()),
            )
            .because(error)
            .help(GET_AN_ARCHIVE)
        })?;
        if let Err(error) = fs::read_dir(&canonical) {
            let message = format!("the BTF archive {} cannot be listed", root.display());
            return Err(Error::new(ErrorKind::Archive, message).because(error));
        }
        let mut walk = Walk {
            follow_links,
            canonical_root: canonical.clone(),
            visited: BTreeSet::from([canonical]),
            pending: vec![(root.to_owned(), PathBuf::new())],
            entries: Vec::new(),
            anomalies: Vec::new(),
        };
        while let Some((directory, prefix)) = walk.pending.pop() {
            walk.directory(root, &directory, &prefix);
        }
        let Walk {
            mut entries,
            mut anomalies,
            ..
        } = walk;
        name_kernels(&mut entries, &mut anomalies);
        entries.sort_by(|a, b| (a.kernel(), a.path()).cmp(&(b.kernel(), b.path())));
        for (first, second) in entries.iter().zip(entries.iter().skip(1)) {
            if first.kernel() == second.kernel() {
                anomalies.push(Anomaly {
                    path: second.path().to_owned(),
                    oddity: Oddity::SameKernel(first.path().to_owned()),
                });
            }
        }
        anomalies.sort();
        Ok(Self {
            root: root.to_owned(),
            entries,
            anomalies,
        })
    }

    /// The directory as it was given.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The entries, ordered by (arch, release, distro, version, path).
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was odd, ordered by path.
    pub fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    /// Adds what is missing according to a pin.
    pub(crate) fn add_missing(&mut self, paths: Vec<PathBuf>) {
        let missing = paths.into_iter().map(|path| Anomaly {
            path,
            oddity: Oddity::NotCheckedOut,
        });
        self.anomalies.extend(missing);
        self.anomalies.sort();
    }

    /// The complaint about an archive in which nothing is of use, with what
    /// was found instead.
    pub fn no_entries(&self) -> Error {
        let root = self.root.display();
        let message = format!("the BTF archive {root} holds no entry");
        let strays: Vec<&Path> = (self.anomalies.iter())
            .filter(|anomaly| *anomaly.oddity() == Oddity::Stray)
            .map(Anomaly::path)
            .collect();
        let help = match strays.first() {
            Some(stray) if stray.iter().count() < 4 => format!(
                "entries are <distro>/<version>/<arch>/<release>{SUFFIX}; {} files like {} were \
                 found: is the archive a directory above?",
                strays.len(),
                stray.display()
            ),
            Some(stray) => format!(
                "entries are <distro>/<version>/<arch>/<release>{SUFFIX}; {} files like {} were \
                 found: is the archive a directory below?",
                strays.len(),
                stray.display()
            ),
            None if (self.anomalies.iter())
                .any(|anomaly| matches!(anomaly.oddity(), Oddity::LeadsOut(_))) =>
            {
                "it has links that lead out of it; they are followed only with \
                 `Builder::follow_links` or `--follow-links`"
                    .to_owned()
            }
            None if is_empty(&self.root) => "the directory is empty; if it is a submodule, `git \
                                             submodule update --init` fetches it"
                .to_owned(),
            None => format!(
                "entries are <distro>/<version>/<arch>/<release>{SUFFIX}; in a sparse checkout \
                 `git sparse-checkout list` lists what is there"
            ),
        };
        Error::new(ErrorKind::Archive, message).help(help)
    }
}

struct Walk {
    /// Out of the archive, too.
    follow_links: bool,
    canonical_root: PathBuf,
    /// The directories walked so far, without links: each only once.
    visited: BTreeSet<PathBuf>,
    /// Directories to walk and where they are below the root.
    pending: Vec<(PathBuf, PathBuf)>,
    entries: Vec<Entry>,
    anomalies: Vec<Anomaly>,
}

impl Walk {
    fn odd(&mut self, path: &Path, oddity: Oddity) {
        let path = path.to_owned();
        self.anomalies.push(Anomaly { path, oddity });
    }

    fn directory(&mut self, root: &Path, directory: &Path, prefix: &Path) {
        let depth = prefix.iter().count();
        let walk = WalkDir::new(directory)
            .min_depth(1)
            .max_depth(DEEPEST.saturating_sub(depth))
            .into_iter()
            .filter_entry(|found| !found.file_name().as_encoded_bytes().starts_with(b"."));
        for found in walk {
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    let path = error.path().unwrap_or(directory);
                    let below = prefix.join(path.strip_prefix(directory).unwrap_or(path));
                    let why = (error.io_error())
                        .map_or("a loop of links".to_owned(), |io| io.to_string());
                    self.odd(&below, Oddity::Unreadable(why));
                    continue;
                }
            };
            let path = found.path();
            let below = prefix.join(path.strip_prefix(directory).unwrap_or(path));
            if found.file_type().is_dir() {
                continue;
            }
            let is_link = found.file_type().is_symlink();
            let target = is_link.then(|| self.target(path, &below)).transpose();
            let target = match target {
                Ok(target) => target,
                Err(oddity) => {
                    self.odd(&below, oddity);
                    continue;
                }
            };
            match (
                fs::symlink_metadata(target.as_deref().unwrap_or(path)),
                target,
            ) {
                (Ok(there), Some(target)) if there.is_dir() => self.link(path, &below, target),
                (Ok(there), target) => self.file(root, path, below, &there, target),
                (Err(error), _) => self.odd(&below, leads_nowhere(&error)),
            }
        }
    }

    /// Where a link leads. What is outside of the archive is looked at only on request.
    fn target(&self, path: &Path, below: &Path) -> Result<PathBuf, Oddity> {
        let lead = match self.follow_links {
            true => fs::canonicalize(path).map(Lead::Inside),
            false => follow(&self.canonical_root, below),
        };
        match lead {
            Ok(Lead::Inside(target)) => Ok(target),
            Ok(Lead::Outside(around)) if self.canonical_root.starts_with(&around) => {
                Err(Oddity::BadLink)
            }
            Ok(Lead::Outside(target)) => Err(Oddity::LeadsOut(target)),
            Err(error) => Err(leads_nowhere(&error)),
        }
    }

    /// A link to a directory: an alias if the target is inside the archive, otherwise another
    /// directory to walk.
    fn link(&mut self, path: &Path, below: &Path, target: PathBuf) {
        if self.canonical_root.starts_with(&target) {
            self.odd(below, Oddity::BadLink);
        } else if let Ok(inside) = target.strip_prefix(&self.canonical_root) {
            let inside = inside.to_owned();
            self.odd(below, Oddity::Alias(inside));
        } else if (target.ancestors()).any(|above| self.visited.contains(above)) {
            self.odd(below, Oddity::Alias(target));
        } else {
            self.visited.insert(target);
            self.pending.push((path.to_owned(), below.to_owned()));
        }
    }

    /// Anything but a directory; `target` is where it is, if a link leads there.
    fn file(
        &mut self,
        root: &Path,
        path: &Path,
        below: PathBuf,
        there: &Metadata,
        target: Option<PathBuf>,
    ) {
        if !there.is_file() {
            return self.odd(&below, Oddity::SideFile);
        }
        let size = there.len();
        let depth = below.iter().count();
        let Some(name) = below.file_name().and_then(|name| name.to_str()) else {
            return self.odd(&below, Oddity::NotUtf8);
        };
        if release_of(name).is_none() {
            if let Some(target) = link_file(path, depth, size) {
                self.odd(&below, Oddity::LinkFile(target));
            } else if depth > 2 {
                self.odd(&below, Oddity::SideFile);
            }
            return;
        }
        if below.to_str().is_none() {
            return self.odd(&below, Oddity::NotUtf8);
        }
        let Some(mut entry) = Entry::at(root, &below) else {
            let oddity = match depth {
                4 => Oddity::ImpossibleName,
                _ => Oddity::Stray,
            };
            return self.odd(&below, oddity);
        };
        if let Some(target) = target {
            entry.set_target(target);
        }
        if size == 0 {
            return self.odd(&below, Oddity::Empty);
        }
        if size <= LONGEST_LFS_POINTER && is_lfs_pointer(&entry) {
            self.odd(&below, Oddity::LfsPointer);
        }
        entry.set_size(size);
        self.entries.push(entry);
    }
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut listing| listing.next().is_none())
}

/// A broken link is the archive's business. Anything else that prevents reading a file may hide
/// a kernel.
fn leads_nowhere(error: &io::Error) -> Oddity {
    match error.kind() {
        io::ErrorKind::NotFound => Oddity::BadLink,
        _ => Oddity::Unreadable(error.to_string()),
    }
}

/// The target of a link that was checked out as a regular file: the name of a sibling
/// directory.
fn link_file(path: &Path, depth: usize, size: u64) -> Option<String> {
    if depth != 2 || size > LONGEST_LINK_FILE {
        return None;
    }
    let text = input::read_to_string(path, LONGEST_LINK_FILE).ok()?;
    let target = text.trim();
    let plain = !target.is_empty() && !target.contains(['/', '\0']) && target != "..";
    (plain && path.parent()?.join(target).is_dir()).then(|| target.to_owned())
}

fn is_lfs_pointer(entry: &Entry) -> bool {
    (entry.read()).is_ok_and(|bytes| super::decode::is_lfs_pointer(&bytes))
}

/// Gives entries the names that hosts use for their kernels, if the paths have others.
pub(super) fn name_kernels(entries: &mut Vec<Entry>, anomalies: &mut Vec<Anomaly>) {
    name_versions_by_number(entries, anomalies);
    drop_build_counters(entries, anomalies);
}

/// If the archive's directory has the codename and the *link* has the number (`18.04` →
/// `bionic`), the version is the number, as in os-release's `VERSION_ID`. Of several such links
/// the first by name counts.
fn name_versions_by_number(entries: &mut [Entry], anomalies: &mut Vec<Anomaly>) {
    anomalies.sort();
    let mut links: BTreeMap<PathBuf, (&str, &Path)> = BTreeMap::new();
    let mut others = Vec::new();
    for (directory, (number, link)) in anomalies.iter().filter_map(numbered_alias) {
        let (first, _) = *links.entry(directory).or_insert((number, link));
        if first != number {
            others.push(Anomaly {
                path: link.to_owned(),
                oddity: Oddity::SecondNumber(first.to_owned()),
            });
        }
    }
    for entry in entries {
        let directory = entry.path().ancestors().nth(2);
        if let Some((number, link)) = directory.and_then(|directory| links.get(directory)) {
            entry.set_version(number, link);
        }
    }
    anomalies.extend(others);
}

/// A version directory whose number comes from a link next to it, with the number and the link.
fn numbered_alias(anomaly: &Anomaly) -> Option<(PathBuf, (&str, &Path))> {
    let target = match anomaly.oddity() {
        Oddity::Alias(target) => target.clone(),
        Oddity::LinkFile(target) => anomaly.path().with_file_name(target),
        _ => return None,
    };
    let number = anomaly.path().file_name()?.to_str()?;
    let name = target.file_name()?.to_str()?;
    let numbered = |name: &str| name.starts_with(|first: char| first.is_ascii_digit());
    let beside = anomaly.path().parent() == target.parent() && target.iter().count() == 2;
    let renames = beside && numbered(number) && is_name(number) && !numbered(name);
    renames.then(|| (target, (number, anomaly.path())))
}

/// Files SLES entries under the release that `uname -r` shows, unless more
/// than one entry would then claim it.
fn drop_build_counters(entries: &mut Vec<Entry>, anomalies: &mut Vec<Anomaly>) {
    entries.sort_by(|a, b| a.path().cmp(b.path()));
    let key = |entry: &Entry, release: &str| {
        let kernel = entry.kernel();
        (
            kernel.version.to_owned(),
            kernel.arch.as_str().to_owned(),
            release.to_owned(),
        )
    };
    let mut taken: BTreeSet<_> = (entries.iter())
        .filter(|entry| entry.kernel().distro == "sles")
        .map(|entry| key(entry, entry.kernel().release))
        .collect();
    entries.retain_mut(|entry| {
        let Some(release) = entry.without_build_counter() else {
            return true;
        };
        let first = taken.insert(key(entry, &release));
        let path = entry.path().to_owned();
        let oddity = if first {
            entry.set_release(release.clone());
            Oddity::BuildCounter(release)
        } else {
            Oddity::SecondBuild(release)
        };
        anomalies.push(Anomaly { path, oddity });
        first
    });
}
