//! The entries that a pinned tree has, to compare a checkout with.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::anomaly::{Anomaly, Oddity};
use super::git::{Mode, ObjectId, Store, files};
use super::scan::name_kernels;
use super::{Archive, Entry};
use crate::error::{Error, ErrorKind, some};

/// How deep entries lie: `<distro>/<version>/<arch>/<release>.btf.tar.xz`.
const DEEPEST_FILE: usize = 4;

/// A file or a link of a pinned commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinnedFile {
    /// Where, below the archive's root.
    pub path: PathBuf,
    /// The id of its blob.
    pub object: String,
    /// The entry that it is, if it is one.
    pub entry: Option<Entry>,
    /// Whether it is a link.
    pub is_link: bool,
}

impl PinnedFile {
    /// Whether these bytes, of a file or of a link's target, are its blob.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let id = ObjectId::from_hex(&self.object);
        id.is_some_and(|id| id.of_blob_like(bytes) == Some(id))
    }
}

/// What a pinned tree holds.
#[derive(Debug)]
pub(super) struct Contents {
    /// All files and links.
    files: BTreeMap<PathBuf, (Mode, ObjectId)>,
    /// The entries among them, named as a scan of a whole checkout names them.
    entries: BTreeMap<PathBuf, Entry>,
    /// Directories whose trees the repository of a sparse checkout lacks.
    lacking: Vec<PathBuf>,
}

impl Contents {
    /// Reads the tree of an archive.
    ///
    /// # Errors
    /// If the repository lacks an object (unless the checkout is sparse), or has something else
    /// under its id.
    pub(super) fn read(store: &Store, root: ObjectId, is_sparse: bool) -> Result<Self, Error> {
        let (lacking, files): (Vec<_>, Vec<_>) = files(store, root, DEEPEST_FILE, is_sparse)?
            .into_iter()
            .partition(|(_, item)| item.mode == Mode::Directory);
        let files: BTreeMap<_, _> = (files.into_iter())
            .map(|(path, item)| (path, (item.mode, item.id)))
            .collect();
        let empty = root.of_blob_like(b"");
        let is_entry = |mode, id| mode == Mode::File && Some(id) != empty;
        let mut entries: Vec<Entry> = (files.iter())
            .filter(|(path, (mode, id))| is_entry(*mode, *id) && !is_hidden(path))
            .filter_map(|(path, _)| Entry::at("", path))
            .collect();
        let mut aliases = aliases(root, &files, &entries);
        name_kernels(&mut entries, &mut aliases);
        let by_path = |entry: Entry| (entry.path().to_owned(), entry);
        Ok(Self {
            files,
            entries: entries.into_iter().map(by_path).collect(),
            lacking: lacking.into_iter().map(|(path, _)| path).collect(),
        })
    }

    /// All files and links.
    pub(super) fn files(&self) -> Vec<PinnedFile> {
        let files = self
            .files
            .iter()
            .filter(|(_, (mode, _))| *mode != Mode::Commit);
        let files = files.map(|(path, (mode, id))| PinnedFile {
            path: path.clone(),
            object: id.to_string(),
            entry: self.entries.get(path).cloned(),
            is_link: *mode == Mode::Link,
        });
        files.collect()
    }

    /// The blob that each used entry of a checkout is.
    ///
    /// # Errors
    /// When some are not in the tree, or are other kernels there.
    pub(super) fn blobs(
        &self,
        archive: &Archive,
        used: &[Entry],
    ) -> Result<HashMap<PathBuf, ObjectId>, Error> {
        let mut blobs = HashMap::new();
        let mut wrong = Vec::new();
        for entry in used {
            let path = entry.path();
            match (self.entries.get(path), self.files.get(path)) {
                (Some(pinned), Some((_, id))) if pinned.kernel() == entry.kernel() => {
                    blobs.insert(path.to_owned(), *id);
                }
                (Some(pinned), _) => wrong.push(format!(
                    "{} (which is {} there, not {})",
                    path.display(),
                    pinned.kernel(),
                    entry.kernel()
                )),
                _ => wrong.push(path.display().to_string()),
            }
        }
        if wrong.is_empty() {
            return Ok(blobs);
        }
        let message = format!(
            "{} of the {} entries used of the archive {} are not in what was pinned: {}",
            wrong.len(),
            used.len(),
            archive.root().display(),
            some(wrong.iter())
        );
        Err(Error::new(ErrorKind::Pin, message)
            .help("put kernels of your own into a second archive, which needs no pin"))
    }

    /// What `wanted` accepts and is not among the used entries of a checkout.
    pub(super) fn missing(&self, used: &[Entry], wanted: impl Fn(&Entry) -> bool) -> Vec<PathBuf> {
        let used: HashSet<&Path> = used.iter().map(Entry::path).collect();
        let missing = (self.entries.values())
            .filter(|entry| !used.contains(entry.path()) && wanted(entry))
            .map(|entry| entry.path().to_owned());
        missing.chain(self.lacking.iter().cloned()).collect()
    }
}

/// Whether a scan passes over a path.
fn is_hidden(path: &Path) -> bool {
    path.iter()
        .any(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The links next to version directories that lead to one of these, and the files that replace
/// such links. They are identified by their hash, because a partial clone may lack their blobs.
/// `like` is an id in the repository's format.
fn aliases(
    like: ObjectId,
    files: &BTreeMap<PathBuf, (Mode, ObjectId)>,
    entries: &[Entry],
) -> Vec<Anomaly> {
    let directories: BTreeSet<&Path> = (entries.iter())
        .filter_map(|entry| entry.path().ancestors().nth(2))
        .collect();
    // By where a link may be, and the hash of what it may say.
    let mut targets: HashMap<(&Path, ObjectId), &Path> = HashMap::new();
    for directory in directories {
        let name = directory.file_name().and_then(|name| name.to_str());
        let (Some(parent), Some(name)) = (directory.parent(), name) else {
            continue;
        };
        let spellings = [
            name.to_owned(),
            format!("{name}/"),
            format!("./{name}"),
            format!("{name}\n"),
        ];
        for spelling in spellings {
            if let Some(id) = like.of_blob_like(spelling.as_bytes()) {
                targets.insert((parent, id), directory);
            }
        }
    }
    let beside = files.iter().filter(|(path, _)| path.iter().count() == 2);
    let aliases = beside.filter_map(|(path, (_, id))| {
        let target = targets.get(&(path.parent()?, *id))?;
        Some(Anomaly {
            path: path.clone(),
            oddity: Oddity::Alias(target.to_path_buf()),
        })
    });
    aliases.collect()
}
