//! Test cases with limits of memory and CPU time that the system enforces.
//!
//! Each runs the same test binary in a process of its own, under `ulimit`. A case that hangs,
//! recurses endlessly or allocates what a file merely announces is killed, which fails it. The
//! limits don't measure anything: they are far above what any case takes, and far below what an
//! unbounded one would take.

use std::process::Command;

/// Address space of a case: several times the largest entry that is read.
const MEMORY_KIB: u32 = 3 << 20;
/// CPU seconds of a case, enough for an unoptimised build on a busy machine.
const SECONDS: u32 = 240;

/// Runs the case of a test, given by its path, in a process of its own within the limits.
///
/// # Panics
/// If it fails or is killed.
pub fn within_limits(test: &str, case: impl FnOnce()) {
    // The test harness omits the crate's name.
    let test = test.split_once("::").map_or(test, |(_, path)| path);
    if std::env::var_os("BTFHUB_ADVERSARIAL_CASE").is_some_and(|name| *name == *test) {
        return case();
    }
    let limited = format!("ulimit -v {MEMORY_KIB}; ulimit -t {SECONDS}; exec \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limited, "sh"])
        .arg(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture"])
        .env("BTFHUB_ADVERSARIAL_CASE", test)
        .output()
        .expect("sh");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Defines tests that run within the limits.
#[macro_export]
macro_rules! cases {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            $crate::limits::within_limits(
                concat!(module_path!(), "::", stringify!($name)),
                || $body,
            );
        }
    )*};
}
