//! The cost of processes: CPU time, wall time and memory.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// The cost of one process.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Seconds of CPU, user and system.
    pub cpu: f64,
    /// Seconds of wall time.
    pub wall: f64,
    /// The most memory at once, in MiB.
    pub peak: f64,
}

/// Runs a process without output.
///
/// # Panics
/// If it fails.
// `wait4` also returns the process's usage, unlike `wait`.
#[expect(clippy::zombie_processes)]
pub fn run(command: &mut Command) -> Cost {
    let started = std::time::Instant::now();
    let child = command
        .stdout(Stdio::null())
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

/// Seconds of CPU that this process has used.
///
/// # Panics
/// If the system can't say.
#[must_use]
pub fn own_cpu() -> f64 {
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

/// The median.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
