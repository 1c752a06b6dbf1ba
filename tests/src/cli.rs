//! Runs `cargo-btfhub` in fresh directories, as ripgrep's tests run `rg`: each test has a
//! directory and a command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The binary, built once per test program.
///
/// # Panics
/// If it does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .current_dir(&workspace)
            .args(["build", "--quiet", "-p", "cargo-btfhub"])
            .arg("--message-format=json")
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo starts");
        assert!(built.status.success(), "cargo-btfhub does not build");
        // The artifact message names the file, whatever the target directory is.
        let messages = String::from_utf8(built.stdout).expect("JSON is UTF-8");
        let executable = messages
            .split("\"executable\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("cargo names the executable");
        PathBuf::from(executable)
    })
}

/// A directory that is removed after the test.
#[derive(Debug)]
pub struct Dir(tempfile::TempDir);

impl Dir {
    /// # Panics
    /// If no temporary directory can be made.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the directories above it.
    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        crate::pack::write(self.0.path(), name, bytes.as_ref());
    }

    /// Whether a file exists.
    #[must_use]
    pub fn has(&self, name: impl AsRef<Path>) -> bool {
        self.path(name).exists()
    }

    /// Everything below it except git's own files, sorted, relative.
    ///
    /// # Panics
    /// If a directory cannot be read.
    #[must_use]
    pub fn files(&self, below: impl AsRef<Path>) -> Vec<String> {
        let root = self.path(below);
        let mut pending = vec![root.clone()];
        let mut files = Vec::new();
        while let Some(directory) = pending.pop() {
            for child in std::fs::read_dir(directory).expect("a directory") {
                let child = child.expect("a directory entry");
                if child.file_name() == ".git" {
                    continue;
                }
                if child.file_type().expect("a file type").is_dir() {
                    pending.push(child.path());
                } else {
                    let path = child.path();
                    let path = path.strip_prefix(&root).expect("below the root");
                    files.push(path.to_str().expect("UTF-8").to_owned());
                }
            }
        }
        files.sort();
        files
    }

    /// `cargo-btfhub` in this directory, with none of the caller's configuration.
    #[must_use]
    pub fn btfhub<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        self.run(self.command().args(arguments))
    }

    /// `cargo-btfhub`, without arguments and variables yet.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command.env_remove("BTFHUB_ARCHIVE");
        command
    }

    /// Any command in this directory.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn run(&self, command: &mut Command) -> Run {
        self.run_in("", command)
    }

    /// Any command in a directory below this one.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn run_in(&self, directory: impl AsRef<Path>, command: &mut Command) -> Run {
        let output = command
            .current_dir(self.path(directory))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .output()
            .expect("a command that starts");
        Run {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Default for Dir {
    fn default() -> Self {
        Self::new()
    }
}

/// The result of a command.
#[derive(Debug)]
pub struct Run {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Run {
    /// The stdout of a command that must succeed.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "stderr: {}", self.stderr);
        self.stdout
    }

    /// The stderr of a command that must end with this status.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    #[track_caller]
    pub fn fails(self, status: i32) -> String {
        assert_eq!(
            self.status,
            Some(status),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self.stderr
    }
}

/// Declares a test of the command line: a fresh directory to run in.
#[macro_export]
macro_rules! cli_test {
    ($name:ident, |$dir:ident| $body:block) => {
        #[test]
        fn $name() {
            let $dir = $crate::cli::Dir::new();
            $body
        }
    };
}
