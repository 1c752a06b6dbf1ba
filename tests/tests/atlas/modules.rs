//! Kernels with modules: an atlas gives the same results as their entries.

use btfhub_build::Modules;
use btfhub_build::archive::Digest;
use btfhub_build::atlas::{Atlas, AtlasWriter, Effort, SourceEntry};
use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::tailor;
use btfhub_tests::atlases::id;
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::derive::Random;
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::hostile_atlas::{self, open_with_modules};
use btfhub_tests::modules::{Kernel, Module, kernels};
use btfhub_tests::objects::{objects_in, own_dir};

fn joined(kernel: &[u8], modules: &[Module], chosen: &Modules) -> Btf {
    let kernel = Btf::parse(kernel).expect("a kernel's BTF");
    let all: Vec<&Module> = match chosen {
        Modules::All => modules.iter().collect(),
        Modules::Named(names) => (names.iter())
            .filter_map(|name| modules.iter().find(|(other, _)| other == name))
            .collect(),
    };
    let all = all.into_iter().map(|(name, btf)| (&**name, &**btf));
    Btf::join(kernel, all, |_| true).expect("modules of this kernel")
}

/// An atlas of kernels, by release, with their modules.
fn file_of(kernels: &[(&str, &[u8], &[Module])]) -> Vec<u8> {
    let mut writer = AtlasWriter::new();
    for (release, kernel, modules) in kernels {
        let btf = joined(kernel, modules, &Modules::All);
        let survey = writer.surveyor().survey(&btf).expect("sane types");
        let source = SourceEntry {
            path: format!("{release}.btf"),
            digest: Digest::of(kernel),
        };
        let inserted = writer.insert(id(release), source, &survey);
        inserted.expect("the same types");
    }
    writer.finish(Effort::Fast, 1).expect("an atlas").1
}

/// Each kernel is tailored from the atlas as from its own BTF and its modules'.
fn assert_same(
    relocations: &Relocations,
    atlas: &Atlas,
    kernels: &[(&str, &[u8], &[Module])],
    chosen: &Modules,
) -> usize {
    let scope = atlas.scope_of(relocations, chosen).expect("whole");
    let mut found = 0;
    for (release, kernel, modules) in kernels {
        let number = atlas.kernel(id(release)).expect("there");
        let part = scope.read(scope.of_kernels()[number.0]).expect("whole");
        let full = joined(kernel, modules, chosen);
        let [full, part] = [&full, &part].map(|btf| tailor(relocations, btf));
        match (full, part) {
            (Ok(full), Ok(part)) => {
                assert_eq!(full.outcome, part.outcome, "{release}");
                assert!(full.btf == part.btf, "{release}: other bytes");
                found += 1;
            }
            (full, part) => assert_eq!(full.err(), part.err(), "{release}"),
        }
    }
    found
}

/// A kernel and its modules, with types that the kernel also has, that both modules have, and
/// that refer to each other.
fn made_up(offset: u32) -> (Vec<u8>, Vec<Module>) {
    let mut kernel = BtfBuilder::new();
    let int = kernel.int("unsigned int", 4, 0);
    kernel.int("long unsigned int", 8, 0);
    let shared = kernel.structure("shared", 8, &[member("x", int, 4)]);
    kernel.structure("other", 8, &[member("shared", shared, 0)]);
    kernel.enumeration("mode", 4, false, &[("OFF", 3)]);
    let mut one = BtfBuilder::split(&kernel);
    let own = one.structure("shared", 16, &[member("x", int, offset)]);
    let mode = one.enumeration("mode", 4, false, &[("OFF", 5)]);
    let to_own = one.pointer(own);
    let to_kernels = one.pointer(shared);
    let vport = one.structure(
        "vport",
        48,
        &[
            member("own", own, 0),
            member("port", int, 16 + offset),
            member("to_own", to_own, 24),
            member("to_kernels", to_kernels, 32),
            member("kernels", shared, 40),
            member("mode", mode, 20),
        ],
    );
    one.typedef("vport_t", vport);
    one.structure("only", 4, &[member("x", int, 0)]);
    let mut two = BtfBuilder::split(&kernel);
    let array = two.array(int, int, 3);
    two.structure(
        "priv",
        16,
        &[member("flags", int, 4), member("list", array, 4)],
    );
    // Exactly as in the kernel.
    two.structure("shared", 8, &[member("x", int, 4)]);
    let mut three = BtfBuilder::split(&kernel);
    three.structure("priv", 24, &[member("flags", int, offset)]);
    three.structure("only", 4, &[member("x", int, 0)]);
    three.structure("only", 4, &[member("x", int, 0)]);
    let modules = [("one", &one), ("three", &three), ("two", &two)];
    let modules = modules.map(|(name, btf)| (name.to_owned(), btf.finish()));
    (kernel.finish(), modules.to_vec())
}

/// Relocations for many of [`made_up`]'s types.
fn asked() -> Relocations {
    let mut local = BtfBuilder::new();
    let int = local.int("unsigned int", 4, 0);
    let shared = local.structure("shared", 4, &[member("x", int, 0)]);
    let pointer = local.pointer(shared);
    let mode = local.enumeration("mode", 4, false, &[("OFF", 0)]);
    let vport = local.structure(
        "vport",
        32,
        &[
            member("own", shared, 0),
            member("port", int, 4),
            member("to_own", pointer, 8),
            member("to_kernels", pointer, 16),
            member("kernels", shared, 24),
            member("mode", mode, 28),
        ],
    );
    let typedef = local.typedef("vport_t", vport);
    let array = local.array(int, int, 3);
    let private = local.structure(
        "priv",
        16,
        &[member("flags", int, 0), member("list", array, 4)],
    );
    let only = local.structure("only", 4, &[member("x", int, 0)]);
    let other = local.structure("other", 4, &[member("shared", shared, 0)]);
    let relos = [
        (vport, "0:0:0", 0),
        (vport, "0:1", 0),
        (vport, "0:2", 0),
        (vport, "0:3", 2),
        (vport, "0:4:0", 0),
        (vport, "0:5", 0),
        (vport, "0", 9),
        (typedef, "0:1", 0),
        (private, "0:0", 0),
        (private, "0:1:2", 0),
        (only, "0", 8),
        (only, "0:0", 1),
        (shared, "0:0", 0),
        (shared, "0", 9),
        (other, "0:0:0", 0),
        (mode, "0", 11),
    ];
    let relos = relos.map(|(type_id, access, kind)| Relo {
        program: 0,
        type_id,
        access: access.to_owned(),
        kind,
    });
    let object = Object::parse("asked.bpf.o", &object(&local, &relos, false));
    Relocations::from_objects([&object.expect("an object")])
}

#[test]
fn what_comes_out_is_what_went_in() {
    let all: Vec<_> = [0, 4, 8, 12].map(made_up).into();
    let names = ["1", "2", "3", "4"];
    let mut kernels: Vec<(&str, &[u8], &[Module])> = (names.iter().zip(&all))
        .map(|(name, (kernel, modules))| (*name, kernel.as_slice(), modules.as_slice()))
        .collect();
    // One with fewer, and one without modules.
    kernels.push(("5", &all[0].0, &all[0].1[1..]));
    kernels.push(("6", &all[0].0, &[]));
    let file = file_of(&kernels);
    let atlas = Atlas::parse(file.clone()).expect("what was written can be read");
    for (release, _, modules) in &kernels {
        let number = atlas.kernel(id(release)).expect("there");
        let names = modules.iter().map(|(name, _)| name.as_str());
        assert!(atlas.modules(number).eq(names), "{release}");
    }
    let asked = asked();
    for chosen in [
        Modules::All,
        Modules::named(["one"]),
        Modules::named(["two", "one"]),
        Modules::named(["three", "two", "one", "absent"]),
    ] {
        let found = assert_same(&asked, &atlas, &kernels, &chosen);
        assert!(found >= 2, "{chosen:?}: {found}");
    }
    // In any order.
    kernels.reverse();
    assert!(file_of(&kernels) == file);
}

/// Any change to the stored modules causes an error or a different result, but no panic.
#[test]
fn damaged_lists_of_modules() {
    let all: Vec<_> = [0, 4].map(made_up).into();
    let kernels: Vec<(&str, &[u8], &[Module])> = (["1", "2"].iter().zip(&all))
        .map(|(name, (kernel, modules))| (*name, kernel.as_slice(), modules.as_slice()))
        .collect();
    let (open, modules) = open_with_modules(&file_of(&kernels));
    let modules = modules.expect("modules");
    let asked = asked();
    hostile_atlas::modules(&asked, &open, &modules);
    for end in 0..modules.len() {
        hostile_atlas::modules(&asked, &open, &modules[..end]);
    }
    let mut random = Random::new(22);
    for _ in 0..400 {
        let mut damaged = modules.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(damaged.len());
            damaged[at] = u8::try_from(random.below(256)).expect("a byte");
        }
        hostile_atlas::modules(&asked, &open, &damaged);
    }
}

/// Debian's kernels with the modules of a dozen subsystems: each of our objects.
#[test]
fn kernels_of_debian() {
    const NAMED: [&str; 10] = [
        "bridge",
        "fuse",
        "kvm",
        "kvm_intel",
        "nf_conntrack",
        "nf_tables",
        "openvswitch",
        "overlay",
        "veth",
        "xfs",
    ];
    let kernels: Vec<Kernel> = kernels(&["bookworm:6.1", "trixie-backports:7"]);
    if kernels.is_empty() {
        return;
    }
    let read: Vec<(Vec<u8>, Vec<Module>)> = kernels
        .iter()
        .map(|kernel| {
            let mut modules = kernel.named(&NAMED);
            modules.sort();
            (kernel.btf(), modules)
        })
        .collect();
    let all: Vec<(&str, &[u8], &[Module])> = (kernels.iter().zip(&read))
        .map(|(kernel, (btf, modules))| {
            (kernel.release.as_str(), btf.as_slice(), modules.as_slice())
        })
        .collect();
    let atlas = Atlas::parse(file_of(&all)).expect("what was written can be read");
    let mut found = 0;
    for file in objects_in(&own_dir(), ".bpf.o") {
        let Ok(object) = Object::parse(&file.name, &file.elf) else {
            continue;
        };
        let relocations = Relocations::from_objects([&object]);
        for chosen in [
            Modules::All,
            Modules::named(["openvswitch", "nf_conntrack"]),
        ] {
            found += assert_same(&relocations, &atlas, &all, &chosen);
        }
    }
    assert!(found > 40, "{found}");
}
