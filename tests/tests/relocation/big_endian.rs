//! The contract on a big-endian machine: our own programs compiled for one, on a real s390x
//! kernel and on made-up ones, against libbpf built for s390x.
//!
//! libbpf computes a left shift (`FieldLshiftU64`) for its own machine, so only here can the
//! engine's result for big-endian kernels be compared.

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::tailor;
use btfhub_tests::fixtures::units;
use btfhub_tests::kernels::entries;
use btfhub_tests::oracle::big_endian::Machine;
use btfhub_tests::oracle::modes::{FIELD_LSHIFT_U64, OpenObject};
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::ours;
use btfhub_tests::shared::{has_tool, scratch, shared};

#[test]
fn big_endian_contract() {
    if !has_tool("clang-19") || !has_tool("llvm-strip-19") {
        return;
    }
    let Some(machine) = Machine::start() else {
        return;
    };
    let dir = scratch("bpfeb");
    let mut objects = Vec::new();
    let mut kernels = Vec::new();
    for unit in units() {
        let elf = std::fs::read(unit.compile("bpfeb", &dir)).expect("a compiled object");
        let local = LocalObject::parse(&unit.object, &elf).expect("an object");
        if unit.object.ends_with(".btf.o") {
            kernels.push((unit.object, local.btf));
        } else if !local.records.is_empty() {
            let ours = Object::parse(&unit.object, &elf).expect("read");
            objects.push((OpenObject::open(local).expect("libbpf reads it"), ours));
        }
    }
    let real = shared()
        .map(|shared| entries(&shared.join("archive")))
        .unwrap_or_default();
    for entry in real
        .into_iter()
        .filter(|entry| entry.name.contains("s390x"))
    {
        let btf = entry.btf();
        kernels.push((entry.name, btf));
    }

    let (mut pairs, mut compared, mut shifts, mut refused) = (0, 0, 0, 0);
    let mut differences = Vec::new();
    for (theirs, ours) in &objects {
        let relocations = Relocations::from_objects([ours]);
        let rule = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        for (name, bytes) in &kernels {
            // Made-up kernels are only for their own programs.
            if !name.ends_with(".xz") && rule(name) != rule(ours.name()) {
                continue;
            }
            let kernel = Btf::parse(bytes).expect("read");
            let tailored = tailor(&relocations, &kernel).expect("no kernel is too complex");
            let full = machine.walk(&theirs.object, bytes).comparable(theirs);
            let cut = machine
                .walk(&theirs.object, &tailored.btf)
                .comparable(theirs);
            let walked = ours::walk(ours, &relocations, &tailored.outcome);
            pairs += 1;
            for (index, record) in theirs.object.records.iter().enumerate() {
                compared += 1;
                let found = full.fresh[index].is_ok_and(|v| !v.poison);
                shifts += usize::from(record.kind == FIELD_LSHIFT_U64 && found);
                refused += usize::from(full.fresh[index].is_err());
                for (whose, of) in [("ours", &walked), ("tailored", &cut)] {
                    let pairs = [
                        (full.fresh[index], of.fresh[index]),
                        (full.whole[index], of.whole[index]),
                    ];
                    if let Some((a, b)) = pairs.iter().find(|(a, b)| a != b) {
                        differences.push(format!(
                            "{} × {name}: record {index} (type {}, \"{}\", kind {}): libbpf \
                             {a:?}, {whose} {b:?}",
                            ours.name(),
                            record.type_id,
                            record.access,
                            record.kind
                        ));
                    }
                }
            }
        }
    }
    println!(
        "{pairs} big-endian pairs: {compared} relocations, {shifts} left shifts found, {refused} \
         refused, {} differences",
        differences.len()
    );
    assert_eq!(differences, Vec::<String>::new());
    assert!(shifts > 20 && refused > 0);
}
