//! Handmade kernels: each is tailored from an atlas as from its full BTF, and reduced.

use btfhub_build::Modules;
use btfhub_build::atlas::AtlasWriter;
use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::{Tailored, tailor};
use btfhub_tests::atlases::{atlas_of, id};
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, kind, member};
use btfhub_tests::elf_builder::{self, Relo};

const BYTE_OFFSET: u32 = 0;
const FIELD_EXISTS: u32 = 2;
const TYPE_EXISTS: u32 = 8;
const TYPE_MATCHES: u32 = 12;

fn relocations(local: &BtfBuilder, asked: &[(u32, &str, u32)]) -> Relocations {
    let relos: Vec<Relo> = asked
        .iter()
        .map(|&(type_id, access, kind)| Relo {
            program: 0,
            type_id,
            access: access.to_owned(),
            kind,
        })
        .collect();
    let elf = elf_builder::object(local, &relos, false);
    let object = Object::parse("made-up.bpf.o", &elf).expect("an eBPF object");
    Relocations::from_objects([&object])
}

/// What each kernel is tailored to: from its full BTF, and from an atlas of all.
fn both(relocations: &Relocations, kernels: &[&BtfBuilder]) -> Vec<[Tailored; 2]> {
    let images: Vec<Vec<u8>> = kernels.iter().map(|k| k.finish()).collect();
    let names: Vec<String> = (0..images.len()).map(|n| n.to_string()).collect();
    let all: Vec<(&str, &[u8])> = names
        .iter()
        .map(String::as_str)
        .zip(images.iter().map(Vec::as_slice))
        .collect();
    let atlas = atlas_of(&all);
    let scope = atlas.scope_of(relocations, &Modules::All).expect("whole");
    names
        .iter()
        .zip(&images)
        .map(|(name, image)| {
            let part = scope.of_kernels()[atlas.kernel(id(name)).expect("there").0];
            let part = scope.btf(part).expect("whole");
            [image, &part].map(|bytes| {
                let btf = Btf::parse(bytes).expect("a BTF");
                tailor(relocations, &btf).expect("not too complex")
            })
        })
        .collect()
}

/// Checks that both are the same, and reduced.
fn assert_same(pairs: &[[Tailored; 2]]) {
    for [full, part] in pairs {
        assert_eq!(full.outcome, part.outcome);
        assert!(!full.verbatim, "kept whole");
        assert!(full.btf == part.btf, "other bytes");
    }
}

/// An index into an array of a nameless struct found nothing: that is recorded for this struct,
/// also if another relocation reaches it later.
#[test]
fn an_index_beyond_the_end_in_a_nameless_struct() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let array = local.array(int, int, 4);
    let x = local.structure("", 16, &[member("a", array, 0)]);
    let y = local.structure("", 4, &[member("c", int, 0)]);
    let task = local.structure("task", 20, &[member("x", x, 0), member("y", y, 16)]);
    let relocations = relocations(
        &local,
        &[
            (task, "0:0:0:0", BYTE_OFFSET), // x.a[0]: beyond an array of none
            (task, "0:1:0", BYTE_OFFSET),   // y.c
            (task, "0:0:0", FIELD_EXISTS),  // x.a
        ],
    );
    let mut kernel = BtfBuilder::new();
    let int = kernel.int("int", 4, INT_SIGNED);
    let array = kernel.array(int, int, 0);
    let x = kernel.structure("", 4, &[member("a", array, 0), member("b", int, 0)]);
    let y = kernel.structure("", 4, &[member("c", int, 0)]);
    kernel.structure("task", 8, &[member("x", x, 0), member("y", y, 4)]);
    assert_same(&both(&relocations, &[&kernel]));
}

/// And not for any other struct.
#[test]
fn an_index_says_nothing_of_another_struct() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let array = local.array(int, int, 4);
    let x = local.structure("", 16, &[member("a", array, 0)]);
    let y = local.structure("", 16, &[member("c", array, 0)]);
    let task = local.structure("task", 32, &[member("x", x, 0), member("y", y, 16)]);
    let relocations = relocations(
        &local,
        &[
            (task, "0:0:0:3", BYTE_OFFSET), // x.a[3]: not there
            (task, "0:1:0", FIELD_EXISTS),  // y.c
        ],
    );
    let kernel = |before: bool| {
        let mut kernel = BtfBuilder::new();
        let int = kernel.int("int", 4, INT_SIGNED);
        let one = kernel.array(int, int, 1);
        let two = kernel.array(int, int, 2);
        let x = kernel.structure("", 4, &[member("a", one, 0)]);
        let mut members = vec![member("c", two, 0)];
        if before {
            members.insert(0, member("other", int, 0));
        }
        let y = kernel.structure("", 8, &members);
        kernel.structure("task", 12, &[member("x", x, 0), member("y", y, 4)]);
        kernel
    };
    assert_same(&both(&relocations, &[&kernel(false), &kernel(true)]));
}

/// `-E2BIG` after 64 nameless structs, whether or not the last one has the member: some member
/// must be kept.
#[test]
fn too_big_in_nested_structs() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let task = local.structure("task", 4, &[member("x", int, 0)]);
    let relocations = relocations(&local, &[(task, "0:0", BYTE_OFFSET)]);
    for has_it in [true, false] {
        let mut kernel = BtfBuilder::new();
        let int = kernel.int("int", 4, INT_SIGNED);
        let mut members = vec![member("o", int, 0)];
        members.extend(has_it.then(|| member("x", int, 4)));
        let mut inner = kernel.structure("", 8, &members);
        for _ in 0..62 {
            inner = kernel.structure("", 8, &[member("", inner, 0)]);
        }
        kernel.structure("task", 8, &[member("", inner, 0)]);
        assert_same(&both(&relocations, &[&kernel]));
    }
}

/// More than 32 steps to a size, some of them qualifiers, without which there would be a size. No
/// compiler makes such a chain.
#[test]
fn qualifiers_around_an_array_are_refused() {
    for (outer, inner, is_taken) in [
        (17, 17, false),
        (15, 15, false),
        (14, 15, true),
        (0, 31, false),
    ] {
        let mut kernel = BtfBuilder::new();
        let int = kernel.int("int", 4, INT_SIGNED);
        let qualified = |kernel: &mut BtfBuilder, mut ty, times| {
            for _ in 0..times {
                ty = kernel.reference(kind::CONST, "", ty);
            }
            ty
        };
        let element = qualified(&mut kernel, int, inner);
        let array = kernel.array(element, int, 2);
        let array = qualified(&mut kernel, array, outer);
        kernel.typedef("t", array);
        let btf = Btf::parse(&kernel.finish()).expect("a BTF");
        let surveyed = AtlasWriter::new().surveyor().survey(&btf).is_ok();
        assert_eq!(surveyed, is_taken, "{outer} and {inner}");
    }
}

fn pointee(name: &str, in_local: &str) -> Vec<[Tailored; 2]> {
    let mut local = BtfBuilder::new();
    let node = local.structure(in_local, 0, &[]);
    let pointer = local.pointer(node);
    let task = local.structure("task", 8, &[member("p", pointer, 0)]);
    let relocations = relocations(&local, &[(task, "0", TYPE_MATCHES)]);
    let mut kernel = BtfBuilder::new();
    let node = kernel.structure(name, 0, &[]);
    let pointer = kernel.pointer(node);
    kernel.structure("task", 8, &[member("p", pointer, 0)]);
    both(&relocations, &[&kernel])
}

/// A struct behind a pointer keeps its flavor.
#[test]
fn flavor_behind_a_pointer() {
    assert_same(&pointee("node___v2", "node"));
}

/// A flavor with a flavor: the essential name of its essential name is a different name.
#[test]
fn two_flavors_behind_a_pointer() {
    assert_same(&pointee("node___a___b", "node___a___c"));
}

/// The same behind a typedef's pointer: types are compared, not matched.
#[test]
fn flavor_behind_a_typedef_s_pointer() {
    let mut local = BtfBuilder::new();
    let node = local.structure("node", 0, &[]);
    let pointer = local.pointer(node);
    let handle = local.typedef("handle", pointer);
    let relocations = relocations(&local, &[(handle, "0", TYPE_EXISTS)]);
    let mut kernel = BtfBuilder::new();
    let node = kernel.structure("node___v2", 0, &[]);
    let pointer = kernel.pointer(node);
    kernel.typedef("handle", pointer);
    assert_same(&both(&relocations, &[&kernel]));
}
