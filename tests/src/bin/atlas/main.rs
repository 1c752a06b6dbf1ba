//! The size of an atlas, its cost and its savings, compared with the archive.
//!
//! ```text
//! cargo build -p btfhub-tests --bin atlas            # as build scripts are compiled
//! cargo build -p btfhub-tests --bin atlas --release
//! BTFHUB_SHARED=DIR target/release/atlas [--rounds N] [--derived N] [sizes|costs|derived]
//! ```
//!
//! Sizes are for the real archives. Costs are the CPU time of separate processes with one job, run
//! one after another in each round, and the median of the rounds; ratios are taken within a round.
//! Without a last argument, all three tables are printed.

mod costs;
mod derived;
mod sizes;
mod work;

use std::path::{Path, PathBuf};

use btfhub_build::btf::Btf;
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, member};
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::kernels::entries;
use btfhub_tests::large;
use btfhub_tests::shared::{scratch, shared};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "work") {
        return work::work(&arguments[1..]);
    }
    let Some(shared) = shared() else { return };
    let number = |flag: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == flag);
        let value = at.and_then(|at| arguments.get(at + 1));
        value.map_or(default, |value| value.parse().expect("a number"))
    };
    let (rounds, derived) = (number("--rounds", 3), number("--derived", 5000));
    let all = ["sizes", "costs", "derived"];
    let only: Vec<&str> = (all.into_iter())
        .filter(|table| arguments.iter().any(|argument| argument == table))
        .collect();
    let wanted = |table| only.is_empty() || only.contains(&table);
    if wanted("sizes") {
        for archive in ["archive", "archive-android"] {
            sizes::measure(&shared.join(archive));
        }
    }
    if wanted("costs") {
        costs::measure(&shared.join("archive"), rounds);
    }
    if wanted("derived") {
        derived::measure(&shared.join("archive"), derived, rounds);
    }
}

/// The objects of a program, and an additional relocation.
struct Objects {
    name: &'static str,
    objects: PathBuf,
    added: PathBuf,
}

/// A small program, and a large one if there is a compiler.
fn objects(archive: &Path) -> Vec<Objects> {
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/execwatch/src/execwatch.bpf.o"
    );
    let added = scratch("atlas").join("added.bpf.o");
    std::fs::write(&added, one_relocation()).expect("an object");
    let with = |name, objects: &Path| Objects {
        name,
        objects: objects.to_owned(),
        added: added.clone(),
    };
    let mut all = vec![with("execwatch", Path::new(example))];
    let kernels = entries(archive);
    let kernel = kernels.iter().find(|entry| entry.name.contains("x86_64"));
    let kernel = kernel.expect("an x86_64 kernel").btf();
    if let Some(object) = large::object(&Btf::parse(&kernel).expect("a BTF")) {
        let path = scratch("atlas").join(&object.name);
        std::fs::write(&path, &object.elf).expect("an object");
        all.push(with("large", &path));
    }
    all
}

/// An object with a relocation for the offset of `utime` in `task_struct`.
fn one_relocation() -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let long = btf.int("unsigned long long", 8, 0);
    let int = btf.int("int", 4, INT_SIGNED);
    let members = [member("on_cpu", int, 0), member("utime", long, 8)];
    let task = btf.structure("task_struct", 16, &members);
    let relo = Relo {
        program: 0,
        type_id: task,
        access: "0:1".to_owned(),
        kind: 0,
    };
    elf_builder::object(&btf, &[relo], false)
}
