//! The cost of a build in which nothing changed.

use std::path::Path;
use std::time::Instant;

use btfhub_build::archive::{Archive, Lock};
use btfhub_tests::app;
use btfhub_tests::cost::{median, own_cpu, run};
use btfhub_tests::git::git;

use crate::process::programs;
use crate::work::Work;
use crate::{derived, number};

const ROUNDS: usize = 7;

pub(crate) fn measure(arguments: &[String]) {
    let count = number(arguments, "--kernels").unwrap_or(5000);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("archive");
    derived::names_only(&root, count);
    let object = directory.path().join("probe.o");
    std::fs::write(&object, app::object(&["pid"])).expect("an object");
    let scan = Archive::scan(&root).expect("an archive");
    let lock = directory.path().join("lock");
    let one = std::num::NonZeroUsize::MIN;
    Lock::of(&scan, one, |_| true)
        .and_then(|of| of.write_to(&lock))
        .expect("a lock");
    git(&root, &["init", "-q", "-b", "main"]);
    git(&root, &["add", "."]);
    git(&root, &["commit", "-q", "-m", "kernels"]);
    let head = git(&root, &["rev-parse", "HEAD"]);
    // Files that changed just now are not trusted to stay the same.
    std::thread::sleep(std::time::Duration::from_secs(5));

    println!("{count} kernels, nothing changed; medians of {ROUNDS}");
    let scans: Vec<(f64, f64)> = (0..ROUNDS).map(|_| scan_time(&root)).collect();
    row("scan alone", &scans);
    let pins = [
        ("no pin", None),
        ("lock file", Some(format!("lock:{}", lock.display()))),
        ("commit", Some(head)),
    ];
    for (build, program) in programs() {
        for (what, pin) in &pins {
            let mut work = Work::new(&root, Some(&object));
            work.pin.clone_from(pin);
            work.cache = Some(directory.path().join(format!("cache {build} {what}")));
            let _cold = run(&mut work.command(&program));
            let warm = (0..ROUNDS).map(|_| run(&mut work.command(&program)));
            let warm: Vec<(f64, f64)> =
                warm.map(|cost| (cost.wall * 1e3, cost.cpu * 1e3)).collect();
            let name = format!("whole build, {what}, {build}");
            row(&name, &warm);
        }
    }
}

/// Medians of milliseconds of the clock and of CPU.
fn row(name: &str, times: &[(f64, f64)]) {
    let wall = median(times.iter().map(|(wall, _)| *wall));
    let cpu = median(times.iter().map(|(_, cpu)| *cpu));
    println!("{name:<44} {wall:>8.1} ms of the clock, {cpu:>6.1} of CPU");
}

/// Milliseconds of the clock and of CPU.
fn scan_time(root: &Path) -> (f64, f64) {
    let (from, cpu) = (Instant::now(), own_cpu());
    let scan = Archive::scan(root).expect("an archive");
    assert!(!scan.entries().is_empty());
    let cpu = own_cpu() - cpu;
    (from.elapsed().as_secs_f64() * 1e3, cpu * 1e3)
}
