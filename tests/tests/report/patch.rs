//! `report::patch` against libbpf's own `bpf_core_patch_insn`: our objects, those of
//! libbpf-tools and the kernel's selftests, on made-up kernels and on real ones.

use std::path::Path;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::{RecordMeaning, Relocations, resolve};
use btfhub_build::report::{Insn, Patched, patch};
use btfhub_tests::kernels::entries;
use btfhub_tests::objects::{ObjectFile, libbpf_tools, objects_in, own_dir, selftests};
use btfhub_tests::oracle::libbpf::resolve_and_patch;
use btfhub_tests::oracle::modes::{FIELD_LSHIFT_U64, OpenObject, TYPE_ID_TARGET, Target};
use btfhub_tests::oracle::records::LocalObject;

/// `BPF_JMP | BPF_CALL`, and libbpf's number for a bad relocation.
const POISON: (u8, i32) = (0x85, 195_896_080);

#[derive(Default)]
struct Seen {
    values: usize,
    poisoned: usize,
    refused: usize,
}

fn compare(object: &ObjectFile, kernel: &str, target: &Target, btf: &Btf, seen: &mut Seen) {
    let theirs = OpenObject::open(LocalObject::parse(&object.name, &object.elf).expect("ELF"));
    let (Ok(theirs), Ok(ours)) = (theirs, Object::parse(&object.name, &object.elf)) else {
        return;
    };
    let relocations = Relocations::from_objects([&ours]);
    let outcome = resolve(&relocations, btf).expect("simple types");
    for (index, meaning) in relocations.meanings(&ours).into_iter().enumerate() {
        let record = &theirs.object.records[index];
        let RecordMeaning::Relocation {
            index: number,
            local,
        } = meaning
        else {
            continue;
        };
        let section = ours.records()[index].section.map(|at| &ours.sections()[at]);
        let Some(section) = section else { continue };
        let candidates = target
            .candidates(&theirs.btf, record.type_id)
            .unwrap_or_default();
        let mut code = section.code.clone();
        let answer = resolve_and_patch(&theirs.btf, theirs.relo(index), &candidates, &mut code);
        let at = record.insn_off as usize;
        let endian = ours.btf().endian();
        let resolution = outcome
            .resolution(&relocations, number)
            .expect("a resolution");
        let load = relocations.list()[number].load;
        let mine = patch(&section.code, at, endian, local, load, &resolution);
        let place = format!("{} record {index} on {kernel}: {resolution:?}", object.name);
        match (answer, mine) {
            (Err(_), None) => seen.refused += 1,
            (Err(_), Some(Patched::Refused(_))) => seen.refused += 1,
            (Ok(()), Some(Patched::Poisoned)) => {
                let insn = Insn::at(&code, at, endian).expect("an instruction");
                assert_eq!((insn.code, insn.imm), POISON, "{place}");
                seen.poisoned += 1;
            }
            (Ok(()), Some(Patched::Value(value))) => {
                let insn = Insn::at(&code, at, endian).expect("an instruction");
                assert_ne!((insn.code, insn.imm), POISON, "{place}");
                // Ids always differ, and shifts depend on libbpf's own byte order.
                if record.kind != TYPE_ID_TARGET && record.kind != FIELD_LSHIFT_U64 {
                    assert_eq!(held(&code, at, insn, endian), value, "{place}");
                }
                seen.values += 1;
            }
            (answer, mine) => panic!("{place}: libbpf {answer:?}, ours {mine:?}"),
        }
    }
}

/// The value that a patched instruction holds, at full width.
fn held(code: &[u8], at: usize, insn: Insn, endian: btfhub_build::btf::Endian) -> u64 {
    match insn.code & 7 {
        1..=3 => insn.off as u64,
        0 => {
            let high = Insn::at(code, at + 8, endian).expect("the second half").imm;
            u64::from(insn.imm as u32) | u64::from(high as u32) << 32
        }
        _ => u64::from(insn.imm as u32),
    }
}

#[test]
fn patching_is_libbpfs() {
    let selftests = selftests();
    let mut objects = objects_in(&own_dir(), ".bpf.o");
    objects.extend(libbpf_tools());
    objects.extend(selftests.programs);
    // libbpf patches instructions in the byte order of its own machine.
    objects.retain(|object| object.elf.get(5) == Some(&1));
    let mut kernels: Vec<(String, Vec<u8>)> = objects_in(&own_dir(), ".btf.o")
        .into_iter()
        .chain(selftests.targets)
        .map(|object| {
            let local = LocalObject::parse(&object.name, &object.elf).expect("an object");
            (object.name, local.btf)
        })
        .collect();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
    for entry in entries(&examples).iter().step_by(3) {
        kernels.push((entry.name.clone(), entry.btf()));
    }
    let mut seen = Seen::default();
    for (name, bytes) in &kernels {
        let target = Target::parse(bytes).expect("libbpf reads it");
        let btf = Btf::parse(bytes).expect("we read it");
        for object in &objects {
            compare(object, name, &target, &btf, &mut seen);
        }
    }
    println!(
        "{} objects × {} kernels: {} values, {} poisoned, {} refused: all as libbpf",
        objects.len(),
        kernels.len(),
        seen.values,
        seen.poisoned,
        seen.refused
    );
    assert!(seen.values > 0 && seen.poisoned > 0 && seen.refused > 0);
}
