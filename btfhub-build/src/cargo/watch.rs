//! What cargo must watch so that a build script runs again when, and only
//! when, its result could change.
//!
//! Once a script prints any of these lines, it is no longer run for every change in its
//! package. So the lines must also name the package's own eBPF sources, as far as they can be
//! known. They must not name anything that does not exist, or that the script itself writes,
//! because either makes every build run it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::environment::Environment;
use crate::archive::{Archive, Lead, State, follow};
use crate::builder::Loaded;
use crate::object::Object;
use crate::platform;

/// A plain archive folder of no more entries is watched as a whole; cargo looks
/// at every file of it then.
const SMALL_ARCHIVE: usize = 256;

/// Directories of a package that hold no sources.
const NOT_SOURCES: [&str; 2] = ["target", "node_modules"];

/// Suffixes of files that an eBPF object is compiled from with clang.
const C_FAMILY: [&str; 2] = ["c", "h"];

/// The lines' paths.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    environment: &'a Environment,
    paths: BTreeSet<PathBuf>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        let paths = BTreeSet::new();
        Self { environment, paths }
    }

    /// A file that the result depends on, if it exists.
    pub(super) fn file(&mut self, path: &Path) {
        if path.is_file() {
            self.paths.insert(path.to_owned());
        }
    }

    /// An archive that no lock file describes: its commit if it is its own checkout; otherwise
    /// a small folder as a whole, and for a large one the commit that it is part of, if any.
    ///
    /// cargo follows links. Of a folder from which they lead elsewhere, perhaps to all of the
    /// disk, only the entries are watched; unless the build follows them, too.
    pub(super) fn archive(&mut self, archive: &Archive, follow_links: bool) {
        let State { files, is_own } = State::of(archive);
        let is_closed = |path: &Path| follow_links || !leads_out(path);
        if is_own || archive.entries().len() > SMALL_ARCHIVE {
            self.paths
                .extend(files.into_iter().filter(|path| is_closed(path)));
        } else if is_closed(archive.root()) {
            self.paths.insert(archive.root().to_owned());
        } else {
            let entries = archive.entries().iter();
            self.paths
                .extend(entries.map(|entry| entry.file().to_owned()));
        }
    }

    /// Objects, and the sources of those that this very script compiles.
    pub(super) fn objects<'o>(&mut self, objects: impl Iterator<Item = &'o Loaded>) {
        let mut compiled = Vec::new();
        for loaded in objects {
            let modified = loaded.file.metadata().and_then(|file| file.modified());
            let times = modified.ok().zip(self.environment.started());
            let younger = times.is_some_and(|(modified, started)| modified >= started);
            if loaded.file.starts_with(&self.environment.out_dir) || younger {
                compiled.push(loaded);
            } else {
                self.paths.insert(loaded.file.clone());
            }
        }
        if !compiled.is_empty() {
            self.paths.extend(c_sources(&self.environment.package));
        }
        for loaded in compiled {
            self.sources_elsewhere(&loaded.object);
        }
    }

    /// The files outside the package that an object was compiled from, according to its line
    /// info, and the C files next to them.
    fn sources_elsewhere(&mut self, object: &Object) {
        for source in object.source_files() {
            let source = self.environment.package.join(source);
            let inside = source.starts_with(&self.environment.package);
            let generated = source.starts_with(&self.environment.out_dir);
            let Some(directory) = source.parent().filter(|_| !inside && !generated) else {
                continue;
            };
            self.file(&source);
            let beside = std::fs::read_dir(directory).into_iter().flatten();
            let beside = beside.filter_map(|file| Some(file.ok()?.path()));
            let c_files = beside.filter(|path| path.is_file() && is_c(path));
            self.paths.extend(c_files);
        }
    }

    /// A directory in which a new file would be a new object. Not one that a build itself
    /// writes to: cargo checks everything in it.
    pub(super) fn directory_of_objects(&mut self, directory: &Path, written: &[&Path]) {
        let Ok(real) = directory.canonicalize() else {
            return;
        };
        let holds = |path: &Path| {
            path.canonicalize()
                .is_ok_and(|path| path.starts_with(&real))
        };
        let package = &self.environment.package;
        let is_written = holds(&self.environment.out_dir)
            || holds(package)
            || written.iter().any(|path| holds(path))
            || directory.starts_with(&self.environment.out_dir)
            || self.environment.target_dir().is_some_and(holds);
        if !is_written {
            self.paths.insert(directory.to_owned());
        }
    }

    /// The lines, each once. A path that does not fit on a line, because it is not UTF-8 or has
    /// line breaks, is named through a link in `OUT_DIR`: cargo follows links.
    pub(super) fn lines(self) -> Vec<String> {
        let Environment {
            out_dir, package, ..
        } = self.environment;
        let odd = (self.paths.iter()).filter(|path| as_text(path).is_none());
        let links = odd.enumerate().filter_map(|(number, path)| {
            let link = out_dir.join(format!("btfhub-watched-{number}"));
            let path = package.join(path);
            if std::fs::read_link(&link).is_ok_and(|target| target == path) {
                return Some(link);
            }
            // Left by a build that had other paths.
            let _ = std::fs::remove_file(&link);
            platform::link(&path, &link).ok()?;
            Some(link)
        });
        let links: Vec<PathBuf> = links.collect();
        (self.paths.iter().chain(&links))
            .filter_map(|path| as_text(path))
            .map(|path| format!("cargo::rerun-if-changed={path}"))
            .collect()
    }
}

/// Whether a link below a directory leads out of it.
fn leads_out(directory: &Path) -> bool {
    let Ok(real) = directory.canonicalize() else {
        return false;
    };
    let is_out = |path: &Path| {
        let below = path.strip_prefix(&real).unwrap_or(path);
        matches!(follow(&real, below), Ok(Lead::Outside(_)))
    };
    (WalkDir::new(&real).into_iter().flatten())
        .any(|item| item.path_is_symlink() && is_out(item.path()))
}

/// A path, as a line can name it.
fn as_text(path: &Path) -> Option<&str> {
    path.to_str()
        .filter(|path| !path.contains(char::is_control))
}

fn is_c(path: &Path) -> bool {
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    suffix.is_some_and(|suffix| C_FAMILY.contains(&suffix))
}

/// The C files and headers of a package, without those of nested packages.
fn c_sources(package: &Path) -> impl Iterator<Item = PathBuf> {
    WalkDir::new(package)
        .min_depth(1)
        .into_iter()
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            !name.starts_with('.')
                && (!entry.file_type().is_dir()
                    || !(NOT_SOURCES.contains(&&*name)
                        || entry.path().join("Cargo.toml").exists()
                        || entry.path().join("CACHEDIR.TAG").exists()))
        })
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file() && is_c(entry.path()))
        .map(walkdir::DirEntry::into_path)
}
