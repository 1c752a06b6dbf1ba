//! Files that appear whole or not at all, one or many of them.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Context, Failure};

/// Longer than anything a command is given: a debug kernel's vmlinux with its DWARF has
/// some 1.5 GB.
const LONGEST_INPUT: u64 = 8 << 30;
/// No run takes longer to write what it has computed.
const STALE: Duration = Duration::from_secs(3600);
/// How a staging directory's name begins and ends; the process id is between them.
const STAGING: (&str, &str) = (".btfhub-", ".part");

/// The content of a file that the user named.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let mut content = Vec::new();
    let file = fs::File::open(path).context(cannot)?;
    // A device may have no end, a sparse file one that is far away.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length <= LONGEST_INPUT {
        (file.take(LONGEST_INPUT + 1).read_to_end(&mut content)).context(cannot)?;
    }
    if length.max(content.len() as u64) > LONGEST_INPUT {
        return Err(Failure::new(format!(
            "{}: longer than the {} GiB that any kernel or bundle has",
            path.display(),
            LONGEST_INPUT >> 30
        )));
    }
    Ok(content)
}

/// Makes `path` hold `bytes`, wholly or not at all.
///
/// A link stays one: what it leads to is replaced. What is no file (`/dev/stdout`, a pipe)
/// is written to.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.file_name().is_none() {
        return Err(Failure::usage(format!(
            "{}: no name of a file to write",
            path.display()
        )));
    }
    let cannot = || format!("cannot write {}", path.display());
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            return Err(Failure::new(format!(
                "cannot write {}: it is a directory; name a file in it",
                path.display()
            )));
        }
        Ok(there) if !there.is_file() => return fs::write(path, bytes).context(cannot),
        _ => {}
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut made = Made::default();
    made.directory(parent(&path))
        .and_then(|()| replace(&path, bytes))
        .context(cannot)?;
    made.keep();
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A tree of files below a directory, of which either all appear or none.
///
/// They are written into a directory of their own first and moved from there, which takes
/// no space and no time.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    staging: PathBuf,
    files: Vec<PathBuf>,
    made: Made,
}

impl Tree {
    /// Begins a tree below `root`, which is made where it is not there.
    pub(crate) fn new(root: &Path) -> Result<Self, Failure> {
        let cannot = || format!("cannot write into {}", root.display());
        let mut made = Made::default();
        made.directory(root).context(cannot)?;
        remove_stale(root);
        let (begin, end) = STAGING;
        let staging = root.join(format!("{begin}{}{end}", std::process::id()));
        fs::create_dir_all(&staging).context(cannot)?;
        Ok(Self {
            root: root.to_owned(),
            staging,
            files: Vec::new(),
            made,
        })
    }

    /// Adds a file, by its path below the root.
    pub(crate) fn add(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        fs::write(self.staged(self.files.len()), bytes)
            .context(|| format!("cannot write {}", self.root.join(path).display()))?;
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Puts every file in its place.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        for (number, file) in self.files.iter().enumerate() {
            let path = self.root.join(file);
            (self.made.directory(parent(&path)))
                .and_then(|()| fs::rename(self.staged(number), &path))
                .context(|| format!("cannot write {}", path.display()))?;
        }
        self.made.keep();
        Ok(())
    }

    fn staged(&self, number: usize) -> PathBuf {
        self.staging.join(number.to_string())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.staging);
    }
}

/// What runs left that were killed.
fn remove_stale(root: &Path) {
    let is_old = |item: &fs::DirEntry| {
        let changed = item.metadata().and_then(|metadata| metadata.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > STALE))
    };
    let is_ours = |item: &fs::DirEntry| {
        let name = item.file_name();
        let name = name.to_string_lossy();
        let id = (name.strip_prefix(STAGING.0)).and_then(|name| name.strip_suffix(STAGING.1));
        id.is_some_and(|id| id.parse::<u32>().is_ok())
    };
    for item in fs::read_dir(root).into_iter().flatten().flatten() {
        if is_ours(&item) && is_old(&item) {
            let _ = fs::remove_dir_all(item.path());
        }
    }
}

/// Directories that were made on the way; gone again, where they are empty, unless kept.
#[derive(Debug, Default)]
struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory and those above it.
    fn directory(&mut self, path: &Path) -> io::Result<()> {
        let missing: Vec<PathBuf> = (path.ancestors())
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
            .map(Path::to_owned)
            .collect();
        fs::create_dir_all(path)?;
        self.0.extend(missing.into_iter().rev());
        Ok(())
    }

    fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for directory in self.0.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
    }
}
