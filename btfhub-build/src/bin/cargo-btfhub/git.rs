//! The git binary, kept away from the caller's repository and from prompts.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Context, Failure};

/// Variables that would point git at another repository than the one asked for
/// (`git rev-parse --local-env-vars`).
const REPOSITORY_VARIABLES: [&str; 13] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// One repository, through the git binary.
#[derive(Debug)]
pub(crate) struct Git {
    directory: PathBuf,
}

impl Git {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.directory).args(arguments);
        for variable in REPOSITORY_VARIABLES {
            command.env_remove(variable);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command
    }

    /// Whether the command succeeds; what it says does not matter.
    pub(crate) fn succeeds<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<bool, Failure> {
        let status = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context(|| "cannot start git; it must be installed".into())?;
        Ok(status.success())
    }

    /// Runs the command and returns its stdout; a failure carries its stderr.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Vec<u8>, Failure> {
        self.run_with_input(arguments, &[])
    }

    /// As [`run`](Self::run), with `input` on stdin.
    pub(crate) fn run_with_input<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        input: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| "cannot start git; it must be installed".into())?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // A thread of its own, so that a child that writes while it reads can't block both.
            // A child that ends early closes the pipe; its status says why.
            scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
            child.wait_with_output()
        })
        .context(|| "cannot read what git says".into())?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let shown: Vec<_> = arguments
            .iter()
            .map(|argument| argument.as_ref().to_string_lossy())
            .collect();
        let mut failure = Failure::new(format!(
            "git {} failed ({})",
            shown.join(" "),
            output.status
        ));
        failure.chain.extend(
            (said.lines().map(str::trim).filter(|line| !line.is_empty())).map(str::to_owned),
        );
        Err(failure)
    }
}
