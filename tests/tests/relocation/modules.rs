//! Types of modules: vmlinux first, and only for what it has none of the modules,
//! as libbpf does with all of them loaded.

use std::collections::BTreeSet;
use std::sync::Arc;

use btfhub_build::btf::{Btf, Kind, TypeId};
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

/// Our own object for a dozen subsystems, with the modules that it names and with
/// all that the kernel has.
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

/// What objects that name no module's types come to is the same to the byte.
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

/// Types of a kernel's modules play the object, another kernel with all its modules
/// the target: whatever there is of names that many modules have, of structs that the
/// kernel has in other variants, of types that lead back into the kernel's.
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

/// A kernel and a module that has its own variants of the kernel's types, and leads
/// to them.
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
    // Of the two modules' structs the sizes differ.
    assert_eq!((report.found, report.refused), (7, 1), "{report:?}");
}
