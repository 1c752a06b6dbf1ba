//! The example agents, built as the README builds them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::project::{Said, clear_environment, workspace};
use crate::shared::scratch;

/// Which of the two agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// execwatch-aya.
    Aya,
    /// execwatch-libbpf.
    Libbpf,
}

impl Loader {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Aya, Self::Libbpf];

    /// The package's name, which is also the program's.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Aya => "execwatch-aya",
            Self::Libbpf => "execwatch-libbpf",
        }
    }
}

/// A cargo command in the repository, with a separate target directory for the agents, so that
/// developers don't get what a test embeds in them.
#[must_use]
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    clear_environment(&mut command);
    command
        .current_dir(workspace())
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TARGET_DIR", scratch("agents"))
        .args(args);
    command
}

/// Builds an agent with BTF from `archives`, or from the example's own archive if there are none,
/// and copies the program into `dir`. `extra` are more arguments of cargo build.
///
/// # Panics
/// If it can't be built.
pub fn build(loader: Loader, archives: &[&Path], extra: &[&str], dir: &Path) -> PathBuf {
    // The next build, with another archive, overwrites the program.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let mut command = cargo(&[
        "build",
        "--message-format=json-render-diagnostics",
        "-p",
        loader.package(),
    ]);
    command.args(extra);
    if !archives.is_empty() {
        let archives = std::env::join_paths(archives).expect("no colon in a path");
        command.env("BTFHUB_ARCHIVE", archives);
    }
    let said = Said::of(&command.output().expect("cargo")).ok();
    let built = executable(&said.stdout, loader.package()).expect("the program's path");
    let program = dir.join(loader.package());
    fs::copy(built, &program).expect("a copy of the program");
    program
}

/// The path that cargo's messages name for the program.
fn executable(messages: &str, package: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| Some(line.split_once("\"executable\":\"")?.1.split_once('"')?.0))
        .map(PathBuf::from)
        .find(|path| path.file_name().is_some_and(|name| name == package))
}
