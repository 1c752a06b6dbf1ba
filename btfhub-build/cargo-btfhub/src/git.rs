//! The git binary, kept away from the caller's repository and from prompts.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// Lines shown of what git says; it names every file.
const SHOWN: usize = 8;

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
        // A repository that is not whole must not send git to one above it.
        let absolute = std::fs::canonicalize(&self.directory);
        if let Some(above) = absolute.ok().as_deref().and_then(Path::parent) {
            command.env("GIT_CEILING_DIRECTORIES", above);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command
    }

    /// Gets the repository ready after a run that was killed: waits for a git that outlived
    /// it, then removes what none will come back for.
    ///
    /// A git that works here stands in this directory. Where the system does not show that,
    /// locks are left, and git names the file when it comes upon one.
    pub(crate) fn settle(&self, waiting: impl FnOnce()) {
        const LOCKS: [&str; 6] = [
            "config.lock",
            "HEAD.lock",
            "index.lock",
            "packed-refs.lock",
            "shallow.lock",
            "info/sparse-checkout.lock",
        ];
        let repository = self.directory.join(".git");
        let Some(mut is_busy) = self.is_busy() else {
            return;
        };
        if is_busy {
            waiting();
        }
        while is_busy {
            std::thread::sleep(Duration::from_millis(200));
            is_busy = self.is_busy().unwrap_or(false);
        }
        for lock in LOCKS {
            let _ = std::fs::remove_file(repository.join(lock));
        }
        let packs = std::fs::read_dir(repository.join("objects/pack"));
        for pack in packs.into_iter().flatten().flatten() {
            if pack.file_name().as_encoded_bytes().starts_with(b"tmp_") {
                let _ = std::fs::remove_file(pack.path());
            }
        }
    }

    /// Whether some git stands in this directory; `None` where there is no /proc to tell.
    fn is_busy(&self) -> Option<bool> {
        let here = std::fs::canonicalize(&self.directory).ok()?;
        let processes = std::fs::read_dir("/proc").ok()?;
        Some(processes.flatten().any(|process| {
            let process = process.path();
            let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
            name.starts_with("git")
                && std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&here))
        }))
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
        let said = said.lines().map(str::trim).filter(|line| !line.is_empty());
        failure
            .chain
            .extend(said.clone().take(SHOWN).map(str::to_owned));
        let more = said.count().saturating_sub(SHOWN);
        if more > 0 {
            failure.chain.push(format!("({more} more lines)"));
        }
        Err(failure)
    }
}
