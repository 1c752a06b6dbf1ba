//! The state that a build demands of its archive.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hmac_sha256::Hash;

use super::contents::{Contents, PinnedFile};
use super::decode::is_lfs_pointer;
use super::git::{Kind, ObjectId, Repository, Store, tree_of};
use super::{Archive, Digest, Entry, Lock};
use crate::error::{Error, ErrorKind, count, shell_word, shown_path, some};
use crate::queue;

/// What identifies the state of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The full id of the commit that the archive, a git checkout of its own,
    /// must be at.
    Commit(String),
    /// The hash of the archive's tree in the commit that is checked out: for
    /// an archive that is a folder of another repository (`git rev-parse
    /// HEAD:path/to/archive`).
    Tree(String),
    /// A lock file with the digest of each entry: for an archive without git.
    Lock(PathBuf),
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(id) => write!(f, "commit {id}"),
            Self::Tree(hash) => write!(f, "tree {hash}"),
            Self::Lock(path) => write!(f, "lock {}", shown_path(path)),
        }
    }
}

/// An archive that matches its pin, and so what each of its entries must be.
#[derive(Debug)]
pub(crate) struct Pinned {
    /// How the bundle's provenance names the state.
    pub(crate) line: String,
    /// What the build wants and the pin has, but a sparse checkout lacks.
    pub(crate) missing: Vec<PathBuf>,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    Lock(Lock),
    /// The blob that each entry is in the pinned commit or tree, and where Git
    /// LFS's pointers are read.
    Git(HashMap<PathBuf, ObjectId>, Mutex<Store>),
}

impl Pin {
    /// Compares an archive with the pin. `used` are the entries that a build takes, `wanted`
    /// tells which kernels it would take. Only names are compared here; the result says what
    /// each entry must be.
    ///
    /// # Errors
    /// If they differ; the error has both values. If something is missing, unless the archive
    /// is a sparse checkout.
    pub(crate) fn check(
        &self,
        archive: &Archive,
        used: &[Entry],
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Pinned, Error> {
        let (root, is_sparse, store) = match self {
            Self::Commit(id) => {
                let id = full_id(id, "commit")?;
                let (repository, store) = repository(archive.root())?;
                if !repository.is_whole() {
                    return Err(not_whole(archive, &repository, &store));
                }
                let root = tree_of(&store, id);
                let other_kind = || is_there(&store, id) && root.is_err();
                if let Some(head) = repository
                    .head()
                    .filter(|head| *head != id && !other_kind())
                {
                    return Err(differs(archive, "commit", id, head));
                }
                let root = root.map_err(|error| wrong_kind(error, &store, id))?;
                (root, repository.is_sparse(), store)
            }
            Self::Tree(hash) => {
                let id = full_id(hash, "tree")?;
                let (repository, store) = repository(archive.root())?;
                let is_commit = store
                    .read(id)
                    .is_ok_and(|object| object.kind == Kind::Commit);
                if is_commit {
                    let message = format!("{id} is the id of a commit, not of a tree");
                    return Err(Error::new(ErrorKind::Pin, message)
                        .help("pin a commit with Builder::pin, `pin = …` or `--pin ID`"));
                }
                let head = repository.head_tree(&store).filter(|head| *head != id);
                if let Some(head) = head {
                    return Err(differs(archive, "tree", id, head));
                }
                (id, repository.is_sparse(), store)
            }
            Self::Lock(path) => {
                let lock = Lock::read(path).map_err(|error| error.help(renewal(archive, path)))?;
                locked(archive, path, &lock, used, wanted)?;
                return Ok(Pinned {
                    line: format!("lock {}", lock.fingerprint()),
                    missing: Vec::new(),
                    proof: Proof::Lock(lock),
                });
            }
        };
        let contents = Contents::read(&store, root, is_sparse)?;
        let blobs = contents.blobs(archive, used)?;
        let missing = contents.missing(used, wanted);
        if !is_sparse {
            self.all_there(archive, &missing)?;
        }
        Ok(Pinned {
            line: self.to_string().to_ascii_lowercase(),
            missing,
            proof: Proof::Git(blobs, Mutex::new(store)),
        })
    }

    /// The files and links that the pinned commit or tree has where an archive may have
    /// entries, even if the checkout at `root` lacks them.
    ///
    /// # Errors
    /// If the repository lacks an object or has something else under its id, and for a lock
    /// file.
    pub fn files(&self, root: impl AsRef<Path>) -> Result<Vec<PinnedFile>, Error> {
        let (_, store) = repository(root.as_ref())?;
        let tree = match self {
            Self::Commit(id) => tree_of(&store, full_id(id, "commit")?)?,
            Self::Tree(hash) => full_id(hash, "tree")?,
            Self::Lock(_) => {
                let message = "a lock file does not belong to a repository";
                return Err(Error::new(ErrorKind::Config, message));
            }
        };
        Ok(Contents::read(&store, tree, false)?.files())
    }

    /// Whether nothing of what was pinned is missing.
    fn all_there(&self, archive: &Archive, missing: &[PathBuf]) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        let root = archive.root();
        let message = format!(
            "the archive {} lacks {} of {self}: {}",
            root.display(),
            count(missing.len(), "entry", "entries"),
            some(missing.iter().map(|path| path.display()))
        );
        Err(Error::new(ErrorKind::Pin, message).help(format!(
            "`git -C {} checkout -- .` restores what was deleted; `include` and `exclude` leave \
             kernels out of a build, `git sparse-checkout` out of a checkout",
            shell_word(root.display())
        )))
    }

    /// Reads every entry of an archive that `wanted` accepts and compares it with the pin,
    /// `jobs` at a time. Returns their total size in bytes.
    ///
    /// # Errors
    /// If one differs, is missing or can't be read, and if the archive as a whole is not at the
    /// pin.
    pub fn verify(
        &self,
        archive: &Archive,
        jobs: NonZeroUsize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<u64, Error> {
        let used = archive.entries().iter().filter(|entry| wanted(entry));
        let used: Vec<Entry> = used.cloned().collect();
        let pinned = self.check(archive, &used, wanted)?;
        self.all_there(archive, &pinned.missing)?;
        let mut len = 0;
        queue::run(
            jobs,
            used.len(),
            |at| match used.get(at) {
                None => Ok(0),
                Some(entry) => {
                    let bytes = entry.read()?;
                    pinned.compare(entry, &bytes, Digest::of(&bytes))?;
                    Ok(bytes.len() as u64)
                }
            },
            |_, read: Result<u64, Error>| {
                len += read?;
                Ok::<_, Error>(())
            },
        )?;
        Ok(len)
    }
}

impl Pinned {
    /// The blob of an entry in git; it saves reading the file.
    pub(crate) fn blob(&self, entry: &Entry) -> Option<ObjectId> {
        match &self.proof {
            Proof::Lock(_) => None,
            Proof::Git(blobs, _) => blobs.get(entry.path()).copied(),
        }
    }

    /// Compares the digest of an entry with the pinned one, if digests were pinned.
    ///
    /// # Errors
    /// When it is another one.
    pub(crate) fn check_digest(&self, entry: &Entry, found: Digest) -> Result<(), Error> {
        let Proof::Lock(lock) = &self.proof else {
            return Ok(());
        };
        match lock.digest(entry) {
            Some(locked) if locked == found => Ok(()),
            Some(locked) => Err(other(entry, found, "the lock", locked)),
            None => Err(other(entry, found, "the lock", "nothing")),
        }
    }

    /// Compares the bytes of an entry that is to be decoded, and their digest, with the pinned
    /// ones.
    ///
    /// # Errors
    /// When they are others. If they are a Git LFS pointer: what was pinned is the file that it
    /// names, so this one is missing, and no policy for damaged entries leaves it out.
    pub(crate) fn check(&self, entry: &Entry, bytes: &[u8], digest: Digest) -> Result<(), Error> {
        self.compare(entry, bytes, digest)?;
        if matches!(self.proof, Proof::Git(..)) && is_lfs_pointer(bytes) {
            let pinned = "the file that it names";
            return Err(other(entry, "a Git LFS pointer", "the pin", pinned));
        }
        Ok(())
    }

    /// Compares the bytes of an entry, and their digest, with the pinned ones.
    ///
    /// # Errors
    /// When they are others.
    fn compare(&self, entry: &Entry, bytes: &[u8], digest: Digest) -> Result<(), Error> {
        let Proof::Git(blobs, store) = &self.proof else {
            return self.check_digest(entry, digest);
        };
        let Some(pinned) = blobs.get(entry.path()).copied() else {
            return Err(other(entry, digest, "the pin", "nothing"));
        };
        let Some(found) = pinned.of_blob_like(bytes) else {
            return Err(other(
                entry,
                "crafted to collide with another file",
                "the pin",
                pinned,
            ));
        };
        if found == pinned {
            return Ok(());
        }
        let store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let pointer = store
            .read(pinned)
            .ok()
            .and_then(|blob| Pointer::parse(&blob.bytes));
        if pointer.as_ref().is_some_and(|pointer| pointer.is_to(bytes)) {
            return Ok(());
        }
        let unix = || pinned.of_blob_like(&without_carriage_returns(bytes));
        Err(
            other(entry, found, "the pin", pinned).because(if pointer.is_some() {
                "not the file that its Git LFS pointer names"
            } else if is_lfs_pointer(bytes) {
                "a Git LFS pointer is there instead of the file"
            } else if unix() == Some(pinned) {
                "its line endings were converted (core.autocrlf, or `text` in .gitattributes)"
            } else {
                "it was modified"
            }),
        )
    }
}

/// What Git LFS keeps in the place of a file.
struct Pointer {
    sha256: ObjectId,
    size: usize,
}

impl Pointer {
    fn parse(blob: &[u8]) -> Option<Self> {
        const LONGEST: usize = 1024;
        if blob.len() > LONGEST || !is_lfs_pointer(blob) {
            return None;
        }
        let text = std::str::from_utf8(blob).ok()?;
        let value = |key| text.lines().find_map(|line| line.strip_prefix(key));
        let sha256 = ObjectId::from_hex(value("oid sha256:")?)?;
        let size = value("size ")?.parse().ok()?;
        Some(Self { sha256, size })
    }

    fn is_to(&self, bytes: &[u8]) -> bool {
        self.size == bytes.len() && *self.sha256.as_bytes() == Hash::hash(bytes)
    }
}

fn without_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let mut unix = bytes.to_vec();
    let mut rest = bytes.iter().skip(1);
    unix.retain(|byte| {
        let next = rest.next();
        *byte != b'\r' || next != Some(&b'\n')
    });
    unix
}

/// The error for an entry that does not match the pin.
fn other(entry: &Entry, found: impl fmt::Display, how: &str, must_be: impl fmt::Display) -> Error {
    let path = entry.path().display();
    let message = format!("{path} is {found}, but {how} says {must_be}");
    Error::new(ErrorKind::Pin, message)
}

fn repository(root: &Path) -> Result<(Repository, Store), Error> {
    let repository = Repository::of(root).ok_or_else(|| {
        let message = format!("the archive {} is not in a git checkout", root.display());
        Error::new(ErrorKind::Pin, message).help(
            "only a git checkout has a commit; pin a plain folder with a lock file \
             (`cargo btfhub lock`)",
        )
    })?;
    let store = repository.store()?;
    Ok((repository, store))
}

fn is_there(store: &Store, id: ObjectId) -> bool {
    store.read(id).is_ok()
}

fn not_whole(archive: &Archive, repository: &Repository, store: &Store) -> Error {
    let message = format!(
        "the archive {} is a folder of another git checkout, so it has no commit of its own",
        archive.root().display()
    );
    let error = Error::new(ErrorKind::Pin, message);
    match repository.head_tree(store) {
        Some(tree) => error.help(format!("pin its tree instead: {tree}")),
        None => error.help("pin its tree instead: `git rev-parse HEAD:./` there prints it"),
    }
}

/// One line per archive that identifies its state: its pin, or, if it has none, a digest of
/// what was used from it. Entries come with the number of their archive.
pub(crate) fn lines<'a>(
    pins: &[Option<String>],
    used: impl IntoIterator<Item = (usize, &'a Entry, Digest)>,
) -> Vec<String> {
    let mut contents = vec![Lock::default(); pins.len()];
    for (archive, entry, digest) in used {
        if let Some(content) = contents.get_mut(archive) {
            content.insert(entry, digest);
        }
    }
    let lines = pins.iter().zip(contents).map(|(pin, content)| match pin {
        Some(pin) => pin.clone(),
        None => format!("content {}", content.fingerprint()),
    });
    lines.collect()
}

/// What changes with the state of an archive, as far as git knows it.
#[derive(Debug)]
pub(crate) struct State {
    /// Files that change whenever the commit does; none without git.
    pub(crate) files: Vec<PathBuf>,
    /// Whether the commit is the archive's own. Otherwise it belongs to a repository around the
    /// archive, and changes more often than the archive.
    pub(crate) is_own: bool,
}

impl State {
    pub(crate) fn of(archive: &Archive) -> Self {
        match Repository::of(archive.root()) {
            Some(repository) => Self {
                files: repository.moves_with_head(),
                is_own: repository.is_whole(),
            },
            None => Self {
                files: Vec::new(),
                is_own: false,
            },
        }
    }
}

/// A name that means one thing for ever: nothing shorter, no branch.
fn full_id(id: &str, what: &str) -> Result<ObjectId, Error> {
    ObjectId::from_hex(id).ok_or_else(|| {
        let message = format!("the pin `{id}` is not a full {what} id");
        Error::new(ErrorKind::Config, message).help(format!(
            "a full id has 40 hexadecimal digits; a branch, a tag or a shorter id could mean \
             something else tomorrow. `git -C ARCHIVE rev-parse {}` prints it",
            if what == "commit" { "HEAD" } else { "HEAD:./" }
        ))
    })
}

fn differs(archive: &Archive, what: &str, pinned: ObjectId, found: ObjectId) -> Error {
    let root = archive.root().display();
    let message = format!("the archive {root} is at {what} {found}, but the pin is {pinned}");
    Error::new(ErrorKind::Pin, message).help(if what == "commit" {
        format!(
            "`git -C {} checkout {pinned}` goes there; or pin {found}",
            shell_word(root)
        )
    } else {
        format!("check out what was pinned, or pin {found}")
    })
}

/// Says how to pin something that is not a commit.
fn wrong_kind(error: Error, store: &Store, id: ObjectId) -> Error {
    match store.read(id).map(|object| object.kind) {
        Ok(Kind::Tree) => {
            error.help("pin a tree with Builder::pin_tree, `pin-tree = …` or `--pin tree:ID`")
        }
        Ok(Kind::Tag) => error.help(format!(
            "`git rev-parse {id}^{{commit}}` prints the commit that the tag names"
        )),
        _ => error,
    }
}

fn locked(
    archive: &Archive,
    path: &Path,
    lock: &Lock,
    used: &[Entry],
    wanted: impl Fn(&Entry) -> bool,
) -> Result<(), Error> {
    let new: Vec<String> = (used.iter())
        .filter(|entry| lock.digest(entry).is_none())
        .map(|entry| entry.path().display().to_string())
        .collect();
    let missing = lock.missing(used, wanted);
    if new.is_empty() && missing.is_empty() {
        return Ok(());
    }
    let mut differences = Vec::new();
    if !missing.is_empty() {
        differences.push(format!(
            "{} missing ({})",
            count(missing.len(), "locked entry is", "locked entries are"),
            some(missing.into_iter())
        ));
    }
    if !new.is_empty() {
        differences.push(format!(
            "{} not locked ({})",
            count(new.len(), "is", "are"),
            some(new.into_iter())
        ));
    }
    let message = format!(
        "the archive {} does not match {}: {}",
        archive.root().display(),
        path.display(),
        differences.join("; ")
    );
    Err(Error::new(ErrorKind::Pin, message).help(format!(
        "restore the archive; or {}",
        renewal(archive, path)
    )))
}

/// What writes a lock of an archive.
fn renewal(archive: &Archive, lock: &Path) -> String {
    format!(
        "`cargo btfhub lock --archive {} --out {}` rewrites the lock",
        shell_word(archive.root().display()),
        shell_word(lock.display())
    )
}
