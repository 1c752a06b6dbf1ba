//! Malicious kernels that are added to an atlas, and malicious atlases: each is handled within
//! limits of memory and CPU time that are enforced from outside (see `limits`).

use btfhub_build::Modules;
use btfhub_build::archive::Digest;
use btfhub_build::atlas::{Atlas, AtlasWriter, Effort, KernelNumber, SourceEntry};
use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::report::Survey;
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::btf_builder::{BtfBuilder, Member, member};
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::hostile_atlas::Codec;
use btfhub_tests::{cases, hostile_atlas};

fn id(release: &str) -> KernelId<'_> {
    KernelId {
        arch: Arch::new("x86_64"),
        release,
        distro: "made-up",
        version: "1",
    }
}

/// A kernel as an atlas returns it: all of it, and the part that a program with `struct task`
/// needs; or why the atlas refuses it.
fn kept(types: &BtfBuilder) -> Result<[Btf; 2], String> {
    let kernel = Btf::parse(&types.finish()).expect("BTF that libbpf reads");
    let mut writer = AtlasWriter::new();
    let survey = writer.surveyor().survey(&kernel);
    let survey = survey.map_err(|error| error.to_string())?;
    let source = SourceEntry {
        path: "made-up".to_owned(),
        digest: Digest::of(b""),
    };
    writer
        .insert(id("1"), source, &survey)
        .map_err(|error| error.to_string())?;
    let (_, file) = writer.finish(Effort::Fast, 1).expect("an atlas");
    let atlas = Atlas::parse(file).expect("what was written can be read");
    atlas.check().expect("all of it");
    let texts = atlas.texts(None, |name| name == "task");
    assert!(!texts.expect("all of it").is_empty());
    let part = atlas
        .scope_of(&asks_for_task(), &Modules::All)
        .expect("all of it")
        .btf(0);
    let whole = atlas.extract(KernelNumber(0));
    Ok([whole, part].map(|bytes| Btf::parse(&bytes.expect("all of it")).expect("BTF")))
}

/// `struct task { int b; }`.
fn program() -> Object {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, 1);
    let task = local.structure("task", 8, &[member("b", int, 4)]);
    let relo = Relo {
        program: 0,
        type_id: task,
        access: "0:0".to_owned(),
        kind: 0,
    };
    let elf = elf_builder::object(&local, &[relo], false);
    Object::parse("made-up.bpf.o", &elf).expect("an eBPF object")
}

fn asks_for_task() -> Relocations {
    Relocations::from_objects([&program()])
}

/// How many types of one name there are.
fn count(btf: &Btf, name: &str) -> usize {
    let types = btf.ids().filter_map(|id| btf.ty(id));
    types
        .filter(|ty| btf.string(ty.name()) == name.as_bytes())
        .count()
}

cases! {
    /// Anonymous structs that each hold two anonymous structs: 2^60 members, written inline.
    fn exponential_anonymous_members() {
        for (depth, fits) in [(12, true), (60, false)] {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            let mut inner = types.structure("", 4, &[member("x", int, 0)]);
            for _ in 0..depth {
                inner = types.structure("", 8, &[member("", inner, 0), member("", inner, 4)]);
            }
            types.structure("task", 8, &[member("", inner, 0), member("b", int, 0)]);
            match kept(&types) {
                Ok(_) => assert!(fits, "2^{depth} members"),
                Err(error) => assert!(!fits && error.contains("2^24"), "{error}"),
            }
        }
    }

    /// The same through pointers and prototypes.
    fn exponential_prototypes() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let mut inner = types.pointer(int);
        for _ in 0..50 {
            let proto = types.prototype(inner, &[("", inner), ("", inner)]);
            inner = types.pointer(proto);
        }
        types.structure("task", 8, &[member("f", inner, 0)]);
        let error = kept(&types).expect_err("3^50 parameters");
        assert!(error.contains("2^24"), "{error}");
    }

    /// Members whose types are variables and functions, of which this atlas holds none.
    fn members_that_are_no_values() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let proto = types.prototype(int, &[]);
        let function = types.raw("f", 12 << 24, proto, &[]);
        let variable = types.raw("v", 14 << 24, int, &[1]);
        for no_value in [function, variable] {
            let mut types = types.clone();
            let inner = types.structure("", 8, &[member("x", no_value, 0)]);
            types.structure("task", 8, &[member("", inner, 0), member("b", int, 4)]);
            let error = kept(&types).expect_err("no value");
            assert!(error.contains("is not the type of a value"), "{error}");
        }
    }

    /// An index type without a name, which is examined for each array.
    fn a_large_index_type() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let members: Vec<Member<'_>> = (0..20_000).map(|_| member("x", int, 0)).collect();
        let index = types.structure("", 4, &members);
        for number in 0..20_000 {
            let array = types.array(int, index, number + 1);
            types.structure(&format!("s{number}"), 4, &[member("a", array, 0)]);
        }
        types.structure("task", 8, &[member("b", int, 0)]);
        let error = kept(&types).expect_err("20,000 times 20,000 members");
        assert!(error.contains("2^24"), "{error}");
    }

    /// As many different types of one name as a file can hold: each is kept.
    fn many_candidates() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        for offset in 0..80_000 {
            types.structure("task", 8, &[member("b", int, offset)]);
        }
        let [whole, part] = kept(&types).expect("nothing is wrong with it");
        assert_eq!(count(&whole, "task"), 80_000);
        assert_eq!(count(&part, "task"), 80_000);
    }

    /// All equal: of 300,000, two are kept.
    fn equal_candidates() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        for _ in 0..300_000 {
            types.structure("task", 8, &[member("b", int, 0)]);
        }
        let [whole, part] = kept(&types).expect("nothing is wrong with it");
        assert_eq!(count(&whole, "task"), 2);
        assert_eq!(count(&part, "task"), 2);
    }

    /// Many names with two candidates each, in an order that must be stored.
    fn many_orders() {
        let structs = |moved: bool| {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            types.structure("task", 8, &[member("b", int, 0)]);
            for number in 0..30_000 {
                let name = format!("s{number}");
                for place in if moved { [4, 0] } else { [0, 4] } {
                    types.structure(&name, 8, &[member("b", int, place)]);
                }
            }
            Btf::parse(&types.finish()).expect("BTF")
        };
        let mut writer = AtlasWriter::new();
        for (release, moved) in [("1", false), ("2", true)] {
            let kernel = structs(moved);
            let survey = writer.surveyor().survey(&kernel).expect("sane types");
            let source = SourceEntry { path: "made-up".to_owned(), digest: Digest::of(b"") };
            writer.insert(id(release), source, &survey).expect("sane types");
        }
        let (_, file) = writer.finish(Effort::Fast, 1).expect("an atlas");
        let atlas = Atlas::parse(file).expect("what was written can be read");
        for (kernel, first) in [(0, 0), (1, 32)] {
            let btf = Btf::parse(&atlas.extract(KernelNumber(kernel)).expect("all of it")).expect("BTF");
            let found = btf.ids().filter_map(|id| btf.ty(id)).find(|ty| btf.string(ty.name()) == b"s777");
            let place = found.and_then(|ty| ty.members().next()).map(|member| member.bit_offset);
            assert_eq!(place, Some(first));
        }
    }

    fn many_members() {
        for members in [65_535, 500_000] {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            let mut all: Vec<Member<'_>> = (1..members).map(|_| member("x", int, 0)).collect();
            all.push(member("b", int, 4));
            types.structure("task", 8, &all);
            let [whole, _] = kept(&types).expect("nothing is wrong with it");
            let task = whole.ids().filter_map(|id| whole.ty(id)).find(|ty| whole.string(ty.name()) == b"task");
            assert_eq!(task.map(|ty| ty.members().count()), Some(members));
        }
    }

    /// By name, they occur in real kernels; by value, they are endless.
    fn cycles() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let own = types.next_id() + 1;
        types.pointer(own);
        types.structure("task", 8, &[member("next", own - 1, 0), member("b", int, 0)]);
        kept(&types).expect("a list");

        for length in [1, 2, 1000] {
            let mut types = BtfBuilder::new();
            for number in 1..length {
                types.structure("", 8, &[member("a", number + 1, 0)]);
            }
            types.structure("", 8, &[member("a", 1, 0)]);
            types.structure("task", 8, &[member("b", 1, 0)]);
            let error = kept(&types).expect_err("no end");
            assert!(error.contains("nests too deep"), "{error}");
        }
        // Named, and two of them, so they are compared by value.
        let mut types = BtfBuilder::new();
        types.structure("task", 8, &[member("b", 2, 0)]);
        types.structure("task", 8, &[member("b", 1, 0)]);
        let error = kept(&types).expect_err("no end");
        assert!(error.contains("nests too deep"), "{error}");
    }

    fn depth() {
        for (depth, fits) in [(30, true), (120, true), (300, false), (200_000, false)] {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            let mut pointer = int;
            for _ in 0..depth {
                pointer = types.pointer(pointer);
            }
            types.structure("task", 8, &[member("b", pointer, 0)]);
            assert_eq!(kept(&types).is_ok(), fits, "{depth} pointers");
        }
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let mut last = int;
        for _ in 0..200_000 {
            last = types.typedef("t", last);
        }
        types.structure("task", 8, &[member("b", last, 0)]);
        assert!(kept(&types).is_err());
    }

    /// Names in places where no compiler puts any: matching compares them.
    fn a_pointer_with_a_name() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let pointer = types.raw("name", 2 << 24, int, &[]);
        types.structure("task", 8, &[member("b", pointer, 0)]);
        let error = kept(&types).expect_err("a name that would be lost");
        assert!(error.contains("has a name"), "{error}");
    }

    fn names_that_are_no_text() {
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        types.structure("task", 8, &[member("b", int, 4), member("UVWXYZ", int, 0)]);
        types.structure("UVWXYZ", 8, &[member("UVWXYZ", int, 0)]);
        let image = types.finish();
        let at = image.windows(6).position(|window| window == b"UVWXYZ").unwrap();
        for bytes in [&b"\xff\xfe\xc0\x80\x01\x7f"[..], b"\0\0\0\0\0\0", b"task\0b", b"a___b\0"] {
            let mut image = image.clone();
            image[at..at + 6].copy_from_slice(bytes);
            let atlas = hostile_atlas::small_atlas([image.as_slice()]);
            hostile_atlas::atlas(&asks_for_task(), &atlas);
            hostile_atlas::atlas(&asks_for_task(), &hostile_atlas::open(&atlas));
        }
    }

    /// Its block is never read, except for itself. (Found by fuzzing: it was used as a base.)
    fn an_atlas_of_blocks_without_groups() {
        let mut types = BtfBuilder::new();
        types.int("int", 4, 1);
        let mut open = hostile_atlas::open(&hostile_atlas::small_atlas([types.finish().as_slice()]));
        open.extend(hostile_atlas::block([0, 0, 0, 6], b"z", &[7; 10], b""));
        hostile_atlas::atlas(&asks_for_task(), &open);
    }

    /// Memory for groups, definitions and strings was allocated before any was read. (Found by
    /// fuzzing, and by review: 326 bytes took 32 GB.)
    fn an_atlas_that_tells_of_more_than_it_holds() {
        let mut types = BtfBuilder::new();
        types.int("int", 4, 1);
        let open = hostile_atlas::open(&hostile_atlas::small_atlas([types.finish().as_slice()]));
        for counts in [[4_000_000_000, 0, 0, 6], [0, 4_000_000_000, 0, 6], [0, 0, 4_000_000_000, 6]] {
            let mut open = open.clone();
            open.extend(hostile_atlas::block(counts, b"z", &[7; 10], b""));
            let file = hostile_atlas::close(&open).expect("an open form");
            let error = Atlas::parse(file).expect_err("ten bytes").to_string();
            assert!(error.contains("its counts exceed what its sections can hold"), "{error}");
        }
    }

    /// Names of a mebibyte, each a byte longer than the previous one.
    fn an_atlas_of_long_names() {
        const LONG: usize = 1 << 20;
        const COUNT: u64 = 300;
        let columns = |columns: &[Vec<u8>]| {
            let lengths = columns.iter().map(|column| column.len() as u64);
            [hostile_atlas::numbers(lengths), columns.concat()].concat()
        };
        let shared = |names: u64, of_each: &dyn Fn(u64) -> Vec<u64>| {
            (0..names).flat_map(|name| hostile_atlas::numbers(of_each(name))).collect::<Vec<_>>()
        };
        let lengths = |name| if name == 0 { [0, LONG as u64] } else { [LONG as u64 + name - 1, 1] };
        let long = vec![b'r'; LONG];

        // Kernels: arch, release, distro, version, then the digest of the entry and its path.
        let of_each = |name| {
            let first = u64::from(name == 0);
            let same = [1 - first, first];
            [same, same, same, same, lengths(name)].concat()
        };
        let mut text = [b"xrd1".to_vec(), vec![0; 32], long.clone()].concat();
        for _ in 1..COUNT {
            text.extend([0; 32]);
            text.push(b'r');
        }
        let records = [1, 0, 0, 0, 0, 0, 0, 1].repeat(usize::try_from(COUNT).unwrap());
        let kernels = columns(&[shared(COUNT, &of_each), text, records, Vec::new()]);
        let mut open = hostile_atlas::numbers([COUNT, kernels.len() as u64]);
        open.extend(kernels);
        let file = hostile_atlas::close(&open).expect("an open form");
        let error = Atlas::parse(file).expect_err("300 MiB of names").to_string();
        assert!(error.contains("names of kernels are longer"), "{error}");

        // Types: forward declarations.
        let heads = |name| vec![1, if name == 0 { 6 } else { 0 }, 0, 0];
        let text = [long.clone(), vec![b'r'; usize::try_from(COUNT - 1).unwrap()]].concat();
        let mut all = vec![Vec::new(); 8];
        all[0] = shared(COUNT, &heads);
        all[6] = shared(COUNT, &|name| lengths(name).to_vec());
        all[7] = text;
        let mut open = hostile_atlas::numbers([0, 4, 0, 0, 0, 0]);
        open.extend(hostile_atlas::block([COUNT, COUNT, 0, 6], &long, &columns(&all), b""));
        let file = hostile_atlas::close(&open).expect("an open form");
        let error = Atlas::parse(file).expect("the index is sound").check();
        let error = error.expect_err("300 MiB of names").to_string();
        assert!(error.contains("names of types are longer"), "{error}");
    }

    fn an_atlas_with_bytes_behind_a_section() {
        let mut types = BtfBuilder::new();
        types.int("int", 4, 1);
        let open = hostile_atlas::open(&hostile_atlas::small_atlas([types.finish().as_slice()]));
        for codec in [Codec::Xz, Codec::Deflate] {
            for (tail, sound) in [(&b""[..], true), (b"\0", false), (b"tail", false)] {
                let file = hostile_atlas::close_packing(&open, codec, |raw| {
                    ([&hostile_atlas::pack(codec, raw), tail].concat(), raw.len() as u64)
                });
                let atlas = Atlas::parse(file.expect("an open form"));
                assert_eq!(atlas.and_then(|atlas| atlas.check()).is_ok(), sound, "{codec:?} {tail:?}");
            }
        }
    }

    /// An atlas whose parts claim, singly or together, to be larger than in any real one.
    fn an_atlas_that_expands_without_end() {
        let mut types = BtfBuilder::new();
        types.int("int", 4, 1);
        let mut open = hostile_atlas::open(&hostile_atlas::small_atlas([types.finish().as_slice()]));
        for name in b'a'..=b'h' {
            open.extend(hostile_atlas::block([0, 0, 0, 6], &[name], &[0; 1000], b""));
        }
        let close = |codec, claim| {
            let file = hostile_atlas::close_packing(&open, codec, |raw| {
                let len = if raw.len() == 1000 { claim } else { raw.len() as u64 };
                (hostile_atlas::pack(codec, raw), len)
            });
            file.expect("an open form")
        };
        let both = |claims: &[u64]| {
            let each = |&claim| [close(Codec::Xz, claim), close(Codec::Deflate, claim)];
            claims.iter().flat_map(each).collect::<Vec<_>>()
        };
        for file in both(&[150 << 20, 1 << 40, u64::MAX]) {
            let error = Atlas::parse(file).expect_err("more than 1 GB").to_string();
            assert!(error.contains("more than 1 GiB"), "{error}");
        }
        for file in both(&[1 << 20, 100 << 20]) {
            let error = Atlas::parse(file).expect_err("some twenty bytes").to_string();
            assert!(error.contains("claims to expand too much"), "{error}");
        }
        // Less or more than there is: noticed when it is expanded, which never goes beyond the
        // claim.
        for file in both(&[0, 999, 1001]) {
            let error = Atlas::parse(file).expect("the index").check().expect_err("a lie").to_string();
            assert!(error.contains("its length is not"), "{error}");
        }
    }

    /// A struct with 30,000 members, and definitions of four bytes that copy it.
    fn an_atlas_of_copies() {
        const MEMBERS: u64 = 30_000;
        const COPIES: u64 = 60_000;
        let mut heads = hostile_atlas::numbers([1 + COPIES, 3, 0, MEMBERS, 8]);
        for _ in 0..COPIES {
            // From the previous one, with count and size unchanged.
            heads.extend(hostile_atlas::numbers([2, 0, 0]));
        }
        let mut edits = Vec::new();
        let places = vec![0; usize::try_from(MEMBERS + COPIES).unwrap()];
        for _ in 0..COPIES {
            edits.extend(hostile_atlas::numbers([0, 0, MEMBERS]));
        }
        let member = vec![1; usize::try_from(MEMBERS).unwrap()];
        let bits = vec![0; member.len()];
        let types = vec![0; member.len()];
        let columns = [heads, edits, member, types, places, bits, vec![0, 1], b"s".to_vec()];
        let mut joined = Vec::new();
        for column in &columns {
            joined.extend(hostile_atlas::numbers([column.len() as u64]));
        }
        let joined = [joined, columns.concat()].concat();
        let mut open = hostile_atlas::numbers([0, 4, 0, 0, 0, 0]);
        open.extend(hostile_atlas::block([1, 1 + COPIES, 0, 3], b"s", &joined, b""));
        let file = hostile_atlas::close(&open).expect("an open form");
        let atlas = Atlas::parse(file).expect("the index is sound");
        let error = atlas.check().expect_err("1.8 billion members").to_string();
        assert!(error.contains("a block of more than 2^25 words"), "{error}");
    }

    /// The reason for a missing type is searched no further than relocation was.
    fn a_report_on_nested_structs() {
        for depth in [18, 60] {
            let mut types = BtfBuilder::new();
            let mut inner = types.structure("", 4, &[]);
            for _ in 0..depth {
                inner = types.structure("", 8, &[member("", inner, 0), member("", inner, 4)]);
            }
            types.structure("task", 8, &[member("", inner, 0)]);
            let kernel = Btf::parse(&types.finish()).expect("BTF");
            let survey = Survey::new(&[program()]);
            assert_eq!(survey.ask(&kernel).is_ok(), depth == 18);
        }
    }
}

/// A name that is not a single part of a path could mean two kernels, or lead elsewhere.
#[test]
fn names_that_no_kernel_has() {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, 1);
    btf.structure("task", 4, &[member("pid", int, 0)]);
    let kernel = Btf::parse(&btf.finish()).expect("BTF");
    let long = "l".repeat(65);
    for name in ["11", "..", ".x", "a/b", "a\\b", "", "a\nb", &long] {
        let ids = [
            KernelId {
                distro: name,
                ..id("1")
            },
            KernelId {
                version: name,
                ..id("1")
            },
            KernelId {
                arch: Arch::new(name),
                ..id("1")
            },
            id(name),
        ];
        for id in ids {
            let mut writer = AtlasWriter::new();
            let survey = writer.surveyor().survey(&kernel).expect("types");
            let source = SourceEntry {
                path: "made-up".to_owned(),
                digest: Digest::of(b""),
            };
            writer.insert(id, source, &survey).expect("a kernel");
            let (_, file) = writer.finish(Effort::Fast, 1).expect("an atlas");
            let refused = Atlas::parse(file)
                .map(|_| ())
                .map_err(|error| error.to_string());
            match name {
                "11" => assert_eq!(refused, Ok(())),
                _ => assert!(refused.unwrap_err().contains("an invalid kernel name")),
            }
        }
    }
}
