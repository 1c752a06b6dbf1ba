//! Runs the git binary, isolated from prompts, from the caller's repository, and from anything
//! that somebody else left in ours.
//!
//! git trusts a repository: its configuration and hooks say what to run. A directory that
//! `fetch` made may since have been in a cache or an image where others can write. So before git
//! is called, everything in `.git` is removed except objects and the ids of commits (HEAD,
//! shallow), and the configuration is rewritten. What git says about objects and files is not
//! trusted, but checked by hash ([`Pin::files`](btfhub_build::archive::Pin::files),
//! [`Pin::verify`](btfhub_build::archive::Pin::verify)).

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use btfhub_build::input;

use crate::failure::{Context, Failure};
use crate::files;

/// Variables that would point git at a different repository (`git rev-parse --local-env-vars`).
const REPOSITORY_VARIABLES: [&str; 14] = [
    "GIT_ATTR_SOURCE",
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

/// What no call may do, whatever the configuration: run a hook or a file monitor, enter
/// submodules, repack in the background, or trust an object index other than the packs' own.
const SETTINGS: [&str; 10] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "core.alternateRefsCommand=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// How much of git's and the remote's stderr is kept.
const LONGEST_SAID: u64 = 64 << 10;

/// The files of an existing repository that are kept, besides its objects: HEAD and shallow only
/// if they hold nothing but ids. References and their logs are not kept: if one were a link, git
/// would write to its target. Neither is the index: git writes to any path that it names.
const KEPT: [&str; 4] = [HEAD, "config", SHALLOW, UNFINISHED];

const HEAD: &str = "HEAD";
const SHALLOW: &str = "shallow";

/// Marks a repository as one that `fetch` may change: what git writes for `btfhub.fetch`.
const MADE_HERE: &str = "[btfhub]\n\tfetch = true\n";

/// A file that is there while the work tree is being written.
const UNFINISHED: &str = "btfhub-unfinished";

/// Lines of git's output that are shown; it names every file.
const SHOWN: usize = 8;

/// One repository, through the git binary.
#[derive(Debug)]
pub(crate) struct Git {
    directory: PathBuf,
    is_sha256: bool,
    /// The id of the empty tree.
    empty_tree: &'static str,
}

impl Git {
    /// The repository in a directory; `pin` shows whether it uses SHA-256.
    pub(crate) fn new(directory: &Path, pin: &str) -> Self {
        let is_sha256 = pin.len() == 64;
        Self {
            directory: directory.to_owned(),
            is_sha256,
            empty_tree: if is_sha256 {
                "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
            } else {
                "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
            },
        }
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.directory);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments);
        for variable in REPOSITORY_VARIABLES {
            command.env_remove(variable);
        }
        // This repository and work tree, regardless of its configuration and of directories
        // above it; and no attributes, which could convert or filter files.
        command.env("GIT_DIR", ".git").env("GIT_WORK_TREE", ".");
        command.env("GIT_ATTR_SOURCE", self.empty_tree);
        command.env("GIT_NO_REPLACE_OBJECTS", "1");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command
    }

    /// Creates the repository, or cleans an existing one for use: only objects and ids of
    /// commits are kept, and these in plain files.
    pub(crate) fn renew(&self, url: &str) -> Result<(), Failure> {
        let git = self.directory.join(".git");
        fs::create_dir_all(&git).context(|| format!("cannot make {}", git.display()))?;
        // First, because it marks the repository as ours.
        let cannot = || format!("cannot clean {}", git.display());
        let (config, text) = (git.join("config"), configuration(url, self.is_sha256)?);
        if config.is_symlink() {
            remove(&config).context(cannot)?;
        }
        files::write(&config, text.as_bytes())?;
        for item in fs::read_dir(&git).context(cannot)? {
            let item = item.context(cannot)?;
            let (name, kind) = (item.file_name(), item.file_type().context(cannot)?);
            let is_kept = kind.is_file() && KEPT.iter().any(|kept| name == *kept);
            let is_objects = kind.is_dir() && name == "objects";
            if !is_kept && !is_objects {
                remove(&item.path()).context(cannot)?;
            }
        }
        // It can name other places for objects.
        let objects = git.join("objects");
        remove(&objects.join("info")).context(cannot)?;
        only_files(&objects).context(cannot)?;
        for directory in ["objects", "refs"] {
            fs::create_dir_all(git.join(directory)).context(cannot)?;
        }
        let shallow = git.join(SHALLOW);
        let ids = input::read_to_string(&shallow, input::FILE_LIMIT);
        if !ids.is_ok_and(|ids| ids.lines().all(is_id)) {
            remove(&shallow).context(cannot)?;
        }
        if self.head().is_none() {
            files::write(&git.join(HEAD), b"ref: refs/heads/main\n")?;
        }
        Ok(())
    }

    /// The id of the commit that is checked out.
    pub(crate) fn head(&self) -> Option<String> {
        const LONGEST: u64 = 80;
        let head = self.directory.join(".git").join(HEAD);
        let id = input::read_to_string(&head, LONGEST).ok()?;
        Some(id.trim_end().to_owned()).filter(|id| is_id(id))
    }

    /// Sets which commit is checked out.
    pub(crate) fn set_head(&self, id: &str) -> Result<(), Failure> {
        let head = self.directory.join(".git").join(HEAD);
        files::write(&head, format!("{id}\n").as_bytes())
    }

    /// Sets the patterns of the sparse checkout.
    pub(crate) fn set_sparse(&self, patterns: &str) -> Result<(), Failure> {
        let info = self.directory.join(".git/info");
        fs::create_dir_all(&info).context(|| format!("cannot make {}", info.display()))?;
        files::write(&info.join("sparse-checkout"), patterns.as_bytes())?;
        self.run(&["config", "core.sparseCheckoutCone", "false"])?;
        self.run(&["config", "core.sparseCheckout", "true"])?;
        Ok(())
    }

    /// Whether `fetch` may change this directory: it created it, or it is empty.
    pub(crate) fn is_ours(&self) -> bool {
        let git = self.directory.join(".git");
        let is_directory = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if !git.exists() && !git.is_symlink() {
            return is_empty(&self.directory);
        }
        let config = input::read_to_string(&git.join("config"), input::FILE_LIMIT);
        is_directory(&git)
            && (is_empty(&git) || config.is_ok_and(|config| config.contains(MADE_HERE)))
    }

    /// Whether another user owns the directory, and so could change what git reads while it runs.
    /// git itself refuses such a repository, but not one that it is told to use.
    pub(crate) fn is_of_others(&self) -> bool {
        let git = self.directory.join(".git");
        [&self.directory, &git]
            .iter()
            .any(|path| input::is_of_others(path))
    }

    /// Whether a run was killed while it wrote the work tree, so that a file may be incomplete.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.directory.join(".git").join(UNFINISHED).exists()
    }

    /// Sets whether the work tree is being written.
    pub(crate) fn set_unfinished(&self, is_unfinished: bool) -> Result<(), Failure> {
        let mark = self.directory.join(".git").join(UNFINISHED);
        if is_unfinished {
            return files::write(&mark, b"");
        }
        remove(&mark).context(|| format!("cannot remove {}", mark.display()))
    }

    /// Waits for a git that outlived a killed run. It is recognized by its user and its working
    /// directory, if the system shows that.
    pub(crate) fn settle(&self, waiting: impl FnOnce()) {
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
    }

    /// Whether some git has this working directory; `None` if there is no /proc to tell.
    fn is_busy(&self) -> Option<bool> {
        let here = fs::canonicalize(&self.directory).ok()?;
        let processes = fs::read_dir("/proc").ok()?;
        Some(processes.flatten().any(|process| {
            let process = process.path();
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            name.starts_with("git")
                && !input::is_of_others(&process)
                && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&here))
        }))
    }

    /// Whether the command succeeds; its output is ignored.
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

    /// Like [`run`](Self::run), with `input` on stdin.
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
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let mut said = Vec::new();
        let output = std::thread::scope(|scope| {
            // In separate threads, so that a child that writes while it reads can't block
            // both. A child that ends early closes the pipe; its status says why.
            scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
            // A remote can send any amount of text.
            scope.spawn(|| {
                let mut pipe = stderr?;
                (&mut pipe).take(LONGEST_SAID).read_to_end(&mut said).ok()?;
                io::copy(&mut pipe, &mut io::sink()).ok()
            });
            child.wait_with_output()
        })
        .context(|| "cannot read git's output".into())?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&said);
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
        for line in said.clone().take(SHOWN) {
            failure = failure.because(line);
        }
        let more = said.count().saturating_sub(SHOWN);
        if more > 0 {
            failure = failure.because(&format!("({more} more lines)"));
        }
        Err(failure)
    }
}

/// The whole configuration of a repository.
fn configuration(url: &str, is_sha256: bool) -> Result<String, Failure> {
    if url.chars().any(char::is_control) {
        return Err(Failure::usage("--url: holds control characters"));
    }
    let url = url.replace('\\', "\\\\").replace('"', "\\\"");
    let (version, extensions) = if is_sha256 {
        (1, "[extensions]\n\tobjectFormat = sha256\n")
    } else {
        (0, "")
    };
    // The archive's files are already compressed, and line endings must not be converted. A
    // connection that stalls for a minute is closed, and the next call continues.
    Ok(format!(
        "[core]\n\trepositoryFormatVersion = {version}\n\tbare = false\n\tfileMode = false\n\
         \tlogAllRefUpdates = true\n\tautocrlf = false\n{extensions}\
         [remote \"origin\"]\n\turl = \"{url}\"\n\tpromisor = true\n\
         \tpartialCloneFilter = blob:none\n\
         [http]\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 60\n{MADE_HERE}"
    ))
}

/// Whether this is the full id of an object.
pub(crate) fn is_id(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).map_or(true, |mut listing| listing.next().is_none())
}

/// Removes everything below a directory that is neither a file nor a directory, and what git
/// had not finished.
fn only_files(directory: &Path) -> io::Result<()> {
    let listing = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listing => listing?,
    };
    for item in listing {
        let item = item?;
        let (path, kind) = (item.path(), item.file_type()?);
        let is_part = item.file_name().as_encoded_bytes().starts_with(b"tmp_");
        if kind.is_dir() {
            only_files(&path)?;
        } else if !kind.is_file() || is_part {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a file, a link or a directory, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
