//! Types of modules: vmlinux first, then the modules for types that it lacks, as libbpf does with
//! all of them loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use btfhub_build::Modules;
use btfhub_build::archive::Digest;
use btfhub_build::atlas::{Atlas, AtlasWriter, Effort, SourceEntry};
use btfhub_build::btf::{Btf, Kind, TypeId};
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::tailor;
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::contract::{self, Report, Subject, check};
use btfhub_tests::derive::Random;
use btfhub_tests::elf_builder::{Relo, object, object_of_kernel};
use btfhub_tests::modules::{Kernel, kernels};
use btfhub_tests::objects::{objects_in, own_dir};
use btfhub_tests::oracle::libbpf;

use crate::cross::draw_from;

pub(crate) const KERNELS: [&str; 3] = [
    "bookworm:6.1",
    "bookworm-backports:6.12",
    "trixie-backports:7",
];

/// The modules whose types `modules.bpf.c` names, in the order in which they would be
/// loaded.
pub(crate) const NAMED: [&str; 14] = [
    "nf_conntrack",
    "openvswitch",
    "nf_tables",
    "kvm",
    "kvm_intel",
    "kvm_amd",
    "xfs",
    "overlay",
    "fuse",
    "nfs",
    "bridge",
    "veth",
    "ext4",
    "btrfs",
];

fn open(kernel: &Kernel, modules: &[(String, Vec<u8>)]) -> contract::Kernel {
    contract::Kernel::with_modules(&kernel.release, &kernel.btf(), modules).expect("read")
}

fn print(what: &str, sum: &Report) {
    println!(
        "{what}: {} relocations: {} found, {} poisoned, {} refused, {} stateful, {} kept whole, \
         {} differences",
        sum.relocations,
        sum.found,
        sum.poisoned,
        sum.refused,
        sum.stateful,
        sum.verbatim.len(),
        sum.differences.len()
    );
    for difference in sum.differences.iter().take(20) {
        println!("{}", difference.get(..600).unwrap_or(difference));
    }
}

/// Our own object for a dozen subsystems, with the modules that it names and with all modules of
/// the kernel.
#[test]
fn a_dozen_subsystems() {
    let object = own_dir().join("modules.bpf.o");
    let elf = std::fs::read(&object).expect("the object");
    let subject = Subject::open("modules", &elf)
        .expect("read")
        .expect("relocations");
    for kernel in kernels(&KERNELS) {
        let alone = check(&subject, &open(&kernel, &[]));
        for (modules, what) in [(kernel.named(&NAMED), "named"), (kernel.modules(), "all")] {
            let tag = format!("{} with {} modules ({what})", kernel.release, modules.len());
            let report = check(&subject, &open(&kernel, &modules));
            print(&tag, &report);
            assert_eq!(report.differences, Vec::<String>::new(), "{tag}");
            assert_eq!(report.verbatim, Vec::<String>::new(), "{tag}");
            assert!(
                report.found > alone.found + 30,
                "{tag}: as many as without modules"
            );
        }
    }
}

/// For objects without types of modules, the result is the same, byte for byte.
#[test]
fn objects_that_need_no_module() {
    let Some(kernel) = kernels(&KERNELS[..1]).pop() else {
        return;
    };
    let (alone, with) = (open(&kernel, &[]), open(&kernel, &kernel.named(&NAMED)));
    for file in objects_in(&own_dir(), ".bpf.o") {
        if file.name == "modules.bpf.o" {
            continue;
        }
        let Some(subject) = Subject::open(&file.name, &file.elf).expect("read") else {
            continue;
        };
        let tailored = |kernel: &contract::Kernel| {
            btfhub_build::tailor::tailor(&subject.relocations, &kernel.ours)
                .expect("tailored")
                .btf
        };
        assert!(tailored(&alone) == tailored(&with), "{}", file.name);
    }
}

/// The types of a kernel's modules stand in for the object, and another kernel with all its modules
/// is the target: names that many modules have, structs that the kernel has in other variants,
/// types that refer back to the kernel's.
#[test]
fn modules_as_objects() {
    let kernels = kernels(&KERNELS);
    let mut random = Random::new(22);
    let mut sum = Report::default();
    for (number, kernel) in kernels.iter().enumerate() {
        let mut modules = kernel.named(&NAMED);
        let some: BTreeSet<_> = modules.iter().map(|(name, _)| name.clone()).collect();
        let others = kernel.modules();
        let others = others.into_iter().filter(|(name, _)| !some.contains(name));
        modules.extend(others.step_by(40));
        let local = open(kernel, &modules).ours;
        let first = local.first_of_modules().expect("modules");
        let image = local.to_bytes();
        let roots: Vec<TypeId> = (first.0..local.type_count())
            .map(TypeId)
            .filter(|id| {
                local
                    .ty(*id)
                    .is_some_and(|ty| !local.string(ty.name()).is_empty())
            })
            .filter(|id| {
                !matches!(
                    local.ty(*id).map(|ty| ty.kind()),
                    Some(Kind::Func | Kind::Var | Kind::DataSec | Kind::DeclTag | Kind::TypeTag)
                )
            })
            .collect();
        let relos = draw_from(&local, &roots, 4 * crate::cross::cases(), &mut random);
        let subject = Subject::open(&kernel.release, &object_of_kernel(&image, &relos));
        let subject = subject
            .expect("both sides read it")
            .expect("it has relocations");
        for target in [kernel, &kernels[(number + 1) % kernels.len()]] {
            let report = check(&subject, &open(target, &target.modules()));
            print(
                &format!("{} × {} with all modules", kernel.release, target.release),
                &report,
            );
            sum.add(report);
        }
    }
    assert_eq!(sum.differences, Vec::<String>::new());
}

/// Modules with a distilled base, as libbpf makes them and resolves them.
#[test]
fn distilled_bases() {
    let kernels = kernels(&KERNELS);
    let (mut same, mut refused) = (0, 0);
    for (number, kernel) in kernels.iter().enumerate() {
        let bytes = kernel.btf();
        let base = libbpf::Btf::target(&bytes).expect("libbpf reads it");
        let others = &kernels[(number + 1) % kernels.len()].btf();
        let targets = [&bytes, others].map(|bytes| {
            let theirs = libbpf::Btf::target(bytes).expect("libbpf reads it");
            (theirs, Arc::new(Btf::parse(bytes).expect("read")))
        });
        for (name, split) in kernel.modules().into_iter().step_by(31) {
            let module = libbpf::Btf::split(&split, &base).expect("libbpf reads it");
            let (distilled, split) = module.distill().expect("libbpf distills it");
            for (target, ours) in &targets {
                let on = libbpf::Btf::target(&distilled).expect("libbpf reads it");
                let theirs = libbpf::Btf::split(&split, &on).expect("libbpf reads it");
                let answer = theirs.relocate(target).map(|()| theirs.bytes());
                let found = Btf::relocate(&split, &distilled, Arc::clone(ours));
                match (answer, found) {
                    (Ok(theirs), Ok(ours)) => {
                        assert!(theirs == ours.to_bytes(), "{name} of {}", kernel.release);
                        same += 1;
                    }
                    (Err(_), Err(_)) => refused += 1,
                    (theirs, ours) => panic!("{name}: {:?}, ours {ours:?}", theirs.map(|_| ())),
                }
            }
        }
    }
    println!("{same} modules resolved alike, {refused} refused alike");
    assert!(kernels.is_empty() || same > 300 && refused > 10);
}

/// A kernel, and a module with its own variants of the kernel's types and references to these.
#[test]
fn types_of_a_module_beside_the_kernels() {
    let mut kernel = BtfBuilder::new();
    let int = kernel.int("unsigned int", 4, 0);
    kernel.structure("shared", 8, &[member("x", int, 4)]);
    kernel.enumeration("mode", 4, false, &[("OFF", 3)]);
    let mut module = BtfBuilder::split(&kernel);
    let shared = module.next_id();
    let to_itself = module.pointer(shared + 1);
    assert_eq!(
        module.structure(
            "shared",
            32,
            &[member("x", int, 16), member("next", to_itself, 8)]
        ),
        shared + 1
    );
    let mode = module.enumeration("mode", 4, false, &[("OFF", 5)]);
    let pointer = module.pointer(shared + 1);
    let mine = [
        member("s", shared + 1, 8),
        member("p", pointer, 0),
        member("mode", mode, 48),
    ];
    module.structure("mine", 56, &mine);
    let mut other = BtfBuilder::split(&kernel);
    other.structure("mine", 8, &[member("none", int, 0)]);

    let mut local = BtfBuilder::new();
    let int = local.int("unsigned int", 4, 0);
    let shared = local.structure("shared", 4, &[member("x", int, 0)]);
    let mode = local.enumeration("mode", 4, false, &[("OFF", 0)]);
    let pointer = local.pointer(shared);
    let mine = [
        member("s", shared, 4),
        member("p", pointer, 8),
        member("mode", mode, 16),
    ];
    let mine = local.structure("mine", 24, &mine);
    let relo = |kind, type_id, access: &str| Relo {
        program: 0,
        type_id,
        access: access.to_owned(),
        kind,
    };
    let relos = [
        relo(0, mine, "0:0:0"),
        relo(0, mine, "0:1"),
        relo(0, mine, "0:2"),
        relo(2, mine, "0:2"),
        relo(9, mine, "0"),
        relo(0, shared, "0:0"),
        relo(9, shared, "0"),
        relo(8, shared, "0"),
        relo(11, mode, "0"),
    ];
    let subject = Subject::open("mine", &object(&local, &relos, false));
    let subject = subject.expect("read").expect("relocations");
    let modules =
        [("m", &module), ("other", &other)].map(|(name, btf)| (name.to_owned(), btf.finish()));
    let kernel = contract::Kernel::with_modules("k", &kernel.finish(), &modules).expect("read");
    let report = check(&subject, &kernel);
    assert_eq!(report.differences, Vec::<String>::new());
    // The two modules' structs differ in size.
    assert_eq!((report.found, report.refused), (7, 1), "{report:?}");
}

/// For any relocations, an atlas gives the same types of modules as the entries.
#[test]
fn types_of_modules_from_an_atlas() {
    let kernels = kernels(&KERNELS[..2]);
    let mut random = Random::new(24);
    let targets: Vec<Btf> = (kernels.iter())
        .map(|kernel| {
            let mut modules = kernel.named(&NAMED);
            modules.extend(kernel.modules().into_iter().step_by(50));
            modules.sort();
            modules.dedup();
            open(kernel, &modules).ours
        })
        .collect();
    let mut writer = AtlasWriter::new();
    let id = |kernel| KernelId {
        arch: Arch::new("x86_64"),
        release: kernel,
        distro: "debian",
        version: "12",
    };
    for (kernel, btf) in kernels.iter().zip(&targets) {
        let survey = writer.surveyor().survey(btf).expect("sane types");
        let source = SourceEntry {
            path: kernel.release.clone(),
            digest: Digest::of(kernel.release.as_bytes()),
        };
        let inserted = writer.insert(id(&kernel.release), source, &survey);
        inserted.expect("sane types");
    }
    let (_, file) = writer.finish(Effort::Fast, 2).expect("an atlas");
    let atlas = Atlas::parse(file).expect("what was written can be read");
    let mut found = 0;
    for local in &targets {
        let first = local.first_of_modules().expect("modules");
        let roots: Vec<TypeId> = (first.0..local.type_count())
            .map(TypeId)
            .filter(|id| {
                local.ty(*id).is_some_and(|ty| {
                    ty.kind().is_composite() && !local.string(ty.name()).is_empty()
                })
            })
            .collect();
        for _ in 0..12 {
            let relos = draw_from(local, &roots, 12, &mut random);
            let elf = object_of_kernel(&local.to_bytes(), &relos);
            let object = Object::parse("drawn", &elf).expect("an object");
            let relocations = Relocations::from_objects([&object]);
            let scope = atlas.scope_of(&relocations, &Modules::All).expect("whole");
            for (kernel, full) in kernels.iter().zip(&targets) {
                let number = atlas.kernel(id(&kernel.release)).expect("there");
                let part = scope.read(scope.of_kernels()[number.0]).expect("whole");
                let [full, part] = [full, &part].map(|btf| tailor(&relocations, btf));
                match (full, part) {
                    (Ok(full), Ok(part)) => {
                        assert_eq!(full.outcome, part.outcome, "{}", kernel.release);
                        assert!(full.btf == part.btf, "{}: other bytes", kernel.release);
                        found += 1;
                    }
                    (full, part) => assert_eq!(full.err(), part.err(), "{}", kernel.release),
                }
            }
        }
    }
    println!("{found} tailored alike");
    assert!(kernels.is_empty() || found > 30, "{found}");
}

/// Types that two modules define differently under one name, and the kernel not at all: with all
/// modules loaded, libbpf's results depend on both.
#[test]
fn types_that_modules_define_differently() {
    let mut random = Random::new(25);
    for kernel in kernels(&KERNELS).iter().skip(1) {
        let all = kernel.modules();
        let target = open(kernel, &all);
        let full = &target.ours;
        let key = |btf: &Btf, id: TypeId| {
            let ty = btf.ty(id)?;
            let is_asked = ty.kind().is_composite() || ty.kind().is_any_enum();
            let name = btf.string(ty.name());
            (is_asked && !name.is_empty()).then(|| (ty.kind(), name.to_owned()))
        };
        let of_kernel: BTreeSet<_> = full
            .ids_of_kernel()
            .filter_map(|id| key(full, id))
            .collect();
        let first = full.first_of_modules().expect("modules");
        let mut defined: BTreeMap<_, BTreeMap<(u32, usize), String>> = BTreeMap::new();
        for id in (first.0..full.type_count()).map(TypeId) {
            let Some(key) = key(full, id).filter(|key| !of_kernel.contains(key)) else {
                continue;
            };
            let (ty, module) = (full.ty(id).expect("there"), full.module_of(id));
            let module = module.expect("a module's").to_owned();
            let shape = (ty.size(), ty.vlen() as usize);
            defined
                .entry(key)
                .or_default()
                .entry(shape)
                .or_insert(module);
        }
        defined.retain(|_, shapes| shapes.len() > 1);
        let modules = defined.values().flat_map(BTreeMap::values).step_by(7);
        let modules: BTreeSet<_> = modules.take(80).collect();
        let some: Vec<_> = (all.iter())
            .filter(|(name, _)| modules.contains(&name.replace('-', "_")))
            .cloned()
            .collect();
        let local = open(kernel, &some).ours;
        let first = local.first_of_modules().expect("modules");
        let roots: Vec<TypeId> = (first.0..local.type_count())
            .map(TypeId)
            .filter(|&id| key(&local, id).is_some_and(|key| defined.contains_key(&key)))
            .collect();
        let relos = draw_from(&local, &roots, 3 * crate::cross::cases(), &mut random);
        let subject = Subject::open(
            &kernel.release,
            &object_of_kernel(&local.to_bytes(), &relos),
        );
        let subject = subject.expect("read").expect("relocations");
        let report = check(&subject, &target);
        let what = format!("{}: {} such names", kernel.release, defined.len());
        print(&what, &report);
        assert_eq!(report.differences, Vec::<String>::new());
        assert!(
            defined.len() > 100 && report.refused > 10 && report.found > 50,
            "{report:?}"
        );
    }
}
