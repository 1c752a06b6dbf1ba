//! Where a checkout keeps its objects, and which commit it says it is at.

use std::path::{Path, PathBuf};

use super::object::Kind;
use super::object::ObjectId;
use super::store::Store;
use super::tree::{self, Mode};
use crate::archive::links::{Lead, follow};
use crate::error::{Error, ErrorKind};
use crate::input;

/// Longer than any file that names a directory or a commit.
const LONGEST_NAME: u64 = 64 << 10;

/// `packed-refs` of a million branches.
const LONGEST_REFS: u64 = 64 << 20;

/// References that name others.
const MOST_REFERENCES: usize = 5;

/// The repository of a checkout.
#[derive(Debug)]
pub(in crate::archive) struct Repository {
    /// The directory of this checkout's own files, such as HEAD.
    own: PathBuf,
    /// What all checkouts of the repository share.
    common: PathBuf,
    /// Where the archive is below the checkout's top level.
    prefix: PathBuf,
}

impl Repository {
    /// The repository of the checkout that a directory lies in.
    pub(in crate::archive) fn of(root: &Path) -> Option<Self> {
        let root = root.canonicalize().ok()?;
        let (top, own) =
            (root.ancestors()).find_map(|top| Some((top, git_directory(&top.join(".git"))?)))?;
        let common = match name_in(&own.join("commondir")) {
            Some(common) => own.join(common),
            None => own.clone(),
        };
        Some(Self {
            prefix: root.strip_prefix(top).ok()?.to_owned(),
            own,
            common,
        })
    }

    /// Whether the archive is the whole checkout.
    pub(in crate::archive) fn is_whole(&self) -> bool {
        self.prefix.as_os_str().is_empty()
    }

    /// Whether the checkout is meant to have only part of the commit (`git sparse-checkout`).
    pub(in crate::archive) fn is_sparse(&self) -> bool {
        self.own.join("info/sparse-checkout").exists()
    }

    /// Its objects.
    ///
    /// # Errors
    /// When this machine can't read them.
    pub(in crate::archive) fn store(&self) -> Result<Store, Error> {
        Store::open(self.common.join("objects"))
    }

    /// The commit that is checked out, as far as plain files tell.
    pub(in crate::archive) fn head(&self) -> Option<ObjectId> {
        let mut name = name_in(&self.own.join("HEAD"))?;
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = name.strip_prefix("ref:") else {
                return ObjectId::from_hex(&name);
            };
            let reference = reference.trim();
            // A reference of one's own is in HEAD's directory only for bisecting.
            name = match name_in(&self.common.join(reference)) {
                Some(name) => name,
                None => self.packed(reference)?,
            };
        }
        None
    }

    /// What a reference points at, in the file of packed references.
    fn packed(&self, reference: &str) -> Option<String> {
        let refs = input::read_to_string(&self.common.join("packed-refs"), LONGEST_REFS);
        let refs = refs.ok()?;
        let mut lines = refs.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(_, name)| *name == reference);
        found.map(|(id, _)| id.to_owned())
    }

    /// The tree of the archive in the commit that is checked out.
    pub(in crate::archive) fn head_tree(&self, store: &Store) -> Option<ObjectId> {
        let root = tree_of(store, self.head()?).ok()?;
        let item = tree::find(store, root, &self.prefix).ok()??;
        (item.mode == Mode::Directory).then_some(item.id)
    }

    /// What changes whenever HEAD moves: the file that git appends to then.
    /// HEAD itself stays as it is on a commit. Where git keeps no such log
    /// (`core.logAllRefUpdates=false`, the reftable format) what holds HEAD and
    /// the branches. Nothing that a link puts elsewhere.
    pub(in crate::archive) fn moves_with_head(&self) -> Vec<PathBuf> {
        let is_file = |path: &PathBuf| path.is_file();
        if let Some(log) = lies_in(&self.own, "logs/HEAD").filter(is_file) {
            return vec![log];
        }
        let shared = ["packed-refs", "refs/heads", "reftable"];
        let shared = shared.map(|name| lies_in(&self.common, name));
        let all = std::iter::once(lies_in(&self.own, "HEAD")).chain(shared);
        all.flatten().collect()
    }
}

/// A file or directory of git's, if it is there and no link leads it out of git's directory.
fn lies_in(directory: &Path, name: &str) -> Option<PathBuf> {
    let lead = follow(&directory.canonicalize().ok()?, Path::new(name));
    matches!(lead, Ok(Lead::Inside(_))).then(|| directory.join(name))
}

/// The tree that a commit names.
///
/// # Errors
/// When the commit can't be had, or is none.
pub(in crate::archive) fn tree_of(store: &Store, commit: ObjectId) -> Result<ObjectId, Error> {
    let object = store.read(commit)?;
    if object.kind != Kind::Commit {
        let kind = object.kind.name();
        return Err(Error::new(
            ErrorKind::Pin,
            format!("{commit} is the id of a {kind}, not of a commit"),
        ));
    }
    let line = object.bytes.split(|byte| *byte == b'\n').next();
    let id = line.and_then(|line| std::str::from_utf8(line).ok());
    let id = id.and_then(|line| ObjectId::from_hex(line.strip_prefix("tree ")?));
    id.ok_or_else(|| {
        Error::new(
            ErrorKind::Pin,
            format!("git's object {commit} is not a commit"),
        )
    })
}

/// The directory that `.git` is, or points to.
fn git_directory(git: &Path) -> Option<PathBuf> {
    let directory = if git.is_dir() {
        git.to_owned()
    } else {
        let name = name_in(git)?;
        git.parent()?.join(name.strip_prefix("gitdir:")?.trim())
    };
    directory.join("HEAD").exists().then_some(directory)
}

/// The one line of a small file.
fn name_in(path: &Path) -> Option<String> {
    let text = input::read_to_string(path, LONGEST_NAME).ok()?;
    Some(text.trim_end().to_owned())
}
