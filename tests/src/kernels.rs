//! Real kernels, decoded independently of the code under test.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Path below the archive, for messages.
    pub name: String,
    path: PathBuf,
}

/// The `.btf.tar.xz` below a directory, sorted by name.
#[must_use]
pub fn entries(archive: &Path) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut dirs = vec![archive.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for item in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = item.path();
            if item.file_type().is_ok_and(|t| t.is_dir()) {
                dirs.push(path);
            } else if path.to_string_lossy().ends_with(".btf.tar.xz") {
                let name = path.strip_prefix(archive).unwrap_or(&path);
                found.push(Entry {
                    name: name.to_string_lossy().into_owned(),
                    path,
                });
            }
        }
    }
    found.sort();
    found
}

impl Entry {
    /// The raw BTF.
    ///
    /// # Panics
    /// If the entry is not a tar.xz with a regular member.
    #[must_use]
    pub fn btf(&self) -> Vec<u8> {
        let file = std::fs::File::open(&self.path).expect("an entry");
        let mut tar = tar::Archive::new(xz2::read::XzDecoder::new(file));
        for member in tar.entries().expect("a tar") {
            let mut member = member.expect("a tar member");
            if member.header().entry_type().is_file() {
                let mut bytes = Vec::new();
                member.read_to_end(&mut bytes).expect("a whole member");
                return bytes;
            }
        }
        panic!("{}: no regular member", self.name);
    }
}
