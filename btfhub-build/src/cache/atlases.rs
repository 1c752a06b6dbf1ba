//! The definitions of the decoded kernels, to be used with other relocations.
//!
//! Each file is an atlas (`cargo btfhub atlas inspect` reads it), named after its digest. A
//! kernel in it is found by the digest of its entry's file, regardless of archive and path.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use btfhub_runtime::KernelId;

use super::directory;
use crate::archive::{self, Digest};
use crate::atlas::{Atlas, AtlasError, AtlasWriter, Effort, KernelNumber, SourceEntry, Surveyor};
use crate::btf::Btf;
use crate::input::{self, ATLAS_LIMIT};
use crate::output;

/// The version of kernel names in an atlas; it changes if the names do.
const HEAD: &[u8] = b"btfhub cached atlas 2\n";

/// How the names of files end.
const SUFFIX: &str = ".atlas";

/// The number of unwritten kernels that a killed build may lose: about ten seconds of work.
/// What they have in common is written once.
const UNWRITTEN: usize = 200;

/// With more files than this, some are merged.
const MANY_FILES: usize = 4;

/// A file of so many bytes is not made larger.
const LARGE_FILE: u64 = 64 << 20;

/// How many files there may be: those used last.
const KEPT_FILES: usize = 16;

/// For how many engines atlases are kept: those used last.
const KEPT_ENGINES: usize = 2;

/// The atlases of a cache directory, and what is added.
#[derive(Debug)]
pub(crate) struct Atlases {
    directory: Option<PathBuf>,
    /// Read when the first entry is looked up: a build with known relocations needs none.
    there: OnceLock<There>,
    surveyor: Surveyor,
    fresh: Mutex<Fresh>,
}

/// The files that existed when the directory was read.
#[derive(Debug, Default)]
struct There {
    files: Vec<(PathBuf, Atlas)>,
    /// By the digest of the entry.
    kernels: HashMap<Digest, Location>,
}

/// A kernel in one of the atlases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Location {
    /// For [`Atlases::atlas`].
    pub(crate) atlas: usize,
    pub(crate) kernel: KernelNumber,
}

/// Kernels that are not in a file yet.
#[derive(Debug)]
struct Fresh {
    writer: AtlasWriter,
    /// Of all kernels that were added.
    entries: HashSet<Digest>,
}

impl Atlases {
    /// The atlases of a cache directory; without a directory there are none, and none are made.
    pub(crate) fn open(directory: Option<&Path>) -> Self {
        let writer = AtlasWriter::new();
        Self {
            directory: directory
                .map(|directory| directory.join("atlas").join(directory::key(&[HEAD]))),
            there: OnceLock::new(),
            surveyor: writer.surveyor(),
            fresh: Mutex::new(Fresh {
                writer,
                entries: HashSet::new(),
            }),
        }
    }

    /// The place of an entry's kernel.
    pub(crate) fn find(&self, entry: &Digest) -> Option<Location> {
        self.there().kernels.get(entry).copied()
    }

    /// The atlas of kernels that were found.
    pub(crate) fn atlas(&self, number: usize) -> Option<&Atlas> {
        Some(&self.there().files.get(number)?.1)
    }

    fn there(&self) -> &There {
        self.there.get_or_init(|| {
            let directory = self.directory.as_deref();
            directory.map_or_else(There::default, There::read)
        })
    }

    /// Stores the definitions of a kernel. A kernel whose types an atlas cannot hold is left
    /// out.
    pub(crate) fn add(&self, kernel: KernelId<'_>, entry: Digest, btf: &Btf) {
        let Some(directory) = &self.directory else {
            return;
        };
        if self.there().kernels.contains_key(&entry) {
            return;
        }
        let Ok(survey) = self.surveyor.survey(btf) else {
            return;
        };
        // Two entries for one kernel may differ, so each is a separate kernel.
        let digest = entry.to_string();
        let version = format!(
            "{}#{}",
            kernel.version,
            digest.get(..16).unwrap_or_default()
        );
        let kernel = KernelId {
            version: &version,
            ..kernel
        };
        let source = SourceEntry {
            path: format!("{kernel}{}", archive::SUFFIX),
            digest: entry,
        };
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if !fresh.entries.insert(entry) || fresh.writer.insert(kernel, source, &survey).is_err() {
            return;
        }
        if fresh.writer.kernel_count() >= UNWRITTEN {
            let next = fresh.writer.for_more();
            let full = std::mem::replace(&mut fresh.writer, next);
            drop(fresh);
            let _ = write(directory, full);
        }
    }

    /// Writes what is not yet written, and merges files.
    pub(crate) fn save(self) {
        let Some(directory) = self.directory else {
            return;
        };
        if let Some(there) = self.there.get() {
            // The files that are used are those to keep.
            let files = there.files.iter().map(|(path, _)| path);
            for path in files.chain([&directory]) {
                directory::touch(path);
            }
        }
        drop(self.there);
        let fresh = self
            .fresh
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if fresh.entries.is_empty() {
            return;
        }
        if fresh.writer.kernel_count() > 0 {
            let _ = write(&directory, fresh.writer);
        }
        if let Some(engines) = directory.parent() {
            directory::forget_old_directories(engines, SUFFIX, KEPT_ENGINES);
        }
        // A large archive leaves many pieces, more than one join may take.
        let mut there = files(&directory);
        while there.len() > MANY_FILES {
            let before = there.len();
            let _ = join(&directory, &similar(there));
            there = files(&directory);
            if there.len() >= before {
                break;
            }
        }
        directory::forget_old_files(&directory, SUFFIX, KEPT_FILES);
    }
}

impl There {
    fn read(directory: &Path) -> Self {
        let mut there = Self::default();
        for (_, path) in files(directory) {
            let Some(atlas) = read(&path) else {
                continue;
            };
            let number = there.files.len();
            for (kernel, _) in atlas.kernels() {
                if let Some(source) = atlas.source(kernel) {
                    let atlas = number;
                    let kept = Location { atlas, kernel };
                    there.kernels.insert(source.digest, kept);
                }
            }
            there.files.push((path, atlas));
        }
        there
    }
}

/// The files of a directory with their sizes, the smallest first.
fn files(directory: &Path) -> Vec<(u64, PathBuf)> {
    let mut files: Vec<(u64, PathBuf)> = (directory::files(directory, SUFFIX).into_iter())
        .map(|(path, metadata)| (metadata.len(), path))
        .collect();
    files.sort();
    files
}

/// An atlas that is complete and matches its name. Any other file is removed.
fn read(path: &Path) -> Option<Atlas> {
    let bytes = input::read(path, ATLAS_LIMIT).ok()?;
    let whole = Atlas::parse(bytes).ok().filter(|atlas| {
        let name = path.file_stem().and_then(|name| name.to_str());
        name == Some(&name_of(atlas.digest())) && atlas.is_whole()
    });
    if whole.is_none() {
        // If it stayed, it would be read and refused every time.
        let _ = fs::remove_file(path);
    }
    whole
}

fn name_of(digest: Digest) -> String {
    digest.to_string().get(..32).unwrap_or_default().to_owned()
}

/// Two builds that found the same write the same file.
fn write(directory: &Path, writer: AtlasWriter) -> Result<Option<PathBuf>, AtlasError> {
    let (_, file) = writer.finish(Effort::Stored, 1)?;
    let name = name_of(Atlas::digest_of(&file)?);
    let path = directory.join(format!("{name}{SUFFIX}"));
    Ok(output::replace(&path, &file).is_ok().then_some(path))
}

/// The files that are worth merging: starting with the smallest, as long as the next is not
/// much larger than all previous ones together. So a kernel is rewritten only a few times,
/// however many are added one by one.
fn similar(files: Vec<(u64, PathBuf)>) -> Vec<PathBuf> {
    let mut bytes = 0u64;
    let similar = files.into_iter().take_while(|(len, _)| {
        let fits = bytes == 0 || *len <= bytes.saturating_mul(2);
        bytes = bytes.saturating_add(*len);
        fits && bytes <= LARGE_FILE
    });
    similar.map(|(_, path)| path).collect()
}

/// Makes one file of several.
fn join(directory: &Path, files: &[PathBuf]) -> Result<(), AtlasError> {
    if files.len() < 2 {
        return Ok(());
    }
    let mut writer = AtlasWriter::new();
    let mut known = HashSet::new();
    for file in files {
        // Another build may have merged it already.
        let Some(atlas) = read(file) else { continue };
        let definitions = writer.take_in(&atlas)?;
        writer.keep(&atlas, &definitions, |kernel| {
            let source = atlas.source(kernel);
            source.is_some_and(|source| known.insert(source.digest))
        })?;
    }
    let written = write(directory, writer)?;
    for file in files.iter().filter(|file| Some(*file) != written.as_ref()) {
        if written.is_some() {
            let _ = fs::remove_file(file);
        }
    }
    Ok(())
}
