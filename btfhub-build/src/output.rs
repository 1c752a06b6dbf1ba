//! Writes files and trees that appear whole or not at all.
//!
//! A file is written under a random name (`.btfhub-<random>.part`) in its final directory, and
//! renamed when it is complete. An existing file under such a name is never opened for writing.
//! While a file is written, it is locked (`flock`). A file that nobody has locked was left by a
//! killed run, and the next run that writes into the directory removes it.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use crate::error::{Error, ErrorKind};
use crate::platform;

const PREFIX: &str = ".btfhub-";
const SUFFIX: &str = ".part";
/// The number of letters and digits between them.
const RANDOM: usize = 12;

/// If files cannot be locked (on some network file systems), files older than this are
/// leftovers: no run takes longer to write what it has computed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Writes `bytes` to `path`, whole or not at all, and waits until the disk has them.
///
/// Creates missing parent directories. A file that already has exactly these bytes is left
/// alone, so that what depends on its time stays fresh; any other file is replaced, and the new
/// one gets its permissions. A link stays a link: its target is replaced. A device or a pipe is
/// written to.
///
/// # Errors
/// If a directory or the file cannot be written; nothing is left behind.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    store(path, bytes).map_err(|error| cannot_write(path, error))
}

fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a file name",
        ));
    }
    let Ok(there) = fs::metadata(path) else {
        return put(path, bytes, None, true);
    };
    if there.is_dir() {
        let what = "it is a directory; name a file in it";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, what));
    }
    if !there.is_file() {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    if there.len() == bytes.len() as u64 && fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    put(&fs::canonicalize(path)?, bytes, Some(&there), true)
}

/// Like [`write`], for files that can be regenerated: does not compare, and does not wait for
/// the disk.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, None, false)
}

fn put(path: &Path, bytes: &[u8], like: Option<&Metadata>, durable: bool) -> io::Result<()> {
    let directory = parent(path);
    let made = Made::directories(directory)?;
    let file = new_file(directory, like)?;
    // Not with the temporary file's own writer, whose errors name a path that the user doesn't
    // know.
    file.as_file().write_all(bytes)?;
    if let Some(there) = like {
        file.as_file()
            .set_permissions(platform::permissions(there))?;
    }
    if durable {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|failed| failed.error)?;
    made.keep();
    if durable {
        sync_directory(directory);
    }
    Ok(())
}

/// A tree of files below a directory, all of which appear or none.
///
/// A new root appears with one rename. In an existing root, each new directory does. Only
/// existing files are replaced one by one.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// Where the tree is prepared.
    staging: TempDir,
    /// Keeps `staging` locked.
    _lock: File,
    made: Made,
}

impl Tree {
    /// Begins a tree below `root`.
    ///
    /// # Errors
    /// When `root`, or the directory that it is to be made in, cannot be written.
    pub fn new(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        Self::begin(root).map_err(|error| cannot_write(root, error))
    }

    fn begin(root: &Path) -> io::Result<Self> {
        // A root that is there may be a mount: its files are prepared inside of it.
        let (root, directory) = match fs::canonicalize(root) {
            Ok(there) => (there.clone(), there),
            Err(_) => (root.to_owned(), parent(root).to_owned()),
        };
        let made = Made::directories(&directory)?;
        let (staging, lock) = new_directory(&directory)?;
        Ok(Self {
            root,
            staging,
            _lock: lock,
            made,
        })
    }

    /// Adds a file, by its path below the root.
    ///
    /// # Errors
    /// If the path leads out of the tree, if something else is in its place, or if the file
    /// cannot be written.
    pub fn add(&mut self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
        let path = path.as_ref();
        (self.stage(path, bytes)).map_err(|error| cannot_write(&self.root.join(path), error))
    }

    fn stage(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let plain = |part| matches!(part, Component::Normal(_));
        if path.file_name().is_none() || !path.components().all(plain) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not the path of a file below the tree's root",
            ));
        }
        // Before anything has been moved.
        if is_directory(&self.root.join(path)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut above = path.ancestors().skip(1).map(|above| self.root.join(above));
        if above.any(|above| above.symlink_metadata().is_ok() && !is_directory(&above)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let staged = self.staging.path().join(path);
        fs::create_dir_all(parent(&staged))?;
        let mut file = File::create_new(staged)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Moves every file to its place.
    ///
    /// # Errors
    /// If one cannot be moved.
    pub fn finish(self) -> Result<(), Error> {
        settle(self.staging.path(), &self.root)?;
        self.made.keep();
        sync_directory(&self.root);
        sync_directory(parent(&self.root));
        Ok(())
    }
}

/// Moves a file or a directory to its place; if the directory exists already, moves its
/// content.
fn settle(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |error| cannot_write(to, error);
    let both_there = || is_directory(from) && is_directory(to);
    if !both_there() {
        match fs::rename(from, to) {
            // Another run made it in between.
            Err(_) if both_there() => {}
            renamed => return renamed.map_err(failed),
        }
    }
    for child in fs::read_dir(from).map_err(failed)? {
        let child = child.map_err(failed)?;
        settle(&child.path(), &to.join(child.file_name()))?;
    }
    Ok(())
}

/// A new, locked file in a directory. If it replaces another file, it gets the same
/// permissions.
fn new_file(directory: &Path, like: Option<&Metadata>) -> io::Result<NamedTempFile> {
    remove_abandoned(directory);
    let mut options = File::options();
    options.write(true).create_new(true);
    platform::as_accessible_as(&mut options, like);
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    loop {
        let file = (builder.make_in(directory, |path| options.open(path))).map_err(without_path)?;
        if hold(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// A new directory in a directory, and the lock on it.
fn new_directory(directory: &Path) -> io::Result<(TempDir, File)> {
    remove_abandoned(directory);
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    loop {
        let new = builder.tempdir_in(directory).map_err(without_path)?;
        match platform::open(new.path()) {
            Ok(lock) if hold(&lock, new.path()) => return Ok((new, lock)),
            Err(error) if new.path().exists() => return Err(error),
            _ => {}
        }
    }
}

/// tempfile's error without the random name, which tells nobody anything: the message
/// names the output.
fn without_path(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|error| error.source());
    let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

/// Locks a new file. `false` if another run took it for abandoned before it was locked.
fn hold(file: &File, path: &Path) -> bool {
    platform::try_lock(file) != Some(false) && path.exists()
}

/// Removes what killed runs left in a directory.
fn remove_abandoned(directory: &Path) {
    for item in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = item.path();
        if !is_ours(&item.file_name()) {
            continue;
        }
        // Stays locked until it is gone: who has just made it must not lock it in between.
        let abandoned = platform::open(&path).ok().filter(is_abandoned);
        if abandoned.is_some() {
            // If it can't be removed, it does no harm.
            let _ = if is_directory(&path) {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let random = (name.to_str()).and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn is_abandoned(file: &File) -> bool {
    platform::try_lock(file).unwrap_or_else(|| {
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > ABANDONED))
    })
}

/// Makes a rename durable, if the file system supports that.
fn sync_directory(directory: &Path) {
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
}

/// Whether a directory, not a link to one, is there.
fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|there| there.is_dir())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::InvalidInput => ErrorKind::Config,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("cannot write {}", path.display())).because(error)
}

/// Parent directories that were created. Unless kept, they are removed again if empty.
#[derive(Debug)]
struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory and those above it.
    fn directories(path: &Path) -> io::Result<Self> {
        let missing = (path.ancestors())
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
            .map(Path::to_owned);
        let made = Self(missing.collect());
        fs::create_dir_all(path)?;
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // The deepest first.
        for directory in &self.0 {
            let _ = fs::remove_dir(directory);
        }
    }
}
