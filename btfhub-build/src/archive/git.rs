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

use crate::error::{Error, ErrorKind, shell_word};

/// A git checkout that holds an archive, as a whole or as one of its folders.
#[derive(Debug)]
pub(crate) struct Checkout {
    root: PathBuf,
    /// Where the archive is below the checkout's top level; empty when it is
    /// the top level. Ends with `/` otherwise.
    prefix: OsString,
}

/// What git knows of the files of an archive.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    pub(crate) looked_at: BTreeSet<PathBuf>,
    /// Those that it was told to take as unchanged (`git update-index
    /// --assume-unchanged`, `--skip-worktree`): there they may be anything.
    pub(crate) trusted: BTreeSet<PathBuf>,
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
    pub(crate) fn tracked(&self) -> Result<Tracked, Error> {
        let arguments = ["ls-files", "-v", "-z", "--", "."];
        let out = run(&self.root, &arguments.map(OsStr::new))?;
        let mut tracked = Tracked::default();
        for line in out.split(|byte| *byte == 0) {
            let (Some(tag), Some(name)) = (line.first(), line.get(2..)) else {
                continue;
            };
            let name = PathBuf::from(OsStr::from_bytes(name));
            match tag {
                b'H' => tracked.looked_at.insert(name),
                b'S' | b'a'..=b'z' => tracked.trusted.insert(name),
                // Of an unfinished merge: no commit has it.
                _ => continue,
            };
        }
        Ok(tracked)
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

    /// What changes whenever HEAD moves: the file that git appends to then.
    /// HEAD itself stays as it is on a commit. Where git keeps no such log
    /// (`core.logAllRefUpdates=false`, the reftable format) what holds HEAD and
    /// the branches.
    pub(crate) fn moves_with_head(&self) -> Vec<PathBuf> {
        let there = |name: &str| {
            let arguments = ["rev-parse", "--path-format=absolute", "--git-path", name];
            let out = run(&self.root, &arguments.map(OsStr::new)).ok()?;
            Some(PathBuf::from(OsString::from_vec(line(out)))).filter(|path| path.exists())
        };
        match there("logs/HEAD") {
            Some(log) => vec![log],
            None => ["HEAD", "packed-refs", "refs/heads", "reftable"]
                .into_iter()
                .filter_map(there)
                .collect(),
        }
    }
}

/// What git says where a lazy or damaged clone lacks something.
const LACKS_OBJECTS: [&str; 5] = [
    "lazy fetching disabled",
    "promisor remote",
    "bad object",
    "bad tree object",
    "unable to read tree",
];

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
        if name.as_bytes().starts_with(b"GIT_") && !says_what_is_trusted(&name) {
            git.env_remove(name);
        }
    }
    // A lazy clone answers from what it has, also where git is too old to know
    // the first of these; a commit is what its id says, whatever replaces it;
    // no lock is taken to refresh stat information; messages are what `explain`
    // knows.
    git.env("GIT_NO_LAZY_FETCH", "1");
    git.env("GIT_ALLOW_PROTOCOL", "");
    git.env("GIT_NO_REPLACE_OBJECTS", "1");
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

/// Whether a variable says where git's configuration is, in which a user may
/// trust the checkout of another (`safe.directory`), or how far a checkout
/// reaches. None of them names another repository.
fn says_what_is_trusted(name: &OsStr) -> bool {
    const CONFIGURATION: [&str; 7] = [
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_COUNT",
        "GIT_CEILING_DIRECTORIES",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    ];
    let numbered = ["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];
    CONFIGURATION.iter().any(|known| name == *known)
        || numbered
            .iter()
            .any(|start| name.as_bytes().starts_with(start.as_bytes()))
}

fn explain(root: &Path, out: &Output) -> Error {
    let said = String::from_utf8_lossy(&out.stderr);
    let real = root.canonicalize().unwrap_or(root.to_owned());
    let root = root.display();
    let message = format!("git cannot read the archive {root}");
    let error = Error::new(ErrorKind::Pin, message).because(said.trim().to_owned());
    if said.contains("dubious ownership") {
        error.help(format!(
            "another user owns the checkout, as is usual for a directory mounted into a \
             container; `git config --global --add safe.directory {}` trusts it",
            shell_word(real.display())
        ))
    } else if said.contains("not a git repository") {
        error.help(
            "only a git checkout has a commit; pin a plain folder with a lock file \
             (`cargo btfhub lock`)",
        )
    } else if LACKS_OBJECTS.iter().any(|sign| said.contains(sign)) {
        error.help(format!(
            "the clone lacks objects that its commit names, and a build fetches nothing; `git -C \
             {} checkout HEAD` fetches what it needs",
            shell_word(root)
        ))
    } else {
        error
    }
}
