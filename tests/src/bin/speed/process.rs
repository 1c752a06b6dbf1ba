//! The programs that are timed.

use std::path::{Path, PathBuf};

/// This program, optimised and unoptimised, as build scripts are.
pub(crate) fn programs() -> Vec<(&'static str, PathBuf)> {
    let this = std::env::current_exe().expect("this program");
    let target = this
        .parent()
        .and_then(Path::parent)
        .expect("a target directory")
        .to_owned();
    let of = |profile: &str| target.join(profile).join("speed");
    let both = [("optimised", of("release")), ("opt-level 0", of("debug"))];
    let (there, missing): (Vec<_>, Vec<_>) =
        both.into_iter().partition(|(_, program)| program.exists());
    for (build, program) in missing {
        println!("no {build} build at {}", program.display());
    }
    there
}
