//! Real cargo projects in a temporary directory, as users have them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The repository's root.
#[must_use]
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a directory above").to_owned()
}

/// A cargo project, removed when dropped.
///
/// It builds offline with the versions in the workspace's Cargo.lock. All projects share one target
/// directory, so that their dependencies are compiled once. In it, cargo does not distinguish
/// packages of one name in different directories; so each project has a unique name, and its build
/// output is removed with it.
#[derive(Debug)]
pub struct Project {
    dir: tempfile::TempDir,
    name: String,
    target: PathBuf,
}

/// The result of a cargo command.
#[derive(Debug)]
pub struct Said {
    /// Whether it succeeded.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error, where cargo prints its messages.
    pub stderr: String,
}

impl Project {
    /// A crate with these lines below `[package]` in its Cargo.toml. `BUILD`,
    /// `RUNTIME` and `MACROS` in them become the crates' paths.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn new(manifest: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let name = format!(
            "project-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let root = workspace();
        let manifest = with_paths(manifest);
        let target = crate::shared::scratch("projects");
        let project = Self { dir, name, target };
        project.file(
            "Cargo.toml",
            format!(
                "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                 {manifest}\n[workspace]\n",
                project.name
            ),
        );
        fs::copy(root.join("Cargo.lock"), project.path().join("Cargo.lock")).expect("a lock file");
        project
    }

    /// Gives it its own target directory, in which everything is compiled again.
    #[must_use]
    pub fn with_own_target(mut self) -> Self {
        self.target = self.path().join("target");
        self
    }

    /// The package's name, which is also its program's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program that `cargo build` makes.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.target.join("debug").join(&self.name)
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The files of this name that its build scripts left in `OUT_DIR`, one for
    /// each profile and target.
    ///
    /// # Panics
    /// If a directory can't be read.
    #[must_use]
    pub fn outputs(&self, name: &str) -> Vec<PathBuf> {
        let target = self.target.to_str().expect("a UTF-8 target directory");
        // A profile's directory, or one below that of a target. Not everything
        // below: other tests build there.
        let outputs = ["*", "*/*"].map(|profile| {
            let pattern = format!("{target}/{profile}/build/{}-*/out/{name}", self.name);
            glob::glob(&pattern).expect("a pattern")
        });
        (outputs.into_iter().flatten())
            .map(|path| path.expect("a readable directory"))
            .collect()
    }

    /// Writes one of its files, and the directories above.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().expect("a file below the root")).expect("directories");
        fs::write(file, content).expect("a written file");
        self
    }

    /// A cargo command in it, not yet started.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        clear_environment(&mut command);
        command
            .current_dir(self.path())
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TARGET_DIR", &self.target)
            .args(args);
        command
    }

    /// Runs cargo in it.
    ///
    /// # Panics
    /// If cargo can't be started.
    #[must_use]
    pub fn cargo<S: AsRef<OsStr>>(&self, args: &[S]) -> Said {
        Said::of(&self.command(args).output().expect("cargo"))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // If this fails, files are left in the target directory, which does no harm.
        let _ = self.command(&["clean", "-p", &self.name]).output();
    }
}

impl Said {
    /// The result of a finished command.
    #[must_use]
    pub fn of(output: &Output) -> Self {
        Self {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// # Panics
    /// If it failed.
    #[must_use]
    pub fn ok(self) -> Self {
        assert!(self.success, "{}", self.stderr);
        self
    }

    /// # Panics
    /// If it did not fail.
    #[must_use]
    pub fn failed(self) -> Self {
        assert!(!self.success, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Removes the variables by which cargo and the caller control the tests themselves.
pub fn clear_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let steers = ["CARGO_", "BTFHUB_", "DEP_", "RUSTC", "RUSTFLAGS", "OUT_DIR"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if steers && name != "CARGO_HOME" && name != "CARGO_BUILD_JOBS" {
            command.env_remove(name);
        }
    }
}

/// The lines of a Cargo.toml with `BUILD`, `RUNTIME` and `MACROS` as the crates'
/// paths.
#[must_use]
pub fn with_paths(manifest: &str) -> String {
    let root = workspace();
    manifest
        .replace("BUILD", &toml_path(&root.join("btfhub-build")))
        .replace("RUNTIME", &toml_path(&root.join("btfhub-runtime")))
        .replace("MACROS", &toml_path(&root.join("btfhub-macros")))
}

/// A path as a TOML string, in quotes.
fn toml_path(path: &Path) -> String {
    let path = path.to_str().expect("the workspace's path is UTF-8");
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}
