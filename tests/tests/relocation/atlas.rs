//! The contract of the atlas: for every object and kernel, libbpf resolves each relocation the
//! same with the BTF from an atlas as with the full one; and tailoring the part of it that the
//! objects name gives the same bytes.
//!
//! `cargo test -p btfhub-tests --test relocation atlas:: -- --nocapture` prints the table.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfhub_build::Modules;
use btfhub_build::archive::Digest;
use btfhub_build::atlas::{Atlas, AtlasWriter, Effort, Scope, SourceEntry};
use btfhub_build::btf::Btf;
use btfhub_build::relo::{ReloKind, Relocations};
use btfhub_build::tailor::tailor;
use btfhub_runtime::KernelId;
use btfhub_tests::atlases::id;
use btfhub_tests::contract::Subject;
use btfhub_tests::kernels::{Entry, entries};
use btfhub_tests::objects::{ObjectFile, libbpf_tools, objects_in, own_dir, selftests};
use btfhub_tests::oracle::modes::{Target, walk};
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::shared::shared;

/// Where a kernel's BTF comes from: decoded when its turn comes.
enum Given {
    MadeUp(ObjectFile),
    Real(Entry),
}

impl Given {
    fn name(&self) -> &str {
        match self {
            Self::MadeUp(object) => &object.name,
            Self::Real(entry) => &entry.name,
        }
    }

    fn btf(&self) -> Vec<u8> {
        match self {
            Self::MadeUp(object) => {
                let local = LocalObject::parse(&object.name, &object.elf).expect("an object");
                local.btf
            }
            Self::Real(entry) => entry.btf(),
        }
    }

    /// Unique within a test: several distributions use the same release names.
    fn id(&self) -> KernelId<'_> {
        let mut parts = self.name().rsplit('/');
        let release = parts.next().unwrap_or_default();
        let version = parts.nth(1).unwrap_or("1");
        KernelId {
            version,
            distro: parts.next().unwrap_or("made-up"),
            ..id(release)
        }
    }
}

fn all_kernels(made_up: Vec<ObjectFile>) -> Vec<Given> {
    let mut all: Vec<Given> = Vec::new();
    if let Some(shared) = shared() {
        for archive in ["archive", "archive-android"] {
            all.extend(entries(&shared.join(archive)).into_iter().map(Given::Real));
        }
    } else {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
        all.extend(entries(&examples).into_iter().map(Given::Real));
    }
    let own = objects_in(&own_dir(), ".btf.o").into_iter();
    all.extend(own.chain(made_up).map(Given::MadeUp));
    all
}

fn atlas_of(kernels: &[Given]) -> Atlas {
    let mut writer = AtlasWriter::new();
    for kernel in kernels {
        let btf = Btf::parse(&kernel.btf()).expect("a BTF");
        let survey = writer.surveyor().survey(&btf);
        let survey = survey.unwrap_or_else(|e| panic!("{}: {e}", kernel.name()));
        let source = SourceEntry {
            path: kernel.name().to_owned(),
            digest: Digest::of(kernel.name().as_bytes()),
        };
        writer
            .insert(kernel.id(), source, &survey)
            .expect("the survey agrees");
    }
    let (_, file) = writer.finish(Effort::Fast, 2).expect("an atlas");
    Atlas::parse(file).expect("what was written can be read")
}

/// For each kernel, one in this many objects is tailored by itself; which ones, changes from kernel
/// to kernel.
const ALONE_EVERY: usize = 6;

#[derive(Default)]
struct Table {
    pairs: usize,
    relocations: usize,
    tailored: usize,
    differences: Vec<String>,
    other_outcomes: Vec<String>,
    other_bytes: Vec<String>,
}

#[test]
fn extracted_equals_full() {
    let selftests = selftests();
    let mut objects = objects_in(&own_dir(), ".bpf.o");
    objects.extend(libbpf_tools());
    objects.extend(selftests.programs);
    let subjects: Vec<Subject> = objects
        .iter()
        .filter_map(|o| Subject::open(&o.name, &o.elf).expect("both sides read it"))
        .collect();
    // A TypeMatches among them makes relocation follow pointers everywhere.
    let plain = subjects.iter().filter(|subject| {
        let mut relocations = subject.relocations.list().iter();
        !relocations.any(|relocation| relocation.kind == ReloKind::TypeMatches)
    });
    let plain = Relocations::from_objects(plain.map(|subject| &subject.ours));
    let all = Relocations::from_objects(subjects.iter().map(|s| &s.ours));
    let kernels = all_kernels(selftests.targets);
    let atlas = atlas_of(&kernels);
    let scope = atlas.scope_of(&all, &Modules::All).expect("a whole atlas");
    let plain_scope = atlas
        .scope_of(&plain, &Modules::All)
        .expect("a whole atlas");
    let alone: Vec<(&Relocations, Scope<'_>)> = (subjects.iter().map(|s| &s.relocations))
        .map(|of| {
            (
                of,
                atlas.scope_of(of, &Modules::All).expect("a whole atlas"),
            )
        })
        .collect();

    let table = Mutex::new(Table::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let Some(given) = kernels.get(turn) else {
                        break;
                    };
                    let bytes = given.btf();
                    let number = atlas.kernel(given.id()).expect("it is in the atlas");
                    let extracted = atlas.extract(number).expect("a whole atlas");
                    let full = Target::parse(&bytes).expect("libbpf reads it");
                    let part = Target::parse(&extracted).expect("libbpf reads it");
                    let mut differences = Vec::new();
                    let mut relocations = 0;
                    for subject in &subjects {
                        let a = walk(&subject.theirs, &full).comparable(&subject.theirs);
                        let b = walk(&subject.theirs, &part).comparable(&subject.theirs);
                        relocations += a.fresh.len();
                        if a != b {
                            let object = &subject.theirs.object.name;
                            differences.push(format!("{object} × {}", given.name()));
                        }
                    }
                    let btf = Btf::parse(&bytes).expect("a BTF");
                    let part = |scope: &Scope<'_>| {
                        let number = scope.of_kernels()[number.0];
                        let bytes = scope.btf(number).expect("a whole atlas");
                        Btf::parse(&bytes).expect("a BTF")
                    };
                    let alone = alone.iter().skip(turn % ALONE_EVERY).step_by(ALONE_EVERY);
                    let together = [(&all, &scope), (&plain, &plain_scope)];
                    let asked = (together.into_iter()).chain(alone.map(|(of, scope)| (*of, scope)));
                    let tailored: Vec<_> = asked
                        .map(|(of, scope)| {
                            let full = tailor(of, &btf).expect("not too complex");
                            (full, tailor(of, &part(scope)).expect("not too complex"))
                        })
                        .collect();

                    let mut table = table.lock().expect("no panic");
                    table.pairs += subjects.len();
                    table.relocations += relocations;
                    table.tailored += tailored.len();
                    table.differences.extend(differences);
                    for (full, part) in tailored {
                        if full.outcome != part.outcome {
                            table.other_outcomes.push(given.name().to_owned());
                        }
                        if full.btf != part.btf {
                            table.other_bytes.push(given.name().to_owned());
                        }
                    }
                }
            });
        }
    });
    let table = table.into_inner().expect("no panic");
    println!("kernels           {:>9}", kernels.len());
    println!("definitions       {:>9}", atlas.definition_count());
    println!("atlas bytes       {:>9}", atlas.file_len());
    println!("objects           {:>9}", subjects.len());
    println!("pairs             {:>9}", table.pairs);
    println!("relocations       {:>9}", table.relocations);
    println!("differences       {:>9}", table.differences.len());
    println!("tailored both ways{:>9}", table.tailored);
    println!("other outcomes    {:>9}", table.other_outcomes.len());
    println!("other tailored BTF{:>9}", table.other_bytes.len());
    println!("BTFs for all kernels and objects {}", scope.len());
    assert_eq!(table.differences, Vec::<String>::new());
    assert_eq!(table.other_outcomes, Vec::<String>::new());
    assert_eq!(table.other_bytes, Vec::<String>::new());
}
