//! From scratch: the whole archive, and its largest entry alone.
//!
//! Every figure is the CPU time (user and system) of a separate process; the processes of a round
//! run one after another. Figures are medians of the rounds; ratios are taken within a round.
//! `decode` only decodes every entry: the floor. `bpftool` is the way of shell scripts: unpack each
//! entry, tailor it with `bpftool gen min_core_btf`. A pin applies to all except these two.

use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_build::archive::{self, Archive};
use btfhub_build::btf::Btf;
use btfhub_tests::cost::{Cost, median, run};
use btfhub_tests::{large, shared};

use crate::process::programs;
use crate::work::Work;
use crate::{derived, number, value};

/// A contestant: a name, how to run it, and the number of the contestant that it is compared with.
struct Contestant {
    name: String,
    command: Box<dyn Fn() -> Command>,
    base: usize,
}

pub(crate) fn compare(arguments: &[String]) {
    let rounds = number(arguments, "--rounds").unwrap_or(3);
    let real = || {
        shared::shared()
            .expect("BTFHUB_SHARED or --archive")
            .join("archive")
    };
    let archive = match (
        value(arguments, "--archive"),
        number(arguments, "--derived"),
    ) {
        (Some(archive), _) => PathBuf::from(archive),
        (None, Some(count)) => derived::archive(&real(), count),
        (None, None) => real(),
    };
    let scan = Archive::scan(&archive).expect("an archive");
    let kernels = scan.entries().len();
    let objects = objects(&scan);
    let mut contestants = contestants(&scan, &objects, value(arguments, "--pin"));
    if let Some(wanted) = value(arguments, "--lines") {
        let wanted: Vec<usize> = (wanted.split(','))
            .map(|line| line.parse().expect("the number of a line"))
            .collect();
        contestants = keep(contestants, &wanted);
    }

    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for (contestant, costs) in contestants.iter().zip(&mut costs) {
            costs.push(run(&mut (contestant.command)()));
        }
    }
    println!("{kernels} kernels, medians of {rounds} rounds");
    println!(
        "{:<44} {:>8} {:>8} {:>9} {:>6} {:>6}",
        "", "CPU s", "wall s", "ms/kernel", "ratio", "MiB"
    );
    for (contestant, of_it) in contestants.iter().zip(&costs) {
        let of = |pick: &dyn Fn(&Cost) -> f64| median(of_it.iter().map(pick));
        let cpu = of(&|cost| cost.cpu);
        let ratios = of_it.iter().zip(&costs[contestant.base]);
        let ratio = median(ratios.map(|(cost, base)| cost.cpu / base.cpu));
        println!(
            "{:<44} {cpu:>8.2} {:>8.2} {:>9.1} {ratio:>6.2} {:>6.0}",
            contestant.name,
            of(&|cost| cost.wall),
            cpu * 1000.0 / kernels as f64,
            of(&|cost| cost.peak),
        );
    }
    println!(
        "ratio: of CPU, to decoding the same with as many jobs, optimised; of the last lines, \
         bpftool's: ours in its place"
    );
}

fn contestants(scan: &Archive, objects: &[PathBuf], pin: Option<&str>) -> Vec<Contestant> {
    let root = scan.root();
    let largest = scan
        .entries()
        .iter()
        .max_by_key(|entry| entry.size())
        .expect("an entry");
    let largest = largest.kernel().to_string();
    let programs = programs();
    let mut list: Vec<Contestant> = Vec::new();
    let mut ours = vec![0; objects.len()];
    // The whole archive with 1 and 2 jobs, then one entry.
    for (jobs, include, what) in [(1, "*", "all"), (2, "*", "all"), (1, &largest, "largest")] {
        let base = list.len();
        for (build, program) in &programs {
            let every = [None].into_iter().chain(objects.iter().map(Some));
            for (number, object) in every.enumerate() {
                let mut work = Work::new(root, object.map(PathBuf::as_path));
                (work.jobs, work.include) = (jobs, include.to_owned());
                work.pin = pin.map(str::to_owned);
                let doing = object.map_or("decode".to_owned(), |object| stem(object));
                if let (1.., 1, "*", "optimised") = (number, jobs, include, *build) {
                    ours[number - 1] = list.len();
                }
                let program = program.clone();
                list.push(Contestant {
                    name: format!("{what}: {doing}, {jobs} job{}, {build}", plural(jobs)),
                    command: Box::new(move || work.command(&program)),
                    base,
                });
            }
        }
    }
    if shared::has_tool("bpftool") {
        for (object, ours) in objects.iter().zip(ours) {
            list.push(bpftool(root, object, ours));
        }
    }
    list
}

/// Some contestants, by number from 1; each must include the one that it is compared with.
fn keep(contestants: Vec<Contestant>, wanted: &[usize]) -> Vec<Contestant> {
    let place = |at: usize| wanted.iter().position(|line| *line == at + 1);
    let mut kept: Vec<(usize, Contestant)> = (contestants.into_iter().enumerate())
        .filter_map(|(at, contestant)| {
            let base = place(contestant.base);
            let base = || base.expect("the line that it is compared with");
            place(at).map(|place| {
                (
                    place,
                    Contestant {
                        base: base(),
                        ..contestant
                    },
                )
            })
        })
        .collect();
    kept.sort_by_key(|(place, _)| *place);
    kept.into_iter().map(|(_, contestant)| contestant).collect()
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A small object and a large one.
fn objects(scan: &Archive) -> Vec<PathBuf> {
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

/// Compared with ours.
fn bpftool(archive: &Path, object: &Path, ours: usize) -> Contestant {
    let (archive, object) = (archive.to_owned(), object.to_owned());
    let name = format!("tar xJ | bpftool, {}", stem(&object));
    let scratch = shared::scratch("speed/bpftool");
    // An undeduplicated kernel or an ambiguous relocation makes bpftool fail.
    let script = "find \"$1\" -name '*.tar.xz' | while read -r entry; do \
                  tar xJOf \"$entry\" > \"$3/full\" && \
                  bpftool gen min_core_btf \"$3/full\" \"$3/min\" \"$2\" 2>/dev/null || :; done";
    Contestant {
        name,
        command: Box::new(move || {
            let mut command = Command::new("sh");
            command
                .args(["-c", script, "sh"])
                .args([&archive, &object, &scratch]);
            command
        }),
        base: ours,
    }
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}
