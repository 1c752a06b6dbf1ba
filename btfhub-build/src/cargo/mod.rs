//! The edge to cargo: the only reader of its environment and of `BTFHUB_*`,
//! the only printer of `cargo::` lines.

mod environment;
#[cfg(feature = "manifest")]
mod manifest;
mod prepared;
mod watch;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use self::environment::Environment;
use self::watch::Watch;
use crate::builder::{Builder, Generated};
use crate::diagnostics::{Diagnostic, Level, Lint};
use crate::error::{Error, ErrorKind};
use crate::{archive, diagnostics, output};

impl Builder {
    /// The last line of a build script: writes `$OUT_DIR/<name>.btfhub`, which
    /// `btfhub_runtime::include_bundle!("<name>")` embeds, and tells cargo when
    /// to run the script again.
    ///
    /// # What the environment says
    /// | variable | meaning |
    /// |---|---|
    /// | `BTFHUB_ARCHIVE` | the archives, separated as in `PATH`, where the script names none |
    /// | `BTFHUB_PARTIAL` | 1: embed a few kernels only, marked as partial; without effect in release builds |
    /// | `BTFHUB_CACHE_DIR` | where to remember what need not be done again; default: below cargo's target directory |
    /// | `BTFHUB_VERBOSE` | 1: one line about what was embedded, as a cargo warning |
    ///
    /// From cargo come the architecture (the target's, not the host's) and the
    /// number of jobs.
    ///
    /// # When cargo runs the script again
    /// When an object, the archive's commit, its lock file, an atlas, a prepared
    /// bundle or one of the variables above changes, or the Cargo.toml that
    /// `Builder::from_manifest` read. A build script that
    /// prints such lines is no longer run for *any* change in the package, so
    /// where it compiles the objects itself, all C files and headers of the
    /// package are watched too. Whatever else your objects are made from, name
    /// it with `cargo::rerun-if-changed` yourself.
    ///
    /// A plain folder as an archive, without git and without a lock file, is
    /// watched when it holds at most 256 entries.
    ///
    /// # Errors
    /// As [`generate`](Self::generate); and outside of a build script. Nothing
    /// is left at the bundle's place then. Return the error from `main`: its
    /// `Debug` is written to be read.
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
            // One of an earlier build would be taken for this one's.
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
            self.archives.clone_from(&environment.archives);
        }
        let arch = environment.target_arch.clone();
        self.archs.get_or_insert_with(|| vec![arch]);
        self.jobs = self.jobs.or(environment.jobs);
        self.cache_dir = (environment.cache_dir.clone())
            .or(self.cache_dir)
            .or_else(|| Some(environment.target_dir()?.join("btfhub")));
        // A release holds every kernel, whatever a shell exports.
        self.partial = environment.partial && !environment.release;

        let mut script = Script::new(environment);
        if let Some(manifest) = &self.manifest {
            script.watch.file(manifest);
        }
        if let Some(path) = &self.prepared {
            let (arch, release) = (&environment.target_arch, environment.release);
            output::write(file, &prepared::read(&self, path, arch, release)?)?;
            script.watch.file(path);
            script
                .watch
                .objects(self.object_files()?.iter().map(AsRef::as_ref));
            return Ok(script.lines());
        }
        let is_here = |path: &std::path::PathBuf| path.exists();
        let here =
            self.archives.iter().any(is_here) || self.atlases.iter().any(|(file, _)| is_here(file));
        if self.optional && !here {
            let message = format!(
                "`{name}` is empty, because no BTF archive is here: the program will find no \
                 embedded BTF for any kernel"
            );
            script.say(&self, &[said(Lint::EmptyBundle, message)])?;
            output::write(file, &self.empty_bundle()?)?;
            script
                .watch
                .objects(self.object_files()?.iter().map(AsRef::as_ref));
            return Ok(script.lines());
        }
        let generated = self.generate()?;
        let heard = |lint| self.levels.of(lint) != Level::Allow;
        let mut found = diagnostics::find(&generated, heard);
        if self.partial {
            let message = format!(
                "`{name}` is partial: {} of {} kernels, because {} is set",
                generated.kernels().len(),
                generated.kernels_in_all(),
                environment::PARTIAL
            );
            found.push(said(Lint::PartialBundle, message));
        }
        script.say(&self, &found)?;
        generated.write_to(file)?;
        script.watch.objects(generated.object_files());
        for archive in generated.archives() {
            match archive::log_of_head(archive) {
                Some(log) => script.watch.file(&log),
                None if self.locks().count() == 0 => {
                    script
                        .watch
                        .plain_archive(archive.root(), archive.entries().len());
                }
                None => {}
            }
        }
        for lock in self.locks() {
            script.watch.file(lock);
        }
        for (atlas, _) in &self.atlases {
            script.watch.file(atlas);
        }
        if environment.verbose {
            script.warn(&summary(name, &generated));
        }
        Ok(script.lines())
    }
}

/// What is printed in the end.
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

    /// Warns of what was found, or fails, as the levels say.
    fn say(&mut self, builder: &Builder, found: &[Diagnostic]) -> Result<(), Error> {
        let of = |level: Level| {
            let is = move |said: &&Diagnostic| builder.levels.of(said.lint()) == level;
            found.iter().filter(is)
        };
        let denied: Vec<String> = of(Level::Deny).map(ToString::to_string).collect();
        if !denied.is_empty() {
            return Err(Error::new(ErrorKind::Denied, denied.join("\n"))
                .help("the build denies these lints; see Builder::lint"));
        }
        for said in of(Level::Warn) {
            self.warn(&said.to_string());
        }
        Ok(())
    }

    fn warn(&mut self, message: &str) {
        // A directive is one line.
        let message = message.replace('\n', " ");
        self.warnings
            .push(format!("cargo::warning=btfhub: {message}"));
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
        "`{name}` holds {} kernels in {} classes for {} relocations, {} bytes; {} entries decoded",
        generated.kernels().len(),
        generated.class_count(),
        generated.relocations().list().len(),
        generated.bundle().len(),
        generated.decoded_entries(),
    )
}
