//! Comparison with bpftool's tailoring: whatever resolves with its BTF resolves with ours.

use std::path::Path;
use std::process::Command;

use btfhub_build::tailor::tailor;
use btfhub_tests::contract::{Kernel, Subject};
use btfhub_tests::kernels::entries;
use btfhub_tests::objects::{libbpf_tools, objects_in, own_dir};
use btfhub_tests::oracle::modes::{Target, walk};
use btfhub_tests::shared::{has_tool, scratch};

/// A record that libbpf resolves on bpftool's BTF resolves the same on ours; and if bpftool refuses
/// the kernel, libbpf refuses a record on the full BTF.
#[test]
fn ours_is_resolvable_where_bpftools_is() {
    if !has_tool("bpftool") {
        return;
    }
    let dir = scratch("bpftool");
    let mut objects = objects_in(&own_dir(), ".bpf.o");
    objects.extend(libbpf_tools());
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
    let (mut pairs, mut resolved, mut smaller, mut bytes) = (0, 0, 0, (0, 0));
    let mut refused = Vec::new();
    let mut differences = Vec::new();
    for entry in entries(&examples).into_iter().step_by(3) {
        let image = entry.btf();
        let kernel = Kernel::parse(&entry.name, &image).expect("both sides read it");
        let full = dir.join("full.btf");
        std::fs::write(&full, &image).expect("a file");
        for object in &objects {
            let Some(subject) = Subject::open(&object.name, &object.elf).expect("read") else {
                continue;
            };
            let (elf, cut) = (dir.join("object.o"), dir.join("cut.btf"));
            std::fs::write(&elf, &object.elf).expect("a file");
            let _ = std::fs::remove_file(&cut);
            let output = Command::new("bpftool")
                .args(["gen", "min_core_btf"])
                .args([&full, &cut, &elf])
                .output()
                .expect("bpftool runs");
            pairs += 1;
            let on_full = walk(&subject.theirs, &kernel.theirs);
            if !output.status.success() {
                refused.push(object.name.clone());
                if on_full.fresh.iter().all(Result::is_ok) {
                    let message = String::from_utf8_lossy(&output.stderr);
                    println!("{} × {}: bpftool alone: {message}", object.name, entry.name);
                }
                continue;
            }
            let theirs = std::fs::read(&cut).expect("bpftool's BTF");
            let ours =
                tailor(&subject.relocations, &kernel.ours).expect("no kernel is too complex");
            smaller += usize::from(ours.btf.len() <= theirs.len());
            bytes = (bytes.0 + ours.btf.len(), bytes.1 + theirs.len());
            let on = |bytes: &[u8]| {
                let target = Target::parse(bytes).expect("libbpf reads it");
                walk(&subject.theirs, &target)
                    .comparable(&subject.theirs)
                    .fresh
            };
            let comparable = on_full.comparable(&subject.theirs).fresh;
            for (index, (theirs, ours)) in on(&theirs).iter().zip(on(&ours.btf)).enumerate() {
                let found = theirs.is_ok_and(|v| !v.poison && v.new_val != 0);
                resolved += usize::from(found);
                // bpftool's own result sometimes differs from the full BTF's.
                if found && *theirs == comparable[index] && *theirs != ours {
                    differences.push(format!(
                        "{} × {}: record {index}: bpftool {theirs:?}, ours {ours:?}",
                        object.name, entry.name
                    ));
                }
            }
        }
    }
    refused.sort();
    refused.dedup();
    println!("{pairs} pairs, {resolved} records resolved; refused by bpftool: {refused:?}");
    println!(
        "ours is no larger in {smaller}: {} against {} bytes",
        bytes.0, bytes.1
    );
    assert_eq!(differences, Vec::<String>::new());
    assert!(resolved > 500);
}
