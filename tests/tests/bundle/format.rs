//! The bundle format: what goes in comes out, and nothing else ever does.

use crate::bundling::{
    all_kinds, bundle_with_failures, failing, kernel, provenance, series, write,
};
use btfhub_runtime::bundle::write::{WriteError, Writer};
use btfhub_runtime::bundle::{Failure, Provenance};
use btfhub_runtime::{Arch, Bundle, KernelId};
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, member};

fn samples() -> Vec<(KernelId<'static>, Vec<u8>)> {
    vec![
        (
            kernel("x86_64", "ubuntu", "18.04", "5.4.0-80-generic"),
            b"one".to_vec(),
        ),
        (
            kernel("x86_64", "ubuntu", "20.04", "5.4.0-80-generic"),
            b"two".to_vec(),
        ),
        (
            kernel("x86_64", "ubuntu", "20.04", "5.4.0-81-generic"),
            b"two".to_vec(),
        ),
        (
            kernel("x86_64", "debian", "11", "5.10.0-9-amd64"),
            b"three".to_vec(),
        ),
        (
            kernel("aarch64", "centos", "8", "4.18.0-147.el8.aarch64"),
            b"one".to_vec(),
        ),
    ]
}

#[test]
fn round_trip() {
    let samples = samples();
    let data = write(&samples);
    let bundle = Bundle::parse(&data).unwrap();
    assert_eq!(bundle.provenance().unwrap(), provenance());
    assert_eq!(bundle.class_count().unwrap(), 3);
    assert_eq!(bundle.kernel_count().unwrap(), 5);
    assert_eq!(bundle.kernels().count(), 5);
    let arches: Vec<_> = bundle.arches().map(|a| a.unwrap().to_string()).collect();
    assert_eq!(arches, ["arm64", "x86_64"]);
    for (kernel, btf) in &samples {
        let found: Vec<_> = bundle
            .lookup(kernel.arch, kernel.release)
            .map(Result::unwrap)
            .filter(|e| e.kernel() == *kernel)
            .collect();
        assert_eq!(found.len(), 1, "{kernel}");
        assert_eq!(bundle.btf(found[0].class()).unwrap(), *btf, "{kernel}");
    }
    let twins: Vec<_> = bundle
        .lookup(Arch::new("x86_64"), "5.4.0-80-generic")
        .map(|e| e.unwrap().kernel().version.to_owned())
        .collect();
    assert_eq!(twins, ["18.04", "20.04"]);
    assert_eq!(
        bundle
            .lookup(Arch::new("arm64"), "5.4.0-80-generic")
            .count(),
        0
    );
    assert_eq!(
        bundle
            .lookup(Arch::new("x86_64"), "5.4.0-8-generic")
            .count(),
        0
    );
}

#[test]
fn order_of_adding_leaves_no_trace() {
    let mut samples = samples();
    let data = write(&samples);
    samples.reverse();
    assert_eq!(write(&samples), data);
    samples.swap(0, 2);
    assert_eq!(write(&samples), data);
}

#[test]
fn one_kernel_with_two_btfs_is_refused() {
    let mut writer = Writer::new(provenance());
    let twice = kernel("x86_64", "debian", "11", "5.10.0-9-amd64");
    writer.add_kernel(twice, b"one").unwrap();
    writer.add_kernel(twice, b"one").unwrap();
    let error = writer.add_kernel(twice, b"two").unwrap_err();
    assert!(matches!(error, WriteError::Conflict { .. }));
    assert!(
        error
            .to_string()
            .contains("debian/11/x86_64/5.10.0-9-amd64")
    );
}

#[test]
fn empty_bundles() {
    let written = write(&[]);
    for bundle in [Bundle::EMPTY, Bundle::parse(&written).unwrap()] {
        assert_eq!(bundle.class_count().unwrap(), 0);
        assert_eq!(bundle.kernels().count(), 0);
        assert_eq!(bundle.arches().count(), 0);
        assert_eq!(bundle.lookup(Arch::new("x86_64"), "5.10.0").count(), 0);
    }
}

/// Every kind of type, in both byte orders, and data that is not BTF.
#[test]
fn every_kind_comes_back() {
    let mut all = Vec::new();
    for step in 0..4 {
        all.push(series(step, 40));
        all.push(all_kinds(BtfBuilder::big_endian(), step, 40));
    }
    all.push(Vec::new());
    all.push(vec![0x9f, 0xeb, 1, 0]);
    let mut cut = series(1, 40);
    cut.truncate(cut.len() / 2);
    all.push(cut);
    let releases: Vec<String> = (0..all.len()).map(|i| format!("5.{i}.0")).collect();
    let kernels: Vec<_> = (releases.iter().zip(&all))
        .map(|(release, btf)| {
            let id = KernelId {
                release,
                ..kernel("x86_64", "debian", "11", "")
            };
            (id, btf.clone())
        })
        .collect();
    // The writer itself reads it back and compares.
    let data = write(&kernels);
    let bundle = Bundle::parse(&data).unwrap();
    assert_eq!(bundle.class_count().unwrap() as usize, all.len());
}

/// A canonical BTF is taken apart, not kept as bytes; its neighbours cost little.
#[test]
fn neighbours_cost_little() {
    let size = |steps: u32| {
        let releases: Vec<String> = (0..steps).map(|i| format!("5.4.0-{i}-generic")).collect();
        let kernels: Vec<_> = (releases.iter().zip(0..))
            .map(|(release, step)| {
                let id = KernelId {
                    release,
                    ..kernel("x86_64", "ubuntu", "20.04", "")
                };
                (id, series(step, 60))
            })
            .collect();
        write(&kernels).len()
    };
    let (one, ten) = (size(1), size(10));
    let btf = series(0, 60).len();
    assert!(one < btf / 3, "{one} bytes for {btf} bytes of BTF");
    assert!(
        ten - one < 9 * btf / 20,
        "{} bytes for nine neighbours",
        ten - one
    );
}

/// What large classes have in common is written once.
#[test]
fn neighbours_of_a_large_class_cost_little() {
    const TYPES: u32 = 1500;
    const CHANGES: u32 = 6;
    // Each with its own changes.
    let class = |changes: u32| {
        let mut btf = BtfBuilder::new();
        for i in 0..TYPES {
            let moved = if i < CHANGES { changes >> i & 1 } else { 0 };
            let name = format!("kernel_type_{i:04}");
            btf.string(&name);
            let members: Vec<String> = (0..4).map(|n| format!("field_{i}_{n}")).collect();
            let members: Vec<_> = (members.iter().zip(0..))
                .map(|(name, n)| member(name, TYPES + 1, 64 * (n + moved) + 8 * (i % 3)))
                .collect();
            btf.structure(&name, 0, &members);
        }
        btf.int("", 4, INT_SIGNED);
        btf.finish()
    };
    let size = |classes: u32| {
        let releases: Vec<String> = (0..classes).map(|i| format!("5.4.0-{i}")).collect();
        let kernels: Vec<_> = (releases.iter().zip(0..))
            .map(|(release, changes)| {
                let id = KernelId {
                    release,
                    ..kernel("x86_64", "ubuntu", "20.04", "")
                };
                (id, class(changes))
            })
            .collect();
        write(&kernels).len()
    };
    let (one, all) = (size(1), size(1 << CHANGES));
    assert!(
        all - one < 4 << CHANGES,
        "{} bytes for {} neighbours",
        all - one,
        (1 << CHANGES) - 1
    );
}

/// For classes of any size.
#[test]
fn neighbours_of_a_class_of_any_size_cost_little() {
    let sizes = [200u32, 240, 260, 285, 300, 400];
    let all_of = |types| [5, 2, 1].map(|every| (types, every));
    for (types, every) in sizes.into_iter().flat_map(all_of) {
        let class = |number: u32| {
            let mut btf = BtfBuilder::new();
            for i in 0..types {
                let chance = i.wrapping_mul(0x9e37_79b1);
                // All but the first share a different form of some types.
                let size = match number {
                    0 => chance >> 16,
                    _ if i % every == 0 => chance & 0xffff,
                    _ => chance >> 16,
                };
                let own = u32::from(i == number);
                btf.structure(&format!("s{i:03}"), size + own, &[]);
            }
            btf.finish()
        };
        let releases: Vec<String> = (0..60).map(|i| format!("5.4.0-{i}")).collect();
        let kernels: Vec<_> = (releases.iter().zip(0..))
            .map(|(release, number)| {
                let id = KernelId {
                    release,
                    ..kernel("x86_64", "ubuntu", "20.04", "")
                };
                (id, class(number))
            })
            .collect();
        let (one, all) = (write(&kernels[..1]).len(), write(&kernels).len());
        assert!(
            all < 6 * one,
            "{types} types, each {every}th: {all} bytes, {one} alone"
        );
    }
}

/// Classes with many types, one of them with more than a list of definitions may have.
#[test]
fn classes_of_many_types() {
    let class = |number: u32| {
        let mut btf = BtfBuilder::new();
        for i in 0..17_000 {
            let chance = (i ^ number.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b);
            if number == 0 || i % 5 == 0 || chance >> 31 == 1 {
                btf.forward(&format!("t{i:05}"), false);
            }
        }
        btf.finish()
    };
    let releases = ["5.4.0-0", "5.4.0-1", "5.4.0-2"];
    let kernels = [0, 1, 2].map(|number| {
        let id = KernelId {
            release: releases[number as usize],
            ..kernel("x86_64", "ubuntu", "20.04", "")
        };
        (id, class(number))
    });
    let data = write(&kernels);
    let bundle = Bundle::parse(&data).unwrap();
    for (id, btf) in &kernels {
        let mut found = bundle.lookup(id.arch, id.release).map(Result::unwrap);
        let class = found.next().expect("the kernel").class();
        assert_eq!(bundle.btf(class).unwrap(), *btf);
    }
}

/// More classes than a chain of references may have, and kernels from many series.
#[test]
fn large_bundles() {
    const CLASSES: u32 = 60;
    const KERNELS: u32 = 1500;
    let btfs: Vec<_> = (0..CLASSES).map(|step| series(step, 60)).collect();
    let releases: Vec<String> = (0..KERNELS)
        .map(|i| {
            format!(
                "5.{}.0-{}-{}",
                i % 7,
                i / 3,
                ["generic", "aws"][i as usize % 2]
            )
        })
        .collect();
    let kernels: Vec<_> = (releases.iter().zip(0u32..))
        .map(|(release, i)| {
            let version = ["16.04", "18.04", "20.04"][i as usize / 7 % 3];
            let id = KernelId {
                release,
                ..kernel("x86_64", "ubuntu", version, "")
            };
            (id, btfs[(i * CLASSES / KERNELS) as usize].clone())
        })
        .collect();
    let data = write(&kernels);
    let bundle = Bundle::parse(&data).unwrap();
    assert_eq!(bundle.class_count().unwrap(), CLASSES);
    for (id, btf) in kernels.iter().step_by(97) {
        let mut found = bundle.lookup(id.arch, id.release).map(Result::unwrap);
        let entry = found.find(|entry| entry.kernel() == *id);
        let entry = entry.unwrap_or_else(|| panic!("{id} is not found"));
        assert_eq!(bundle.btf(entry.class()).unwrap(), *btf, "{id}");
    }
}

/// Releases of every form come back, and only as they were.
#[test]
fn odd_releases() {
    let releases = [
        "",
        "0",
        "00",
        "5.04.0",
        "5.4.0",
        "4294967295.999999999.1000000000",
        "1.2.3.4.5.6.7.8.9.10.11.12.13.14",
        "Ünïcode-1",
        "-",
        "5.10.0-9-amd64",
        "5.10.0-9-AMD64",
        "5.10.0-10-amd64",
    ];
    let kernels: Vec<_> = (releases.iter())
        .map(|release| (kernel("x86_64", "debian", "11", release), b"one".to_vec()))
        .collect();
    let data = write(&kernels);
    let bundle = Bundle::parse(&data).unwrap();
    for release in releases {
        let found: Vec<_> = bundle.lookup(Arch::new("x86_64"), release).collect();
        assert_eq!(found.len(), 1, "{release:?}");
    }
    let numeric: Vec<_> = (bundle.kernels())
        .map(|entry| entry.unwrap().kernel().release.to_owned())
        .filter(|release| release.ends_with("-amd64"))
        .collect();
    assert_eq!(numeric, ["5.10.0-9-amd64", "5.10.0-10-amd64"]);

    let mut writer = Writer::new(provenance());
    for release in ["x".repeat(128).as_str(), "5.4\0"] {
        let id = KernelId {
            release,
            ..kernel("x86_64", "debian", "11", "")
        };
        let error = writer.add_kernel(id, b"one").unwrap_err();
        assert!(matches!(error, WriteError::NoRelease { .. }), "{error}");
    }
}

/// An object from a file is one that the bundle was made for; otherwise the error lists those.
#[test]
fn objects_of_the_bundle() {
    // FIPS 180-4: of "abc" and of the empty string.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let digest = |text: &str| -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    };
    let (abc, nothing) = (("a.bpf.o", digest(ABC)), ("b.bpf.o", digest(NOTHING)));
    for (objects, fits, said) in [
        (&[abc][..], [true, false], "(a.bpf.o)"),
        (&[nothing], [false, true], "(b.bpf.o)"),
        (&[abc, nothing], [true, true], "(a.bpf.o, b.bpf.o)"),
        (&[], [false, false], "not made for any eBPF object"),
    ] {
        let provenance = Provenance::default().with_objects(objects);
        let data = Writer::new(provenance).finish().unwrap();
        let bundle = Bundle::parse(&data).unwrap();
        let objects = [&b"abc"[..], b""];
        assert_eq!(objects.map(|o| bundle.check_object(o).is_ok()), fits);
        let error = bundle.check_object(b"another").unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(Bundle::EMPTY.check_object(b"abc").is_err());
}

/// Failures come back as they went in, by kernel; without any, the bytes don't change.
#[test]
fn failures_come_back() {
    let file = bundle_with_failures();
    let bundle = Bundle::parse(&file).unwrap();
    assert!(bundle.knows_failures().unwrap());
    for (kernel, mut failures) in failing() {
        failures.sort();
        let mut found = bundle.failures(&kernel).unwrap().unwrap();
        found.sort();
        assert_eq!(found, failures, "{kernel}");
    }
    let absent = kernel("x86_64", "debian", "12", "5.10.0-1-amd64");
    assert_eq!(bundle.failures(&absent).unwrap(), None);
    let sets = bundle.failure_sets().unwrap().unwrap();
    assert_eq!(sets.of_kernels, [0, 1, 1, 2]);
    assert_eq!((sets.sets.len(), sets.failures.len()), (3, 4));

    let kernels: Vec<_> = (failing().into_iter())
        .map(|(kernel, _)| (kernel, series(0, 3)))
        .collect();
    let without = write(&kernels);
    let bundle = Bundle::parse(&without).unwrap();
    assert!(!bundle.knows_failures().unwrap());
    assert_eq!(bundle.failures(&kernels[0].0).unwrap(), None);
    assert_eq!(bundle.failure_sets().unwrap(), None);
    assert!(
        bundle
            .sizes()
            .unwrap()
            .iter()
            .all(|part| part.name != "programs")
    );

    let mut writer = Writer::new(provenance());
    let mut foreign = failing().remove(0);
    foreign.1[0].object = "another.o".to_owned();
    let error = writer.add_failures(foreign.0, foreign.1).unwrap_err();
    assert!(error.to_string().contains("another.o"), "{error}");
}

/// What exceeds the limits of the section is neither written nor read.
#[test]
fn failures_have_bounds() {
    let (kernel, failures) = failing().remove(1);
    let written = |failures: Vec<Failure>| {
        let mut writer = Writer::new(provenance());
        writer.add_kernel(kernel, b"one").unwrap();
        writer.add_failures(kernel, failures).unwrap();
        writer.finish()
    };
    let named = |name: String| Failure {
        program: name,
        ..failures[0].clone()
    };
    assert!(written(vec![named("x".repeat(1024))]).is_ok());
    let many = |count: u32| (0..count).map(|number| named(number.to_string())).collect();
    assert!(written(many(1 << 14)).is_ok());
    for too_much in [vec![named("x".repeat(1025))], many((1 << 14) + 1)] {
        let error = written(too_much).unwrap_err();
        assert!(matches!(error, WriteError::TooLarge), "{error}");
    }
}
