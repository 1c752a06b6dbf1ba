//! What a builder was told: for tools that begin with the configuration of a crate, as
//! `cargo btfhub` does.

use std::path::{Path, PathBuf};

use super::{Builder, OnBadEntry};
use crate::archive::Pin;
use crate::diagnostics::{Level, Lint, Loader};
use crate::modules::Modules;

impl Builder {
    /// The archives that were named, in that order.
    pub fn archive_paths(&self) -> &[PathBuf] {
        &self.archives
    }

    /// What the archive of this number must be at, where that was said.
    pub fn archive_pin(&self, archive: usize) -> Option<&Pin> {
        self.pins.get(&archive)
    }

    /// The atlases that were named, in that order.
    pub fn atlas_paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.atlases.iter().map(|(file, _)| file.as_path())
    }

    /// The digest that the atlas of this number must have, where that was said.
    pub fn atlas_pin(&self, atlas: usize) -> Option<&Pin> {
        self.atlases.get(atlas)?.1.as_ref()
    }

    /// How many bytes one entry may decompress to.
    pub fn entry_limit_bytes(&self) -> u64 {
        self.entry_limit
    }

    /// Which [`modules`](Self::modules)' types count.
    pub fn modules_taken(&self) -> &Modules {
        &self.modules
    }

    /// Whether any object, pattern or directory of objects was named.
    pub fn has_objects(&self) -> bool {
        !self.objects.is_empty()
    }

    /// The filters of [`include`](Self::include).
    pub fn included(&self) -> &[String] {
        &self.include
    }

    /// The filters of [`exclude`](Self::exclude).
    pub fn excluded(&self) -> &[String] {
        &self.exclude
    }

    /// The architectures of [`arch`](Self::arch); `None` for the default.
    pub fn archs(&self) -> Option<&[String]> {
        self.archs.as_deref()
    }

    /// Whether [`follow_links`](Self::follow_links) was said.
    pub fn follows_links(&self) -> bool {
        self.follow_links
    }

    /// The policy of [`on_bad_entry`](Self::on_bad_entry).
    pub fn bad_entry_policy(&self) -> OnBadEntry {
        self.on_bad_entry
    }

    /// The level of a lint, set or not.
    pub fn lint_level(&self, lint: Lint) -> Level {
        let set = self.levels.get(lint);
        set.unwrap_or_else(|| lint.default_level(self.loader))
    }

    /// The loader that the program uses, where it is known.
    pub fn known_loader(&self) -> Option<Loader> {
        self.loader
    }

    /// The Cargo.toml that the configuration was read from, if it was.
    pub fn manifest_path(&self) -> Option<&Path> {
        self.manifest.as_deref()
    }
}
