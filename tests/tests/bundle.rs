//! The bundle format: what is put in comes out, and nothing else ever does.

use btfhub_runtime::bundle::Provenance;
use btfhub_runtime::bundle::write::{WriteError, Writer};
use btfhub_runtime::{Arch, Bundle, KernelId};

fn provenance() -> Provenance {
    Provenance {
        pins: vec!["git 0123456789abcdef0123456789abcdef01234567".into()],
        relocations: [9; 32],
        tool: "btfhub 0.1.0".into(),
        partial: true,
        ..Provenance::default()
    }
    .with_objects(&[("probe.bpf.o", [7; 32]), ("Other Object", [8; 32])])
}

fn kernel<'a>(arch: &'a str, distro: &'a str, version: &'a str, release: &'a str) -> KernelId<'a> {
    KernelId {
        arch: Arch::new(arch),
        release,
        distro,
        version,
    }
}

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

fn write(kernels: &[(KernelId<'_>, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(provenance());
    for (kernel, btf) in kernels {
        writer.add_kernel(*kernel, btf).expect("a sound kernel");
    }
    writer.finish().expect("a sound bundle")
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
