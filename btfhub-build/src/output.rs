//! Files and trees that appear whole or not at all.
//!
//! What is being written has a random name (`.btfhub-<random>.part`) in the directory where
//! it will stand, and is renamed when it is complete. Nothing that is there under such a name
//! is ever opened for writing, whoever put it there. While it is written it is locked
//! (`flock`): what nobody holds was left by a killed run, and the next run that writes into
//! the directory removes it.

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
/// How many letters and digits stand between them.
const RANDOM: usize = 12;

/// Where files cannot be locked (some network file systems), what is older than this was left
/// behind: no run takes longer to write what it has computed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Makes `path` hold `bytes`, wholly or not at all, and waits until the disk has them.
///
/// Directories above it are made. A file that holds these very bytes already is left alone,
/// so that what depends on its time stays fresh; any other is replaced, and the new one has
/// its permissions. A link stays one: what it leads to is replaced. A device or a pipe is
/// written to.
///
/// # Errors
/// When a directory or the file cannot be written; nothing is left behind.
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

/// As [`write`] for what can be made again: nothing is compared, and the disk may take its
/// time.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, None, false)
}

fn put(path: &Path, bytes: &[u8], like: Option<&Metadata>, durable: bool) -> io::Result<()> {
    let directory = parent(path);
    let made = Made::directories(directory)?;
    let file = new_file(directory, like)?;
    // Not by the file's own writer, whose errors name what nobody has asked for.
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

/// A tree of files below a directory, of which either all appear or none.
///
/// A root that is not there yet appears by one renaming; so does, in a root that is there,
/// each directory that is new. Only files that are there already are replaced one by one.
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
    /// When the path leads out of the tree, when something else is in its place, or when
    /// the file cannot be written.
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

    /// Puts every file in its place.
    ///
    /// # Errors
    /// When one cannot be put there.
    pub fn finish(self) -> Result<(), Error> {
        settle(self.staging.path(), &self.root)?;
        self.made.keep();
        sync_directory(&self.root);
        sync_directory(parent(&self.root));
        Ok(())
    }
}

/// Moves a file or a directory to its place; of a directory that is there already, what is
/// in it.
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

/// A new file in a directory, locked. One that is to replace another is as readable as that.
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

/// Locks what was made. `false` when another run took it for abandoned before it was locked.
fn hold(file: &File, path: &Path) -> bool {
    platform::try_lock(file) != Some(false) && path.exists()
}

/// Removes what killed runs left in a directory.
fn remove_abandoned(directory: &Path) {
    for item in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = item.path();
        if is_ours(&item.file_name()) && platform::open(&path).is_ok_and(|file| is_abandoned(&file))
        {
            // Where it can't be removed, it is in nobody's way.
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

/// Makes a renaming last. A file system that cannot do it has done what it can.
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

/// Directories that were made on the way; gone again, where they are empty, unless kept.
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
