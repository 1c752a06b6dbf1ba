//! The format's document suffices to read a bundle: `reader.py`, written only from it, reads the
//! same as the runtime.

use std::fmt::Write as _;
use std::process::Command;

use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{Failure, Provenance, When};
use btfhub_runtime::{Arch, Bundle, KernelId};
use btfhub_tests::btf_builder::BtfBuilder;
use btfhub_tests::hostile::small_bundle;
use btfhub_tests::shared::{has_tool, shared};
use sha2::{Digest as _, Sha256};

use crate::bundling::{all_kinds, bundle_with_failures, kernel, series, write};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bundle/reader.py");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the runtime reads, in the reader's form.
fn read(data: &[u8]) -> String {
    let bundle = Bundle::parse(data).expect("a bundle");
    let origin = bundle.provenance().expect("its origin");
    let mut out = format!(
        "flags {} kernels {} classes {}\nrelocations {}\ntool {}\n",
        u8::from(origin.partial) + 2 * u8::from(bundle.knows_failures().expect("a header")),
        bundle.kernel_count().expect("a header"),
        bundle.class_count().expect("a header"),
        hex(&origin.relocations),
        origin.tool
    );
    for pin in &origin.pins {
        writeln!(out, "pin {pin}").expect("memory");
    }
    if !origin.objects.is_empty() {
        writeln!(out, "objects {}", hex(&origin.objects_sha256)).expect("memory");
    }
    for object in &origin.objects {
        writeln!(out, "object {} {}", hex(&object.sha256_start), object.name).expect("memory");
    }
    for entry in bundle.kernels() {
        let entry = entry.expect("a kernel");
        writeln!(out, "kernel {} {}", entry.kernel(), entry.class()).expect("memory");
    }
    for (number, btf) in bundle.all_btf().expect("all classes").iter().enumerate() {
        writeln!(out, "class {number} {}", hex(&Sha256::digest(btf))).expect("memory");
    }
    if !bundle.knows_failures().expect("a header") {
        return out;
    }
    out += "programs\n";
    for (number, entry) in bundle.kernels().enumerate() {
        let kernel = entry.expect("a kernel");
        let failures = bundle.failures(&kernel.kernel()).expect("failures");
        for failure in failures.expect("a kernel of the bundle") {
            let when = match failure.when {
                When::Always => 0,
                When::WithoutKernelBtf => 1,
                When::WithKernelBtf => 2,
            };
            let Failure {
                object,
                program,
                reason,
                ..
            } = failure;
            writeln!(out, "fails {number} {object} {program} {when} {reason}").expect("memory");
        }
    }
    out
}

fn assert_reads(what: &str, data: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("a written file");
    let output = Command::new("python3")
        .arg(READER)
        .arg(file.path())
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        read(data),
        "{what}"
    );
}

#[test]
fn bundles_of_every_kind() {
    if !has_tool("python3") {
        return;
    }
    assert_reads("nothing", &write(&[]));
    assert_reads("small", &small_bundle());
    let mut classes = Vec::new();
    for step in 0..40 {
        classes.push(series(step, 40));
        if step % 3 == 0 {
            classes.push(all_kinds(BtfBuilder::big_endian(), step, 20));
        }
    }
    classes.push(Vec::new());
    classes.push(b"no BTF".to_vec());
    let releases: Vec<String> = (0..2 * classes.len())
        .map(|i| format!("5.{}.0-{}-generic", i % 7, i / 3))
        .collect();
    let kernels: Vec<_> = (releases.iter().zip(classes.iter().cycle()))
        .zip(["18.04", "20.04", "22.04"].into_iter().cycle())
        .map(|((release, btf), version)| {
            let id = KernelId {
                release,
                ..kernel("x86_64", "ubuntu", version, "")
            };
            (id, btf.clone())
        })
        .collect();
    assert_reads("every kind", &write(&kernels));
}

/// Programs that fail on some kernels, under some conditions.
#[test]
fn programs_that_fail() {
    if !has_tool("python3") {
        return;
    }
    assert_reads("failures", &bundle_with_failures());
}

/// All names of the real archive.
#[test]
fn the_real_names() {
    let Some(shared) = shared().filter(|_| has_tool("python3")) else {
        return;
    };
    let names = shared.join("names/btfhub-archive-x86_64.txt");
    let names = std::fs::read_to_string(names).expect("the names");
    let mut writer = Writer::new(Provenance::default());
    let mut all = Vec::new();
    for name in names.lines() {
        let mut parts = name.splitn(4, '/');
        let mut part = || parts.next().expect("distro/version/arch/release");
        let (distro, version, arch, release) = (part(), part(), part(), part());
        let id = KernelId {
            arch: Arch::new(arch),
            release,
            distro,
            version,
        };
        writer.add_kernel(id, series(0, 3)).expect("a kernel");
        all.push(id);
    }
    let data = writer.finish().expect("a bundle");
    assert_reads("the real names", &data);
    let bundle = Bundle::parse(&data).expect("a bundle");
    for id in &all {
        let mut found = bundle.lookup(id.arch, id.release).map(Result::unwrap);
        assert!(found.any(|entry| entry.kernel() == *id), "{id}");
    }
    let sizes = bundle.sizes().expect("sizes");
    let bytes = |name| {
        sizes
            .iter()
            .find(|part| part.name == name)
            .map(|part| part.bytes)
    };
    // The strings in the header, nearly all of it, belong to the kernels.
    let index = bytes("header").unwrap() + bytes("kernels").unwrap();
    assert!(index < 3500, "{index} bytes");
}
