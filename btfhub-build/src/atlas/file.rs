//! An atlas as a file: its digest, its parts, whether it is damaged.

use std::path::Path;

use super::error::{AtlasError, Cause, FilePart};
use super::format::{BlockEntry, Index};
use super::pack::packed;
use super::read::Atlas;
use crate::archive::Digest;
use crate::error::{Error, ErrorKind};

impl Atlas {
    /// Reads a file, which must have the digest if one is given.
    ///
    /// # Errors
    /// As [`Atlas::parse`], and if the file can't be read or has a different digest.
    pub fn open(path: &Path, pin: Option<&str>) -> Result<Self, Error> {
        let failed = |kind| Error::new(kind, format!("atlas {}", path.display()));
        let file = crate::input::read(path, crate::input::ATLAS_LIMIT)
            .map_err(|error| failed(ErrorKind::Io).because(error))?;
        let atlas = Self::parse(file).map_err(|error| failed(ErrorKind::Archive).because(error))?;
        match pin {
            Some(wanted) if wanted != atlas.digest.to_string() => {
                let (wanted, found) = (wanted.to_owned(), atlas.digest);
                Err(failed(ErrorKind::Pin)
                    .because(AtlasError(Cause::Pin { wanted, found }))
                    .help("pin the digest that `cargo btfhub atlas inspect` prints, if this is the atlas you want"))
            }
            _ => Ok(atlas),
        }
    }

    /// The BLAKE3 digest of header and index. It covers the whole file, as the index has the
    /// digests of everything else.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The [`digest`](Self::digest) of a file. Nothing else of the file is read.
    pub(crate) fn digest_of(file: &[u8]) -> Result<Digest, AtlasError> {
        Ok(Index::read(file)?.1)
    }

    /// Whether every byte of the file matches the digest.
    pub(crate) fn is_whole(&self) -> bool {
        let blocks = self.index.blocks.iter();
        let mut sections = blocks.flat_map(|block| [&block.columns, &block.text]);
        sections.all(|section| packed(&self.file, section, FilePart::Index).is_ok())
    }

    /// The size of the file.
    pub fn file_len(&self) -> usize {
        self.file.len()
    }

    /// The parts of the file, and the size of each.
    pub fn parts(&self) -> Vec<(&'static str, u64)> {
        let sum = |section: fn(&BlockEntry) -> u64| self.index.blocks.iter().map(section).sum();
        let columns: u64 = sum(|block| block.columns.packed);
        let text: u64 = sum(|block| block.text.packed);
        let kernels = self.index.kernels.packed;
        let modules = self
            .index
            .modules
            .as_ref()
            .map_or(0, |section| section.packed);
        let rest = (self.file.len() as u64).saturating_sub(columns + text + kernels + modules);
        let mut parts = vec![
            ("header and index", rest),
            ("kernels and what they hold", kernels),
            ("definitions", columns),
            ("names of members", text),
        ];
        if modules > 0 {
            parts.insert(2, ("modules and what they hold", modules));
        }
        parts
    }

    /// Expands everything, to find damage.
    ///
    /// # Errors
    /// The first damage found.
    pub fn check(&self) -> Result<(), AtlasError> {
        for block in 0..self.index.blocks.len() {
            self.block(block)?;
            self.text(block)?;
        }
        Ok(())
    }
}
