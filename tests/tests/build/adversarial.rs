//! Malicious BTF, objects and entries: each is handled within limits of memory and CPU time
//! that are enforced from outside.
//!
//! Every case runs in a process of its own under `ulimit` (see `limits`).

use btfhub_build::archive::{DEFAULT_LIMIT, decode};
use btfhub_build::btf::{Btf, BtfExt};
use btfhub_build::object::Object;
use btfhub_build::relo::{Relocations, Resolution, TooComplex, resolve};
use btfhub_build::tailor::{TailorError, Tailored, tailor};
use btfhub_runtime::Bundle;
use btfhub_runtime::bundle::ClassId;
use btfhub_tests::btf_builder::{BtfBuilder, Member, member};
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::hostile_bundle::{Parts, put};
use btfhub_tests::{cases, hostile, pack};
use tar::EntryType;

const BYTE_OFFSET: u32 = 0;
const FIELD_EXISTS: u32 = 2;
const TYPE_EXISTS: u32 = 8;
const ENUMVAL_VALUE: u32 = 11;
const TYPE_MATCHES: u32 = 12;

/// An object with these relocations on its root type.
fn asks(local: &BtfBuilder, root: u32, asked: &[(&str, u32)]) -> Relocations {
    let relos: Vec<Relo> = asked
        .iter()
        .map(|&(access, kind)| Relo {
            program: 0,
            type_id: root,
            access: access.to_owned(),
            kind,
        })
        .collect();
    let elf = elf_builder::object(local, &relos, false);
    let object = Object::parse("made-up.bpf.o", &elf).expect("an eBPF object");
    Relocations::from_objects([&object])
}

/// `struct task { int a; int b; }` and relocations on `b`, as any program has.
fn plain_object() -> Relocations {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, 1);
    let task = local.structure("task", 8, &[member("a", int, 0), member("b", int, 4)]);
    asks(
        &local,
        task,
        &[
            ("0:1", BYTE_OFFSET),
            ("0:1", FIELD_EXISTS),
            ("0", TYPE_EXISTS),
        ],
    )
}

fn kernel(types: &BtfBuilder) -> Btf {
    Btf::parse(&types.finish()).expect("BTF that libbpf reads")
}

/// Tailors, and checks what must hold for any kernel: the result can be read back, and every
/// relocation resolves the same in it.
fn tailored(relocations: &Relocations, kernel: &Btf) -> Result<Tailored, TailorError> {
    let result = tailor(relocations, kernel)?;
    let again = Btf::parse(&result.btf).expect("tailored BTF");
    assert_eq!(resolve(relocations, &again).as_ref(), Ok(&*result.outcome));
    Ok(result)
}

fn first(relocations: &Relocations, result: &Tailored) -> Option<Resolution> {
    result.outcome.resolution(relocations, 0)
}

cases! {
    fn typedefs_in_a_circle() {
        let relocations = plain_object();
        for length in [1, 2, 100_000] {
            let mut types = BtfBuilder::new();
            for _ in 1..length {
                let next = types.next_id() + 1;
                types.typedef("t", next);
            }
            types.typedef("t", 1);
            let members: Vec<Member<'_>> = (0..3000).map(|_| member("", 1, 0)).collect();
            types.structure("task", 8, &members);
            types.structure("task", 8, &[member("b", 1, 0)]);
            // The length decides whether it is refused or too complex.
            let _ = tailored(&relocations, &kernel(&types));
        }
    }

    fn a_long_chain_of_typedefs_before_every_member() {
        let relocations = plain_object();
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let empty = types.structure("", 0, &[]);
        let mut chain = empty;
        for _ in 0..200_000 {
            chain = types.typedef("t", chain);
        }
        let mut members: Vec<Member<'_>> = (0..65_534).map(|_| member("", chain, 0)).collect();
        members.push(member("b", int, 0));
        types.structure("task", 8, &members);
        let kernel = kernel(&types);
        assert_eq!(tailored(&relocations, &kernel), Err(TailorError::TooComplex(TooComplex)));
    }

    fn a_struct_in_itself() {
        let relocations = plain_object();
        let mut types = BtfBuilder::new();
        let own = types.next_id();
        types.structure("task", 8, &[member("", own, 0), member("b", own, 0)]);
        tailored(&relocations, &kernel(&types)).unwrap();

        let mut types = BtfBuilder::new();
        let own = types.next_id();
        types.structure("", 8, &[member("", own, 0), member("c", own, 0)]);
        types.structure("task", 8, &[member("", own, 0)]);
        tailored(&relocations, &kernel(&types)).unwrap();
    }

    fn an_array_of_itself() {
        let relocations = plain_object();
        let mut types = BtfBuilder::new();
        let own = types.next_id();
        types.array(own, own, 3);
        types.structure("task", 8, &[member("b", own, 0)]);
        tailored(&relocations, &kernel(&types)).unwrap();

        // The same as a local type: the object is refused, not the process.
        let own = types.next_id() - 1;
        assert_eq!(asks(&types, own, &[("0:0:1", BYTE_OFFSET)]).list().len(), 0);
    }

    /// Anonymous structs that each hold two anonymous structs: 2^40 paths.
    fn exponential_anonymous_members() {
        let relocations = plain_object();
        let mut types = BtfBuilder::new();
        let mut inner = types.structure("", 4, &[]);
        for _ in 0..40 {
            inner = types.structure("", 8, &[member("", inner, 0), member("", inner, 4)]);
        }
        types.structure("task", 8, &[member("", inner, 0)]);
        assert_eq!(tailored(&relocations, &kernel(&types)), Err(TailorError::TooComplex(TooComplex)));
    }

    /// Prototypes whose two parameters are pointers to the next one: 2^60 paths for a walk that
    /// remembers nothing.
    fn exponential_prototypes() {
        let mut local = BtfBuilder::new();
        let int = local.int("int", 4, 1);
        let task = local.structure("task", 4, &[member("a", int, 0)]);
        let relocations = asks(&local, task, &[("0", TYPE_MATCHES), ("0:0", BYTE_OFFSET)]);

        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let mut inner = types.pointer(int);
        for _ in 0..60 {
            let proto = types.prototype(inner, &[("", inner), ("", inner)]);
            inner = types.pointer(proto);
        }
        types.structure("task", 16, &[member("a", int, 0), member("a", inner, 8)]);
        types.structure("task", 16, &[member("a", inner, 8)]);
        types.structure("task", 16, &[member("a", int, 8), member("f", inner, 8)]);
        tailored(&relocations, &kernel(&types)).unwrap();

        // The same on the local side.
        let mut local = BtfBuilder::new();
        let int = local.int("int", 4, 1);
        let mut inner = local.pointer(int);
        for _ in 0..60 {
            let proto = local.prototype(inner, &[("", inner), ("", inner)]);
            inner = local.pointer(proto);
        }
        let task = local.structure("task", 8, &[member("a", inner, 0)]);
        assert_eq!(asks(&local, task, &[("0", TYPE_MATCHES)]).list().len(), 0);
        assert_eq!(asks(&local, inner, &[("0", TYPE_EXISTS)]).list().len(), 0);
    }

    /// Nested as deep as the file's length allows.
    fn deep_arrays_and_pointers() {
        let mut local = BtfBuilder::new();
        let int = local.int("int", 4, 1);
        let pointer = local.pointer(int);
        let task = local.structure("task", 4, &[member("a", pointer, 0)]);
        let relocations = asks(
            &local,
            task,
            &[("0", TYPE_MATCHES), ("0:0", BYTE_OFFSET), ("0:0", FIELD_EXISTS)],
        );
        for depth in [30, 200, 500, 520, 300_000] {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            let mut array = int;
            let mut pointer = int;
            let mut anonymous = int;
            for _ in 0..depth {
                array = types.array(array, int, 1);
                pointer = types.pointer(pointer);
                anonymous = types.structure("", 8, &[member("", anonymous, 0)]);
            }
            let end = types.pointer(array);
            types.structure("task", 8, &[member("a", pointer, 0), member("b", array, 0)]);
            types.structure("task", 8, &[member("a", end, 0)]);
            types.structure("task", 8, &[member("", anonymous, 0), member("a", pointer, 0)]);
            tailored(&relocations, &kernel(&types)).unwrap();
        }
        // And on the local side.
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let mut array = int;
        for _ in 0..300_000 {
            array = types.array(array, int, 1);
        }
        let task = types.structure("task", 8, &[member("a", array, 0)]);
        let asked = [("0:0:0", BYTE_OFFSET), ("0:0", FIELD_EXISTS), ("0", TYPE_MATCHES)];
        assert!(asks(&types, task, &asked).list().len() <= 1);
    }

    /// As many members as 16 bits can count, and as 24 bits can.
    fn many_members() {
        let relocations = plain_object();
        for count in [65_535, 500_000] {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            let mut members: Vec<Member<'_>> = (1..count).map(|_| member("x", int, 0)).collect();
            members.push(member("b", int, 4));
            types.structure("task", 8, &members);
            let result = tailored(&relocations, &kernel(&types)).unwrap();
            assert!(result.btf.len() < 200, "{} bytes", result.btf.len());
            assert!(matches!(first(&relocations, &result), Some(Resolution::Resolved { value: 4, .. })));
        }
    }

    /// A type that occurs 200,000 times, and never or always matches.
    fn many_candidates() {
        let relocations = plain_object();
        for members in [&[][..], &[member("b", 1, 0)], &[member("b", 2, 0)]] {
            let mut types = BtfBuilder::new();
            types.int("int", 4, 1);
            types.forward("task", false);
            for _ in 0..200_000 {
                types.structure("task", 8, members);
            }
            let _ = tailored(&relocations, &kernel(&types));
        }
        // Each with a different result.
        let mut types = BtfBuilder::new();
        types.int("int", 4, 1);
        for offset in 0..200_000 {
            types.structure("task", 8, &[member("b", 1, offset)]);
        }
        let _ = tailored(&relocations, &kernel(&types));
    }

    /// Equal candidates, each a member of the previous one: keeping one brings the next one back.
    fn a_chain_of_equal_candidates() {
        let mut local = BtfBuilder::new();
        let inner = local.structure("", 0, &[]);
        let task = local.structure("task", 8, &[member("b", inner, 0)]);
        let relocations = asks(&local, task, &[("0:0", FIELD_EXISTS)]);
        let mut types = BtfBuilder::new();
        for _ in 0..60_000 {
            let next = types.next_id() + 1;
            types.structure("task", 8, &[member("b", next, 0)]);
        }
        types.structure("task", 8, &[member("b", 1, 0)]);
        let result = tailored(&relocations, &kernel(&types)).unwrap();
        assert!(matches!(first(&relocations, &result), Some(Resolution::Resolved { value: 1, .. })));
    }

    /// Names as long as the file, shared by many types and members.
    fn long_names() {
        let mut local = BtfBuilder::new();
        let int = local.int("int", 4, 1);
        let task = local.structure("task", 8, &[member("b", int, 4)]);
        let state = local.enumeration("state", 4, false, &[("A", 1)]);
        let long = local.int("long", 8, 1);
        let mut relos = Vec::new();
        for (type_id, access, kind) in [
            (task, "0:0", BYTE_OFFSET),
            (task, "0", TYPE_MATCHES),
            (state, "0", ENUMVAL_VALUE),
            (long, "0", TYPE_EXISTS),
        ] {
            relos.push(Relo { program: 0, type_id, access: access.to_owned(), kind });
        }
        let elf = elf_builder::object(&local, &relos, false);
        let object = Object::parse("made-up.bpf.o", &elf).expect("an eBPF object");
        let relocations = Relocations::from_objects([&object]);

        let tail = "a".repeat(1 << 16);
        for name in ["task___", "b___", "A___", "state___", "long", "_"] {
            let name = format!("{name}{tail}");
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            types.int(&name, 8, 1);
            let members: Vec<Member<'_>> = (0..500).map(|_| member(&name, int, 0)).collect();
            types.structure("task", 8, &members);
            let values: Vec<(&str, i32)> = (0..500).map(|_| (name.as_str(), 0)).collect();
            types.enumeration("state", 4, false, &values);
            for _ in 0..500 {
                types.structure(&name, 8, &[member("b", int, 4)]);
                types.enumeration(&name, 4, false, &[("A", 1)]);
                types.int(&name, 8, 1);
            }
            let _ = tailored(&relocations, &kernel(&types));
        }
    }

    fn names_that_are_no_text() {
        let relocations = plain_object();
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        types.structure("task", 8, &[member("b", int, 4), member("UVWXYZ", int, 0)]);
        types.structure("UVWXYZ", 8, &[member("UVWXYZ", int, 0)]);
        let image = types.finish();
        let at = image.windows(6).position(|window| window == b"UVWXYZ").unwrap();
        for bytes in [&b"\xff\xfe\xc0\x80\x01\x7f"[..], b"\0\0\0\0\0\0", b"task\0b", b"a___b\0"] {
            let mut image = image.clone();
            image[at..at + 6].copy_from_slice(bytes);
            let kernel = Btf::parse(&image).unwrap();
            tailored(&relocations, &kernel).unwrap();
        }
        // In the object: the raw bytes end up in a relocation, or nowhere.
        let asked = [Relo { program: 0, type_id: 3, access: "0:0".to_owned(), kind: BYTE_OFFSET }];
        let mut elf = elf_builder::object(&types, &asked, false);
        let at = elf.windows(6).position(|window| window == b"UVWXYZ").unwrap();
        elf[at..at + 6].copy_from_slice(b"\xff\xfe\xc0\x80\x01\x7f");
        let object = Object::parse("x", &elf).unwrap();
        let relocations = Relocations::from_objects([&object]);
        assert_eq!(relocations.list()[0].root.name, b"\xff\xfe\xc0\x80\x01\x7f");
    }

    /// Numbers that lead far beyond the file.
    fn references_beyond_the_end() {
        for beyond in [4, 5, u32::MAX] {
            for of in 1..=19 {
                let mut types = BtfBuilder::new();
                types.raw("x", of << 24, beyond, &[beyond; 4]);
                assert_harmless(&types.finish());
                let mut types = BtfBuilder::new();
                types.raw("x", of << 24 | 1, beyond, &[beyond; 4]);
                assert_harmless(&types.finish());
                let mut types = BtfBuilder::new();
                types.raw("x", 1 << 31 | of << 24 | 0x00ff_ffff, beyond, &[beyond; 4]);
                assert_harmless(&types.finish());
            }
        }
        // Each word of the header, each byte of a small file.
        let mut types = BtfBuilder::new();
        let int = types.int("int", 4, 1);
        types.structure("task", 8, &[member("a", int, 0), member("b", int, 4)]);
        types.layout(&[(0, 0); 20]);
        let image = types.finish();
        for at in (0..image.len() - 3).step_by(2) {
            for word in [0, 1, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, u32::MAX] {
                let mut image = image.clone();
                image[at..at + 4].copy_from_slice(&word.to_le_bytes());
                assert_harmless(&image);
            }
        }
        for end in 0..image.len() {
            assert!(Btf::parse(&image[..end]).is_err(), "{end} of {} bytes", image.len());
        }
    }

    /// Sections that announce more than there is.
    fn announced_lengths() {
        let mut ext = Vec::new();
        ext.extend([0x9f, 0xeb, 1, 0]);
        for word in [32u32, 0, 0, 0, 0, 0, 20] {
            ext.extend(word.to_le_bytes());
        }
        for word in [16u32, 1, u32::MAX, 0, 0, 0] {
            ext.extend(word.to_le_bytes());
        }
        for at in (0..ext.len() - 3).step_by(4) {
            for word in [0, 4, 15, 16, 1 << 16, 1 << 31, u32::MAX - 3, u32::MAX] {
                let mut ext = ext.clone();
                ext[at..at + 4].copy_from_slice(&word.to_le_bytes());
                let _ = BtfExt::parse(&ext);
            }
        }
    }

    /// An object whose every section is the whole file.
    fn overlapping_sections() {
        let mut local = BtfBuilder::new();
        let int = local.int("int", 4, 1);
        let task = local.structure("task", 8, &[member("b", int, 4)]);
        let relos: Vec<Relo> = (0..3000)
            .map(|program| Relo { program, type_id: task, access: "0:0".into(), kind: BYTE_OFFSET })
            .collect();
        let mut elf = elf_builder::object(&local, &relos, false);
        elf.resize(elf.len() + (8 << 20), 0);
        let table = usize::try_from(u64::from_le_bytes(elf[40..48].try_into().unwrap())).unwrap();
        let count = usize::from(u16::from_le_bytes(elf[60..62].try_into().unwrap()));
        let len = elf.len() as u64;
        for section in 1..count {
            let header = table + 64 * section;
            // SHF_EXECINSTR
            if elf[header + 8] & 4 != 0 {
                elf[header + 24..header + 32].fill(0);
                elf[header + 32..header + 40].copy_from_slice(&len.to_le_bytes());
            }
        }
        assert!(Object::parse("overlapping.bpf.o", &elf).is_err());
    }

    /// A local type that is many times as large as the file.
    fn a_local_enum_in_every_member() {
        let mut local = BtfBuilder::new();
        let names: Vec<String> = (0..30_000).map(|number| format!("E{number}")).collect();
        let values: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let large = local.enumeration("e", 4, false, &values);
        let members: Vec<Member<'_>> = (0..30_000).map(|_| member("m", large, 0)).collect();
        let task = local.structure("task", 8, &members);
        let relocations = asks(&local, task, &[("0", TYPE_MATCHES), ("0", TYPE_EXISTS)]);
        assert_eq!(relocations.list().len(), 1);
    }

    /// A million members that are not one file; and a name as long as the limit allows.
    fn a_tar_of_many_members() {
        let mut tar = Vec::new();
        let empty = pack::tar(&[pack::Member::file("0123456789abcdef", b"")]);
        for _ in 0..500_000 {
            tar.extend_from_slice(&empty[..512]);
        }
        let packed = pack::xz(&tar);
        let error = decode(&packed, DEFAULT_LIMIT).unwrap_err().to_string();
        assert!(error.starts_with("the tar holds 500000 files"), "{error}");

        let long = vec![b'n'; 100 << 20];
        let name = pack::Member { name: "././@LongLink", kind: EntryType::GNULongName, bytes: &long };
        let tar = pack::tar(&[name, pack::Member::file("v", b"BTF")]);
        let packed = pack::xz(&tar);
        drop((tar, long));
        let error = decode(&packed, DEFAULT_LIMIT).unwrap_err().to_string();
        assert!(error.contains("a name of more than 4,096 bytes"), "{error}");
    }

    /// As many classes as a section can hold, each with as many types as a class may have, and
    /// each built from the previous or from the first one.
    fn a_bundle_of_many_classes() {
        const TYPES: u32 = 16_000;
        const CLASSES: u32 = 400_000;
        for from_the_first in [true, false] {
            let mut columns = vec![Vec::new(); 16];
            for number in 0..TYPES {
                columns[0].extend(format!("t{number}\0").bytes());
                columns[1].push(7); // a forward declaration
            }
            // One variant, no flag; the next name.
            for column in [2, 3, 5] {
                columns[column] = vec![0; TYPES as usize];
            }
            for number in 0..CLASSES {
                let back = if from_the_first { number } else { number.min(1) };
                put(&mut columns[9], 4 * back);
                put(&mut columns[10], u32::from(number == 0));
            }
            (columns[11], columns[12]) = (vec![0], vec![0]);
            put(&mut columns[13], TYPES);
            // Numbered from 0.
            columns[14] = vec![0; TYPES as usize];
            let mut types = vec![0];
            put(&mut types, TYPES);
            for column in columns {
                put(&mut types, column.len() as u32);
                types.extend(column);
            }
            let mut parts = Parts::of(&hostile::small_bundle());
            parts.classes = CLASSES;
            parts.sections[2] = types;
            let file = parts.file();
            assert!(file.len() < 1 << 20, "{} bytes", file.len());
            let bundle = Bundle::from_embedded(&file);
            let last = bundle.btf(ClassId(CLASSES - 1));
            assert_eq!(last.is_ok(), from_the_first);
            assert_eq!(bundle.btf(ClassId(0)).unwrap().len(), 24 + 12 * 16_000 + 100_891);
            let error = bundle.all_btf().expect_err("no end").to_string();
            assert!(error.starts_with("malformed bundle: its types"), "{error}");
        }
    }

    /// 4 MiB of the worst content, in 4 KB.
    fn a_bundle_that_inflates() {
        for byte in [0, 1, 7, 0x7f, 0xff] {
            for section in 0..3 {
                let mut parts = Parts::of(&hostile::small_bundle());
                parts.sections[section] = vec![byte; 4 << 20];
                let file = parts.file();
                assert!(file.len() < 64 << 10);
                let bundle = Bundle::from_embedded(&file);
                assert!(Bundle::parse(&file).is_err() || bundle.all_btf().is_err());
                let _ = bundle.btf(ClassId(0));
                parts.sections[section].push(byte);
                let bundle = parts.file();
                assert!(Bundle::parse(&bundle).is_err() || section == 2);
            }
        }
    }

    /// 320 MiB of zeros in 50 KB.
    fn a_decompression_bomb() {
        let mut header = tar::Header::new_gnu();
        header.set_path("v").unwrap();
        header.set_size(320 << 20);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        let zeros = vec![0u8; 1 << 20];
        let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 0);
        std::io::Write::write_all(&mut encoder, header.as_bytes()).unwrap();
        for _ in 0..320 {
            std::io::Write::write_all(&mut encoder, &zeros).unwrap();
        }
        let packed = encoder.finish().unwrap();
        let error = decode(&packed, DEFAULT_LIMIT).unwrap_err().to_string();
        assert_eq!(error, "decompresses to more than the limit of 268435456 bytes");
    }
}

/// Any input is read or refused, and tailored if it was read.
fn assert_harmless(image: &[u8]) {
    if let Ok(kernel) = Btf::parse(image) {
        let _ = tailored(&plain_object(), &kernel);
        for id in kernel.ids() {
            let _ = (kernel.skip_modifiers(id), kernel.resolve_size(id));
        }
        let _ = kernel.pointer_size();
        assert!(Btf::parse(&kernel.to_bytes()).is_ok());
    }
}
