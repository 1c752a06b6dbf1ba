//! Properties over made-up type graphs and relocations.

use std::collections::BTreeSet;
use std::sync::Arc;

use btfhub_build::btf::{Btf, essential_name};
use btfhub_build::object::Object;
use btfhub_build::relo::{Relocations, Resolution, resolve};
use btfhub_build::tailor::tailor;
use btfhub_tests::contract::{Kernel, Subject, check};
use btfhub_tests::derive::Random;
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::generate::{Choices, Graph};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

/// More with `BTFHUB_CASES`, for a long run.
fn config() -> Config {
    let cases = std::env::var("BTFHUB_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    Config {
        cases: cases.unwrap_or(2000),
        max_shrink_iters: 5_000,
        max_shrink_time: 60_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    }
}

fn numbers() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 0..400)
}

/// A local side with relocations, and a target that resembles it.
fn pair(numbers: &[u32]) -> (Vec<u8>, Graph) {
    let mut choices = Choices::new(numbers);
    let local = Graph::any(&mut choices);
    let target = local.relative(&mut choices);
    let relocations = local.relocations(&mut choices);
    (object(&local.btf(false), &relocations, false), target)
}

/// What the relocations on a local side ask for.
fn asked(local: &Graph, records: &[Relo]) -> Relocations {
    let elf = object(&local.btf(false), records, false);
    Relocations::from_objects([&Object::parse("local", &elf).expect("read")])
}

/// Whether every relocation finds what the program was compiled with.
fn finds_all(asked: &Relocations, own: &Btf) -> bool {
    let outcome = resolve(asked, own).expect("small");
    (0..asked.list().len()).all(|at| {
        matches!(
            outcome.resolution(asked, at),
            Some(Resolution::Resolved {
                found: true,
                wrong_load: false,
                ..
            })
        )
    })
}

/// Whether no struct, union or enum has an essential name twice.
fn names_differ(btf: &Btf) -> bool {
    btf.ids().filter_map(|id| btf.ty(id)).all(|ty| {
        let mut seen = BTreeSet::new();
        let mut new = |name| {
            let name = essential_name(btf.string(name));
            name.is_empty() || seen.insert(name)
        };
        let members = !ty.kind().is_composite() || ty.members().all(|m| new(m.name));
        members && (!ty.kind().is_any_enum() || ty.enumerators().all(|e| new(e.name)))
    })
}

proptest! {
    #![proptest_config(config())]

    /// The contract.
    #[test]
    fn ours_is_libbpf_s(numbers in numbers()) {
        let (elf, target) = pair(&numbers);
        let subject = Subject::open("local", &elf).expect("read").expect("relocations");
        let kernel = Kernel::parse("target", &target.btf(false).finish()).expect("read");
        let report = check(&subject, &kernel);
        prop_assert!(report.differences.is_empty(), "{}", report.differences.join("\n"));
    }

    /// The values that a program was compiled with don't change what it needs from kernels.
    #[test]
    fn recompiled(numbers in numbers()) {
        let mut choices = Choices::new(&numbers);
        let local = Graph::any(&mut choices);
        let records = local.relocations(&mut choices);
        let again = local.recompiled(&mut choices);
        let [a, b] = [&local, &again].map(|graph| asked(graph, &records));
        prop_assert_eq!(a.list(), b.list());
        prop_assert_eq!(a.fingerprint(), b.fingerprint());
    }

    /// Two programs have the same fingerprint exactly if no kernel distinguishes them.
    #[test]
    fn fingerprints(numbers in numbers()) {
        let mut choices = Choices::new(&numbers);
        let local = Graph::any(&mut choices);
        let records = local.relocations(&mut choices);
        let other = local.neighbour(&mut choices);
        let [a, b] = [&local, &other].map(|graph| asked(graph, &records));
        // No compiler makes a program that does not find its own types on the kernel it was
        // compiled for.
        let decidable = [(&a, &local), (&b, &other)].iter().all(|(asked, own)| {
            let own = Btf::parse(&own.btf(false).finish()).expect("read");
            names_differ(&own) && finds_all(asked, &own)
        });
        let mut kernels = vec![local.clone(), other.clone()];
        for graph in [&local, &other] {
            kernels.extend((0..6).map(|_| graph.relative(&mut choices)));
            for bytes in [1, 2, 4, 8] {
                kernels.extend([true, false].map(|signed| graph.with_numbers(bytes, signed)));
            }
        }
        let tells_apart = |kernel: &Graph| {
            let kernel = Btf::parse(&kernel.btf(false).finish()).expect("read");
            let [a, b] = [&a, &b].map(|asked| tailor(asked, &kernel).expect("small"));
            (a.btf, a.outcome) != (b.btf, b.outcome)
        };
        let told_apart = kernels.iter().any(tells_apart);
        if a.fingerprint() == b.fingerprint() {
            prop_assert!(!told_apart);
        } else if decidable && !told_apart {
            // These few may all be of the wrong sort.
            let told_apart = (0..2_000).any(|seed| {
                let mut random = Random::new(seed);
                let numbers: Vec<u32> = (0..400)
                    .map(|_| u32::try_from(random.below(1 << 30)).expect("30 bits"))
                    .collect();
                let mut choices = Choices::new(&numbers);
                [&local, &other].iter().any(|graph| tells_apart(&graph.relative(&mut choices)))
            });
            prop_assert!(told_apart, "{:#?} {:#?}", a.list(), b.list());
        }
    }

    /// The same types in another order make the same tailored BTF.
    #[test]
    fn canonical(numbers in numbers(), order in numbers()) {
        let (elf, target) = pair(&numbers);
        let local = Object::parse("local", &elf).expect("read");
        let relocations = Relocations::from_objects([&local]);
        let full = Btf::parse(&target.btf(false).finish()).expect("read");
        let tailored = tailor(&relocations, &full).expect("small");
        // A relocation for an integer by name keeps all spellings of `long`.
        let by_name = relocations.list().iter().any(|r| r.root.kind == 1);
        if !tailored.verbatim && !by_name {
            let order = target.shuffle(&mut Choices::new(&order));
            let shuffled = Btf::parse(&target.ordered(&order, false).finish()).expect("read");
            prop_assert_eq!(&tailor(&relocations, &shuffled).expect("small").btf, &tailored.btf);
        }
    }

    /// What a compiler could have made is never kept whole: names in a struct or enum differ, also
    /// before `___`, and no relocation is for a tag.
    #[test]
    fn cut_down(numbers in numbers()) {
        let (elf, target) = pair(&numbers);
        let local = Object::parse("local", &elf).expect("read");
        let relocations = Relocations::from_objects([&local]);
        let full = Btf::parse(&target.btf(false).finish()).expect("read");
        let tailored = tailor(&relocations, &full).expect("small");
        let tag_asked = relocations.list().iter().any(|r| r.root.kind == 18);
        if !tag_asked && names_differ(&full) {
            prop_assert!(!tailored.verbatim);
        }
    }

    /// The byte order of a file changes only left shifts.
    #[test]
    fn byte_orders(numbers in numbers()) {
        let mut choices = Choices::new(&numbers);
        let local = Graph::any(&mut choices);
        let target = local.relative(&mut choices);
        let mut relocations = local.relocations(&mut choices);
        relocations.retain(|r| r.kind != 4);
        let answers = |big: bool| {
            let elf = object(&local.btf(big), &relocations, big);
            let object = Object::parse("local", &elf).expect("read");
            let relocations = Relocations::from_objects([&object]);
            let target = Btf::parse(&target.btf(big).finish()).expect("read");
            let tailored = tailor(&relocations, &target).expect("small");
            (relocations, tailored.outcome, tailored.verbatim)
        };
        prop_assert_eq!(answers(false), answers(true));
    }

    /// Reading, writing and reading again gives the same.
    #[test]
    fn write_and_read(numbers in numbers(), big in any::<bool>()) {
        let (_, target) = pair(&numbers);
        let image = target.btf(big).finish();
        let read = Btf::parse(&image).expect("read");
        let again = Btf::parse(&read.to_bytes()).expect("read again");
        prop_assert_eq!(read.to_bytes(), again.to_bytes());
        prop_assert_eq!(read.type_count(), again.type_count());
    }

    /// Damaged input is refused or resolved, and nothing panics.
    #[test]
    fn damage(numbers in numbers(), hits in prop::collection::vec((any::<u32>(), any::<u8>()), 1..8)) {
        let (elf, target) = pair(&numbers);
        let hit = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for (at, value) in &hits {
                let at = *at as usize % bytes.len();
                bytes[at] = *value;
            }
            bytes
        };
        let image = target.btf(false).finish();
        let targets = [Btf::parse(&image), Btf::parse(&hit(&image))];
        let objects = [Object::parse("local", &elf), Object::parse("local", &hit(&elf))];
        for target in targets.iter().flatten() {
            for object in objects.iter().flatten() {
                let relocations = Relocations::from_objects([object]);
                let _ = resolve(&relocations, target);
                if let Ok(tailored) = tailor(&relocations, target) {
                    let again = Btf::parse(&tailored.btf).expect("what was written is read");
                    prop_assert_eq!(resolve(&relocations, &again).map(Arc::new), Ok(tailored.outcome));
                }
            }
        }
    }

    /// The same for arbitrary bytes.
    #[test]
    fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        if magic && bytes.len() > 24 {
            bytes[..8].copy_from_slice(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0]);
        }
        let _ = Btf::parse(&bytes);
        let _ = Object::parse("any", &bytes);
    }
}

/// The generated cases are worth resolving: each sort occurs.
#[test]
fn cases_are_of_all_sorts() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut sum = btfhub_tests::contract::Report::default();
    for _ in 0..400 {
        let numbers = numbers().new_tree(&mut runner).expect("a case").current();
        let (elf, target) = pair(&numbers);
        let subject = Subject::open("local", &elf)
            .expect("read")
            .expect("relocations");
        let kernel = Kernel::parse("target", &target.btf(false).finish()).expect("read");
        sum.add(check(&subject, &kernel));
    }
    println!(
        "{} relocations: {} found, {} poisoned, {} refused, {} stateful, {} kept whole",
        sum.relocations,
        sum.found,
        sum.poisoned,
        sum.refused,
        sum.stateful,
        sum.verbatim.len()
    );
    assert!(sum.found * 5 > sum.relocations, "too little is found");
    assert!(
        sum.poisoned * 100 > sum.relocations,
        "too little is poisoned"
    );
    assert!(sum.refused * 50 > sum.relocations, "too little is refused");
    assert!(sum.stateful > 0, "no answer depends on another");
}
