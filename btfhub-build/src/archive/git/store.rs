//! Where a repository keeps its objects.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::object::{Flaw, Kind, LARGEST_OBJECT, Object, ObjectId, Work};
use super::pack::Pack;
use crate::error::{Error, ErrorKind};
use crate::input::{self, ReadError};

/// How many other places for objects are looked at.
const MOST_ALTERNATES: usize = 64;

/// The objects of a repository.
#[derive(Debug)]
pub(in crate::archive) struct Store {
    directories: Vec<PathBuf>,
    packs: Vec<Pack>,
    work: Work,
}

impl Store {
    /// Those in a directory `objects`, and in the alternates that it names.
    ///
    /// # Errors
    /// When this machine can't read them.
    pub(super) fn open(objects: PathBuf) -> Result<Self, Error> {
        let mut store = Self {
            directories: vec![objects],
            packs: Vec::new(),
            work: Work::new(),
        };
        let mut at = 0;
        while let Some(directory) = store.directories.get(at).cloned() {
            for alternate in alternates(&directory) {
                if store.directories.len() <= MOST_ALTERNATES
                    && !store.directories.contains(&alternate)
                {
                    store.directories.push(alternate);
                }
            }
            store.add_packs(&directory.join("pack"))?;
            at += 1;
        }
        Ok(store)
    }

    fn add_packs(&mut self, directory: &Path) -> Result<(), Error> {
        let listing = match fs::read_dir(directory) {
            Ok(listing) => listing,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(unreadable(directory, error.into())),
        };
        let mut indices = Vec::new();
        for file in listing {
            let path = file.map_err(|error| unreadable(directory, error.into()))?;
            let path = path.path();
            if path.extension().is_some_and(|suffix| suffix == "idx") {
                indices.push(path);
            }
        }
        // Sorted, so that the order does not depend on the file system.
        indices.sort();
        for path in indices {
            match Pack::at(path.clone()) {
                Ok(Some(pack)) => self.packs.push(pack),
                Err(Flaw::Read(error)) if is_fault(&error) => {
                    return Err(unreadable(&path, error));
                }
                Ok(None) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The object with this id; the returned bytes hash to it.
    ///
    /// # Errors
    /// If no place has it, or what is stored under its id is something else.
    pub(in crate::archive) fn read(&self, id: ObjectId) -> Result<Object, Error> {
        self.find(id)?.ok_or_else(|| {
            Error::new(ErrorKind::Pin, format!("the repository has no object {id}")).help(
                "a build fetches nothing; `git fetch` gets a missing commit, and `git checkout \
                 HEAD` gets what a partial clone lacks",
            )
        })
    }

    /// Like [`read`](Self::read); `None` if no place has anything under its id.
    ///
    /// # Errors
    /// If what is stored is something else.
    pub(in crate::archive) fn find(&self, id: ObjectId) -> Result<Option<Object>, Error> {
        let mut false_one = None;
        let hex = id.to_string();
        let (first, rest) = hex.split_at(2);
        let loose = (self.directories.iter()).map(|directory| {
            let path = directory.join(first).join(rest);
            let object = read_loose(&path, &self.work);
            (path, object)
        });
        let packed = self.packs.iter().map(|pack| {
            let object = pack.read(id, &self.work);
            (pack.path().to_owned(), object)
        });
        for (path, object) in packed.chain(loose) {
            match object {
                Ok(None) => {}
                Ok(Some(object))
                    if ObjectId::of(id.format(), object.kind.name(), &object.bytes) == Some(id) =>
                {
                    return Ok(Some(object));
                }
                Err(Flaw::Read(error)) if is_fault(&error) => {
                    return Err(unreadable(&path, error));
                }
                Err(Flaw::TooMuchWork) => return Err(too_much_work(&path, id)),
                Ok(Some(_)) | Err(_) => false_one = Some(path),
            }
        }
        match false_one {
            Some(path) => Err(Error::new(
                ErrorKind::Pin,
                format!(
                    "{} holds something else as git's object {id}",
                    path.display()
                ),
            )
            .help("the repository is damaged, or somebody forged the object; clone it again")),
            None => Ok(None),
        }
    }
}

/// The machine's fault, or a file that changes under us; nothing that the
/// repository holds.
fn is_fault(error: &ReadError) -> bool {
    !error.is_of_the_file() && !error.io().is_some_and(is_absent)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

pub(super) fn unreadable(path: &Path, error: ReadError) -> Error {
    Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).because(error)
}

fn too_much_work(path: &Path, id: ObjectId) -> Error {
    let message = format!(
        "the repository takes too much work to read: stopped at git's object {id} in {}",
        path.display()
    );
    Error::new(ErrorKind::Pin, message)
        .help("its packs are damaged, or made to wear down who reads them; clone it again")
}

/// `<kind> <length>\0<bytes>`, compressed.
fn read_loose(path: &Path, work: &Work) -> Result<Option<Object>, Flaw> {
    let compressed = match input::read(path, LARGEST_OBJECT as u64) {
        Err(error) if error.io().is_some_and(is_absent) => return Ok(None),
        compressed => compressed?,
    };
    let inflated = decompress_to_vec_zlib_with_limit(&compressed, LARGEST_OBJECT);
    // The length of damaged data is unknown.
    work.take(inflated.as_ref().map_or(LARGEST_OBJECT, Vec::len))?;
    let mut bytes = inflated.map_err(|_| Flaw::Damaged)?;
    let head = (bytes.iter().position(|byte| *byte == 0)).ok_or(Flaw::Damaged)?;
    let kinds = [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag];
    // The length is part of the hashed data; we use the real one.
    let kind = kinds.into_iter().find(|kind| {
        bytes
            .strip_prefix(kind.name().as_bytes())
            .and_then(<[u8]>::first)
            == Some(&b' ')
    });
    bytes.drain(..=head);
    Ok(Some(Object {
        kind: kind.ok_or(Flaw::Damaged)?,
        bytes,
    }))
}

/// The directories that `info/alternates` names. One that can't be read names
/// none: an object that is then missed is missed aloud.
fn alternates(objects: &Path) -> Vec<PathBuf> {
    const LONGEST: u64 = 64 << 10;
    let text = input::read_to_string(&objects.join("info/alternates"), LONGEST);
    let text = text.unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    // Relative to the directory that names them.
    lines.map(|line| objects.join(line)).collect()
}
