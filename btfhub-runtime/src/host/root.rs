//! Reading small files below a directory that stands for `/`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// As many as Linux follows in one path (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// A directory that stands for `/`. Symbolic links below it are followed as
/// seen from inside: `/host/etc/os-release` that is a link to
/// `/usr/lib/os-release` is `/host/usr/lib/os-release`, where opening it
/// plainly would read the container's own file.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The root that `path` below this one stands for.
    ///
    /// On the running system the kernel follows it: `/proc/1/root` is a link
    /// whose text says nothing of where it leads.
    pub(super) fn below(&self, path: &str) -> io::Result<Self> {
        if self.0 == Path::new("/") {
            return Ok(Self(self.0.join(path)));
        }
        self.resolve(path).map(Self)
    }

    /// The path below this root as a user would name it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// What the symbolic link at `path` says.
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

    /// The first bytes of the regular file at `path`: fewer than `N` is an error.
    pub(super) fn read_start<const N: usize>(&self, path: &str) -> io::Result<[u8; N]> {
        read_start(&self.resolve(path)?)
    }

    fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let mut todo: VecDeque<OsString> = VecDeque::new();
        push_front(&mut todo, Path::new(path));
        let mut done: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                done.pop();
                continue;
            }
            let here: PathBuf = self
                .0
                .components()
                .map(|c| c.as_os_str().to_owned())
                .chain(done.iter().cloned())
                .chain([name.clone()])
                .collect();
            match fs::read_link(&here) {
                Ok(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(rustix::io::Errno::LOOP.into());
                    }
                    if target.is_absolute() {
                        done.clear();
                    }
                    push_front(&mut todo, &target);
                }
                // EINVAL: it is there and is no link.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => done.push(name),
                Err(error) => return Err(error),
            }
        }
        let mut resolved = self.0.clone();
        resolved.extend(done);
        Ok(resolved)
    }
}

/// Puts the names of `path` before those that wait.
fn push_front(todo: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => todo.push_front(name.to_owned()),
            Component::ParentDir => todo.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

/// The content of the regular file at `path`, links followed as usual.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_regular(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|len| len > limit) {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(content)
}

/// The first bytes of the regular file at `path`, links followed as usual.
pub(super) fn read_start<const N: usize>(path: &Path) -> io::Result<[u8; N]> {
    let mut start = [0; N];
    open_regular(path)?.read_exact(&mut start)?;
    Ok(start)
}

fn open_regular(path: &Path) -> io::Result<File> {
    // Without NONBLOCK, opening a named pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    Ok(file)
}
