//! Real data and tools that a machine may lack.
//!
//! Without them, a test is skipped and says why; with `BTFHUB_REQUIRE`, as in CI, it fails.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Says why a test can't run here, or fails if it must.
///
/// # Panics
/// If `BTFHUB_REQUIRE` is set.
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("BTFHUB_REQUIRE").is_none(),
        "BTFHUB_REQUIRE is set, but {reason}"
    );
    println!("skipped: {reason}");
}

/// The directory with the real archive, from `BTFHUB_SHARED`.
///
/// # Panics
/// If it is not set but must be.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let dir = std::env::var_os("BTFHUB_SHARED").map(PathBuf::from);
    if dir.is_none() {
        skip("BTFHUB_SHARED does not name the directory with archive/");
    }
    dir
}

/// Whether a tool answers to `--version`, or to `-v` as poppler's do.
///
/// # Panics
/// If it does not but must.
#[must_use]
pub fn has_tool(tool: &str) -> bool {
    let found = ["--version", "-v"].iter().any(|version| {
        let answer = Command::new(tool).arg(version).output();
        answer.is_ok_and(|out| out.status.success())
    });
    if !found {
        skip(&format!("`{tool}` is not installed"));
    }
    found
}

/// Locked while something is prepared in a [`scratch`] directory: the tests of one program run in
/// parallel.
pub fn preparing() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory below the workspace's target directory, for what tests prepare once and reuse.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn scratch(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let dir = target.join("btfhub-tests").join(name);
    std::fs::create_dir_all(&dir).expect("a directory for test data");
    dir
}
