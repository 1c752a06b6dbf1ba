//! What git says of an archive's checkout.
//!
//! git itself is asked, so that worktrees, submodules, sparse and shallow
//! checkouts and whatever comes next are read by those who know them. It must
//! not be misled by the environment of the build, fetch anything, or write.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::error::{Error, ErrorKind};

/// A git checkout that holds an archive, as a whole or as one of its folders.
#[derive(Debug)]
pub(crate) struct Checkout {
    root: PathBuf,
    /// Where the archive is below the checkout's top level; empty when it is
    /// the top level. Ends with `/` otherwise.
    prefix: OsString,
}

impl Checkout {
    /// The checkout that `root` lies in.
    ///
    /// # Errors
    /// When git is missing, refuses, or knows no checkout there.
    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        let out = run(root, &["rev-parse", "--show-prefix"].map(OsStr::new))?;
        Ok(Self {
            root: root.to_owned(),
            prefix: OsString::from_vec(line(out)),
        })
    }

    /// Whether the archive is the whole checkout.
    pub(crate) fn is_whole(&self) -> bool {
        self.prefix.is_empty()
    }

    /// The commit that is checked out.
    pub(crate) fn head(&self) -> Result<String, Error> {
        self.parse("HEAD^{commit}".as_ref())
    }

    /// The hash of the archive's folder in the commit that is checked out.
    pub(crate) fn tree(&self) -> Result<String, Error> {
        if self.is_whole() {
            return self.parse("HEAD^{tree}".as_ref());
        }
        let mut folder = OsString::from("HEAD:");
        folder.push(&self.prefix);
        self.parse(&folder)
    }

    fn parse(&self, revision: &OsStr) -> Result<String, Error> {
        let options = ["rev-parse", "--verify", "--end-of-options"].map(OsStr::new);
        let out = run(&self.root, &[&options[..], &[revision]].concat())?;
        Ok(String::from_utf8_lossy(&line(out)).into_owned())
    }

    /// The files of the archive that git knows, below the archive's root.
    pub(crate) fn tracked(&self) -> Result<BTreeSet<PathBuf>, Error> {
        let out = run(&self.root, &["ls-files", "-z", "--", "."].map(OsStr::new))?;
        let names = out.split(|byte| *byte == 0);
        Ok(names
            .map(|name| PathBuf::from(OsStr::from_bytes(name)))
            .collect())
    }

    /// The files of the archive that differ from the commit, or are not in it,
    /// below the archive's root.
    pub(crate) fn changed(&self) -> Result<BTreeSet<PathBuf>, Error> {
        let arguments = [
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--ignored=traditional",
            "--ignore-submodules=all",
            "--",
            ".",
        ];
        let out = run(&self.root, &arguments.map(OsStr::new))?;
        Ok(out
            .split(|byte| *byte == 0)
            .filter_map(|line| line.get(3..))
            .filter_map(|path| path.strip_prefix(self.prefix.as_bytes()))
            .map(|path| PathBuf::from(OsStr::from_bytes(path)))
            .collect())
    }

    /// The file that git appends to whenever HEAD moves, where there is one.
    /// HEAD itself stays as it is on a commit.
    pub(crate) fn log_of_head(&self) -> Option<PathBuf> {
        let arguments = [
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "logs/HEAD",
        ];
        let out = run(&self.root, &arguments.map(OsStr::new)).ok()?;
        Some(PathBuf::from(OsString::from_vec(line(out)))).filter(|log| log.is_file())
    }
}

/// The output without the newline at its end.
fn line(mut out: Vec<u8>) -> Vec<u8> {
    if out.last() == Some(&b'\n') {
        out.pop();
    }
    out
}

fn run(root: &Path, arguments: &[&OsStr]) -> Result<Vec<u8>, Error> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root);
    // No helper process, and nothing but the commit decides what a file is.
    git.args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]);
    git.args(arguments);
    // Cargo may run under a git hook, whose GIT_DIR is another repository's.
    for (name, _) in std::env::vars_os() {
        if name.as_bytes().starts_with(b"GIT_") {
            git.env_remove(name);
        }
    }
    // A lazy clone answers from what it has; no lock is taken to refresh stat
    // information; messages are what `explain` knows.
    git.env("GIT_NO_LAZY_FETCH", "1");
    git.env("GIT_OPTIONAL_LOCKS", "0");
    git.env("GIT_TERMINAL_PROMPT", "0");
    git.env("LC_ALL", "C");
    match git.output() {
        Ok(out) if out.status.success() => Ok(out.stdout),
        Ok(out) => Err(explain(root, &out)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::new(
            ErrorKind::Pin,
            format!(
                "git is needed to compare the archive {} with its pin, and is not installed",
                root.display()
            ),
        )
        .help("install git, or pin with a lock file (`cargo btfhub lock`), which needs none")),
        Err(error) => Err(Error::new(ErrorKind::Pin, "cannot run git").because(error)),
    }
}

fn explain(root: &Path, out: &Output) -> Error {
    let said = String::from_utf8_lossy(&out.stderr);
    let root = root.display();
    let message = format!("git cannot read the archive {root}");
    let error = Error::new(ErrorKind::Pin, message).because(said.trim().to_owned());
    if said.contains("dubious ownership") {
        error.help(format!(
            "another user owns the checkout, as is usual for a directory mounted into a \
             container; `git config --global --add safe.directory {root}` trusts it"
        ))
    } else if said.contains("not a git repository") {
        error.help(
            "only a git checkout has a commit; pin a plain folder with a lock file \
             (`cargo btfhub lock`)",
        )
    } else if ["lazy fetching disabled", "bad object", "bad tree object"]
        .iter()
        .any(|sign| said.contains(sign))
    {
        error.help("the clone lacks objects that its commit names; fetch them with `git fetch`")
    } else {
        error
    }
}
