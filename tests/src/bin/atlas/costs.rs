//! The cost of building and tailoring, from the archive, its atlas, and the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_build::archive::Archive;
use btfhub_build::atlas::{AtlasBuilder, Effort};
use btfhub_tests::cost::{Cost, median, run};
use btfhub_tests::shared::scratch;

use crate::{Objects, objects};

/// A contestant: a name, the preparation, and what is timed.
pub(crate) struct Contestant<'a> {
    pub(crate) name: String,
    pub(crate) prepare: Box<dyn Fn() + 'a>,
    pub(crate) command: Box<dyn Fn() -> Command + 'a>,
}

pub(crate) fn measure(root: &Path, rounds: usize) {
    let dir = scratch("atlas");
    let file = dir.join("archive.atlas");
    let archive = Archive::scan(root).expect("an archive");
    let built = AtlasBuilder::new()
        .effort(Effort::Best)
        .build(archive.entries(), |_, _| ())
        .expect("an atlas");
    std::fs::write(&file, built.file).expect("a file");
    let objects = objects(root);
    for (level, program) in programs() {
        println!(
            "\n{} kernels, {level}, 1 job; medians of {rounds} rounds",
            archive.entries().len()
        );
        let worker = |arguments: Vec<PathBuf>| {
            let program = program.clone();
            move || {
                let mut command = Command::new(&program);
                command.arg("work").args(&arguments);
                command
            }
        };
        let plain = |name: &str, arguments: &[&str]| Contestant {
            name: name.to_owned(),
            prepare: Box::new(|| ()),
            command: Box::new(worker(
                (arguments[..1].iter().map(PathBuf::from))
                    .chain([root.to_owned()])
                    .chain(arguments[1..].iter().map(PathBuf::from))
                    .collect(),
            )),
        };
        let mut contestants = vec![
            plain("decode", &["decode"]),
            plain("atlas build --fast", &["build", "fast"]),
            plain("atlas build", &["build", "best"]),
        ];
        for program in &objects {
            contestants.extend(ways(&dir, root, &file, program, &worker));
        }
        compare(&contestants, rounds);
        for program in &objects {
            same_bytes(&dir, program);
        }
    }
}

/// This program at each optimisation level at which it was built.
pub(crate) fn programs() -> Vec<(&'static str, PathBuf)> {
    let this = std::env::current_exe().expect("this program");
    let target = this.parent().and_then(Path::parent).expect("a directory");
    let levels = [("optimised", "release"), ("opt-level 0", "debug")];
    let programs = levels.map(|(level, profile)| (level, target.join(profile).join("atlas")));
    let there = programs.into_iter().filter(|(level, program)| {
        let is_there = program.exists();
        if !is_there {
            println!("{level}: {} is not built", program.display());
        }
        is_there
    });
    there.collect()
}

/// All the ways to one bundle.
fn ways<'a, F: Fn() -> Command + 'a>(
    dir: &'a Path,
    root: &'a Path,
    atlas: &'a Path,
    program: &'a Objects,
    worker: &dyn Fn(Vec<PathBuf>) -> F,
) -> Vec<Contestant<'a>> {
    let name = program.name;
    let way = |way: &str, inputs: &[(&str, &Path)], objects: &[&'a Path]| {
        let mut arguments: Vec<PathBuf> = vec!["bundle".into(), bundle(dir, name, way)];
        for (input, path) in inputs {
            arguments.extend([PathBuf::from(input), path.to_path_buf()]);
        }
        for object in objects {
            arguments.extend(["object".into(), object.to_path_buf()]);
        }
        worker(arguments)
    };
    let before = [program.objects.as_path()];
    let after = [program.objects.as_path(), program.added.as_path()];
    // What a cold build leaves, and what each build finds.
    let (filled, cache) = (
        dir.join(format!("filled-{name}")),
        dir.join(format!("cache-{name}")),
    );
    let (of_archive, cached) = (("archive", root), ("cache", cache.as_path()));
    let named = |way: &str| format!("{name}: {way}");
    let empty = {
        let cache = cache.clone();
        move || drop(std::fs::remove_dir_all(&cache))
    };
    let restore = {
        let (filled, cache, empty) = (filled, cache.clone(), empty.clone());
        move || {
            if !filled.exists() {
                copy(&cache, &filled);
            }
            empty();
            copy(&filled, &cache);
        }
    };
    drop(std::fs::remove_dir_all(dir.join(format!("filled-{name}"))));
    vec![
        Contestant {
            name: named("from the archive"),
            prepare: Box::new(|| ()),
            command: Box::new(way("archive", &[of_archive], &after)),
        },
        Contestant {
            name: named("cold, filling the cache"),
            prepare: Box::new(empty),
            command: Box::new(way("cold", &[of_archive, cached], &before)),
        },
        Contestant {
            name: named("nothing changed"),
            prepare: Box::new(restore.clone()),
            command: Box::new(way("cold", &[of_archive, cached], &before)),
        },
        Contestant {
            name: named("one relocation more"),
            prepare: Box::new(restore),
            command: Box::new(way("cache", &[of_archive, cached], &after)),
        },
        Contestant {
            name: named("from an atlas of the user's"),
            prepare: Box::new(|| ()),
            command: Box::new(way("atlas", &[("atlas", atlas)], &after)),
        },
    ]
}

fn bundle(dir: &Path, program: &str, way: &str) -> PathBuf {
    dir.join(format!("{program}-{way}.btfhub"))
}

/// Checks that all ways gave the same bundle.
fn same_bytes(dir: &Path, program: &Objects) {
    let [archive, cache, atlas] = ["archive", "cache", "atlas"]
        .map(|way| std::fs::read(bundle(dir, program.name, way)).expect("a bundle"));
    // The provenance of an unpinned atlas has a different digest.
    let same = |other: &[u8]| {
        if archive == other {
            "the same"
        } else {
            "DIFFERENT"
        }
    };
    println!(
        "{}: bundle of {} bytes from the archive; from the cache {}; from an atlas {}",
        program.name,
        archive.len(),
        same(&cache),
        same(&atlas)
    );
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp");
}

/// Runs all in turn, and prints their costs relative to the first.
pub(crate) fn compare(contestants: &[Contestant<'_>], rounds: usize) {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for (contestant, costs) in contestants.iter().zip(&mut costs) {
            (contestant.prepare)();
            costs.push(run(&mut (contestant.command)()));
        }
    }
    let first = costs.first().cloned().unwrap_or_default();
    let unit = contestants.first().map_or("", |first| &first.name);
    println!(
        "{:<40} {:>8} {:>8} {:>8}  × {unit}",
        "", "CPU s", "wall s", "MiB"
    );
    for (contestant, costs) in contestants.iter().zip(&costs) {
        let of = |pick: fn(&Cost) -> f64| median(costs.iter().map(pick));
        let ratio = median(
            costs
                .iter()
                .zip(&first)
                .map(|(cost, unit)| cost.cpu / unit.cpu),
        );
        println!(
            "{:<40} {:>8.3} {:>8.3} {:>8.0} {ratio:>8.3}",
            contestant.name,
            of(|cost| cost.cpu),
            of(|cost| cost.wall),
            of(|cost| cost.peak)
        );
    }
}
