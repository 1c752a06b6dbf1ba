//! Cases that no compiler writes, or not on demand. Each is a less obvious behaviour of libbpf,
//! and libbpf itself decides what is right.

use btfhub_build::tailor::tailor;
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, bitfield, kind, member};
use btfhub_tests::contract::{Kernel, Report, Subject, check};
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::oracle::libbpf::Answer;
use btfhub_tests::oracle::modes::{Target, walk};
use btfhub_tests::ours;

const BYTE_OFFSET: u32 = 0;
const BYTE_SIZE: u32 = 1;
const EXISTS: u32 = 2;
const SIGNED: u32 = 3;
const LSHIFT: u32 = 4;
const RSHIFT: u32 = 5;
const TYPE_ID_TARGET: u32 = 7;
const TYPE_EXISTS: u32 = 8;
const TYPE_SIZE: u32 = 9;
const ENUMVAL_VALUE: u32 = 11;
const TYPE_MATCHES: u32 = 12;

/// Relocations in one program.
fn relos(of: &[(u32, &str, u32)]) -> Vec<Relo> {
    of.iter()
        .map(|(type_id, access, kind)| Relo {
            program: 0,
            type_id: *type_id,
            access: (*access).to_owned(),
            kind: *kind,
        })
        .collect()
}

/// Our results equal libbpf's, and libbpf's are the same on the full and the tailored BTF.
#[track_caller]
fn agree(local: &BtfBuilder, relos: &[Relo], target: &BtfBuilder) -> Report {
    let report = compare(local, relos, target);
    assert!(
        report.differences.is_empty(),
        "{}",
        report.differences.join("\n")
    );
    assert_eq!(report.verbatim, Vec::<String>::new(), "kept whole");
    report
}

/// The same for a BTF so odd that it may be kept whole.
#[track_caller]
fn agree_perhaps_whole(local: &BtfBuilder, relos: &[Relo], target: &BtfBuilder) -> Report {
    let report = compare(local, relos, target);
    assert_eq!(report.differences, Vec::<String>::new());
    report
}

fn compare(local: &BtfBuilder, relos: &[Relo], target: &BtfBuilder) -> Report {
    let elf = object(local, relos, false);
    let subject = Subject::open("local", &elf)
        .expect("both sides read the object")
        .expect("it has relocations");
    let kernel = Kernel::parse("target", &target.finish()).expect("both sides read the target");
    check(&subject, &kernel)
}

/// `struct s { int x; }`, with every relocation on `x`.
fn int_x() -> (BtfBuilder, Vec<Relo>) {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let s = local.structure("s", 4, &[member("x", int, 0)]);
    let all = [BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT];
    let asked: Vec<_> = all.iter().map(|kind| (s, "0:0", *kind)).collect();
    (local, relos(&asked))
}

/// A member with the right name and the wrong type inside an anonymous struct leaves its offset
/// behind when the search continues.
#[test]
fn offset_left_behind() {
    let (local, asked) = int_x();
    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, INT_SIGNED);
    let float = target.float("float", 4);
    let wrong = target.structure("", 12, &[member("a", int, 0), member("x", float, 8)]);
    let right = target.structure("", 8, &[member("b", int, 0), member("x", int, 4)]);
    target.structure("s", 20, &[member("", wrong, 0), member("", right, 12)]);
    let report = agree(&local, &asked, &target);
    assert_eq!(report.refused, 0);
}

/// It also leaves a step behind: after enough of them, the access is too long.
#[test]
fn length_left_behind() {
    for count in [60, 61, 62, 63, 64, 65, 70] {
        let (local, asked) = int_x();
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, INT_SIGNED);
        let float = target.float("float", 4);
        let wrong = target.structure("", 4, &[member("x", float, 0)]);
        let right = target.structure("", 4, &[member("x", int, 0)]);
        let mut members = vec![member("", wrong, 0); count];
        members.push(member("", right, 4));
        target.structure("s", 8, &members);
        let report = agree(&local, &asked, &target);
        assert_eq!(report.refused > 0, count >= 62, "{count}");
    }
}

/// The same nesting, wrong on the way and right behind it, is too deep or not
/// only for what is found in it.
#[test]
fn too_deep_on_the_way() {
    for depth in 58..68 {
        for (first, last) in [("x", "y"), ("y", "x"), ("x", "x")] {
            let (local, asked) = int_x();
            let mut target = BtfBuilder::new();
            let int = target.int("int", 4, INT_SIGNED);
            let mut inner = target.structure("", 4, &[member(first, int, 0)]);
            for _ in 0..depth {
                inner = target.structure("", 4, &[member("", inner, 0)]);
            }
            target.structure("s", 8, &[member("", inner, 0), member(last, int, 4)]);
            agree(&local, &asked, &target);
        }
    }
}

/// An anonymous struct without members ends the search in it at any depth.
#[test]
fn empty_at_the_bottom() {
    for depth in 60..66 {
        let (local, asked) = int_x();
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, INT_SIGNED);
        let mut inner = target.structure("", 0, &[]);
        for _ in 0..depth {
            inner = target.structure("", 4, &[member("", inner, 0)]);
        }
        target.structure("s", 8, &[member("", inner, 0), member("x", int, 4)]);
        agree(&local, &asked, &target);
    }
}

/// A struct that has itself as an anonymous member.
#[test]
fn anonymous_cycle() {
    let (local, asked) = int_x();
    for x_first in [true, false] {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, INT_SIGNED);
        let me = target.next_id();
        let (x, cycle) = (member("x", int, 0), member("", me, 0));
        let members = if x_first { [x, cycle] } else { [cycle, x] };
        target.structure("s", 4, &members);
        let report = agree(&local, &asked, &target);
        assert_eq!(report.refused > 0, !x_first);
    }
}

/// Anonymous members that are not structs are skipped, also through typedefs.
#[test]
fn anonymous_others() {
    let (local, asked) = int_x();
    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, INT_SIGNED);
    let pointer = target.pointer(0);
    let inner = target.composite(kind::UNION, "named", 8, &[member("x", int, 4)]);
    let inner = target.typedef("inner_t", inner);
    let inner = target.reference(kind::CONST, "", inner);
    let array = target.array(inner, int, 1);
    let members = [
        member("", int, 0),
        member("", pointer, 8),
        member("", array, 16),
        member("", inner, 32),
    ];
    target.structure("s", 40, &members);
    assert_eq!(agree(&local, &asked, &target).poisoned, 0);
}

/// Two members with one name: the first counts, even if it does not fit.
#[test]
fn name_twice() {
    let (local, asked) = int_x();
    for swap in [false, true] {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 8, 0);
        let float = target.float("float", 4);
        let (a, b) = if swap { (float, int) } else { (int, float) };
        target.structure("s", 16, &[member("x", a, 4), member("x", b, 8)]);
        let report = agree(&local, &asked, &target);
        assert_eq!(report.poisoned > 0, swap);
    }
}

/// Two candidates that differ only in their id: only a relocation for the id notices, and is
/// refused.
#[test]
fn twins_and_their_id() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let s = local.structure("s", 4, &[member("x", int, 0)]);
    let t = local.structure("t", 4, &[member("x", int, 0)]);
    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, INT_SIGNED);
    for name in ["s", "t", "s", "t", "s___f"] {
        target.structure(name, 8, &[member("x", int, 4)]);
    }
    let asked = relos(&[
        (s, "0:0", BYTE_OFFSET),
        (t, "0:0", BYTE_OFFSET),
        (t, "0", TYPE_ID_TARGET),
        (t, "0", TYPE_EXISTS),
    ]);
    let report = agree(&local, &asked, &target);
    assert_eq!(report.refused, 1);
}

/// Ids are ambiguous until another relocation leaves only one candidate.
#[test]
fn id_after_pruning() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let s = local.structure("s", 8, &[member("x", int, 0), member("y", int, 4)]);
    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, INT_SIGNED);
    target.structure("s", 8, &[member("x", int, 0)]);
    target.structure("s", 8, &[member("x", int, 0), member("y", int, 4)]);
    let asked = relos(&[
        (s, "0", TYPE_ID_TARGET),
        (s, "0:1", BYTE_OFFSET),
        (s, "0", TYPE_ID_TARGET),
    ]);
    let report = agree(&local, &asked, &target);
    assert!(report.stateful > 0);
}

/// Equal offsets, different sizes: the first candidate's size is used.
#[test]
fn first_size_wins() {
    let (local, asked) = int_x();
    for sizes in [[4, 8, 2], [8, 4, 2], [2, 2, 4]] {
        let mut target = BtfBuilder::new();
        for size in sizes {
            let int = target.int("int", size, 0);
            target.structure("s", 16, &[member("x", int, 4)]);
        }
        agree(&local, &asked, &target);
    }
}

/// libbpf guesses a BTF's pointer size from the first `long` of 4 or 8 bytes.
#[test]
fn pointer_size_guessed() {
    let mut local = BtfBuilder::new();
    let pointer = local.pointer(0);
    let array = local.array(pointer, pointer, 3);
    let s = local.structure("s", 32, &[member("p", pointer, 0), member("a", array, 8)]);
    let asked = relos(&[
        (s, "0:0", BYTE_OFFSET),
        (s, "0:0", BYTE_SIZE),
        (s, "0:1:2", BYTE_OFFSET),
        (s, "0:1:1", BYTE_SIZE),
        (s, "0:1", BYTE_SIZE),
        (s, "0:1", EXISTS),
    ]);
    let longs: [&[(&str, u32)]; 8] = [
        &[],
        &[("long", 8)],
        &[("long", 4)],
        &[("unsigned long", 4), ("long", 8)],
        &[("long", 2), ("long", 16), ("long unsigned int", 4)],
        &[("long long", 4)],
        &[("long", 8), ("long", 4)],
        &[("int long", 4), ("long", 8)],
    ];
    for long in longs {
        let mut target = BtfBuilder::new();
        for (name, size) in long {
            target.int(name, *size, 0);
        }
        let pointer = target.pointer(0);
        let array = target.array(pointer, pointer, 4);
        target.structure("s", 64, &[member("a", array, 0), member("p", pointer, 48)]);
        agree(&local, &asked, &target);
    }
}

/// A pointer as a whole type: only its size matters.
#[test]
fn pointer_size_of_a_type() {
    let mut local = BtfBuilder::new();
    let pointer = local.pointer(0);
    let t = local.typedef("t", pointer);
    let asked = relos(&[(t, "0", TYPE_SIZE), (t, "0", TYPE_EXISTS)]);
    for size in [4, 8] {
        let mut target = BtfBuilder::new();
        let pointer = target.pointer(0);
        target.typedef("t", pointer);
        target.int("long", size, 0);
        agree(&local, &asked, &target);
    }
}

/// An INT's encoding decides whether a load may be resized.
#[test]
fn encodings() {
    for local_encoding in 0..8 {
        for target_encoding in 0..8 {
            let mut local = BtfBuilder::new();
            let int = local.int("a", 4, local_encoding);
            let s = local.structure("s", 4, &[member("x", int, 0)]);
            let mut target = BtfBuilder::new();
            let int = target.int("b", 8, target_encoding);
            target.structure("s", 8, &[member("x", int, 0)]);
            let asked = relos(&[(s, "0:0", BYTE_OFFSET), (s, "0:0", SIGNED)]);
            agree(&local, &asked, &target);
        }
    }
}

/// Integers that start inside their storage, as old compilers wrote bitfields.
#[test]
fn integers_with_an_offset() {
    for (local_bits, target_bits) in [(0, 0), (0, 3), (3, 0), (3, 3)] {
        let mut local = BtfBuilder::new();
        let int = local.raw("a", kind::INT << 24, 4, &[local_bits << 16 | 29]);
        let s = local.structure("s", 4, &[member("x", int, 0)]);
        let t = local.typedef("t", int);
        let mut target = BtfBuilder::new();
        let int = target.raw("a", kind::INT << 24, 4, &[target_bits << 16 | 29]);
        target.structure("s", 4, &[member("x", int, 0)]);
        target.typedef("t", int);
        let asked = relos(&[
            (s, "0:0", BYTE_OFFSET),
            (s, "0:0", EXISTS),
            (t, "0", TYPE_EXISTS),
            (t, "0", TYPE_MATCHES),
            (int, "0", TYPE_EXISTS),
        ]);
        agree(&local, &asked, &target);
    }
}

/// Bitfields of every width at every offset, in storage of one to sixteen bytes.
#[test]
fn bitfields() {
    let all = [EXISTS, BYTE_OFFSET, BYTE_SIZE, SIGNED, LSHIFT, RSHIFT];
    for storage in [1, 2, 3, 4, 8, 16] {
        for bits in [1, 2, 7, 8, 9, 15, 17, 31, 33, 57, 63, 64, 65, 128] {
            for offset in [0, 1, 6, 7, 8, 31, 33, 63, 100] {
                let mut local = BtfBuilder::new();
                let int = local.int("int", 4, INT_SIGNED);
                let s = local.structure("s", 4, &[bitfield("x", int, 3, 5)]);
                let mut target = BtfBuilder::new();
                let int = target.int("int", storage, 0);
                target.structure("s", 32, &[bitfield("x", int, offset, bits)]);
                let asked: Vec<_> = all.iter().map(|kind| (s, "0:0", *kind)).collect();
                agree(&local, &relos(&asked), &target);
            }
        }
    }
}

/// A struct with the flag but without bitfields, and offsets without the flag that are not
/// multiples of eight.
#[test]
fn kind_flag_and_no_bitfield() {
    let (local, asked) = int_x();
    for (flag, offset) in [
        (true, 24),
        (true, 25),
        (false, 25),
        (false, 31),
        (false, 32),
    ] {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, 0);
        let x = target.string("x");
        let info = u32::from(flag) << 31 | kind::STRUCT << 24 | 1;
        target.raw("s", info, 8, &[x, int, offset]);
        agree(&local, &asked, &target);
    }
}

/// Access strings as scanf reads them.
#[test]
fn odd_access_strings() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, 0);
    let array = local.array(int, int, 4);
    let s = local.structure("s", 20, &[member("x", int, 0), member("a", array, 4)]);
    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, 0);
    let array = target.array(int, int, 4);
    target.structure("s", 24, &[member("a", array, 0), member("x", int, 16)]);
    let strings = [
        "0:0",
        "0:1:3",
        "",
        "0",
        ":0",
        "0:",
        "0:0:",
        "0::0",
        "0: 0",
        " 0:0",
        "0 :0",
        "+0:0",
        "0:+1:2",
        "00:01:02",
        "0x0:0",
        "0:0x1",
        "1:0",
        "3:1:2",
        "0:1:4",
        "0:2",
        "0:0:0",
        "x",
        "0,0",
        "4294967295:0",
        "4294967296:0",
        "2147483648:0",
        "99999999999999999999:0",
        "-1:0",
        "-2:1:1",
        "0:1:4294967297",
        "0\t:0",
        "0:\n0",
        "0:0 ",
        "0 0",
    ];
    for access in strings {
        for kind in [BYTE_OFFSET, EXISTS] {
            agree(&local, &relos(&[(s, access, kind)]), &target);
        }
        agree(&local, &relos(&[(s, access, TYPE_EXISTS)]), &target);
    }
}

/// Accesses of the maximum length, and longer ones.
#[test]
fn long_access_strings() {
    for depth in [62, 63, 64, 65] {
        let nested = |offset: u32| {
            let mut btf = BtfBuilder::new();
            let int = btf.int("int", 4, 0);
            let mut inner = btf.structure("leaf", 8, &[member("x", int, offset)]);
            for _ in 0..depth - 2 {
                inner = btf.structure("level", 8, &[member("in", inner, 0)]);
            }
            let s = btf.structure("s", 8, &[member("in", inner, 0)]);
            (btf, s)
        };
        let (local, s) = nested(0);
        let (target, _) = nested(4);
        let access = vec!["0"; depth + 1].join(":");
        let asked = relos(&[(s, &access, BYTE_OFFSET), (s, &access, EXISTS)]);
        agree(&local, &asked, &target);
    }
}

/// Arrays without length: flexible only as the last member, with a name, and not in a second
/// dimension.
#[test]
fn zero_length_arrays() {
    for local_last in [true, false] {
        for target_last in [true, false] {
            for (len, dimensions) in [(0, 1), (0, 2), (3, 1)] {
                let mut local = BtfBuilder::new();
                let int = local.int("int", 4, 0);
                let array = local.array(int, int, if local_last { 0 } else { 9 });
                let s = local.structure("s", 4, &[member("n", int, 0), member("a", array, 4)]);
                let mut target = BtfBuilder::new();
                let int = target.int("int", 8, 0);
                let mut array = target.array(int, int, len);
                if dimensions == 2 {
                    array = target.array(array, int, 0);
                }
                let (a, n) = (member("a", array, 8), member("n", int, 0));
                let members = if target_last { [n, a] } else { [a, n] };
                target.structure("s", 8, &members);
                let asked = relos(&[
                    (s, "0:1:0", BYTE_OFFSET),
                    (s, "0:1:5", BYTE_OFFSET),
                    (s, "0:1:5", EXISTS),
                    (s, "0:1:5", BYTE_SIZE),
                    (s, "0:1", BYTE_SIZE),
                    (s, "0:1", BYTE_OFFSET),
                ]);
                agree(&local, &asked, &target);
            }
        }
    }
}

/// A trap for tailoring: members that no relocation reads come after the array.
#[test]
fn inner_zero_length_array_stays_inner() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, 0);
    let array = local.array(int, int, 4);
    let s = local.structure("s", 16, &[member("a", array, 0)]);
    for behind in 0..3 {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, 0);
        let array = target.array(int, int, 0);
        let mut members = vec![member("a", array, 0)];
        members.extend(vec![member("other", int, 0); behind]);
        target.structure("s", 4, &members);
        let asked = relos(&[
            (s, "0:0:2", EXISTS),
            (s, "0:0", EXISTS),
            (s, "0:0:0", EXISTS),
        ]);
        agree(&local, &asked, &target);
    }
}

/// Types without a size, and arrays that are too large to have one.
#[test]
fn sizes_that_are_none() {
    let (local, asked) = int_x();
    let mut local = local;
    let int = 1;
    let array = local.array(int, int, 4);
    let a = local.structure("a", 16, &[member("x", array, 0)]);
    let mut asked = asked;
    asked.extend(relos(&[
        (a, "0:0:1", BYTE_OFFSET),
        (a, "0:0", BYTE_SIZE),
        (a, "1:0", EXISTS),
        (a, "0", TYPE_SIZE),
    ]));
    for case in 0..6 {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, 0);
        let forward = target.forward("f", false);
        let proto = target.prototype(int, &[]);
        let huge = target.array(int, int, 0x4000_0001);
        let huger = target.array(huge, int, 0xffff_ffff);
        let element = [int, forward, proto, 0, huge, huger][case];
        let array = target.array(element, int, 0x4000_0000);
        target.structure("s", 4, &[member("x", element, 0)]);
        target.structure("a", 4, &[member("x", array, 0)]);
        agree(&local, &asked, &target);
    }
}

/// Void, and forward declarations, functions, variables and sections with the name.
#[test]
fn other_kinds_of_the_name() {
    let make = |swap: bool| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("n", 4, 0);
        let proto = btf.prototype(int, &[("a", int)]);
        let mut ids = vec![int];
        ids.push(btf.forward("n", swap));
        ids.push(btf.reference(kind::FUNC, "n", proto));
        ids.push(btf.raw("n", kind::VAR << 24, int, &[1]));
        ids.push(btf.raw("n", kind::DATASEC << 24 | 1, 4, &[ids[3], 0, 4]));
        ids.push(btf.float("n", if swap { 4 } else { 8 }));
        ids.push(btf.raw("n", kind::DECL_TAG << 24, int, &[0xffff_ffff]));
        ids.push(btf.reference(kind::TYPE_TAG, "n", int));
        let to_void = btf.typedef("void_t", 0);
        ids.push(to_void);
        ids.push(btf.typedef("n", to_void));
        ids.push(btf.enumeration("n", 4, swap, &[("A", 1)]));
        ids.push(btf.enumeration64("n", !swap, &[("A", 2)]));
        ids.push(btf.composite(kind::UNION, "n", 4, &[member("x", int, 0)]));
        (btf, ids)
    };
    let (local, ids) = make(false);
    let (target, _) = make(true);
    for id in ids {
        for kind in [TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES, TYPE_ID_TARGET] {
            agree_perhaps_whole(&local, &relos(&[(id, "0", kind)]), &target);
        }
        agree_perhaps_whole(&local, &relos(&[(id, "0", ENUMVAL_VALUE)]), &target);
        agree_perhaps_whole(&local, &relos(&[(id, "0:0", EXISTS)]), &target);
        agree_perhaps_whole(
            &local,
            &relos(&[(id, "2", BYTE_OFFSET), (id, "2", BYTE_SIZE)]),
            &target,
        );
    }
}

/// Tags, qualifiers and typedefs in between, in any number up to libbpf's limit.
#[test]
fn long_chains() {
    let (local, mut asked) = int_x();
    let mut local = local;
    let t = local.typedef("t", 1);
    asked.extend(relos(&[
        (t, "0", TYPE_SIZE),
        (t, "0", TYPE_EXISTS),
        (t, "0", TYPE_MATCHES),
    ]));
    for links in [1, 29, 30, 31, 32, 33, 40] {
        let mut target = BtfBuilder::new();
        let mut id = target.int("int", 4, INT_SIGNED);
        let of = [
            kind::CONST,
            kind::VOLATILE,
            kind::RESTRICT,
            kind::TYPE_TAG,
            kind::TYPEDEF,
        ];
        for link in 0..links {
            let of = of[link % of.len()];
            let name = if of == kind::TYPE_TAG || of == kind::TYPEDEF {
                "link"
            } else {
                ""
            };
            id = target.reference(of, name, id);
        }
        target.structure("s", 8, &[member("x", id, 4)]);
        target.typedef("t", id);
        agree_perhaps_whole(&local, &asked, &target);
    }
}

/// Pointers to pointers: compatibility and matching stop at a depth.
#[test]
fn deep_pointers() {
    for depth in [1, 29, 30, 31, 32, 33, 34, 40] {
        let make = || {
            let mut btf = BtfBuilder::new();
            let mut id = btf.int("int", 4, INT_SIGNED);
            for _ in 0..depth {
                id = btf.pointer(id);
            }
            let t = btf.typedef("t", id);
            (btf, t)
        };
        let (local, t) = make();
        let (target, _) = make();
        let asked = relos(&[
            (t, "0", TYPE_EXISTS),
            (t, "0", TYPE_MATCHES),
            (t, "0", TYPE_SIZE),
        ]);
        let report = agree(&local, &asked, &target);
        assert_eq!(report.refused > 0, depth >= 32, "{depth}");
    }
}

/// Functions that take functions, and structs in structs: the other limit.
#[test]
fn deep_calls() {
    for depth in [1, 29, 30, 31, 32, 33, 34, 40] {
        for of_structs in [true, false] {
            let make = |order: bool| {
                let mut btf = BtfBuilder::new();
                let int = btf.int("int", 4, INT_SIGNED);
                let mut id = int;
                for _ in 0..depth {
                    id = if of_structs {
                        let (a, b) = (member("a", id, 0), member("b", int, 0));
                        btf.structure("n", 4, &if order { [a, b] } else { [b, a] })
                    } else {
                        btf.prototype(int, &[("f", id)])
                    };
                }
                let t = btf.typedef("t", id);
                (btf, t)
            };
            let (local, t) = make(true);
            let (target, _) = make(false);
            let asked = relos(&[(t, "0", TYPE_EXISTS), (t, "0", TYPE_MATCHES)]);
            agree(&local, &asked, &target);
        }
    }
}

/// Recursive types: a list, a function that takes itself.
#[test]
fn recursive_types() {
    let make = |extra: bool| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4, INT_SIGNED);
        let node = btf.next_id();
        let pointer = node + 1;
        let mut members = vec![member("next", pointer, 0), member("x", int, 8)];
        if extra {
            members.insert(0, member("extra", int, 12));
        }
        btf.structure("node", 16, &members);
        btf.pointer(node);
        let f = btf.next_id();
        btf.prototype(0, &[("f", f + 1)]);
        btf.pointer(f);
        let t = btf.typedef("f_t", f + 1);
        let array = btf.next_id();
        btf.array(array + 1, int, 2);
        btf.pointer(array);
        let a = btf.typedef("a_t", array);
        (btf, [node, t, a])
    };
    let (local, ids) = make(false);
    let (target, _) = make(true);
    for id in ids {
        for kind in [TYPE_EXISTS, TYPE_MATCHES, TYPE_SIZE] {
            agree_perhaps_whole(&local, &relos(&[(id, "0", kind)]), &target);
        }
    }
}

/// Enumerators: the first with an essential name counts; ENUM values are signed whatever the flag
/// says.
#[test]
fn enumerators() {
    let mut local = BtfBuilder::new();
    let e = local.enumeration("e", 4, false, &[("A", 1), ("B___x", 2), ("C", 3), ("", 4)]);
    let wide = local.enumeration64("w", false, &[("A", 1), ("B", 2)]);
    let asked = relos(&[
        (e, "0", ENUMVAL_VALUE),
        (e, "1", ENUMVAL_VALUE),
        (e, "2", ENUMVAL_VALUE),
        (e, "3", ENUMVAL_VALUE),
        (e, "4", ENUMVAL_VALUE),
        (wide, "0", ENUMVAL_VALUE),
        (wide, "1", ENUMVAL_VALUE),
        (wide, "0:0", ENUMVAL_VALUE),
    ]);
    for signed in [true, false] {
        let mut target = BtfBuilder::new();
        let of = [
            ("B___1", -1),
            ("B", -2),
            ("A", i32::MIN),
            ("", 7),
            ("C___", 9),
        ];
        target.enumeration("e", 1, signed, &of);
        target.enumeration64("w", signed, &[("B", u64::MAX), ("A", 1 << 63)]);
        agree(&local, &asked, &target);
        // The other kind with this name.
        let mut target = BtfBuilder::new();
        target.enumeration64("e", signed, &[("C", 0xffff_ffff), ("B", 0x1_0000_0000)]);
        target.enumeration("w", 4, signed, &[("A", -1), ("B", 5)]);
        agree(&local, &asked, &target);
    }
}

/// A member's name may be an offset to an empty string other than the first.
#[test]
fn empty_names_elsewhere() {
    let (local, asked) = int_x();
    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, INT_SIGNED);
    let nul = target.string("tail") + 4;
    let x = target.string("x");
    let inner = target.structure("", 8, &[member("x", int, 4)]);
    target.raw(
        "s",
        kind::STRUCT << 24 | 2,
        16,
        &[nul, inner, 64, x, int, 0],
    );
    agree(&local, &asked, &target);
}

/// Strings that share a tail, as linkers fold them.
#[test]
fn shared_tails() {
    let (local, asked) = int_x();
    let mut target = BtfBuilder::new();
    let int = target.int("int", 4, INT_SIGNED);
    let prefix = target.string("prefix");
    let yes = target.string("yes");
    let name = kind::STRUCT << 24 | 1;
    let id = target.raw("", name, 8, &[prefix + 5, int, 32]);
    assert_eq!(id, 2);
    // The struct is called "s": the tail of "yes".
    let mut image = target.finish();
    let at = 24 + 16; // header, then the INT's four words
    image[at..at + 4].copy_from_slice(&(yes + 2).to_le_bytes());
    let elf = object(&local, &asked, false);
    let subject = Subject::open("local", &elf)
        .expect("read")
        .expect("relocations");
    let kernel = Kernel::parse("target", &image).expect("read");
    let report = check(&subject, &kernel);
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!(report.poisoned, 0);
}

/// A candidate that repeats another comes back if a third type holds it: libbpf then compares the
/// offsets of both, though no value needs them.
#[test]
fn twin_held_by_another() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let inner = local.structure("in", 4, &[member("x", int, 0)]);
    let members = [member("a", inner, 0), member("b", inner, 4)];
    let outer = local.structure("out", 8, &members);
    for kind in [EXISTS, SIGNED, BYTE_SIZE, RSHIFT, BYTE_OFFSET] {
        // Equal in everything, or in everything that is read.
        for behind in [None, Some("y")] {
            let mut target = BtfBuilder::new();
            let int = target.int("int", 4, INT_SIGNED);
            let first = target.structure("in", 12, &[member("x", int, 4)]);
            let mut members = vec![member("x", int, 4)];
            members.extend(behind.map(|name| member(name, int, 8)));
            let second = target.structure("in", 12, &members);
            let members = [member("a", first, 0), member("b", second, 12)];
            target.structure("out", 24, &members);
            let asked = relos(&[(inner, "0:0", kind), (outer, "0:1:0", BYTE_OFFSET)]);
            assert_eq!(agree(&local, &asked, &target).refused, 0);
        }
    }
}

/// Candidates must agree on the offset, whatever the relocation asks for.
#[test]
fn all_that_is_asked_is_ambiguous() {
    let (local, asked) = int_x();
    for relo in asked {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, INT_SIGNED);
        for at in [0, 4, 0] {
            target.structure("s", 8, &[member("x", int, at)]);
        }
        assert_eq!(agree(&local, &[relo], &target).refused, 1);
    }
}

/// What does not match must not match after tailoring: enums of other sizes, other enumerators,
/// other members, though some of them are kept for other relocations.
#[test]
fn no_match_stays_none() {
    let make = |size: u32, wide: bool, names: &[&str], extra: bool| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4, INT_SIGNED);
        let e = if wide {
            let values: Vec<(&str, u64)> = names.iter().map(|name| (*name, 1)).collect();
            btf.enumeration64("e", false, &values)
        } else {
            let values: Vec<(&str, i32)> = names.iter().map(|name| (*name, 1)).collect();
            btf.enumeration("e", size, false, &values)
        };
        let pointer = btf.pointer(e);
        let mut members = vec![member("e", e, 0), member("p", pointer, 8)];
        if extra {
            members.push(member("more", int, 16));
        }
        let s = btf.structure("s", 24, &members);
        let t = btf.typedef("t", pointer);
        (btf, [e, s, t])
    };
    let shapes: [(u32, bool, &[&str]); 6] = [
        (4, false, &["A"]),
        (1, false, &["A"]),
        (8, false, &["A", "B"]),
        (4, false, &["B", "A"]),
        (8, true, &["A"]),
        (4, false, &[]),
    ];
    for (size, wide, names) in shapes {
        for (target_size, target_wide, target_names) in shapes {
            for extra in [false, true] {
                let (local, [e, s, t]) = make(size, wide, names, extra);
                let (target, _) = make(target_size, target_wide, target_names, !extra);
                let mut asked = vec![
                    (e, "0", TYPE_MATCHES),
                    (s, "0", TYPE_MATCHES),
                    (t, "0", TYPE_MATCHES),
                    (s, "0:0", EXISTS),
                    (s, "0:1", BYTE_OFFSET),
                ];
                if !names.is_empty() {
                    asked.push((e, "0", ENUMVAL_VALUE));
                }
                agree(&local, &relos(&asked), &target);
            }
        }
    }
}

/// Tags with the flag for attributes (`kind_flag` of TYPE_TAG and DECL_TAG), also on members and
/// functions.
#[test]
fn attributes() {
    let (local, mut asked) = int_x();
    let mut local = local;
    let t = local.typedef("t", 1);
    asked.extend(relos(&[(t, "0", TYPE_SIZE), (t, "0", TYPE_MATCHES)]));
    for flag in [0, 1 << 31] {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, INT_SIGNED);
        let tag = target.raw("preserve", flag | kind::TYPE_TAG << 24, int, &[]);
        let s = target.structure("s", 8, &[member("y", int, 0), member("x", tag, 4)]);
        target.raw("aligned", flag | kind::DECL_TAG << 24, s, &[0xffff_ffff]);
        target.raw("member", flag | kind::DECL_TAG << 24, s, &[1]);
        target.typedef("t", tag);
        let report = agree(&local, &asked, &target);
        assert_eq!((report.poisoned, report.refused), (0, 0));
    }
}

/// Names as in the kernel's Rust code: long, with characters that C names lack, and different only
/// at the end.
#[test]
fn long_names() {
    let name = |end: &str| {
        format!(
            "core::option::Option<{}>{end}",
            "kernel::sync::Arc".repeat(40)
        )
    };
    let make = |at: u32| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("u32", 4, 0);
        let unit = btf.structure("()", 0, &[]);
        let field = name("::__0");
        let mut of = Vec::new();
        for end in ["", "::Some", "::None___1", "::None___2"] {
            let members = [member(&field, int, at), member("__1", unit, at)];
            of.push(btf.structure(&name(end), 16, &members));
        }
        (btf, of)
    };
    let (local, ids) = make(0);
    let (target, _) = make(8);
    for id in ids {
        let asked = relos(&[
            (id, "0:0", BYTE_OFFSET),
            (id, "0:1", BYTE_SIZE),
            (id, "0", TYPE_MATCHES),
            (id, "0", TYPE_ID_TARGET),
        ]);
        agree(&local, &asked, &target);
    }
}

/// A field whose type takes 2 GiB or more: libbpf holds the size of an element in
/// an `int`, finds it negative, and refuses.
#[test]
fn elements_of_two_gigabytes() {
    for size in [0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        let mut local = BtfBuilder::new();
        let int = local.int("int", 4, 0);
        let huge = local.structure("huge", 4, &[member("x", int, 0)]);
        let array = local.array(huge, int, 2);
        let s = local.structure("s", 4, &[member("a", array, 0)]);
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, 0);
        let huge_there = target.structure("huge", size, &[member("x", int, 8)]);
        let array = target.array(huge_there, int, 2);
        target.structure("s", size, &[member("a", array, 0)]);
        let asked = relos(&[
            (huge, "0:0", BYTE_OFFSET),
            (huge, "0", TYPE_SIZE),
            (s, "0:0:0", EXISTS),
            (s, "0:0:1:0", BYTE_OFFSET),
        ]);
        let elf = object(&local, &asked, false);
        let subject = Subject::open("local", &elf)
            .expect("both sides read the object")
            .expect("it has relocations");
        let kernel = Kernel::parse("target", &target.finish()).expect("both sides read the target");
        let tailored = tailor(&subject.relocations, &kernel.ours).expect("small");
        let ours = ours::walk(&subject.ours, &subject.relocations, &tailored.outcome);
        let cut = Target::parse(&tailored.btf).expect("libbpf reads it");
        // The errno is whatever the size happens to be.
        let refused = |answers: &[Answer]| -> Vec<bool> {
            answers.iter().map(|answer| answer.is_err()).collect()
        };
        let full = refused(&walk(&subject.theirs, &kernel.theirs).fresh);
        assert_eq!(refused(&ours.fresh), full);
        assert_eq!(refused(&walk(&subject.theirs, &cut).fresh), full);
        assert_eq!(full.contains(&true), size > 0x7fff_ffff);
    }
}

/// A local bitfield that no load can hold is refused on every kernel. Candidates are examined
/// first: one that is refused for another reason gives its own errno.
#[test]
fn refused_on_both_sides() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let x = bitfield("x", int, 3, 63);
    let s = local.structure("s", 4, &[x, member("a", int, 8)]);
    for sizeless in [true, false] {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, INT_SIGNED);
        let array = target.array(int, int, 0x4000_0000);
        let a = if sizeless { array } else { int };
        target.structure("s", 16, &[member("x", a, 0), member("a", int, 8)]);
        let kinds = [BYTE_OFFSET, BYTE_SIZE, SIGNED, LSHIFT, RSHIFT, EXISTS];
        let mut asked: Vec<_> = kinds.iter().map(|kind| (s, "0:0", *kind)).collect();
        asked.push((s, "0:1", BYTE_OFFSET));
        let report = agree(&local, &relos(&asked), &target);
        assert_eq!(report.refused, 5);
    }
}

/// Where a flavor begins: at the last `___` with something else on both sides.
#[test]
fn flavors() {
    const NAMES: [&str; 12] = [
        "s",
        "s___",
        "s____",
        "s___f",
        "s____f",
        "s_____f",
        "s___f___g",
        "s___f____g",
        "s____f___g",
        "___s",
        "_s",
        "s__f",
    ];
    let make = |size: u32| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4, INT_SIGNED);
        let ids: Vec<u32> = (0..)
            .zip(NAMES)
            .map(|(at, name)| btf.structure(name, 64, &[member("x", int, at * size)]))
            .collect();
        let values: Vec<(&str, i32)> = NAMES.into_iter().zip(1..).collect();
        let e = btf.enumeration("e", 4, false, &values);
        (btf, ids, e)
    };
    let (local, ids, e) = make(0);
    let (target, _, _) = make(4);
    let mut found = 0;
    for id in ids {
        let asked = relos(&[(id, "0:0", EXISTS), (id, "0:0", BYTE_OFFSET)]);
        found += agree(&local, &asked, &target).found;
    }
    assert!(found > 0);
    for index in 0..NAMES.len() {
        let asked = relos(&[(e, &index.to_string(), ENUMVAL_VALUE)]);
        agree(&local, &asked, &target);
    }
}

/// Enums as members: with the same essential name, or one of them without any.
#[test]
fn names_of_enums() {
    let names = ["", "e", "e___f", "e____f", "g"];
    for local_name in names {
        for target_name in names {
            for wide in [false, true] {
                let make = |name: &str, wide: bool, at: u32| {
                    let mut btf = BtfBuilder::new();
                    let e = if wide {
                        btf.enumeration64(name, false, &[("A", 1)])
                    } else {
                        btf.enumeration(name, 4, false, &[("A", 1)])
                    };
                    let array = btf.array(e, e, 2);
                    let members = [member("x", e, at), member("a", array, at + 8)];
                    let s = btf.structure("s", 32, &members);
                    (btf, s)
                };
                let (local, s) = make(local_name, false, 0);
                let (target, _) = make(target_name, wide, 4);
                let asked = relos(&[(s, "0:0", BYTE_OFFSET), (s, "0:1:1", EXISTS)]);
                agree(&local, &asked, &target);
            }
        }
    }
}

/// Arrays without length in anonymous structs, as `DECLARE_FLEX_ARRAY` makes them: flexible as the
/// last member there, whatever surrounds the struct.
#[test]
fn flexible_arrays_in_anonymous_structs() {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, INT_SIGNED);
    let array = local.array(int, int, 0);
    let members = [
        member("n", int, 0),
        member("tail", int, 4),
        member("a", array, 8),
    ];
    let s = local.structure("s", 8, &members);
    let asked = [
        (s, "0:2:0", BYTE_OFFSET),
        (s, "0:2:2", BYTE_OFFSET),
        (s, "0:2:2", EXISTS),
        (s, "0:2", BYTE_SIZE),
        (s, "0:0", BYTE_OFFSET),
        (s, "0:1", BYTE_OFFSET),
    ];
    for shape in 0..6 {
        let mut target = BtfBuilder::new();
        let int = target.int("int", 4, INT_SIGNED);
        let array = target.array(int, int, 0);
        let empty = target.structure("", 0, &[]);
        let (n, a, tail) = (
            member("n", int, 0),
            member("a", array, 4),
            member("tail", int, 4),
        );
        let inner = match shape {
            0 | 1 => target.structure("", 4, &[n, a]),
            2 | 3 => target.structure("", 4, &[member("__empty", empty, 0), a]),
            _ => target.structure("", 8, &[a, member("other", int, 4)]),
        };
        let alone = member("b", array, 0);
        let union = target.composite(kind::UNION, "", 8, &[member("", inner, 0), alone]);
        let members = match shape {
            0 => vec![member("", inner, 0), tail],
            1 => vec![tail, member("", inner, 8)],
            2 => vec![n, member("", union, 8), tail],
            3 => vec![n, tail, member("", union, 8)],
            4 => vec![n, tail, member("", inner, 8)],
            _ => vec![member("", inner, 8), n, tail],
        };
        target.structure("s", 16, &members);
        for last in 1..=asked.len() {
            let report = agree(&local, &relos(&asked[..last]), &target);
            assert_eq!(report.poisoned > 0, shape >= 4 && last >= 1, "{shape}");
        }
    }
}

/// Behind a pointer, kind and name count, and a forward declaration matches the struct or union
/// that it declares, on either side.
#[test]
fn pointees_and_forward_declarations() {
    let pointee = |btf: &mut BtfBuilder, which: u32| match which {
        0 => btf.structure("foo", 4, &[]),
        1 => {
            let int = btf.int("int", 4, INT_SIGNED);
            btf.structure("foo", 8, &[member("m", int, 4)])
        }
        2 => btf.composite(kind::UNION, "foo", 4, &[]),
        3 => btf.forward("foo", false),
        4 => btf.forward("foo", true),
        5 => btf.structure("foo___flavored", 4, &[]),
        _ => btf.structure("bar", 4, &[]),
    };
    let make = |which: u32| {
        let mut btf = BtfBuilder::new();
        let foo = pointee(&mut btf, which);
        let ptr = btf.pointer(foo);
        let a = btf.structure("a", 8, &[member("p", ptr, 0)]);
        let t = btf.typedef("t", ptr);
        (btf, a, t)
    };
    let mut matched = 0;
    for local in 0..7 {
        for target in 0..7 {
            let ((local, a, t), (target, ..)) = (make(local), make(target));
            for of in [a, t] {
                for kind in [TYPE_MATCHES, TYPE_EXISTS] {
                    matched += agree(&local, &relos(&[(of, "0", kind)]), &target).found;
                }
            }
        }
    }
    assert!(matched > 0);
}

/// Each relocation on a bitfield alone, so that nothing is kept for the sake of another.
#[test]
fn bitfields_by_one_question() {
    let make = |bit: u32, bits: u32| {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4, INT_SIGNED);
        let x = bitfield("x", int, bit, bits);
        let s = btf.structure("s", 16, &[x, bitfield("y", int, bit + bits, 1)]);
        (btf, s)
    };
    let (local, s) = make(0, 3);
    for (bit, bits) in [
        (0, 3),
        (5, 3),
        (29, 3),
        (30, 7),
        (31, 1),
        (37, 20),
        (60, 32),
    ] {
        let (target, _) = make(bit, bits);
        for kind in [BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED, LSHIFT, RSHIFT] {
            agree(&local, &relos(&[(s, "0:0", kind)]), &target);
        }
    }
}
