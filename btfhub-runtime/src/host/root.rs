//! Reads small files below a directory that takes the place of `/`.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// The number of links that Linux follows in one path (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// A directory that takes the place of `/`. Symbolic links below it are followed as seen from
/// inside: if `/host/etc/os-release` is a link to `/usr/lib/os-release`, it is read from
/// `/host/usr/lib/os-release`. Opening it directly would read the container's own file.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The content of the regular file at `path`, as seen from the directory `root` below this
    /// one.
    ///
    /// On the running system, the kernel follows `root`: `/proc/1/root` is a link whose text
    /// does not say where it leads.
    pub(super) fn read_below(&self, root: &str, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let is_the_systems = self.0.has_root() && self.0.parent().is_none();
        let below = if is_the_systems {
            self.0.join(root)
        } else {
            self.resolve(root)?
        };
        Self(below).read(path, limit)
    }

    /// The path below this root as a user would name it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// The target of the symbolic link at `path`.
    pub(super) fn link(&self, path: &str) -> io::Result<PathBuf> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        fs::read_link(self.resolve(parent)?.join(name))
    }

    /// The content of the regular file at `path`. Devices, pipes and
    /// directories are refused without blocking on them, and so is anything
    /// longer than `limit` bytes.
    pub(super) fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        read_regular(&self.resolve(path)?, limit)
    }

    /// `path` with the links in it followed.
    pub(super) fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let mut todo = Vec::new();
        push_names(&mut todo, Path::new(path));
        let mut here = self.0.clone();
        // How many names `here` is below this root.
        let mut depth = 0;
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                if depth > 0 {
                    here.pop();
                    depth -= 1;
                }
                continue;
            }
            here.push(name);
            match fs::read_link(&here) {
                Ok(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(io::Error::other("too many symbolic links"));
                    }
                    here.pop();
                    if target.is_absolute() {
                        here.clone_from(&self.0);
                        depth = 0;
                    }
                    push_names(&mut todo, &target);
                }
                // EINVAL: it exists and is not a link.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => depth += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(here)
    }
}

/// Puts the names of `path` on top of those that wait, the first topmost.
fn push_names(todo: &mut Vec<OsString>, path: &Path) {
    for component in path.components().rev() {
        if let Component::Normal(_) | Component::ParentDir = component {
            todo.push(component.as_os_str().to_owned());
        }
    }
}

/// The content of the regular file at `path`, links followed as usual.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let mut content = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let read = match file.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok(content);
        }
        content.extend_from_slice(piece.get(..read).unwrap_or(&[]));
        if u64::try_from(content.len()).is_ok_and(|len| len > limit) {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("longer than {limit} bytes"),
            ));
        }
    }
}

/// Opens the regular file at `path`, following links as usual. Anything else that may be there is
/// not opened: that could block, or have effects.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    is_regular(&fs::metadata(path)?)?;
    let file = open(path)?;
    // It may be another by now.
    is_regular(&file.metadata()?)?;
    Ok(file)
}

fn is_regular(found: &Metadata) -> io::Result<()> {
    match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        )),
    }
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    // Without NONBLOCK, opening a named pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}
