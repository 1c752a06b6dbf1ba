//! A builder's settings, for tools that start from a crate's configuration, like `cargo
//! btfhub`.

use std::path::Path;

use super::{Builder, OnBadEntry};
use crate::archive::Pin;
use crate::diagnostics::{Level, Lint, Loader};
use crate::modules::Modules;
use crate::verdict::Certainty;

#[doc(hidden)]
impl Builder {
    /// The archives that were named, in that order, each with its pin.
    pub fn archives(&self) -> impl ExactSizeIterator<Item = (&Path, Option<&Pin>)> {
        (self.archives.iter())
            .map(|(root, pin)| (root.as_path(), pin.as_ref().or(self.pin.as_ref())))
    }

    /// The atlases that were named, in that order, each with the digest that it must have.
    pub fn atlases(&self) -> impl ExactSizeIterator<Item = (&Path, Option<&str>)> {
        (self.atlases.iter()).map(|(file, digest)| (file.as_path(), digest.as_deref()))
    }

    /// How many bytes one entry may decompress to.
    pub fn entry_limit_bytes(&self) -> u64 {
        self.entry_limit
    }

    /// The [`modules`](Self::modules) whose types are used.
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

    /// Whether [`follow_links`](Self::follow_links) was called.
    pub fn follows_links(&self) -> bool {
        self.follow_links
    }

    /// The policy of [`on_bad_entry`](Self::on_bad_entry).
    pub fn bad_entry_policy(&self) -> OnBadEntry {
        self.on_bad_entry
    }

    /// How surely a program must fail for [`failing_programs`](Self::failing_programs) to be
    /// kept.
    pub fn failing_programs_kept(&self) -> Option<Certainty> {
        self.failing
    }

    /// Programs and their [`target`](Self::target)s.
    pub fn targets(&self) -> &[(String, String)] {
        &self.targets
    }

    /// The settings of [`own_btf`](Self::own_btf), in order.
    pub fn own_btf_of(&self) -> &[(String, bool)] {
        &self.own_btf
    }

    /// The level of a lint, set or not.
    pub fn lint_level(&self, lint: Lint) -> Level {
        let set = self.levels.get(lint);
        set.unwrap_or_else(|| lint.default_level(self.loader))
    }

    /// The loader that the program uses, if known.
    pub fn known_loader(&self) -> Option<Loader> {
        self.loader
    }

    /// The Cargo.toml that the configuration was read from, if it was.
    pub fn manifest_path(&self) -> Option<&Path> {
        self.manifest.as_deref()
    }
}
