//! The edge to cargo: the only reader of its environment and of `BTFHUB_*`,
//! the only printer of `cargo::` lines.

#[cfg(feature = "manifest")]
mod baseline;
mod environment;
#[cfg(feature = "manifest")]
mod manifest;
mod prepared;
mod watch;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use btfhub_runtime::Printable;

use self::environment::Environment;
use self::watch::Watch;
use crate::archive::Pin;
use crate::builder::{Builder, Generated, Loaded};
use crate::diagnostics::{Diagnostic, Level, Lint};
use crate::error::{Error, ErrorKind, LONGEST_LINE, count};
use crate::output;

impl Builder {
    /// The last line of a build script: writes `$OUT_DIR/<name>.btfhub`, which
    /// `btfhub_runtime::include_bundle!("<name>")` embeds, and tells cargo when
    /// to run the script again.
    ///
    /// # Environment variables
    /// | variable | meaning |
    /// |---|---|
    /// | `BTFHUB_ARCHIVE` | the archives, separated as in `PATH`, if the script names none |
    /// | `BTFHUB_PARTIAL` | 1: embed only a few kernels, marked as partial. Ignored in builds that may be shipped: every profile that inherits from release, and any other with `opt-level` 2 or above |
    /// | `BTFHUB_UPDATE` | 1: make the [`prepared`](Self::prepared) bundle again from the archive, and replace the file |
    /// | `BTFHUB_CACHE_DIR` | the cache's directory; default: below cargo's target directory |
    /// | `BTFHUB_VERBOSE` | 1: print one line about what was embedded, as a cargo warning |
    ///
    /// Cargo supplies the architecture (the target's, not the host's) and the
    /// number of jobs.
    ///
    /// # When cargo runs the script again
    /// If one of these changes: an object, the archive's commit, its lock file, an
    /// atlas, a prepared bundle, one of the variables above, or the Cargo.toml that
    /// `Builder::from_manifest` read. Also if an object is added to or removed from a
    /// directory that [`objects_in`](Self::objects_in) or a pattern names, unless
    /// that is the package's own directory.
    ///
    /// Once a build script prints such lines, cargo no longer runs it for *any* change
    /// in the package. So if the script compiles the objects itself, all C files and
    /// headers of the package are watched too, as are files outside it that the
    /// objects' line info names, and the C files next to them. If your objects are made
    /// from anything else, name it yourself with `cargo::rerun-if-changed`.
    ///
    /// An archive without its own commit and without a lock file is watched as a
    /// folder if it holds at most 256 entries. A larger one is watched by the commit
    /// of the repository around it, if there is one.
    ///
    /// # Errors
    /// As [`generate`](Self::generate), and outside of a build script. Then no bundle
    /// is left in its place. Return the error from `main`: its `Debug` output is made
    /// for people to read.
    pub fn build(self, name: &str) -> Result<(), Error> {
        let environment = Environment::read()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            let message = format!("`{name}` cannot be the name of a bundle");
            return Err(Error::new(ErrorKind::Config, message)
                .help("take letters, digits, `_`, `-` and `.`"));
        }
        let file = environment.out_dir.join(format!("{name}.btfhub"));
        let lines = self.build_to(&file, name, &environment);
        if lines.is_err() {
            // The bundle of an earlier build would be taken for this one's.
            let _ = fs::remove_file(&file);
        }
        let mut out = std::io::stdout().lock();
        for line in lines? {
            writeln!(out, "{line}").map_err(|error| {
                Error::new(ErrorKind::Io, "cannot write to cargo").because(error)
            })?;
        }
        Ok(())
    }

    fn build_to(
        mut self,
        file: &Path,
        name: &str,
        environment: &Environment,
    ) -> Result<Vec<String>, Error> {
        if self.archives.is_empty() && self.atlases.is_empty() {
            let named = environment.archives.iter();
            self.archives = named.map(|root| (root.clone(), None)).collect();
        }
        self.jobs = self.jobs.or(environment.jobs);
        self.cache_dir = (environment.cache_dir.clone())
            .or(self.cache_dir)
            .or_else(|| Some(environment.target_dir()?.join("btfhub")));
        // A build that may be shipped has every kernel, regardless of exported variables.
        let updated = self.prepared.take_if(|_| environment.update);
        self.partial = environment.partial && !environment.may_ship && updated.is_none();

        let mut script = Script::new(environment);
        if let Some(manifest) = &self.manifest {
            script.watch.file(manifest);
        }
        if let Some(path) = &self.prepared {
            let objects = self.load_objects()?;
            let bundle = prepared::read(&self, path, &objects, environment)?;
            output::write(file, &bundle)?;
            script.watch.file(path);
            self.watch_objects(&objects, &mut script.watch);
            return Ok(script.lines());
        }
        if updated.is_none() {
            let arch = environment.target_arch.clone();
            self.archs.get_or_insert_with(|| vec![arch]);
        }
        let here = (self.archives.iter()).any(|(root, _)| is_here(root))
            || self.atlases.iter().any(|(file, _)| is_there(file));
        if self.optional && !here && updated.is_none() {
            let message = format!(
                "`{name}` is empty, because no BTF archive is here{}: the program will find no \
                 embedded BTF for any kernel. Once there is one, `touch build.rs`",
                match self.archives.first() {
                    Some((root, _)) => format!(" ({})", root.display()),
                    None => format!(" (and {} names none)", environment::ARCHIVE),
                }
            );
            let objects = self.load_objects()?;
            script.say(&self, &[said(Lint::EmptyBundle, message)])?;
            output::write(file, &self.empty_bundle(&objects)?)?;
            self.watch_objects(&objects, &mut script.watch);
            return Ok(script.lines());
        }
        let generated = self.generate()?;
        let heard = |lint| self.lint_level(lint) != Level::Allow;
        let mut found = generated.diagnostics_of(heard);
        if self.partial {
            let message = format!(
                "`{name}` is partial: {} of {} kernels, because {} is set; a release build \
                 holds all",
                generated.kernels().len(),
                generated.kernels_in_all(),
                environment::PARTIAL
            );
            found.push(said(Lint::PartialBundle, message));
        }
        #[cfg(feature = "manifest")]
        if let Some((baseline, support)) = self.baseline.as_ref().zip(generated.support()) {
            let archs = self.archs.as_deref().unwrap_or_default();
            found.extend(baseline::lost(baseline, support, archs)?);
            script.watch.file(baseline);
        }
        script.say(&self, &found)?;
        if let Some(path) = updated {
            output::write(&path, generated.bundle())?;
            let _checked = prepared::read(&self, &path, generated.loaded(), environment)?;
            script.watch.file(&path);
        }
        generated.write_to(file)?;
        self.watch_objects(generated.loaded(), &mut script.watch);
        for (archive, (_, pin)) in generated.archives().iter().zip(self.archives()) {
            match pin {
                // The whole lock is checked.
                Some(Pin::Lock(lock)) => script.watch.file(lock),
                _ => script.watch.archive(archive, self.follow_links),
            }
        }
        for (atlas, _) in &self.atlases {
            script.watch.file(atlas);
        }
        if environment.verbose {
            script.warn(&summary(name, &generated));
        }
        Ok(script.lines())
    }

    fn watch_objects(&self, objects: &[Loaded], watch: &mut Watch<'_>) {
        watch.objects(objects.iter());
        let written: Vec<&Path> = self.cache_dir.iter().map(PathBuf::as_path).collect();
        for directory in self.object_directories() {
            watch.directory_of_objects(directory, &written);
        }
    }
}

/// Whether an archive is there. An empty directory is the place of a submodule
/// that was not fetched.
fn is_here(archive: &Path) -> bool {
    match fs::read_dir(archive) {
        Ok(mut listing) => listing.next().is_some(),
        Err(_) => is_there(archive),
    }
}

/// Whether something is there. What this machine can't look at is: the build then says why.
fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// What is printed at the end.
#[derive(Debug)]
struct Script<'a> {
    watch: Watch<'a>,
    warnings: Vec<String>,
}

impl<'a> Script<'a> {
    fn new(environment: &'a Environment) -> Self {
        Self {
            watch: Watch::new(environment),
            warnings: Vec::new(),
        }
    }

    /// Warns about what was found, or fails, depending on the levels.
    fn say(&mut self, builder: &Builder, found: &[Diagnostic]) -> Result<(), Error> {
        let of = |level: Level| {
            let is = move |said: &&Diagnostic| builder.lint_level(said.lint()) == level;
            found.iter().filter(is)
        };
        let mut denied = of(Level::Deny).map(ToString::to_string);
        if let Some(first) = denied.next() {
            return Err(Error::new(ErrorKind::Denied, first).lines(denied).help(
                "the build denies these lints by name: fix what they report, or `allow` them in \
                     Builder::lint or [package.metadata.btfhub.lints]",
            ));
        }
        for said in of(Level::Warn) {
            self.warn(&said.to_string());
        }
        Ok(())
    }

    fn warn(&mut self, message: &str) {
        // A directive is one line.
        let message = message.replace('\n', " ");
        self.warnings.push(format!(
            "cargo::warning=btfhub: {:.LONGEST_LINE$}",
            Printable(&message)
        ));
    }

    fn lines(self) -> Vec<String> {
        let variables = environment::OURS.iter();
        variables
            .map(|variable| format!("cargo::rerun-if-env-changed={variable}"))
            .chain(self.watch.lines())
            .chain(self.warnings)
            .collect()
    }
}

fn said(lint: Lint, message: String) -> Diagnostic {
    Diagnostic { lint, message }
}

/// The one line about what was embedded.
fn summary(name: &str, generated: &Generated) -> String {
    format!(
        "`{name}` holds {} in {} for {}, {} bytes; {} decoded",
        count(generated.kernels().len(), "kernel", "kernels"),
        count(generated.class_count(), "class", "classes"),
        count(
            generated.relocations().list().len(),
            "relocation",
            "relocations"
        ),
        generated.bundle().len(),
        count(generated.decoded_entries(), "entry", "entries"),
    )
}
