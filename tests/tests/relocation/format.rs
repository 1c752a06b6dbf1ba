//! Unusual features of the file format: headers longer than 24 bytes, the layout section, kinds of
//! later kernels, modules on top of a kernel, and gaps between sections.
//!
//! libbpf 1.7.0 decides what is right, if it can read the file. It does not read the layout
//! section; there, the reference is a twin of the file that has known types in place of unknown
//! kinds.

use std::sync::Arc;

use btfhub_build::btf::{Btf, BtfErrorKind, BtfExt, CoreRelo, StrOffset, TypeId};
use btfhub_build::object::Object;
use btfhub_build::relo::{Relocations, resolve};
use btfhub_build::tailor::tailor;
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, member};
use btfhub_tests::contract::{Kernel, Subject, check};
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::oracle::libbpf;
use btfhub_tests::oracle::modes::OpenObject;
use btfhub_tests::oracle::records::LocalObject;

/// A kind that nothing knows.
const NEW: u32 = 25;
/// As in the kernel's layout section, for each kind up to the new one: bytes after the common
/// twelve, and bytes for each of `vlen`.
fn layout(new: (u8, u8)) -> Vec<(u8, u8)> {
    let mut sizes = vec![
        (0, 0),
        (4, 0),
        (0, 0),
        (12, 0),
        (0, 12),
        (0, 12),
        (0, 8),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 8),
        (4, 0),
        (0, 12),
        (0, 0),
        (4, 0),
        (0, 0),
        (0, 12),
    ];
    sizes.resize(NEW as usize, (0, 0));
    sizes.push(new);
    sizes
}

/// A program with relocations for `s.x`, `s.p`, `s` and `E`.
fn program() -> Vec<u8> {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let pointer = local.pointer(0);
    let s = local.structure("s", 16, &[member("x", int, 0), member("p", pointer, 8)]);
    let e = local.enumeration("e", 4, false, &[("E", 1)]);
    let relo = |type_id, access: &str, kind| Relo {
        program: 0,
        type_id,
        access: access.to_owned(),
        kind,
    };
    let relos = [
        relo(s, "0:0", 0),
        relo(s, "0:0", 3),
        relo(s, "0:1", 0),
        relo(s, "0:1", 1),
        relo(s, "0:1", 2),
        relo(s, "0", 9),
        relo(s, "0", 12),
        relo(e, "0", 11),
    ];
    object(&local, &relos, false)
}

fn subject() -> Subject {
    Subject::open("local", &program())
        .expect("both sides read the object")
        .expect("it has relocations")
}

/// `s` and `e` of a kernel, with what `between` adds between them.
fn fill(target: &mut BtfBuilder, mut between: impl FnMut(&mut BtfBuilder)) {
    let long = target.int("long", 8, INT_SIGNED);
    between(target);
    let int = target.int("int", 4, INT_SIGNED);
    let pointer = target.pointer(0);
    between(target);
    let members = [
        member("n", long, 0),
        member("x", int, 8),
        member("p", pointer, 16),
    ];
    target.structure("s", 24, &members);
    target.enumeration("e", 4, false, &[("D", 6), ("E", 7)]);
    between(target);
}

/// Checks every result against libbpf's; most must resolve.
fn agrees(image: &[u8]) {
    let kernel = Kernel::parse("target", image).expect("both sides read the target");
    let report = check(&subject(), &kernel);
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!(report.found, 8);
    assert_eq!(report.verbatim, Vec::<String>::new());
}

#[test]
fn headers_of_any_length() {
    for len in [24, 25, 26, 28, 31, 32, 33, 36, 40, 64, 256] {
        let mut target = BtfBuilder::new();
        if len > 24 {
            target.longer_header(len);
        }
        fill(&mut target, |_| {});
        agrees(&target.finish());
        // libbpf 1.7.0 accepts only a header of 24 bytes if it must swap.
        let mut big = BtfBuilder::big_endian();
        big.longer_header(len);
        fill(&mut big, |_| {});
        let [little, big] = [target.finish(), big.finish()].map(|image| {
            let relocations = Relocations::from_objects([&subject().ours]);
            let btf = Btf::parse(&image).expect("read");
            resolve(&relocations, &btf).expect("small")
        });
        assert_eq!(little, big, "{len}");
    }
}

/// A layout offset without a length, and a header with unknown fields.
#[test]
fn fields_that_mean_nothing() {
    let mut target = BtfBuilder::new();
    target.longer_header(48);
    fill(&mut target, |_| {});
    let mut image = target.finish();
    image[24..28].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    image[32..48].fill(0xa5);
    agrees(&image);
}

#[test]
fn room_between_sections_and_behind() {
    let mut target = BtfBuilder::new();
    fill(&mut target, |_| {});
    let plain = target.finish();
    let word = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().expect("4 bytes"));
    let (types, strings) = (word(12) as usize, word(20) as usize);
    for (before, between, behind) in [(0, 0, 9), (4, 0, 0), (0, 5, 0), (8, 3, 1), (4096, 1, 4096)] {
        let mut image = plain[..24].to_vec();
        image[8..12].copy_from_slice(&u32::try_from(before).expect("few").to_le_bytes());
        let at = u32::try_from(before + types + between).expect("few");
        image[16..20].copy_from_slice(&at.to_le_bytes());
        image.extend(vec![0xee; before]);
        image.extend(&plain[24..24 + types]);
        image.extend(vec![0xee; between]);
        image.extend(&plain[24 + types..24 + types + strings]);
        image.extend(vec![0xee; behind]);
        agrees(&image);
    }
}

/// What the layout section describes is skipped, and ids continue after it.
#[test]
fn kinds_of_later_kernels() {
    for (info, element, vlen) in [(0, 0, 0), (4, 0, 0), (12, 0, 3), (0, 4, 5), (8, 12, 2)] {
        let words = usize::from(info) / 4 + usize::from(element) / 4 * vlen;
        for big in [false, true] {
            let new = || {
                if big {
                    BtfBuilder::big_endian()
                } else {
                    BtfBuilder::new()
                }
            };
            let mut later = new();
            later.layout(&layout((info, element)));
            fill(&mut later, |btf| {
                let vlen = u32::try_from(vlen).expect("few");
                btf.raw("new", NEW << 24 | vlen, 0xffff, &vec![0xffff_ffff; words]);
                btf.raw("s", 1 << 31 | NEW << 24 | vlen, 16, &vec![1; words]);
            });
            // Its twin has forward declarations with other names there.
            let mut twin = new();
            fill(&mut twin, |btf| {
                btf.forward("new", false);
                btf.forward("other", true);
            });
            let twin = twin.finish();
            agrees(&twin);

            let relocations = Relocations::from_objects([&subject().ours]);
            let of = |image: &[u8]| {
                let btf = Btf::parse(image).expect("read");
                let tailored = tailor(&relocations, &btf).expect("small");
                (btf.type_count(), tailored.btf, tailored.outcome)
            };
            let image = later.finish();
            assert_eq!(of(&image), of(&twin));
            assert!(
                libbpf::Btf::target(&image).is_err(),
                "libbpf reads it: compare with that"
            );
            // Written out, it can be read again.
            let btf = Btf::parse(&image).expect("read");
            assert_eq!(of(&btf.to_bytes()), of(&twin));
        }
    }
}

/// A layout section that is not needed changes nothing, and libbpf reads it.
#[test]
fn layout_of_known_kinds() {
    let mut target = BtfBuilder::new();
    target.layout(&layout((0, 0)));
    fill(&mut target, |_| {});
    agrees(&target.finish());
    // Even if it is wrong about a known kind.
    let mut target = BtfBuilder::new();
    target.layout(&[(40, 40); 20]);
    fill(&mut target, |_| {});
    agrees(&target.finish());
    let image = target.finish();
    assert_eq!(Btf::parse(&image).expect("read").to_bytes()[4], 24);
}

/// Without a layout section, or one that lacks the kind, the error names kind, type and byte.
#[test]
fn kinds_that_nothing_describes() {
    let mut layouts = vec![Vec::new(), layout((0, 0)), layout((3, 0)), layout((0, 6))];
    layouts[1].pop();
    for sizes in layouts {
        let mut target = BtfBuilder::new();
        if !sizes.is_empty() {
            target.layout(&sizes);
        }
        let header = if sizes.is_empty() { 24 } else { 32 };
        target.int("int", 4, 0);
        target.raw("new", NEW << 24, 0, &[]);
        let error = Btf::parse(&target.finish()).expect_err("an unknown kind");
        let kind = BtfErrorKind::UnknownKind { id: 2, kind: 25 };
        assert_eq!((error.kind(), error.offset()), (&kind, header + 16));
        assert!(
            error.to_string().contains("type [2] has kind 25"),
            "{error}"
        );
    }
    // Kind 0 is void, which no type is.
    let mut target = BtfBuilder::new();
    target.layout(&layout((0, 0)));
    target.raw("void", 0, 0, &[]);
    let error = Btf::parse(&target.finish()).expect_err("void as a type");
    assert_eq!(error.kind(), &BtfErrorKind::UnknownKind { id: 1, kind: 0 });
}

#[test]
fn layouts_out_of_place() {
    let mut target = BtfBuilder::new();
    target.layout(&layout((0, 0)));
    fill(&mut target, |_| {});
    let good = target.finish();
    assert!(Btf::parse(&good).is_ok());
    let word = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().expect("4 bytes"));
    let (at, len, strings) = (word(24), word(28), word(16));
    for (at, len) in [
        (at + 2, len - 4),
        (at - 4, len),
        (at, len + 4),
        (at, len - 1),
        (strings, 4),
        (0, 4),
        (u32::MAX - 3, 4),
        (at, u32::MAX - 3),
    ] {
        let mut image = good.clone();
        image[24..28].copy_from_slice(&at.to_le_bytes());
        image[28..32].copy_from_slice(&len.to_le_bytes());
        assert!(Btf::parse(&image).is_err(), "layout at {at}, {len} bytes");
    }
}

/// Structs that point at or hold a type of an unknown kind, or have its name.
#[test]
fn references_to_unknown_kinds() {
    let mut target = BtfBuilder::new();
    target.layout(&layout((0, 0)));
    let int = target.int("int", 4, INT_SIGNED);
    let new = target.raw("new", NEW << 24, 0, &[]);
    let pointer = target.pointer(new);
    target.structure("s", 16, &[member("p", pointer, 0), member("x", int, 8)]);
    target.structure("s", 16, &[member("p", pointer, 0), member("x", new, 8)]);
    let image = target.finish();
    let btf = Btf::parse(&image).expect("read");
    let relocations = Relocations::from_objects([&subject().ours]);
    let tailored = tailor(&relocations, &btf).expect("small");
    let again = Btf::parse(&tailored.btf).expect("read again");
    assert_eq!(
        resolve(&relocations, &again).as_ref(),
        Ok(&*tailored.outcome)
    );
}

/// Candidates of a kernel and of a module on top of it, as libbpf finds them if it is given a
/// module's BTF.
#[test]
fn modules_on_top_of_kernels() {
    let mut kernel = BtfBuilder::new();
    fill(&mut kernel, |_| {});
    let int = kernel.int("unsigned int", 4, 0);
    let mut module = BtfBuilder::split(&kernel);
    // Members with types of the kernel, and names from the kernel's strings and its own.
    let own = module.int("module_int", 4, INT_SIGNED);
    let pointer = module.pointer(own);
    module.structure("s", 32, &[member("x", own, 12), member("p", pointer, 0)]);
    module.structure(
        "s___m",
        32,
        &[member("x", int, 12), member("p", pointer, 16)],
    );
    module.structure("t", 8, &[member("x", own, 4)]);
    let (kernel, module) = (kernel.finish(), module.finish());

    let base = libbpf::Btf::target(&kernel).expect("libbpf reads the kernel");
    let theirs = libbpf::Btf::split(&module, &base).expect("libbpf reads the module");
    let ours_base = Arc::new(Btf::parse(&kernel).expect("read"));
    let ours = Btf::parse_split(&module, Arc::clone(&ours_base)).expect("read");
    assert_eq!(ours.type_count(), theirs.type_count());
    assert_eq!(ours.pointer_size(), Some(8));

    let elf = program();
    let object = Object::parse("local", &elf).expect("read");
    let relocations = Relocations::from_objects([&object]);
    let outcome = resolve(&relocations, &ours).expect("small");
    let open = OpenObject::open(LocalObject::parse("local", &elf).expect("read")).expect("opened");
    for (index, record) in open.object.records.iter().enumerate() {
        let found = libbpf::candidates_from(&open.btf, record.type_id, &theirs, 1).expect("named");
        assert_eq!(
            found.len(),
            if record.access == "0" && record.kind == 11 {
                1
            } else {
                3
            }
        );
        let answer = libbpf::resolve(&open.btf, open.relo(index), &mut found.clone());
        let walked = btfhub_tests::ours::walk(&object, &relocations, &outcome);
        assert_eq!(walked.fresh[index], answer, "record {index}");
    }
    // A module without its kernel is recognised.
    assert!(Btf::parse(&module).is_err());
    assert!(libbpf::Btf::target(&module).is_err());
}

/// A module may rely on its kernel's layout section.
#[test]
fn modules_share_their_kernels_layout() {
    let mut kernel = BtfBuilder::new();
    kernel.layout(&layout((4, 0)));
    fill(&mut kernel, |_| {});
    let mut module = BtfBuilder::split(&kernel);
    module.raw("new", NEW << 24, 0, &[7]);
    module.int("module_int", 4, 0);
    let base = Arc::new(Btf::parse(&kernel.finish()).expect("read"));
    let count = base.type_count();
    let module = Btf::parse_split(&module.finish(), base).expect("read");
    assert_eq!(module.type_count(), count + 2);
}

/// A `.BTF.ext` with records of these sizes: functions, lines, relocations.
struct Ext {
    big: bool,
    header: u32,
    line_size: u32,
    relo_size: u32,
    /// Relocation records by section name.
    relos: Vec<(u32, Vec<[u32; 4]>)>,
}

impl Ext {
    fn bytes(&self) -> Vec<u8> {
        let word = |value: u32| {
            if self.big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let sized = |size: u32, blocks: &[(u32, Vec<[u32; 4]>)]| {
            let mut out = word(size).to_vec();
            for (section, records) in blocks {
                out.extend(word(*section));
                out.extend(word(u32::try_from(records.len()).expect("few")));
                for record in records {
                    out.extend(record.iter().flat_map(|value| word(*value)));
                    // Fields that a later clang adds.
                    out.resize(out.len() + size.saturating_sub(16) as usize, 0xa5);
                }
            }
            out
        };
        let lines = sized(
            self.line_size,
            &[(1, vec![[0, 1, 1, 1 << 10], [8, 1, 1, 2 << 10]])],
        );
        let relos = sized(self.relo_size, &self.relos);
        let (lines_len, relos_len) = (lines.len(), relos.len());
        let len = |len: usize| u32::try_from(len).expect("small");
        let mut out = vec![0x9f, 0xeb, 1, 0];
        if self.big {
            out.swap(0, 1);
        }
        for value in [
            self.header,
            0,
            0,
            0,
            len(lines_len),
            len(lines_len),
            len(relos_len),
        ] {
            out.extend(word(value));
        }
        out.resize(self.header as usize, 0xa5);
        out.extend(lines);
        out.extend(relos);
        out
    }
}

/// Whether libbpf accepts a `.BTF.ext`.
fn libbpf_takes(ext: &[u8]) -> bool {
    let len = u32::try_from(ext.len()).expect("small");
    // SAFETY: libbpf copies `len` bytes, and the result is freed once.
    unsafe {
        let read = libbpf_sys::btf_ext__new(ext.as_ptr(), len);
        let taken = !read.is_null();
        libbpf_sys::btf_ext__free(read);
        taken
    }
}

/// Headers and records of any length, several blocks of one section.
#[test]
fn ext_of_any_length() {
    let relos = vec![
        (3, vec![[0, 1, 2, 3], [16, 4, 5, 6]]),
        (9, vec![[8, 7, 8, 9]]),
        (3, vec![[24, 1, 2, 12]]),
    ];
    for big in [false, true] {
        for (header, line_size, relo_size) in [
            (32, 16, 16),
            (36, 16, 16),
            (64, 16, 16),
            (32, 20, 24),
            (40, 32, 16),
        ] {
            let ext = Ext {
                big,
                header,
                line_size,
                relo_size,
                relos: relos.clone(),
            };
            let bytes = ext.bytes();
            // libbpf swaps only records of the size it knows.
            assert_eq!(libbpf_takes(&bytes), !big || line_size + relo_size == 32);
            let read = BtfExt::parse(&bytes).expect("read");
            let found: Vec<(u32, Vec<[u32; 4]>)> = read
                .core_relos
                .iter()
                .map(|of| (of.section.0, of.records.iter().map(words).collect()))
                .collect();
            assert_eq!(found, relos);
            assert_eq!(read.lines.len(), 1);
            assert_eq!(read.lines[0].records[1].line_col, 2 << 10);
        }
    }
}

fn words(relo: &CoreRelo) -> [u32; 4] {
    let CoreRelo {
        insn_off,
        type_id: TypeId(type_id),
        access_str: StrOffset(access),
        kind,
    } = *relo;
    [insn_off, type_id, access, kind]
}

/// Written before CO-RE: a header of 24 bytes has no relocations.
#[test]
fn ext_without_relocations() {
    for header in [24, 28] {
        let ext = Ext {
            big: false,
            header: 32,
            line_size: 16,
            relo_size: 16,
            relos: Vec::new(),
        };
        let mut bytes = ext.bytes();
        bytes[4..8].copy_from_slice(&u32::to_le_bytes(header));
        bytes.drain(header as usize..32);
        assert!(libbpf_takes(&bytes));
        assert_eq!(BtfExt::parse(&bytes).expect("read").core_relos, Vec::new());
    }
}

/// What libbpf rejects is an error that names a byte; libbpf itself would go on without any
/// relocation.
#[test]
fn ext_that_is_none() {
    let good = Ext {
        big: false,
        header: 32,
        line_size: 16,
        relo_size: 16,
        relos: vec![(3, vec![[0, 1, 2, 3]])],
    };
    let good = good.bytes();
    assert!(libbpf_takes(&good) && BtfExt::parse(&good).is_ok());
    let lines = 32;
    let relos = 32 + 44;
    for (at, bytes) in [
        (0, vec![0x9e]),           // magic
        (2, vec![2]),              // version
        (3, vec![1]),              // flags
        (4, vec![23, 0, 0, 0]),    // header length
        (4, vec![255, 255, 0, 0]), // beyond the section
        (16, vec![2]),             // lines not aligned
        (20, vec![255, 255]),      // more of them than there is
        (24, vec![3]),             // relocations not aligned
        (28, vec![7]),             // cut off
        (lines, vec![12]),         // records too short
        (lines, vec![17]),         // no words
        (relos, vec![12]),
        (relos, vec![18]),
        (relos + 8, vec![0]), // no records
        (relos + 8, vec![2]), // more than there are
        (relos + 8, vec![255, 255, 255, 255]),
    ] {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(&bytes);
        assert!(!libbpf_takes(&bad), "libbpf takes {bytes:?} at {at}");
        assert!(BtfExt::parse(&bad).is_err(), "{bytes:?} at {at}");
    }
}
