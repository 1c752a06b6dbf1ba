//! Similar kernels in one atlas: each is tailored as from its full BTF, and those that differ in
//! nothing that the relocations reach are treated as one.

use btfhub_build::Modules;
use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::tailor;
use btfhub_tests::atlases::{atlas_of, id};
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, Member, kind, member};
use btfhub_tests::elf_builder::{self, Relo};

const BYTE_OFFSET: u32 = 0;
const FIELD_EXISTS: u32 = 2;
const ENUM_VALUE: u32 = 11;

/// What may differ from kernel to kernel.
#[derive(Clone, Copy)]
struct Kernel {
    /// Members of `task` after the array without length.
    behind: &'static [&'static str],
    /// The name and type of a member that no relocation reads.
    other: (&'static str, Other),
    /// A second `task`, with this additional member.
    second: Option<&'static str>,
    /// An enumerator that no relocation reads.
    enumerator: &'static str,
    /// The size of `struct place`, which an index needs.
    place: u32,
    /// The size of `struct task`, which no relocation needs.
    size: u32,
    /// A member of a struct that is part of no other.
    stranger: &'static str,
}

#[derive(Clone, Copy)]
enum Other {
    Int,
    Pointer,
    Struct(&'static str),
    /// A pointer to a struct with this member.
    Behind(&'static str),
}

const BASE: Kernel = Kernel {
    behind: &[],
    other: ("other", Other::Int),
    second: None,
    enumerator: "NOBODY_ASKS",
    place: 8,
    size: 64,
    stranger: "s",
};

fn btf(kernel: Kernel) -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let long = btf.int("long", 8, INT_SIGNED);
    let values = [(kernel.enumerator, 7), ("ASKED", 3)];
    let state = btf.enumeration("state", 4, false, &values);
    let place = [member("x", int, 0), member("y", int, 4)];
    let place = btf.structure("place", kernel.place, &place);
    let tail = btf.array(place, int, 0);
    let inner = btf.composite(
        kind::UNION,
        "",
        8,
        &[member("a", int, 0), member("c", long, 0)],
    );
    let other = match kernel.other.1 {
        Other::Int => int,
        Other::Pointer => btf.pointer(int),
        Other::Struct(name) => btf.structure("thing", 8, &[member(name, long, 0)]),
        Other::Behind(name) => {
            let thing = btf.structure("thing", 8, &[member(name, long, 0)]);
            btf.pointer(thing)
        }
    };
    btf.structure("stranger", 8, &[member(kernel.stranger, long, 0)]);
    let mut members = vec![
        member("b", int, 0),
        member(kernel.other.0, other, 8),
        member("state", state, 16),
        member("", inner, 24),
        member("tail", tail, 32),
    ];
    members.extend(kernel.behind.iter().map(|name| member(name, int, 32)));
    btf.structure("task", kernel.size, &members);
    if let Some(name) = kernel.second {
        members.push(member(name, int, 48));
        btf.structure("task", kernel.size, &members);
    }
    btf.finish()
}

fn relocations() -> Relocations {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let place = local.structure("place", 8, &[member("x", int, 0), member("y", int, 4)]);
    let tail = local.array(place, int, 8);
    let state = local.enumeration("state", 4, false, &[("ASKED", 0)]);
    let members: [Member<'_>; 4] = [
        member("b", int, 0),
        member("a", int, 4),
        member("gone", int, 8),
        member("tail", tail, 16),
    ];
    let task = local.structure("task", 80, &members);
    let asked = [
        (task, "0:0", BYTE_OFFSET),
        (task, "0:1", BYTE_OFFSET),
        (task, "0:2", FIELD_EXISTS),
        // tail[2].y
        (task, "0:3:2:1", BYTE_OFFSET),
        (state, "0", ENUM_VALUE),
    ];
    let relos = asked.map(|(type_id, access, kind)| Relo {
        program: 0,
        type_id,
        access: access.to_owned(),
        kind,
    });
    let elf = elf_builder::object(&local, &relos, false);
    let object = Object::parse("made-up.bpf.o", &elf).expect("an eBPF object");
    Relocations::from_objects([&object])
}

/// Puts kernels into an atlas, compares what they are tailored to, and returns for each kernel the
/// number of the first one that is treated as the same.
fn firsts(kernels: &[Kernel]) -> Vec<usize> {
    let kernels: Vec<Vec<u8>> = kernels.iter().copied().map(btf).collect();
    let releases: Vec<String> = (0..kernels.len())
        .map(|number| format!("{number:02}"))
        .collect();
    let named = releases.iter().map(String::as_str);
    let all: Vec<(&str, &[u8])> = named.zip(kernels.iter().map(Vec::as_slice)).collect();
    let atlas = atlas_of(&all);

    let relocations = relocations();
    let scope = atlas
        .scope_of(&relocations, &Modules::All)
        .expect("a whole atlas");
    let mut parts = Vec::new();
    for (release, bytes) in releases.iter().zip(&kernels) {
        let kernel = atlas.kernel(id(release)).expect("it is in there");
        let part = scope.of_kernels()[kernel.0];
        parts.push(part);
        let part = scope.btf(part).expect("a whole atlas");
        let [full, part] = [bytes, &part].map(|bytes| {
            let btf = Btf::parse(bytes).expect("a BTF");
            tailor(&relocations, &btf).expect("not too complex")
        });
        assert_eq!(full.outcome, part.outcome, "kernel {release}");
        assert!(full.btf == part.btf, "kernel {release}: other bytes");
    }
    let first = |part| parts.iter().position(|other| other == part);
    parts.iter().filter_map(first).collect()
}

/// Kernels that each differ from the first in something else that is reached.
const KERNELS: [Kernel; 10] = [
    BASE,
    Kernel {
        other: ("renamed", Other::Int),
        ..BASE
    },
    Kernel {
        other: ("other", Other::Pointer),
        ..BASE
    },
    Kernel {
        other: ("other", Other::Struct("v")),
        ..BASE
    },
    Kernel {
        other: ("other", Other::Struct("w")),
        ..BASE
    },
    Kernel {
        enumerator: "NEW",
        ..BASE
    },
    Kernel { size: 72, ..BASE },
    // The array is no longer the last member, so it has no elements beyond its end.
    Kernel {
        behind: &["more"],
        ..BASE
    },
    Kernel {
        behind: &["gone"],
        ..BASE
    },
    Kernel { place: 16, ..BASE },
];

#[test]
fn those_that_differ_in_nothing_that_is_reached_are_one() {
    let with = |other, stranger| Kernel {
        other: ("other", other),
        stranger,
        ..BASE
    };
    let [v, w] = ["v", "w"].map(Other::Behind);
    let kernels = [with(v, "s"), with(w, "s"), with(v, "t")];
    assert_eq!(firsts(&kernels), [0, 0, 0]);
    assert_eq!(firsts(&KERNELS), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn several_of_one_name() {
    let second = |second, other| Kernel {
        second: Some(second),
        other: (other, Other::Int),
        ..BASE
    };
    let mut kernels = KERNELS.to_vec();
    kernels.extend([
        second("more", "other"),
        second("less", "other"),
        second("gone", "other"),
        second("more", "renamed"),
    ]);
    let firsts = firsts(&kernels);
    assert_eq!(firsts[10..], [10, 11, 12, 13]);
}
