//! The contract on everything available: our own programs, those of Debian's libbpf-tools and the
//! kernel's CO-RE selftests, on made-up and real kernels.
//!
//! `cargo test -p btfhub-tests --test relocation contract:: -- --nocapture` prints the table.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfhub_build::relo::{ReloKind, Relocations};
use btfhub_build::tailor::tailor;
use btfhub_tests::contract::{Kernel, Report, Subject, check, check_union};
use btfhub_tests::kernels::{Entry, entries};
use btfhub_tests::objects::{ObjectFile, libbpf_tools, objects_in, own_dir, selftests};
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::shared::shared;

/// A kernel's BTF, decoded once, when it is needed.
enum Source {
    MadeUp(ObjectFile),
    Real(Entry),
}

impl Source {
    fn kernel(&self) -> Result<Kernel, String> {
        match self {
            Self::MadeUp(object) => {
                let local = LocalObject::parse(&object.name, &object.elf)?;
                Kernel::parse(&object.name, &local.btf)
            }
            Self::Real(entry) => Kernel::parse(&entry.name, &entry.btf()),
        }
    }
}

#[derive(Default)]
struct Table {
    made_up: Report,
    real: Report,
    union: Report,
    pairs: usize,
}

#[test]
fn contract() {
    let selftests = selftests();
    let mut objects = objects_in(&own_dir(), ".bpf.o");
    objects.extend(libbpf_tools());
    objects.extend(selftests.programs);
    let subjects: Vec<Subject> = objects
        .iter()
        .filter_map(|o| Subject::open(&o.name, &o.elf).expect("both sides read it"))
        .collect();
    let all = Relocations::from_objects(subjects.iter().map(|s| &s.ours));

    let mut sources: Vec<Source> = Vec::new();
    if let Some(shared) = shared() {
        for archive in ["archive", "archive-android"] {
            sources.extend(entries(&shared.join(archive)).into_iter().map(Source::Real));
        }
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
    sources.extend(entries(&examples).into_iter().map(Source::Real));
    let real = sources.len();
    let made_up = objects_in(&own_dir(), ".btf.o").into_iter();
    sources.extend(made_up.chain(selftests.targets).map(Source::MadeUp));

    let table = Mutex::new(Table::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let kernel = source.kernel().expect("both sides read it");
                    let (alone, together) = one_kernel(&subjects, &all, &kernel);
                    let mut table = table.lock().expect("no panic");
                    table.pairs += subjects.len();
                    match source {
                        Source::MadeUp(_) => table.made_up.add(alone),
                        Source::Real(_) => table.real.add(alone),
                    }
                    table.union.add(together);
                }
            });
        }
    });
    let table = table.into_inner().expect("no panic");
    print_table(
        &table,
        &subjects,
        real,
        sources.len() - real,
        all.list().len(),
    );

    let differences: Vec<&String> = [&table.made_up, &table.real, &table.union]
        .iter()
        .flat_map(|report| &report.differences)
        .collect();
    for difference in differences.iter().take(40) {
        println!("{difference}");
    }
    assert_eq!(differences.len(), 0, "differences");
    assert_eq!(table.real.verbatim, Vec::<String>::new(), "kept whole");
    assert_eq!(table.made_up.verbatim, Vec::<String>::new(), "kept whole");
    assert!(table.made_up.refused > 0, "nothing was refused");
    assert!(table.made_up.stateful > 0, "no answer depended on another");
    assert!(
        kinds(&subjects).iter().all(|count| *count > 0),
        "a kind is missing"
    );
}

/// Each object with BTF tailored for it alone, and with BTF tailored for all.
fn one_kernel(subjects: &[Subject], all: &Relocations, kernel: &Kernel) -> (Report, Report) {
    let (mut alone, mut together) = (Report::default(), Report::default());
    let union = tailor(all, &kernel.ours).expect("no kernel is too complex");
    for subject in subjects {
        alone.add(check(subject, kernel));
        together.add(check_union(subject, kernel, &union));
    }
    (alone, together)
}

fn kinds(subjects: &[Subject]) -> [usize; 13] {
    let mut counts = [0; 13];
    for record in subjects.iter().flat_map(|s| &s.theirs.object.records) {
        counts[record.kind as usize] += 1;
    }
    counts
}

fn print_table(table: &Table, subjects: &[Subject], real: usize, made_up: usize, distinct: usize) {
    let records: usize = subjects.iter().map(|s| s.theirs.object.records.len()).sum();
    println!(
        "objects      {:>9}   with {records} records, {distinct} distinct relocations",
        subjects.len()
    );
    println!("kernels      {real:>9}   real, and {made_up} made up");
    println!("pairs        {:>9}", table.pairs);
    println!("by kind");
    for (kind, count) in ReloKind::ALL.iter().zip(kinds(subjects)) {
        println!("  {:<16}{count:>6}", kind.to_string());
    }
    println!("{:<13}{:>12}{:>12}", "", "real", "made up");
    let row = |name: &str, of: fn(&Report) -> usize| {
        println!(
            "{name:<13}{:>12}{:>12}",
            of(&table.real),
            of(&table.made_up)
        );
    };
    row("relocations", |r| r.relocations);
    row("poisoned", |r| r.poisoned);
    row("refused", |r| r.refused);
    row("stateful", |r| r.stateful);
    row("verbatim", |r| r.verbatim.len());
    row("differences", |r| r.differences.len());
    println!(
        "differences with one BTF tailored for all objects: {}",
        table.union.differences.len()
    );
}
