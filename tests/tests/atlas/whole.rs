//! Atlases of small archives: their content, that they are the same however they are made, and
//! that damage is noticed.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfhub_build::Builder;
use btfhub_build::archive::{Archive, Entry};
use btfhub_build::atlas::{Atlas, AtlasBuilder, AtlasWriter, Effort, KernelNumber, Side, diff};
use btfhub_build::btf::{Btf, Kind};
use btfhub_tests::atlases::{atlas_of, id};
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, bitfield, kind, member};
use btfhub_tests::cli::Dir;
use btfhub_tests::cli_test;
use btfhub_tests::objects::{objects_in, own_dir};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive")
}

fn entries() -> Vec<Entry> {
    let archive = Archive::scan(examples()).expect("the example's archive");
    archive.entries().to_vec()
}

fn build(entries: &[Entry]) -> Vec<u8> {
    let built = AtlasBuilder::new()
        .effort(Effort::Fast)
        .build(entries, |_, _| ());
    built.expect("an atlas").file
}

fn extract(atlas: &Atlas, release: &str) -> Btf {
    let kernel = atlas.kernel(id(release)).expect("it is in there");
    let bytes = atlas.extract(kernel).expect("a whole atlas");
    Btf::parse(&bytes).expect("a BTF")
}

/// The types with a name, in order: kind, size, and the names of their members.
fn named(btf: &Btf, name: &str) -> Vec<(Kind, u32, Vec<String>)> {
    let text = |offset| String::from_utf8_lossy(btf.string(offset)).into_owned();
    btf.ids()
        .filter_map(|id| btf.ty(id))
        .filter(|ty| text(ty.name()) == name)
        .map(|ty| {
            let members = ty.members().map(|member| text(member.name));
            let members = if ty.kind().is_composite() {
                members.collect()
            } else {
                Vec::new()
            };
            (ty.kind(), ty.size(), members)
        })
        .collect()
}

#[test]
fn the_same_however_it_was_made() {
    let entries = entries();
    let file = build(&entries);
    let mut backwards = entries.clone();
    backwards.reverse();
    let three = NonZeroUsize::new(3).expect("not zero");
    let other = AtlasBuilder::new()
        .effort(Effort::Fast)
        .jobs(three)
        .build(&backwards, |_, _| ())
        .expect("an atlas");
    assert!(file == other.file, "another order, other bytes");
    assert_eq!(other.decoded, entries.len());

    // From any base: with fewer kernels, with more, with a different file.
    for (base, decoded) in [
        (build(&entries[..2]), entries.len() - 2),
        (build(&entries[1..]), 1),
        (file.clone(), 0),
    ] {
        let base = Atlas::parse(base).expect("an atlas");
        let builder = AtlasBuilder::new().effort(Effort::Fast).base(&base);
        let based = builder.build(&entries, |_, _| ()).expect("an atlas");
        assert_eq!(based.decoded, decoded);
        assert!(file == based.file, "from a base, other bytes");
    }
    let all = Atlas::parse(file).expect("an atlas");
    let fewer = AtlasBuilder::new().effort(Effort::Fast).base(&all);
    let fewer = fewer.build(&entries[2..], |_, _| ()).expect("an atlas");
    assert!(fewer.file == build(&entries[2..]), "what went stays behind");
}

#[test]
fn gives_back_what_the_archive_has() {
    let entries = entries();
    let atlas = Atlas::parse(build(&entries)).expect("an atlas");
    atlas.check().expect("all of it can be expanded");
    let mut seen = 0;
    atlas
        .verify(&entries, None, |kernel, difference| {
            assert_eq!(difference, None, "{kernel}");
            seen += 1;
        })
        .expect("everything can be read");
    assert_eq!(seen, entries.len());
}

#[test]
fn a_bundle_from_an_atlas_is_the_archives() {
    let dir = Dir::new();
    let path = dir.path("kernels.atlas");
    std::fs::write(&path, build(&entries())).expect("a file");
    let digest = Atlas::open(&path, None).expect("an atlas").digest();
    let with_objects = |mut builder: Builder| {
        for object in objects_in(&own_dir(), ".bpf.o") {
            builder = builder.object(own_dir().join(object.name));
        }
        builder
    };
    let of_archive = with_objects(Builder::new().archive(examples()))
        .generate()
        .expect("a bundle");
    let of_atlas = with_objects(Builder::new().atlas(&path))
        .generate()
        .expect("a bundle");
    assert_eq!(of_atlas.decoded_entries(), 0);
    assert_eq!(of_atlas.kernels().len(), entries().len());
    assert!(of_archive.bundle() == of_atlas.bundle(), "other bytes");

    with_objects(Builder::new().pinned_atlas(&path, digest.to_string()))
        .generate()
        .expect("it is the pinned one");
    let other = with_objects(Builder::new().pinned_atlas(&path, "0".repeat(64)));
    let error = format!("{:?}", other.generate().expect_err("it is another one"));
    assert!(error.contains(&digest.to_string()), "{error}");
}

#[test]
fn every_flipped_bit_shows() {
    let file = build(&entries()[..1]);
    let atlas = Atlas::parse(file.clone()).expect("an atlas");
    let whole = atlas.extract(KernelNumber(0)).expect("a whole atlas");
    // All of header and index, and samples of the rest.
    let places = (0..1024).chain((1024..file.len()).step_by(file.len() / 16));
    for place in places.filter(|&place| place < file.len()) {
        let mut damaged = file.clone();
        damaged[place] ^= 1 << (place % 8);
        let read = Atlas::parse(damaged).and_then(|atlas| {
            atlas.check()?;
            atlas.extract(KernelNumber(0))
        });
        if let Ok(read) = read {
            assert!(read == whole, "byte {place}: damaged unnoticed");
            panic!("byte {place}: the digests do not cover it");
        }
    }
    for len in [0, 7, 63, 64, 100, file.len() / 2, file.len() - 1] {
        assert!(Atlas::parse(file[..len].to_vec()).is_err(), "cut to {len}");
    }
}

#[test]
fn candidates_keep_their_order_and_number() {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let long = btf.int("long int", 8, INT_SIGNED);
    // Two that differ, two that repeat the first, and a flavor between them.
    btf.structure("foo", 8, &[member("b", long, 0)]);
    btf.structure("foo", 4, &[member("a", int, 0)]);
    btf.structure("foo", 8, &[member("b", long, 0)]);
    btf.structure("foo___x", 12, &[member("c", int, 8)]);
    btf.structure("foo", 8, &[member("b", long, 0)]);
    let first = btf.finish();

    // The same ones in reverse.
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let long = btf.int("long int", 8, INT_SIGNED);
    btf.structure("foo___x", 12, &[member("c", int, 8)]);
    btf.structure("foo", 4, &[member("a", int, 0)]);
    btf.structure("foo", 8, &[member("b", long, 0)]);
    let second = btf.finish();

    let atlas = atlas_of(&[("1", &first), ("2", &second)]);
    assert_eq!(atlas.definition_count(), 5);
    let sizes = |btf: &Btf, name: &str| -> Vec<u32> {
        named(btf, name).into_iter().map(|found| found.1).collect()
    };
    let (first, second) = (extract(&atlas, "1"), extract(&atlas, "2"));
    // A relocation for a type's id must find two equal types; a third makes no difference.
    assert_eq!(sizes(&first, "foo"), [8, 4, 8]);
    assert_eq!(sizes(&second, "foo"), [4, 8]);
    let order = |btf: &Btf| -> Vec<u32> {
        let candidates = btf.ids().filter_map(|id| btf.ty(id));
        candidates
            .filter(|ty| btf.string(ty.name()).starts_with(b"foo"))
            .map(|ty| ty.size())
            .collect()
    };
    assert_eq!(order(&first), [8, 4, 8, 12]);
    assert_eq!(order(&second), [12, 4, 8]);
}

#[test]
fn a_reference_means_the_right_one_of_several() {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let _one = btf.structure("foo", 4, &[member("a", int, 0)]);
    let two = btf.structure("foo", 12, &[member("a", int, 8)]);
    let pointer = btf.pointer(two);
    let constant = btf.reference(kind::CONST, "", two);
    let alias = btf.typedef("foo_t", constant);
    btf.structure(
        "holder",
        32,
        &[member("by_value", two, 0), member("behind", pointer, 16)],
    );
    btf.structure("other", 12, &[member("alias", alias, 0)]);
    let bytes = btf.finish();
    let btf = extract(&atlas_of(&[("1", &bytes)]), "1");
    let find = |name: &[u8]| {
        let mut ids = btf.ids();
        ids.find(|&id| btf.ty(id).is_some_and(|ty| btf.string(ty.name()) == name))
    };
    let holder = find(b"holder")
        .and_then(|id| btf.ty(id))
        .expect("it is there");
    let members: Vec<_> = holder.members().collect();
    let size = |id| btf.ty(id).expect("a type").size();
    assert_eq!(size(members[0].ty), 12);
    let pointee = btf.ty(members[1].ty).expect("a pointer").referenced();
    assert_eq!(size(pointee), 12);
    let other = find(b"other").expect("it is there");
    assert_eq!(btf.resolve_size(other), Ok(12));
}

#[test]
fn all_that_relocations_look_at_survives() {
    let mut btf = BtfBuilder::big_endian();
    let int = btf.int("int", 4, INT_SIGNED);
    let long = btf.int("long int", 4, INT_SIGNED);
    let double = btf.float("double", 8);
    let values = btf.enumeration("state", 4, true, &[("MINUS", -1), ("MOST", i32::MAX)]);
    let wide = btf.enumeration64("wide", false, &[("ALL", u64::MAX), ("BIG", 1 << 40)]);
    let forward = btf.forward("elsewhere", true);
    let to_forward = btf.pointer(forward);
    let array = btf.array(long, int, 7);
    let own_index = btf.array(long, long, 3);
    let proto = btf.prototype(int, &[("x", long), ("", 0)]);
    let call = btf.pointer(proto);
    let inner = btf.composite(
        kind::UNION,
        "",
        8,
        &[member("i", int, 0), member("d", double, 0)],
    );
    btf.structure(
        "all",
        96,
        &[
            member("", inner, 0),
            bitfield("low", int, 64, 3),
            bitfield("high", int, 67, 29),
            member("values", values, 12),
            member("wide", wide, 16),
            member("far", to_forward, 24),
            member("array", array, 28),
            member("own", own_index, 56),
            member("call", call, 68),
        ],
    );
    let bytes = btf.finish();
    let atlas = atlas_of(&[("1", &bytes)]);
    let extracted = extract(&atlas, "1");
    let full = Btf::parse(&bytes).expect("a BTF");
    let surveyor = AtlasWriter::new().surveyor();
    let full_survey = surveyor.survey(&full).expect("sane types");
    let survey = surveyor.survey(&extracted).expect("sane types");
    assert!(full_survey.is_equal(&survey));
    assert_eq!(extracted.endian(), full.endian());
    assert_eq!(extracted.pointer_size(), Some(4));
    let texts = atlas
        .texts(Some(KernelNumber(0)), |name| name == "all")
        .expect("whole");
    let lines: Vec<&str> = texts[0].lines.iter().map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "struct all {",
            "    union { int i; /* 0 */ double d; /* 0 */ } /* 8 */; /* 0 */",
            "    int low : 3; /* 8 */",
            "    int high : 29; /* 8.3 */",
            "    enum state values; /* 12 */",
            "    enum wide wide; /* 16 */",
            "    struct elsewhere *far; /* 24 */",
            "    long int array[7]; /* 28 */",
            "    long int own[3]; /* 56 */",
            "    int (*call)(long int, void); /* 68 */",
            "}; /* 96 */",
        ]
    );
}

#[test]
fn endless_types_are_refused() {
    let surveyor = AtlasWriter::new().surveyor();
    let mut btf = BtfBuilder::new();
    // A pointer to itself, and a typedef of itself.
    let next = btf.next_id();
    btf.pointer(next);
    btf.structure("a", 8, &[member("p", next, 0)]);
    let bytes = btf.finish();
    let parsed = Btf::parse(&bytes).expect("a BTF");
    assert!(surveyor.survey(&parsed).is_err());
    let mut btf = BtfBuilder::new();
    let next = btf.next_id();
    btf.reference(kind::CONST, "", next);
    btf.structure("a", 8, &[member("p", next, 0)]);
    let bytes = btf.finish();
    let parsed = Btf::parse(&bytes).expect("a BTF");
    assert!(surveyor.survey(&parsed).is_err());
}

/// Found by fuzzing: two equal typedefs of one name, the first of which refers to the second.
/// Stored once, it must not refer to itself.
#[test]
fn a_typedef_of_its_equal_ends() {
    for between in [&[][..], &["u32"], &["u32", "word"]] {
        let mut btf = BtfBuilder::new();
        let first = btf.next_id();
        let mut next = first + 1;
        for name in ["u64"].iter().chain(between) {
            assert_eq!(btf.typedef(name, next), next - 1);
            next += 1;
        }
        assert_eq!(btf.typedef("u64", next), next - 1);
        let long = btf.int("long", 8, 0);
        btf.structure("s", 16, &[member("a", first, 0), member("b", long, 8)]);
        let bytes = btf.finish();
        let extracted = extract(&atlas_of(&[("1", &bytes)]), "1");
        assert_eq!(named(&extracted, "u64").len(), 2);
        let all = extracted.ids().filter_map(|id| extracted.ty(id));
        let s = all
            .into_iter()
            .find(|ty| ty.kind() == Kind::Struct)
            .expect("s");
        let a = s.member(0).expect("a").ty;
        assert_eq!(extracted.resolve_size(a), Ok(8), "{between:?}");
    }
}

/// Found by fuzzing: libbpf divides by the word that holds an enum's size; in a pointer, that word
/// is the type it points at. No compiler writes this.
#[test]
fn a_bitfield_has_a_size() {
    let surveyor = AtlasWriter::new().surveyor();
    let told = |of: fn(&mut BtfBuilder) -> u32| {
        let mut btf = BtfBuilder::new();
        let ty = of(&mut btf);
        let ty = btf.typedef("alias", ty);
        btf.structure("s", 8, &[bitfield("low", ty, 0, 3)]);
        let btf = Btf::parse(&btf.finish()).expect("BTF that libbpf reads");
        let survey = surveyor.survey(&btf).map(|_| ());
        survey.map_err(|error| error.to_string())
    };
    for of in [
        (|btf| btf.pointer(0)) as fn(&mut BtfBuilder) -> u32,
        |btf| btf.forward("elsewhere", false),
        |btf| {
            let int = btf.int("int", 4, 0);
            btf.array(int, int, 2)
        },
        |_| 0,
    ] {
        let why = told(of).expect_err("no size");
        assert!(
            why.ends_with("is the type of a bitfield, but has no size"),
            "{why}"
        );
    }
    told(|btf| btf.int("int", 4, 0)).expect("a size");
    told(|btf| btf.enumeration("e", 4, false, &[])).expect("a size");
}

#[test]
fn a_kernel_twice_is_an_error() {
    let mut entries = entries();
    entries.truncate(1);
    entries.push(entries[0].clone());
    let error = AtlasBuilder::new()
        .effort(Effort::Fast)
        .build(&entries, |_, _| ())
        .expect_err("one kernel, two entries");
    assert!(format!("{error:?}").contains("occurs twice"), "{error:?}");
}

#[test]
fn shows_what_an_update_did_to_a_struct() {
    let kernel = |moved: u32| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4, INT_SIGNED);
        let mut members = vec![member("a", int, 0)];
        if moved > 0 {
            members.push(member("new", int, 4));
        }
        members.push(member("b", int, 4 + moved));
        btf.structure("foo", 8 + moved, &members);
        btf.structure("same", 4, &[member("x", int, 0)]);
        btf.finish()
    };
    let atlas = atlas_of(&[("1", &kernel(0)), ("2", &kernel(4))]);
    let side = |kernel| Side {
        atlas: &atlas,
        kernel: Some(KernelNumber(kernel)),
    };
    let changes = diff(side(0), side(1), |_| true).expect("whole");
    assert_eq!(changes.len(), 1);
    let lines: String = (changes[0].lines().into_iter())
        .map(|(mark, line)| format!("{mark}{line}\n"))
        .collect();
    assert_eq!(
        lines,
        " struct foo {\n     int a; /* 0 */\n-    int b; /* 4 */\n-}; /* 8 */\n\
         +    int new; /* 4 */\n+    int b; /* 8 */\n+}; /* 12 */\n"
    );
}

cli_test!(builds_inspects_extracts_verifies_and_compares, |dir| {
    let archive = examples().display().to_string();
    let release = "debian/11/x86_64/5.10.0-46-cloud-amd64";
    let made = dir
        .btfhub([
            "atlas",
            "build",
            "--fast",
            "--archive",
            &archive,
            "--out",
            "a",
        ])
        .ok();
    assert!(
        made.contains("6 kernels") || made.contains("kernels ("),
        "{made}"
    );
    let some = ["--include", "debian/11/*"];
    let args = [
        "atlas",
        "build",
        "--fast",
        "--archive",
        &archive,
        "--out",
        "b",
    ];
    let _ = dir.btfhub(args.iter().chain(&some)).ok();
    let args = [
        "atlas",
        "build",
        "--fast",
        "--archive",
        &archive,
        "--base",
        "b",
    ];
    let _ = dir.btfhub(args.iter().chain(&["--out", "c"])).ok();
    let read = |name: &str| std::fs::read(dir.path(name)).expect("a file");
    assert!(read("a") == read("c"), "from a base, other bytes");

    let inspected = dir.btfhub(["atlas", "inspect", "a"]).ok();
    assert!(inspected.contains("definitions"), "{inspected}");
    let shown = dir
        .btfhub([
            "atlas",
            "inspect",
            "a",
            "--kernel",
            release,
            "--type",
            "task_struct",
        ])
        .ok();
    assert!(shown.starts_with("struct task_struct {"), "{shown}");
    let _ = dir
        .btfhub(["atlas", "extract", "a", release, "--out", "k.btf"])
        .ok();
    Btf::parse(&read("k.btf")).expect("a BTF");
    let _ = dir
        .btfhub(["atlas", "verify", "a", "--archive", &archive])
        .ok();
    let diffed = dir.btfhub(["atlas", "diff", "b", "a"]).ok();
    assert!(diffed.contains(" added, 0 removed, 0 changed"), "{diffed}");
});

/// An atlas holds kernels: a module's BTF by itself, whose ids continue its kernel's, is refused.
#[test]
fn modules_are_refused() {
    let mut kernel = BtfBuilder::new();
    let int = kernel.int("int", 4, INT_SIGNED);
    kernel.structure("s", 4, &[member("x", int, 0)]);
    let mut module = BtfBuilder::split(&kernel);
    module.structure("t", 4, &[member("y", int, 0)]);
    let kernel = Arc::new(Btf::parse(&kernel.finish()).expect("a BTF"));
    let module = Btf::parse_split(&module.finish(), kernel).expect("a module's BTF");
    let refused = AtlasWriter::new().surveyor().survey(&module);
    assert_eq!(
        refused.map(|_| ()).map_err(|error| error.to_string()),
        Err("type [3] belongs to a module, and an atlas holds kernels".to_owned())
    );
}
