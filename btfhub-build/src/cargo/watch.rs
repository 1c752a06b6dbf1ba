//! What cargo must watch so that a build script runs again when, and only
//! when, its result could change.
//!
//! A script that prints any of these lines is no longer run for every change
//! in its package. So the lines must also name what the package's own eBPF
//! sources are, as far as they can be known; and they must name nothing that
//! does not exist or that the script writes itself, for either makes every
//! build run it.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::environment::Environment;

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
    paths: Vec<PathBuf>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        let paths = Vec::new();
        Self { environment, paths }
    }

    /// A file that the result depends on, where it exists.
    pub(super) fn file(&mut self, path: &Path) {
        if path.is_file() {
            self.paths.push(path.to_owned());
        }
    }

    /// An archive without anything that tells its state in one file.
    pub(super) fn plain_archive(&mut self, root: &Path, entries: usize) {
        if entries <= SMALL_ARCHIVE {
            self.paths.push(root.to_owned());
        }
    }

    /// Objects, and the sources of those that this very script compiles.
    pub(super) fn objects<'o>(&mut self, objects: impl Iterator<Item = &'o Path>) {
        let mut compiles = false;
        for object in objects {
            let modified = object.metadata().and_then(|metadata| metadata.modified());
            let times = modified.ok().zip(self.environment.started());
            let younger = times.is_some_and(|(modified, started)| modified >= started);
            if object.starts_with(&self.environment.out_dir) || younger {
                compiles = true;
            } else {
                self.paths.push(object.to_owned());
            }
        }
        if compiles {
            self.paths.extend(c_sources(&self.environment.package));
        }
    }

    /// The lines, each once, without what cannot stand in one.
    pub(super) fn lines(mut self) -> Vec<String> {
        self.paths.sort();
        self.paths.dedup();
        (self.paths.iter())
            .filter_map(|path| path.to_str())
            .filter(|path| !path.contains('\n'))
            .map(|path| format!("cargo::rerun-if-changed={path}"))
            .collect()
    }
}

/// The C files and headers of a package, without those of packages in it.
fn c_sources(package: &Path) -> impl Iterator<Item = PathBuf> {
    let is_source = |name: &Path| {
        let suffix = name.extension().and_then(|suffix| suffix.to_str());
        suffix.is_some_and(|suffix| C_FAMILY.contains(&suffix))
    };
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
        .filter(move |entry| entry.file_type().is_file() && is_source(entry.path()))
        .map(walkdir::DirEntry::into_path)
}
