//! Types that no relocation can distinguish: which one of them another type refers to does not
//! change the tailored BTF.

use std::path::Path;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::{ReloKind, Relocations};
use btfhub_build::tailor::tailor;
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, member};
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::kernels::entries;
use btfhub_tests::objects::{libbpf_tools, objects_in, own_dir};
use btfhub_tests::oracle::records::LocalObject;

const TYPE_MATCHES: u32 = 12;

/// A BTF with all its types twice, the first of which refer to the second: as pahole leaves it
/// without deduplication.
fn doubled(btf: &[u8]) -> Vec<u8> {
    let word = |at: usize| u32::from_le_bytes(btf[at..at + 4].try_into().expect("four bytes"));
    let header = word(4) as usize;
    let types_at = header + word(8) as usize;
    let types_len = word(12) as usize;
    let mut words: Vec<u32> = (types_at..types_at + types_len)
        .step_by(4)
        .map(word)
        .collect();
    let mut records = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let (kind, vlen) = (
            words[at + 1] >> 24 & 0x1f,
            (words[at + 1] & 0xffff) as usize,
        );
        let body = match kind {
            1 | 14 | 17 => 1,
            3 => 3,
            4 | 5 | 15 | 19 => 3 * vlen,
            6 | 13 => 2 * vlen,
            _ => 0,
        };
        records.push((kind, at..at + 3 + body));
        at += 3 + body;
    }
    let count = u32::try_from(records.len()).expect("few types");
    for (kind, range) in records {
        let ids: Vec<usize> = match kind {
            2 | 8..=12 | 14 | 17 | 18 => vec![2],
            3 => vec![3, 4],
            4 | 5 => (4..range.len()).step_by(3).collect(),
            13 => [2].into_iter().chain((4..range.len()).step_by(2)).collect(),
            15 => (3..range.len()).step_by(3).collect(),
            _ => Vec::new(),
        };
        for id in ids {
            let id = &mut words[range.start + id];
            *id += if *id == 0 { 0 } else { count };
        }
    }
    let strings = header + word(16) as usize;
    let strings = &btf[strings..strings + word(20) as usize];
    let mut out = btf[..header].to_vec();
    let len = |bytes: usize| u32::try_from(bytes).expect("a small file").to_le_bytes();
    out[8..12].copy_from_slice(&len(0));
    out[12..16].copy_from_slice(&len(2 * types_len));
    out[16..20].copy_from_slice(&len(2 * types_len));
    for word in words.iter().chain(&words) {
        out.extend(word.to_le_bytes());
    }
    out.extend(strings);
    out
}

/// Every rule's kernels and a real one, with every type twice.
#[test]
fn a_kernel_that_holds_everything_twice() {
    let mut files = objects_in(&own_dir(), ".bpf.o");
    files.extend(libbpf_tools());
    let objects: Vec<Object> = files
        .iter()
        .filter_map(|o| Object::parse(&o.name, &o.elf).ok())
        .collect();
    let mut kernels: Vec<(String, Vec<u8>)> = objects_in(&own_dir(), ".btf.o")
        .into_iter()
        .map(|o| {
            let local = LocalObject::parse(&o.name, &o.elf).expect("an object with BTF");
            (o.name, local.btf)
        })
        .collect();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive/debian/11");
    let real = entries(&examples).into_iter().next().expect("a kernel");
    kernels.push((real.name.clone(), real.btf()));

    let (mut compared, mut found) = (0, 0);
    for (name, bytes) in &kernels {
        let once = Btf::parse(bytes).expect("a BTF");
        let twice = Btf::parse(&doubled(bytes)).expect("a BTF");
        for object in &objects {
            let relocations = Relocations::from_objects([object]);
            // Only ids distinguish equal types.
            if (relocations.list().iter()).any(|r| r.kind == ReloKind::TypeIdTarget) {
                continue;
            }
            let once = tailor(&relocations, &once).expect("not too complex");
            let twice = tailor(&relocations, &twice).expect("not too complex");
            assert!(
                once.btf == twice.btf,
                "{name}: {} and {} bytes for {}",
                once.btf.len(),
                twice.btf.len(),
                object.name()
            );
            assert_eq!(once.outcome, twice.outcome);
            compared += 1;
            found += usize::from(once.btf.len() > 100);
        }
    }
    println!("{compared} pairs, {found} with something in it");
    assert!(found > 20, "{found}");
}

/// Two different structs with one name count as one if only pointers to them matter.
#[test]
fn of_pointees_only_the_name_is_left() {
    let mut local = BtfBuilder::new();
    let foo = local.structure("foo", 0, &[]);
    let foo = local.pointer(foo);
    let a = local.structure("a", 16, &[member("x", foo, 0), member("y", foo, 8)]);
    let asked = Relo {
        program: 0,
        type_id: a,
        access: "0".to_owned(),
        kind: TYPE_MATCHES,
    };
    let elf = object(&local, &[asked], false);
    let object = Object::parse("local", &elf).expect("an object");
    let relocations = Relocations::from_objects([&object]);

    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, INT_SIGNED);
    let one = target.structure("foo", 4, &[member("m", int, 0)]);
    let other = target.structure("foo", 8, &[member("n", int, 4)]);
    let (one, other) = (target.pointer(one), target.pointer(other));
    target.structure("a", 16, &[member("x", one, 0), member("y", other, 8)]);
    let tailored = tailor(&relocations, &Btf::parse(&target.finish()).expect("a BTF"));
    let tailored = Btf::parse(&tailored.expect("not too complex").btf).expect("a BTF");
    let named_foo = |id: &_| {
        let ty = tailored.ty(*id).expect("a type");
        tailored.string(ty.name()) == b"foo"
    };
    assert_eq!(tailored.ids().filter(named_foo).count(), 1);
}

/// Equal types without a name are one type in a deduplicated BTF, and one for each use otherwise:
/// what is read through one use says nothing about the others.
#[test]
fn nameless_types_are_part_of_what_holds_them() {
    const BYTE_OFFSET: u32 = 0;
    const TYPE_EXISTS: u32 = 8;

    let kernel = |deduplicated: bool| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4, INT_SIGNED);
        let place = [member("a", int, 0), member("b", int, 4)];
        let (x, pointer) = (btf.structure("", 8, &place), btf.pointer(int));
        let (y, other) = if deduplicated {
            (x, pointer)
        } else {
            (btf.structure("", 8, &place), btf.pointer(int))
        };
        btf.typedef("handle", pointer);
        let members = [
            member("p", other, 0),
            member("x", x, 8),
            member("y", y, 16),
            member("", y, 24),
        ];
        btf.structure("task", 32, &members);
        Btf::parse(&btf.finish()).expect("a BTF")
    };
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let pointer = local.pointer(int);
    let handle = local.typedef("handle", pointer);
    let x = local.structure("", 4, &[member("a", int, 0)]);
    let y = local.structure("", 4, &[]);
    let members = [
        member("p", pointer, 0),
        member("x", x, 8),
        member("y", y, 12),
        member("b", int, 16),
    ];
    let task = local.structure("task", 24, &members);
    let asked = [
        (handle, "0", TYPE_EXISTS),
        (task, "0:0", BYTE_OFFSET),
        (task, "0:1:0", BYTE_OFFSET),
        (task, "0:2", BYTE_OFFSET),
        (task, "0:3", BYTE_OFFSET),
    ];
    let asked = asked.map(|(type_id, access, kind)| Relo {
        program: 0,
        type_id,
        access: access.to_owned(),
        kind,
    });
    let elf = object(&local, &asked, false);
    let object = Object::parse("local", &elf).expect("an object");
    let relocations = Relocations::from_objects([&object]);
    let [once, twice] = [true, false].map(|deduplicated| {
        let tailored = tailor(&relocations, &kernel(deduplicated));
        let tailored = tailored.expect("not too complex");
        assert!(!tailored.verbatim);
        Btf::parse(&tailored.btf).expect("a BTF")
    });
    assert_eq!(once.to_bytes(), twice.to_bytes());
    // From x what was read there, from y nothing, and b in place of the struct without a name
    // around it.
    let task = once.ids().find_map(|id| {
        let ty = once.ty(id).expect("a type");
        (once.string(ty.name()) == b"task").then_some(ty)
    });
    let of = |id| {
        let members = once.ty(id).expect("a type").members();
        members
            .map(|inner| String::from_utf8_lossy(once.string(inner.name)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let members = task.expect("the task").members();
    let shown = members.map(|member| {
        let name = String::from_utf8_lossy(once.string(member.name));
        format!("{name} {} [{}]", member.bit_offset / 8, of(member.ty))
    });
    let shown: Vec<String> = shown.collect();
    assert_eq!(shown, ["p 0 []", "x 8 [a]", "y 16 []", "b 28 []"]);
}
