//! Processes and what they cost.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// One process: seconds of CPU (user and system) and of the clock, and peak
/// memory in MiB.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
    pub(crate) peak: f64,
}

/// Runs a command, which must succeed.
// `wait4` waits, and tells more than `wait` does.
#[expect(clippy::zombie_processes)]
pub(crate) fn run(command: &mut Command) -> Cost {
    let started = Instant::now();
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a process");
    let pid = i32::try_from(child.id()).expect("a pid");
    let mut status = 0;
    // SAFETY: plain integers, zero is a value of all of them.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals of the right types.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert!(waited == pid && status == 0, "{command:?} failed");
    Cost {
        cpu: cpu(&usage),
        wall: started.elapsed().as_secs_f64(),
        peak: usage.ru_maxrss as f64 / 1024.0,
    }
}

/// Seconds of CPU that this process has taken.
pub(crate) fn own_cpu() -> f64 {
    // SAFETY: plain integers, zero is a value of all of them.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local of the right type.
    let got = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(got, 0);
    cpu(&usage)
}

fn cpu(usage: &libc::rusage) -> f64 {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// This program, optimised, and the one that is not, as build scripts are.
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

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
