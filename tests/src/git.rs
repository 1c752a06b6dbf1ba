//! git, independent of the user's configuration.

use std::path::Path;
use std::process::Command;

/// Whether this git can make a repository with these options of `git init`: Debian 12's
/// (2.39), for instance, has no `--ref-format`.
///
/// # Panics
/// If there is no git, or no temporary directory can be made.
#[must_use]
pub fn can_init(options: &[&str]) -> bool {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let made = Command::new("git")
        .args(["init", "-q"])
        .args(options)
        .arg(directory.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git");
    if !made.status.success() {
        println!("skipped: this git has no `git init {}`", options.join(" "));
    }
    made.status.success()
}

/// Runs git in a directory and returns its output without the newline.
///
/// # Panics
/// If it fails.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            git.env_remove(name);
        }
    }
    let out = git
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z")
        .env("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .output()
        .expect("git");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "git {arguments:?}: {said}");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}
