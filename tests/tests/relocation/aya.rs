//! The second loader: aya-obj relocates the same with a tailored BTF as with the full one.

use std::collections::BTreeSet;
use std::path::Path;

use aya_obj::btf::Btf as AyaBtf;
use btfhub_build::btf::Btf;
use btfhub_build::tailor::tailor;
use btfhub_tests::contract::Subject;
use btfhub_tests::elf_builder::single_record;
use btfhub_tests::kernels::entries;
use btfhub_tests::objects::{libbpf_tools, objects_in, own_dir, selftests};
use btfhub_tests::oracle::modes::TYPE_ID_TARGET;
use btfhub_tests::oracle::records::LocalObject;

/// Known exceptions, in which aya-obj reads a tailored BTF differently from the full one: part of
/// the kernel's name, the local type (the part of its name that libbpf compares), and why. None is
/// known in a real kernel.
const KNOWN: [(&str, &str, &str); 7] = [
    (
        "",
        "four____under",
        "aya-obj cuts names at the first ___: finds four____over as well",
    ),
    (
        "",
        "___lead",
        "of which nothing is left: aya-obj takes what has no name",
    ),
    ("", "trail___", "aya-obj finds trail______ as well"),
    (
        "",
        "a",
        "for a___b aya-obj finds a___b___c and a___c, libbpf a___c alone",
    ),
    ("", "level", "the enumerator LEVEL___ is LEVEL to aya-obj"),
    (
        "",
        "real_t",
        "a float exists for aya-obj, for libbpf it never does",
    ),
    (
        "nesting.depth64",
        "tree",
        "more than 64 levels are an error to libbpf, to aya-obj no match",
    ),
];

/// aya-obj's result for a program: its instructions, or a refusal.
pub(crate) fn relocated(elf: &[u8], btf: &AyaBtf) -> Result<Vec<u8>, String> {
    let mut object = aya_obj::Object::parse(elf).map_err(|e| format!("{e:?}"))?;
    object.relocate_btf(btf).map_err(|e| format!("{e:?}"))?;
    let mut code = Vec::new();
    for function in object.functions.values() {
        for insn in &function.instructions {
            code.extend([insn.code, insn.dst_reg() << 4 | insn.src_reg()]);
            code.extend(insn.off.to_le_bytes());
            code.extend(insn.imm.to_le_bytes());
        }
    }
    Ok(code)
}

/// The type of the byte order is from a dependency of aya-obj, so it is taken from any object of
/// ours.
pub(crate) fn aya(bytes: &[u8]) -> AyaBtf {
    let any = objects_in(&own_dir(), "field.bpf.o").remove(0);
    let any = aya_obj::Object::parse(&any.elf).expect("aya-obj reads the object");
    AyaBtf::parse(bytes, any.endianness).expect("aya-obj reads the BTF")
}

/// Each distinct record alone, because a single one can make aya-obj refuse an object. The value of
/// `TypeIdTarget` is an id in the target, so only the rest of the code is compared there.
#[test]
fn tailored_is_read_as_full() {
    let selftests = selftests();
    let mut objects = objects_in(&own_dir(), ".bpf.o");
    objects.extend(libbpf_tools());
    objects.extend(selftests.programs);
    let mut kernels: Vec<(String, Vec<u8>)> = Vec::new();
    for target in objects_in(&own_dir(), ".btf.o")
        .into_iter()
        .chain(selftests.targets)
    {
        let local = LocalObject::parse(&target.name, &target.elf).expect("an object");
        kernels.push((target.name, local.btf));
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
    for entry in entries(&examples).into_iter().step_by(5) {
        let btf = entry.btf();
        kernels.push((entry.name, btf));
    }
    let kernels: Vec<_> = kernels
        .iter()
        .map(|(name, bytes)| (name, Btf::parse(bytes).expect("read"), aya(bytes)))
        .collect();

    let (mut compared, mut patched, mut refused) = (0, 0, 0);
    let mut differences = Vec::new();
    for object in objects {
        let subject = Subject::open(&object.name, &object.elf).expect("both sides read it");
        let Some(subject) = subject else { continue };
        let records = &subject.theirs.object.records;
        let mut seen = BTreeSet::new();
        let single: Vec<(usize, Vec<u8>)> = (0..records.len())
            .filter(|i| seen.insert((records[*i].type_id, &records[*i].access, records[*i].kind)))
            .filter_map(|i| Some((i, single_record(&subject.theirs.object, i)?)))
            .collect();
        for (name, full, full_aya) in &kernels {
            // Made-up kernels are only for their own programs.
            let set = |name: &str| name.contains("selftests/");
            if !name.ends_with(".xz") && set(&object.name) != set(name) {
                continue;
            }
            let tailored = tailor(&subject.relocations, full).expect("no kernel is too complex");
            let tailored_aya = aya(&tailored.btf);
            for (index, elf) in &single {
                let (a, b) = (relocated(elf, full_aya), relocated(elf, &tailored_aya));
                compared += 1;
                let same = match (&a, &b) {
                    (Ok(a), Ok(b)) => {
                        patched += 1;
                        a == b || (records[*index].kind == TYPE_ID_TARGET && a.len() == b.len())
                    }
                    (Err(_), Err(_)) => {
                        refused += 1;
                        true
                    }
                    _ => false,
                };
                let record = &records[*index];
                let essential = subject.theirs.btf.essential_name(record.type_id);
                let known = KNOWN.iter().any(|(kernel, ty, _)| {
                    name.contains(kernel) && essential.as_deref() == Some(ty.as_bytes())
                });
                if !same && !known {
                    let short = |r: &Result<Vec<u8>, String>| match r {
                        Ok(code) => format!("{} bytes", code.len()),
                        Err(e) => e.clone(),
                    };
                    differences.push(format!(
                        "{} × {name}: record {index} (type {}, \"{}\", kind {}): full {}, tailored {}",
                        object.name, record.type_id, record.access, record.kind, short(&a), short(&b)
                    ));
                }
            }
        }
    }
    println!(
        "aya-obj: {compared} relocations compared, {patched} patched, {refused} refused by both"
    );
    for difference in differences.iter().take(40) {
        println!("{difference}");
    }
    assert_eq!(differences.len(), 0, "differences");
    assert!(patched > 10_000 && refused > 0);
}
