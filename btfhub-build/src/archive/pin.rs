//! The state that a build demands of its archive.

use std::fmt;
use std::path::{Path, PathBuf};

use super::git::{Checkout, Tracked};
use super::{Archive, Digest, Entry, Lock};
use crate::error::{Error, ErrorKind, count, shell_word};

/// What tells the state of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
            Self::Lock(path) => write!(f, "lock {}", path.display()),
        }
    }
}

/// An archive that was found to be at its pin.
#[derive(Debug)]
pub(crate) struct Pinned {
    /// How the bundle's provenance names the state.
    pub(crate) line: String,
    /// What every entry must be, where git did not tell it already.
    pub(crate) lock: Option<Lock>,
}

impl Pin {
    /// Compares an archive with the pin. `used` are the entries that a build
    /// takes, `wanted` which kernels it would take. Against a lock file only
    /// the names are compared; the digests are compared as the entries are
    /// read ([`check_digest`]).
    ///
    /// # Errors
    /// When they differ, saying both values.
    pub(crate) fn check(
        &self,
        archive: &Archive,
        used: &[Entry],
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Pinned, Error> {
        match self {
            Self::Commit(id) => {
                let id = full_id(id, "commit")?;
                let checkout = Checkout::of(archive.root())?;
                if !checkout.is_whole() {
                    return Err(Error::new(
                        ErrorKind::Pin,
                        format!(
                            "the archive {} is a folder of another git checkout, so no commit \
                             of its own says what it is",
                            archive.root().display()
                        ),
                    )
                    .help(format!("pin its tree instead: {}", checkout.tree()?)));
                }
                same(archive, "commit", &id, &checkout.head()?)?;
                unmodified(archive, &checkout, used)?;
                Ok(Pinned {
                    line: format!("commit {id}"),
                    lock: None,
                })
            }
            Self::Tree(hash) => {
                let hash = full_id(hash, "tree")?;
                let checkout = Checkout::of(archive.root())?;
                same(archive, "tree", &hash, &checkout.tree()?)?;
                unmodified(archive, &checkout, used)?;
                Ok(Pinned {
                    line: format!("tree {hash}"),
                    lock: None,
                })
            }
            Self::Lock(path) => {
                let lock = Lock::read(path).map_err(|error| error.help(renewal(archive, path)))?;
                locked(archive, path, &lock, used, wanted)?;
                Ok(Pinned {
                    line: format!("lock {}", lock.fingerprint()),
                    lock: Some(lock),
                })
            }
        }
    }
}

/// One line for each archive that tells its state: its pin or, where it has
/// none, a digest of what was used of it. Entries come with the number of their
/// archive.
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

/// Compares what an entry is with what it must be.
pub(crate) fn check_digest(entry: &Entry, found: Digest, lock: &Lock) -> Result<(), Error> {
    match lock.digest(entry) {
        Some(locked) if locked == found => Ok(()),
        locked => Err(Error::new(
            ErrorKind::Pin,
            format!(
                "{} is {found}, and locked is {}",
                entry.path().display(),
                locked.map_or("nothing".to_owned(), |locked| locked.to_string())
            ),
        )),
    }
}

/// What changes with the state of an archive, as far as git knows it.
#[derive(Debug)]
pub(crate) struct State {
    /// Files that change whenever the commit does; none without git.
    pub(crate) files: Vec<PathBuf>,
    /// Whether the commit is the archive's own. Otherwise it is that of a
    /// repository around the archive, and changes more often than the archive.
    pub(crate) is_own: bool,
}

impl State {
    pub(crate) fn of(archive: &Archive) -> Self {
        match Checkout::of(archive.root()) {
            Ok(checkout) => Self {
                files: checkout.moves_with_head(),
                is_own: checkout.is_whole(),
            },
            // No git here, or one that refuses: where the log usually is.
            Err(_) => {
                let log = archive.root().join(".git/logs/HEAD");
                Self {
                    is_own: log.is_file(),
                    files: log.is_file().then_some(log).into_iter().collect(),
                }
            }
        }
    }
}

/// A name that means one thing for ever: nothing shorter, no branch.
fn full_id(id: &str, what: &str) -> Result<String, Error> {
    let full = matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if full {
        return Ok(id.to_ascii_lowercase());
    }
    Err(Error::new(
        ErrorKind::Config,
        format!("the pin `{id}` is no full {what} id"),
    )
    .help(format!(
        "a full id has 40 hexadecimal digits; a branch, a tag or a shorter id could mean something \
         else tomorrow. `git -C ARCHIVE rev-parse {}` prints it",
        if what == "commit" { "HEAD" } else { "HEAD:./" }
    )))
}

fn same(archive: &Archive, what: &str, pinned: &str, found: &str) -> Result<(), Error> {
    if pinned == found {
        return Ok(());
    }
    let root = archive.root().display();
    let message = format!("the archive {root} is at {what} {found}, and pinned is {pinned}");
    let error = Error::new(ErrorKind::Pin, message);
    Err(if what == "commit" {
        error.help(format!(
            "`git -C {} checkout {pinned}` goes there; or pin {found}",
            shell_word(root)
        ))
    } else {
        error.help(format!("check out what was pinned, or pin {found}"))
    })
}

/// Every used file must be in the commit and as the commit has it.
fn unmodified(archive: &Archive, checkout: &Checkout, used: &[Entry]) -> Result<(), Error> {
    let Tracked { looked_at, trusted } = checkout.tracked()?;
    let changed = checkout.changed()?;
    let unseen: Vec<_> = (used.iter().map(Entry::path))
        .filter(|path| trusted.contains(*path))
        .map(|path| path.display().to_string())
        .collect();
    if let Some(first) = unseen.first() {
        let message = format!(
            "git was told not to look at {} used of the archive {}: {}",
            count(unseen.len(), "entry", "entries"),
            archive.root().display(),
            some(unseen.iter())
        );
        return Err(Error::new(ErrorKind::Pin, message).help(format!(
            "`git -C {} update-index --no-assume-unchanged --no-skip-worktree {}` makes it look",
            shell_word(archive.root().display()),
            shell_word(first)
        )));
    }
    let wrong: Vec<&Path> = (used.iter().map(Entry::path))
        .filter(|path| {
            !looked_at.contains(*path) || path.ancestors().any(|above| changed.contains(above))
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} of the {} entries used of the archive {} are not as the pinned commit has them: {}",
        wrong.len(),
        used.len(),
        archive.root().display(),
        some(wrong.iter().map(|path| path.display().to_string()))
    );
    Err(Error::new(ErrorKind::Pin, message).help(
        "`git checkout -- <file>` restores one; kernels of your own belong into a second archive, \
         which needs no pin",
    ))
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
        "the archive {} is not what {} says: {}",
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
        "`cargo btfhub lock --archive {} --out {}` writes the lock anew",
        shell_word(archive.root().display()),
        shell_word(lock.display())
    )
}

/// The first few of a list.
fn some(mut items: impl Iterator<Item = impl fmt::Display>) -> String {
    let mut text: Vec<String> = (items.by_ref().take(3))
        .map(|item| item.to_string())
        .collect();
    if items.next().is_some() {
        text.push("…".to_owned());
    }
    text.join(", ")
}
