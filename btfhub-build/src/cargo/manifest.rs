//! `[package.metadata.btfhub]`: the configuration that build script and command
//! line share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::builder::{Builder, OnBadEntry};
use crate::diagnostics::{Level, Lint, Loader};
use crate::error::{Error, ErrorKind};
use crate::input;
use crate::verdict::Certainty;

/// The parts of a Cargo.toml that are used.
#[derive(Debug, Deserialize)]
struct Manifest {
    package: Option<Package>,
    #[serde(default)]
    dependencies: BTreeMap<String, IgnoredAny>,
    #[serde(default)]
    target: BTreeMap<String, Target>,
}

/// The parts for specific targets.
#[derive(Debug, Deserialize)]
struct Target {
    #[serde(default)]
    dependencies: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Package {
    metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    btfhub: Option<Table>,
}

/// The table's keys, as they are in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    archive: OneOrMany,
    atlas: OneOrMany,
    pin: Option<String>,
    pin_tree: Option<String>,
    lock: Option<PathBuf>,
    objects: OneOrMany,
    objects_in: OneOrMany,
    include: OneOrMany,
    exclude: OneOrMany,
    arch: OneOrMany,
    follow_links: bool,
    on_bad_entry: Option<String>,
    entry_limit: Option<u64>,
    modules: Option<OneOrMany>,
    optional: bool,
    prepared: Option<PathBuf>,
    baseline: Option<PathBuf>,
    targets: OneOrMany,
    own_btf: OneOrMany,
    failing_programs: Option<String>,
    lints: BTreeMap<String, String>,
}

/// `"one"` or `["several", "of them"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Builder {
    /// Reads the settings in `[package.metadata.btfhub]` of the Cargo.toml of the package whose
    /// build script runs; `cargo btfhub` reads the same table. You can add more settings
    /// afterwards.
    ///
    /// ```toml
    /// [package.metadata.btfhub]
    /// archive = "/srv/btfhub-archive"      # or a list
    /// atlas = "btf/kernels.atlas"          # or a list; instead of an archive, or in addition
    /// pin = "3c7e…"                        # or pin-tree, or lock = "btfhub.lock"; of an
    ///                                      # atlas its digest
    /// objects = "src/bpf/*.o"              # or a list; or objects-in = "src/bpf"
    /// include = ["ubuntu/20.04/*", "debian"]
    /// exclude = ["<4.18"]
    /// arch = ["x86_64", "arm64"]           # a build script's default: the target's
    /// follow-links = true                  # out of the archive, too
    /// on-bad-entry = "skip"                # or "fail", the default
    /// entry-limit = 268435456              # bytes
    /// modules = ["nf_conntrack", "openvswitch"]
    /// optional = true
    /// prepared = "btf/probe.btfhub"
    /// baseline = "support.json"            # what must go on running, see Builder::baseline
    /// failing-programs = "proven"          # or "likely": kept in the bundle
    /// targets = ["on_open=vfs_open"]       # PROGRAM=TARGET, see Builder::target
    /// own-btf = ["debian/*=yes"]           # FILTER=yes or no, see Builder::own_btf
    ///
    /// [package.metadata.btfhub.lints]
    /// no-relocations = "deny"              # or "warn", "allow"
    /// ```
    ///
    /// Every key may be left out. Paths are relative to the package.
    ///
    /// Needs the feature `manifest`.
    ///
    /// # Errors
    /// Outside of a build script; when the table is missing, or has a key or a
    /// value that means nothing.
    pub fn from_manifest() -> Result<Self, Error> {
        let directory = super::environment::package()?;
        Self::from_manifest_path(directory.join("Cargo.toml"))
    }

    /// Like [`from_manifest`](Self::from_manifest), for the package with this Cargo.toml.
    ///
    /// # Errors
    /// As [`from_manifest`](Self::from_manifest), and if the file cannot be read.
    pub fn from_manifest_path(manifest: impl AsRef<Path>) -> Result<Self, Error> {
        let manifest = manifest.as_ref();
        let wrong = |what: String| {
            let message = format!("{}: {what}", manifest.display());
            Error::new(ErrorKind::Config, message)
        };
        let text = input::read_to_string(manifest, input::FILE_LIMIT)
            .map_err(|error| wrong("it cannot be read".to_owned()).because(error))?;
        let read: Manifest = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_of(&text, span.start));
            wrong(format!("line {line} is not understood")).because(error.message().to_owned())
        })?;
        let loader = read.loader();
        let package = (read.package).ok_or_else(|| wrong("it holds no package".to_owned()))?;
        let table = package.metadata.and_then(|metadata| metadata.btfhub);
        let table = table.ok_or_else(|| {
            wrong("it has no table [package.metadata.btfhub]".to_owned())
                .help("Builder::new() starts without one")
        })?;
        let directory = manifest.parent().unwrap_or(Path::new(""));
        let mut builder = table.builder(directory).map_err(wrong)?;
        builder.manifest = Some(manifest.to_owned());
        builder.loader = loader;
        Ok(builder)
    }
}

impl Manifest {
    /// The one of both loaders that the package depends on.
    fn loader(&self) -> Option<Loader> {
        let of_targets = self.target.values().map(|target| &target.dependencies);
        let depends_on = |name: &str| {
            let mut all = of_targets.clone().chain([&self.dependencies]);
            all.any(|dependencies| dependencies.contains_key(name))
        };
        match (depends_on("aya"), depends_on("libbpf-rs")) {
            (true, false) => Some(Loader::Aya),
            (false, true) => Some(Loader::Libbpf),
            _ => None,
        }
    }
}

/// The number of the line in which this byte is.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}

impl Table {
    /// The builder that it describes, or what in it means nothing.
    fn builder(&self, directory: &Path) -> Result<Builder, String> {
        let mut builder = Builder::new();
        for archive in self.archive.as_slice() {
            builder = builder.archive(directory.join(archive));
        }
        let mut pin = self.pin.as_ref();
        for atlas in self.atlas.as_slice() {
            let file = directory.join(atlas);
            let is_only = self.archive.as_slice().len() + self.atlas.as_slice().len() == 1;
            // The pin of a lone atlas is its digest.
            builder = match pin.take_if(|_| is_only) {
                Some(digest) => builder.pinned_atlas(file, digest),
                None => builder.atlas(file),
            };
        }
        builder = match (pin, &self.pin_tree, &self.lock) {
            (None, None, None) => builder,
            (Some(pin), None, None) => builder.pin(pin),
            (None, Some(hash), None) => builder.pin_tree(hash),
            (None, None, Some(lock)) => builder.lock(directory.join(lock)),
            _ => return Err("only one of `pin`, `pin-tree` and `lock` can be set".to_owned()),
        };
        let pinned = self.pin.is_some() || self.pin_tree.is_some() || self.lock.is_some();
        if pinned && self.archive.as_slice().len() + self.atlas.as_slice().len() > 1 {
            return Err(
                "a pin is for one archive or atlas, but several are named; pin them in the build \
                 script with Builder::pinned_archive and Builder::pinned_atlas"
                    .to_owned(),
            );
        }
        for object in self.objects.as_slice() {
            builder = builder.object(directory.join(object));
        }
        for objects in self.objects_in.as_slice() {
            builder = builder.objects_in(directory.join(objects));
        }
        for filter in self.include.as_slice() {
            builder = builder.include(filter);
        }
        for filter in self.exclude.as_slice() {
            builder = builder.exclude(filter);
        }
        for arch in self.arch.as_slice() {
            builder = builder.arch(arch);
        }
        if self.follow_links {
            builder = builder.follow_links();
        }
        builder = match self.on_bad_entry.as_deref() {
            None => builder,
            Some("fail") => builder.on_bad_entry(OnBadEntry::Fail),
            Some("skip") => builder.on_bad_entry(OnBadEntry::Skip),
            Some(other) => {
                return Err(format!(
                    "on-bad-entry = \"{other}\" is neither `fail` nor `skip`"
                ));
            }
        };
        if let Some(bytes) = self.entry_limit {
            builder = builder.entry_limit(bytes);
        }
        if let Some(modules) = &self.modules {
            builder = builder.modules(modules.as_slice());
        }
        if self.optional {
            builder = builder.optional();
        }
        if let Some(bundle) = &self.prepared {
            builder = builder.prepared(directory.join(bundle));
        }
        if let Some(file) = &self.baseline {
            builder = builder.baseline(directory.join(file));
        }
        builder = match self.failing_programs.as_deref() {
            None => builder,
            Some("proven") => builder.failing_programs(Certainty::Proven),
            Some("likely") => builder.failing_programs(Certainty::Likely),
            Some(other) => {
                return Err(format!(
                    "failing-programs = \"{other}\" is neither `proven` nor `likely`"
                ));
            }
        };
        for said in self.targets.as_slice() {
            let (program, target) = (said.rsplit_once('='))
                .ok_or_else(|| format!("targets: `{said}` is not PROGRAM=TARGET"))?;
            builder = builder.target(program, target);
        }
        for said in self.own_btf.as_slice() {
            builder = match said.rsplit_once('=') {
                Some((kernels, "yes")) => builder.own_btf(kernels, true),
                Some((kernels, "no")) => builder.own_btf(kernels, false),
                _ => return Err(format!("own-btf: `{said}` is not FILTER=yes or FILTER=no")),
            };
        }
        for (lint, level) in &self.lints {
            let names: Vec<&str> = Lint::ALL.iter().map(|lint| lint.name()).collect();
            let names = names.join(", ");
            let lint = Lint::from_name(lint)
                .ok_or_else(|| format!("there is no lint `{lint}`; the lints are {names}"))?;
            let level = Level::from_name(level)
                .ok_or_else(|| format!("`{level}` is not allow, warn or deny"))?;
            builder = builder.lint(lint, level);
        }
        Ok(builder)
    }
}
