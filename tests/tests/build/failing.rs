//! The failing programs in a bundle: they agree with the verdicts, and the remaining programs load.

use std::fs;

use btfhub_build::shard::{self, Shard};
use btfhub_build::support::Support;
use btfhub_build::verdict::Outcome;
use btfhub_build::{Builder, Certainty};
use btfhub_runtime::bundle::{Failure, When};
use btfhub_runtime::{Bundle, Host, KernelId, Policy, select};
use btfhub_tests::kernels::entries;
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::modes::{OpenObject, Target, walk};
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::project::workspace;

const TWO: &str = "two-structs.bpf.o";
const TP_BTF: &str = "tp-btf-only.bpf.o";
const DROPPED: &str = "dropped.bpf.o";

fn builder() -> Builder {
    let objects = [TWO, TP_BTF, DROPPED, "wide_enum.bpf.o"];
    let builder = Builder::new().archive(workspace().join("examples/archive"));
    (objects.iter()).fold(builder, |builder, object| {
        builder.object(own_dir().join(object))
    })
}

fn failures(bundle: &[u8], kernel: &KernelId<'_>) -> Vec<Failure> {
    let bundle = Bundle::parse(bundle).expect("a bundle");
    let failures = bundle.failures(kernel).expect("a sound bundle");
    failures.expect("a kernel of the bundle")
}

/// Whether the verdict on a program is that it fails with this certainty.
fn fails(support: &Support, kernel: &KernelId<'_>, at: usize, least: Certainty) -> bool {
    let mut kernels = support.kernels.iter();
    let row = kernels.find(|row| row.to_string() == kernel.to_string());
    let verdict = support
        .verdict(at, row.expect("a kernel"))
        .expect("a verdict");
    matches!(verdict.outcome, Outcome::Fails(certainty) if certainty >= least)
}

// The verdicts with and without the kernel's own BTF, and the program that fails because of
// another one.
#[test]
fn a_bundle_says_what_the_verdicts_say() {
    let with = builder().verdicts().own_btf("*", true).generate().unwrap();
    let without = builder().verdicts().own_btf("*", false).generate().unwrap();
    let support = [with.support().unwrap(), without.support().unwrap()];
    for least in [Certainty::Proven, Certainty::Likely] {
        let made = builder().failing_programs(least).generate().unwrap();
        assert!(made.support().is_none());
        let mut seen = [0; 4];
        for kernel in made.kernels() {
            let mut said = failures(made.bundle(), &kernel.id());
            for (at, program) in support[0].programs.iter().enumerate() {
                if program.is_whole_object() {
                    continue;
                }
                let is_it = |f: &Failure| f.object == program.object && f.program == program.name;
                let found = said.iter().position(is_it).map(|at| said.swap_remove(at));
                let is_in_the_way = program.object == TWO && program.name == "at_exit";
                let fails = [0, 1].map(|which| fails(support[which], &kernel.id(), at, least));
                let expected = match fails {
                    _ if is_in_the_way => Some(When::Always),
                    [true, true] => Some(When::Always),
                    [false, true] => Some(When::WithoutKernelBtf),
                    [true, false] => Some(When::WithKernelBtf),
                    [false, false] => None,
                };
                seen[expected.map_or(0, |when| when as usize + 1)] += 1;
                let found = found.map(|failure| {
                    assert!(!failure.reason.is_empty() && !failure.reason.contains(": "));
                    failure.when
                });
                assert_eq!(found, expected, "{} {program:?}", kernel.id());
            }
            assert_eq!(said, []);
        }
        assert!(seen[0] > 0 && seen[1] > 0 && seen[2] > 0, "{seen:?}");
    }
}

// Checked with libbpf: among the remaining programs, each relocation resolves as it does if its
// program is loaded alone, and none is refused.
#[test]
fn what_is_left_loads() {
    let made = builder()
        .failing_programs(Certainty::Proven)
        .generate()
        .unwrap();
    let elf = fs::read(own_dir().join(TWO)).unwrap();
    for entry in entries(&workspace().join("examples/archive")) {
        let kernel = made
            .kernels()
            .iter()
            .find(|kernel| format!("{}.btf.tar.xz", kernel.id()) == entry.name);
        let failures = failures(made.bundle(), &kernel.expect("an entry").id());
        let left_out = |section: &str| {
            let program = if section.contains("sys_enter") {
                "at_enter"
            } else {
                "at_exit"
            };
            failures
                .iter()
                .any(|f| f.object == TWO && f.program == program)
        };
        let target = Target::parse(&entry.btf()).unwrap();
        let mut object = LocalObject::parse(TWO, &elf).unwrap();
        let all = walk(&OpenObject::open(object.clone()).unwrap(), &target);
        let is_refused = |answer: &Result<_, _>| answer.is_err();
        assert!(
            all.whole.iter().zip(&all.fresh).any(|(a, b)| a != b),
            "with all programs libbpf fails"
        );
        object.records.retain(|record| !left_out(&record.section));
        assert!(!object.records.is_empty(), "one program is left");
        let rest = walk(&OpenObject::open(object).unwrap(), &target);
        assert_eq!(rest.whole, rest.fresh, "{}", entry.name);
        assert!(!rest.whole.iter().any(is_refused), "{}", entry.name);
    }
}

// Made in shards, the bundle is the same; without failing programs, its bytes are unchanged.
#[test]
fn shards_keep_them_too() {
    let plain = builder().generate().unwrap();
    let whole = builder().failing_programs(Certainty::Proven);
    let made = whole.generate().unwrap();
    let shards: Vec<_> = (1..=3)
        .map(|number| {
            let shard: Shard = format!("{number}/3").parse().unwrap();
            whole.generate_shard(shard, |_| ()).unwrap()
        })
        .collect();
    assert!(shard::merge(&shards).unwrap().bundle() == made.bundle());
    let mut mixed = shards;
    mixed[1] = builder()
        .generate_shard("2/3".parse().unwrap(), |_| ())
        .unwrap();
    let error = shard::merge(&mixed).unwrap_err().to_string();
    assert!(error.contains("failing programs"), "{error}");

    let parts = |bundle: &[u8]| {
        let sizes = Bundle::parse(bundle).unwrap().sizes().unwrap();
        let sizes = sizes.into_iter().filter(|part| part.name != "header");
        sizes
            .map(|part| (part.name, part.bytes))
            .collect::<Vec<_>>()
    };
    let (plain, more) = (parts(plain.bundle()), parts(made.bundle()));
    assert_eq!(plain, more[..3]);
    assert_eq!(more[3].0, "programs");
}

// What the selection returns and prints on each kind of host.
#[test]
fn a_selection_tells_them() {
    let made = builder()
        .failing_programs(Certainty::Proven)
        .generate()
        .unwrap();
    let bundle = Bundle::parse(made.bundle()).unwrap();
    let host = Host::new("5.10.0-46-cloud-amd64", "x86_64");
    let own = host
        .clone()
        .with_kernel_btf(Some("/sys/kernel/btf/vmlinux".into()));
    for (host, has_btf) in [(&host, false), (&own, true)] {
        for policy in [Policy::PREFER_KERNEL, Policy::EMBEDDED_ONLY] {
            let selection = select(&bundle, host, policy).unwrap();
            let before = selection.to_string();
            assert!(!before.contains("fail"), "{before}");
            let failing = selection.failing_programs().unwrap();
            assert!(failing.is_known());
            let why = failing.get(DROPPED, "on_switch").expect("it fails");
            assert_eq!(
                why.reason,
                "task_struct.__state finds nothing here, and nothing guards it"
            );
            assert!(failing.get(TWO, "at_exit").is_some());
            assert!(failing.get(TWO, "at_enter").is_none());
            assert_eq!(failing.get(TP_BTF, "on_wakeup").is_none(), has_btf);
            assert_eq!(failing.get(DROPPED, "at_exit"), None);
            let told = format!("on_switch of {DROPPED} (task_struct.__state finds nothing");
            assert!(selection.to_string().contains(&told), "{selection}");
            let fields = selection.fields();
            let (_, told) = fields.iter().find(|(key, _)| *key == "programs").unwrap();
            assert_eq!(*told, failing.to_string());
        }
    }
    // It runs on a newer kernel.
    let newer = Host::new("6.1.0-56-amd64", "x86_64");
    let selection = select(&bundle, &newer, Policy::default()).unwrap();
    let failing = selection.failing_programs().unwrap();
    assert!(failing.is_known() && failing.get(DROPPED, "on_switch").is_none());

    // Nothing is known about kernels that the bundle lacks, or if it records no failures.
    let foreign =
        Host::new("5.4.0-1-generic", "x86_64").with_kernel_btf(own.kernel_btf().map(Into::into));
    let plain = builder().generate().unwrap();
    let plain = Bundle::parse(plain.bundle()).unwrap();
    for (bundle, host) in [(&bundle, &foreign), (&plain, &own), (&plain, &host)] {
        let selection = select(bundle, host, Policy::default()).unwrap();
        let failing = selection.failing_programs().unwrap();
        assert!(!failing.is_known() && failing.iter().len() == 0);
        assert!(
            selection
                .to_string()
                .ends_with("which programs fail here is not known")
        );
    }
}
