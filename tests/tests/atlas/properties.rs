//! Properties of atlases over made-up type graphs and relocations: a kernel's tailored BTF is the
//! same from its full BTF and from an atlas, whichever other kernels that holds.

use btfhub_build::Modules;
use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::{Tailored, tailor};
use btfhub_tests::atlases::{atlas_of_sane, id};
use btfhub_tests::elf_builder::object;
use btfhub_tests::generate::{Choices, Graph};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};

const TYPE_TAG: u8 = 18;
const TYPE_MATCHES: u32 = 12;

/// Always the same cases; for a long run, `BTFHUB_CASES` random ones.
fn config() -> Config {
    let cases = std::env::var("BTFHUB_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    Config {
        cases: cases.unwrap_or(1000),
        rng_seed: match cases {
            Some(_) => RngSeed::Random,
            None => RngSeed::Fixed(1),
        },
        max_shrink_iters: 5_000,
        max_shrink_time: 60_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    }
}

fn numbers() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 0..1200)
}

/// Relocations, and kernels that resemble each other and the local types.
fn case(numbers: &[u32]) -> (Relocations, Vec<Vec<u8>>) {
    let mut choices = Choices::new(numbers);
    // If types of one name are rare, kernels are reduced to what is read.
    let apart = choices.below(4) > 0;
    let any_match = choices.below(4) == 0;
    let mut local = Graph::any(&mut choices);
    if choices.below(2) == 0 {
        local = local.with_array(&mut choices);
    }
    if apart {
        local = local.apart();
    }
    let mut relocations = local.relocations(&mut choices);
    relocations.retain(|relo| any_match || relo.kind != TYPE_MATCHES);
    let mut kernel = local.relative(&mut choices);
    let mut kernels = Vec::new();
    for _ in 0..2 + choices.below(4) {
        let big_endian = choices.below(8) == 7;
        kernels.push(kernel.btf(big_endian).finish());
        kernel = kernel.neighbour(&mut choices);
    }
    let elf = object(&local.btf(false), &relocations, false);
    let object = Object::parse("local", &elf).expect("read");
    (Relocations::from_objects([&object]), kernels)
}

/// What happened to the kernels of some cases.
#[derive(Debug, Default)]
struct Sum {
    kernels: usize,
    /// Refused by the atlas.
    refused: usize,
    /// Distinct BTFs that the atlas has for all kernels.
    parts: usize,
    /// Kept whole.
    verbatim: usize,
    /// Kernels on which some relocation matches.
    found: usize,
}

/// Tailors each kernel both ways.
fn compare(
    relocations: &Relocations,
    kernels: &[Vec<u8>],
    sum: &mut Sum,
) -> Result<(), TestCaseError> {
    // A tag could be a candidate only for a local type that is a tag, which no compiler emits: an
    // atlas leaves tags out.
    if (relocations.list().iter()).any(|relocation| relocation.root.kind == TYPE_TAG) {
        return Ok(());
    }
    let releases: Vec<String> = (0..kernels.len()).map(|n| n.to_string()).collect();
    let all: Vec<(&str, &[u8])> = (releases.iter().map(String::as_str))
        .zip(kernels.iter().map(Vec::as_slice))
        .collect();
    let atlas = atlas_of_sane(&all);
    let scope = atlas
        .scope_of(relocations, &Modules::All)
        .expect("a whole atlas");
    sum.parts += scope.len();
    for (release, bytes) in all {
        let Ok(kernel) = atlas.kernel(id(release)) else {
            sum.refused += 1;
            continue;
        };
        sum.kernels += 1;
        let part = scope
            .btf(scope.of_kernels()[kernel.0])
            .expect("a whole atlas");
        let tailored = |bytes: &[u8]| -> Tailored {
            let btf = Btf::parse(bytes).expect("a BTF");
            tailor(relocations, &btf).expect("small")
        };
        let (full, part) = (tailored(bytes), tailored(&part));
        prop_assert_eq!(&full.outcome, &part.outcome, "kernel {}", release);
        sum.verbatim += usize::from(full.verbatim);
        let mut groups = full.outcome.groups().iter();
        sum.found += usize::from(groups.any(|group| !group.candidates.is_empty()));
        if !full.verbatim {
            prop_assert!(full.btf == part.btf, "kernel {}: other bytes", release);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// The contract of [`Atlas::scope_of`](btfhub_build::atlas::Atlas::scope_of).
    #[test]
    fn from_an_atlas_as_from_the_full_btf(numbers in numbers()) {
        let (relocations, kernels) = case(&numbers);
        compare(&relocations, &kernels, &mut Sum::default())?;
    }
}

/// The generated cases are worth comparing: each sort occurs.
#[test]
fn cases_are_of_all_sorts() {
    use proptest::strategy::ValueTree as _;

    let mut runner = TestRunner::deterministic();
    let mut sum = Sum::default();
    for _ in 0..300 {
        let numbers = numbers().new_tree(&mut runner).expect("a case").current();
        let (relocations, kernels) = case(&numbers);
        compare(&relocations, &kernels, &mut sum).expect("equal");
    }
    println!("{sum:?}");
    let kernels = sum.kernels;
    assert!(sum.refused * 20 < kernels, "an atlas refuses too many");
    assert!(sum.found * 2 > kernels, "too little is found");
    assert!(sum.parts * 5 > kernels, "too few are told apart");
    assert!(sum.parts * 5 < kernels * 4, "too few are one");
    assert!(sum.verbatim * 20 < kernels, "too much is kept whole");
}
