//! Which eBPF objects a build is for.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hmac_sha256::Hash;

use crate::error::{Error, ErrorKind};
use crate::input::{self, Links, ReadError, RegularFile};
use crate::object::Object;

/// How the caller named objects.
#[derive(Clone, Debug)]
pub(super) enum ObjectSource {
    /// A file, or a pattern of files.
    Path(PathBuf),
    /// A directory.
    Directory(PathBuf),
}

/// An object and the file it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) file: PathBuf,
    pub(crate) object: Object,
    pub(crate) sha256: [u8; 32],
}

/// Reads the objects, each file once, in the order of their paths.
pub(super) fn load(sources: &[ObjectSource]) -> Result<Vec<Loaded>, Error> {
    let load = |file: PathBuf| {
        let data =
            input::read(&file, input::FILE_LIMIT).map_err(|error| unreadable(&file, error))?;
        let name = file.file_name().unwrap_or(file.as_os_str());
        let object = Object::parse(&name.to_string_lossy(), &data).map_err(|error| {
            let message = format!("the eBPF object {} cannot be used", file.display());
            Error::new(ErrorKind::Object, message).because(error)
        })?;
        let sha256 = Hash::hash(&data);
        Ok(Loaded {
            file,
            object,
            sha256,
        })
    };
    files(sources)?.into_iter().map(load).collect()
}

/// The files that are named, each once, ordered.
pub(super) fn files(sources: &[ObjectSource]) -> Result<Vec<PathBuf>, Error> {
    if sources.is_empty() {
        return Err(
            Error::new(ErrorKind::Config, "no eBPF object was named").help(
                "name an object that clang compiled, with Builder::object or Builder::objects_in",
            ),
        );
    }
    let mut files = Vec::new();
    for source in sources {
        match source {
            ObjectSource::Path(path) => files.extend(matching(path)?),
            ObjectSource::Directory(directory) => files.extend(objects_in(directory)?),
        }
    }
    files.sort();
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    Ok(files)
}

/// The directories in which a new file may be a new object.
pub(super) fn directories(sources: &[ObjectSource]) -> impl Iterator<Item = &Path> {
    sources.iter().filter_map(|source| match source {
        ObjectSource::Directory(directory) => Some(directory.as_path()),
        ObjectSource::Path(path) => as_pattern(path).map(|_| {
            let plain = |above: &&Path| !above.as_os_str().as_encoded_bytes().iter().any(is_wild);
            // `ancestors` ends with the empty path.
            path.ancestors()
                .skip(1)
                .find(plain)
                .unwrap_or(Path::new(""))
        }),
    })
}

/// A wildcard byte in a pattern.
fn is_wild(byte: &u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[')
}

/// The path, if it is a pattern. If a file has exactly this name, it is a file.
fn as_pattern(path: &Path) -> Option<&str> {
    let pattern = path
        .to_str()
        .filter(|path| path.bytes().any(|byte| is_wild(&byte)))?;
    (!path.exists()).then_some(pattern)
}

fn unreadable(file: &Path, error: ReadError) -> Error {
    let message = format!("cannot read the eBPF object {}", file.display());
    let missing = error
        .io()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let error = Error::new(ErrorKind::Object, message).because(error);
    if missing {
        error.help(
            "compile it before btfhub_build runs; with libbpf-cargo, \
             SkeletonBuilder::obj(path) makes the object stay, under a path of your choice",
        )
    } else {
        error
    }
}

/// The files that a path or a pattern names.
fn matching(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let Some(pattern) = as_pattern(path) else {
        return Ok(vec![path.to_owned()]);
    };
    let bad = |message: String| Error::new(ErrorKind::Config, message);
    let files = glob::glob(pattern)
        .map_err(|error| bad(format!("`{pattern}` is not a file pattern")).because(error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(format!("cannot search for `{pattern}`")).because(error))?;
    if files.is_empty() {
        let message = format!("no eBPF object matches {pattern}");
        return Err(Error::new(ErrorKind::Object, message)
            .help("compile the objects before btfhub_build runs, or name another pattern"));
    }
    Ok(files)
}

/// The eBPF objects directly in a directory: every file named `*.o`, and every other file that
/// is an eBPF object (aya-build writes them without a suffix).
fn objects_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error| {
        let message = format!("cannot list the eBPF objects in {}", directory.display());
        Error::new(ErrorKind::Object, message).because(error)
    };
    let mut found = Vec::new();
    let mut others = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !path.is_file() {
            continue;
        }
        if path.extension().is_some_and(|extension| extension == "o") || is_ebpf(&path) {
            found.push(path);
        } else if let Some(name) = path.file_name() {
            others.push(name.to_string_lossy().into_owned());
        }
    }
    if found.is_empty() {
        others.sort();
        let message = format!("no eBPF object in {}", directory.display());
        let error = Error::new(ErrorKind::Object, message);
        return Err(match others.as_slice() {
            [] => error.help(
                "it holds no files, and directories below it are not searched; compile \
                 the objects before btfhub_build runs",
            ),
            [.., _] => error.help(format!(
                "name the directory that clang writes them to; this one holds something else: {}{}",
                others
                    .iter()
                    .take(5)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", "),
                if others.len() > 5 { ", …" } else { "" }
            )),
        });
    }
    Ok(found)
}

/// Whether a file starts as a 64-bit ELF file for eBPF, of either byte order.
fn is_ebpf(path: &Path) -> bool {
    const EM_BPF: u16 = 247;
    let mut start = [0u8; 20];
    let read = RegularFile::open(path, Links::Follow)
        .and_then(|mut found| Ok(found.file.read_exact(&mut start)?));
    let machine = match start {
        [0x7f, b'E', b'L', b'F', 2, 1, .., low, high] => u16::from_le_bytes([low, high]),
        [0x7f, b'E', b'L', b'F', 2, 2, .., high, low] => u16::from_be_bytes([high, low]),
        _ => 0,
    };
    read.is_ok() && machine == EM_BPF
}
