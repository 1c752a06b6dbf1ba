//! How long tailoring a whole archive takes, beside what it can't be faster
//! than and what it replaces.
//!
//! ```text
//! cargo build -p btfhub-tests --bin speed            # as build scripts are compiled
//! cargo build -p btfhub-tests --bin speed --release
//! BTFHUB_SHARED=DIR target/release/speed [--rounds N] [--archive DIR]
//! ```
//!
//! Every figure is the CPU time (user and system) of a process of its own, all
//! of one round after each other, and the median of the rounds; ratios are
//! taken within a round. `decode` decodes every entry and does nothing else:
//! the floor. `bpftool` is the shell's way: unpack each entry, tailor it with
//! `bpftool gen min_core_btf`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use btfhub_build::Builder;
use btfhub_build::archive;
use btfhub_build::btf::Btf;
use btfhub_tests::{large, shared};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("work") => work(&arguments[1..]),
        _ => compare(&arguments),
    }
    ExitCode::SUCCESS
}

/// `work decode ARCHIVE JOBS`, `work tailor ARCHIVE JOBS OBJECT [CACHE]`: what is timed.
fn work(arguments: &[String]) {
    let [what, archive, jobs, rest @ ..] = arguments else {
        panic!("work WHAT ARCHIVE JOBS");
    };
    let jobs: NonZeroUsize = jobs.parse().expect("a number of jobs");
    match what.as_str() {
        "decode" => {
            let entries = archive::Archive::scan(Path::new(archive)).expect("an archive");
            let next = std::sync::atomic::AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..jobs.get() {
                    scope.spawn(|| {
                        loop {
                            let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            let Some(entry) = entries.entries().get(at) else {
                                break;
                            };
                            let bytes = std::fs::read(entry.file()).expect("an entry");
                            archive::decode(&bytes, archive::DEFAULT_LIMIT).expect("an entry");
                        }
                    });
                }
            });
        }
        "tailor" => {
            let mut builder = Builder::new()
                .archive(archive)
                .object(&rest[0])
                .on_bad_entry(btfhub_build::OnBadEntry::Fail)
                .jobs(jobs);
            if let Some(cache) = rest.get(1) {
                builder = builder.cache_dir(cache);
            }
            let generated = builder
                .generate()
                .unwrap_or_else(|error| panic!("{error:?}"));
            eprintln!(
                "{} kernels, {} classes, {} bytes, {} decoded",
                generated.kernels().len(),
                generated.class_count(),
                generated.bundle().len(),
                generated.decoded_entries()
            );
        }
        other => panic!("no work called {other}"),
    }
}

/// One process: CPU seconds and peak memory in MiB.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
    peak: f64,
}

// `wait4` waits, and tells more than `wait` does.
#[expect(clippy::zombie_processes)]
fn run(command: &mut Command) -> Cost {
    let started = std::time::Instant::now();
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
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cost {
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        wall: started.elapsed().as_secs_f64(),
        peak: usage.ru_maxrss as f64 / 1024.0,
    }
}

/// What is compared: a name, and how to run it.
struct Contestant {
    name: String,
    command: Box<dyn Fn() -> Command>,
}

fn compare(arguments: &[String]) {
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).cloned()
    };
    let rounds: usize = value("--rounds").map_or(3, |n| n.parse().expect("a number of rounds"));
    let archive = value("--archive").map_or_else(
        || {
            shared::shared()
                .expect("BTFHUB_SHARED or --archive")
                .join("archive")
        },
        PathBuf::from,
    );
    let this = std::env::current_exe().expect("this program");
    let other = this
        .parent()
        .and_then(Path::parent)
        .map(|target| target.join("debug/speed"))
        .filter(|path| path.exists());
    if other.is_none() {
        println!("no unoptimised build beside this one: `cargo build -p btfhub-tests --bin speed`");
    }
    let scan = archive::Archive::scan(&archive).expect("an archive");
    let kernels = scan.entries().len();
    let objects = objects(&scan);

    let mut contestants = Vec::new();
    let worker = |build: &str, program: &Path, what: &str, jobs: u32, object: Option<&Path>| {
        let (program, archive) = (program.to_owned(), archive.clone());
        let (what, object) = (what.to_owned(), object.map(Path::to_owned));
        let of = object
            .as_deref()
            .map_or(String::new(), |object| format!(" {}", stem(object)));
        Contestant {
            name: format!(
                "{what}{of}, {jobs} job{}, {build}",
                if jobs == 1 { "" } else { "s" }
            ),
            command: Box::new(move || {
                let mut command = Command::new(&program);
                command
                    .args(["work", &what])
                    .arg(&archive)
                    .arg(jobs.to_string());
                command.args(&object);
                command
            }),
        }
    };
    for jobs in [1, 2] {
        contestants.push(worker("optimised", &this, "decode", jobs, None));
        for object in &objects {
            contestants.push(worker("optimised", &this, "tailor", jobs, Some(object)));
        }
    }
    if let Some(other) = &other {
        contestants.push(worker("opt-level 0", other, "decode", 1, None));
        for object in &objects {
            contestants.push(worker("opt-level 0", other, "tailor", 1, Some(object)));
        }
    }
    if shared::has_tool("bpftool") {
        for object in &objects {
            contestants.push(bpftool(&archive, object));
        }
    }

    let mut costs: BTreeMap<usize, Vec<Cost>> = BTreeMap::new();
    for _ in 0..rounds {
        for (number, contestant) in contestants.iter().enumerate() {
            costs
                .entry(number)
                .or_default()
                .push(run(&mut (contestant.command)()));
        }
    }
    println!("{kernels} kernels, medians of {rounds} rounds; × decode: optimised, 1 job");
    println!(
        "{:<42} {:>8} {:>8} {:>9} {:>9} {:>8}",
        "", "CPU s", "wall s", "ms/kernel", "× decode", "MiB"
    );
    for (number, contestant) in contestants.iter().enumerate() {
        let of = |pick: &dyn Fn(&Cost) -> f64| median(costs[&number].iter().map(pick).collect());
        let cpu = of(&|cost| cost.cpu);
        let ratios = costs[&number].iter().zip(&costs[&0]);
        let ratio = median(ratios.map(|(cost, decode)| cost.cpu / decode.cpu).collect());
        println!(
            "{:<42} {cpu:>8.2} {:>8.2} {:>9.1} {ratio:>9.2} {:>8.0}",
            contestant.name,
            of(&|cost| cost.wall),
            cpu * 1000.0 / kernels as f64,
            of(&|cost| cost.peak),
        );
    }
}

/// A small object and a large one.
fn objects(scan: &archive::Archive) -> Vec<PathBuf> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut objects = vec![examples.join("execwatch/src/execwatch.bpf.o")];
    let entry = scan
        .entries()
        .iter()
        .find(|entry| entry.kernel().arch.as_str() == "x86_64");
    let bytes = std::fs::read(entry.expect("an x86_64 kernel").file()).expect("an entry");
    let decoded = archive::decode(&bytes, archive::DEFAULT_LIMIT).expect("an entry");
    let kernel = Btf::from_words(decoded.words, decoded.len).expect("a BTF");
    if let Some(object) = large::object(&kernel) {
        let path = shared::scratch("speed").join(&object.name);
        std::fs::write(&path, &object.elf).expect("the large object");
        objects.push(path);
    }
    objects
}

fn bpftool(archive: &Path, object: &Path) -> Contestant {
    let (archive, object) = (archive.to_owned(), object.to_owned());
    let name = format!("tar xJ | bpftool {}", stem(&object));
    let scratch = shared::scratch("speed/bpftool");
    // An undeduplicated kernel or an ambiguous relocation makes bpftool fail.
    let script = "find \"$1\" -name '*.tar.xz' | while read -r entry; do \
                  tar xJOf \"$entry\" > \"$3/full\" && \
                  bpftool gen min_core_btf \"$3/full\" \"$3/min\" \"$2\" || :; done";
    Contestant {
        name,
        command: Box::new(move || {
            let mut command = Command::new("sh");
            command
                .args(["-c", script, "sh"])
                .args([&archive, &object, &scratch]);
            command
        }),
    }
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
