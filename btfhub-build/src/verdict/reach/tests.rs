use super::{ContextLoad, Entry, Level, Refers, Returned, Surroundings, Value, back_edge, reach};
use crate::insn::Insn;

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn {
        code,
        dst,
        src,
        off,
        imm,
    }
}

/// `.rodata` of one 4-byte 0, at instruction 0; an extern of 7, at instruction 2.
struct World;

impl Surroundings for World {
    fn refers(&self, at: usize) -> Option<Refers> {
        match at {
            0 => Some(Refers::Data(0, 0)),
            2 => Some(Refers::Extern(0)),
            _ => None,
        }
    }
    fn data(&self, _: usize, offset: u64, bytes: u32) -> Option<u64> {
        (offset == 0 && bytes == 4).then_some(0)
    }
    fn value(&self, _: usize) -> Value {
        Value::Constant(7)
    }
    fn address(&self, number: usize) -> Value {
        Value::Extern(number)
    }
    fn call(&self, _: usize, _: &Entry) -> Option<Returned> {
        None
    }
}

/// Nothing is known.
struct Unknown;

impl Surroundings for Unknown {
    fn refers(&self, _: usize) -> Option<Refers> {
        None
    }
    fn data(&self, _: usize, _: u64, _: u32) -> Option<u64> {
        None
    }
    fn value(&self, _: usize) -> Value {
        Value::Maybe
    }
    fn address(&self, _: usize) -> Value {
        Value::Maybe
    }
    fn call(&self, _: usize, _: &Entry) -> Option<Returned> {
        None
    }
}

fn levels(insns: &[Insn]) -> Vec<Option<Level>> {
    reach(insns, &[], &Entry::of_program(), &World).levels
}

const NO: Option<Level> = None;
const MAYBE: Option<Level> = Some(Level::Maybe);
const IF: Option<Level> = Some(Level::IfChanged);
const SURE: Option<Level> = Some(Level::Surely);
const EXIT: Insn = Insn {
    code: 0x95,
    dst: 0,
    src: 0,
    off: 0,
    imm: 0,
};

// A constant that user space may have set decides a branch, but not surely.
#[test]
fn constants_of_the_object_are_defaults() {
    let insns = [
        insn(0x18, 1, 2, 0, 0),
        insn(0, 0, 0, 0, 0),
        insn(0x61, 2, 1, 0, 0),
        insn(0x55, 2, 0, 1, 0),
        EXIT,
        EXIT,
    ];
    // Instruction 2 is a load here, which refers to nothing.
    assert_eq!(levels(&insns), [SURE, NO, SURE, SURE, MAYBE, IF]);
}

// Through an arithmetic shift, as for LINUX_KERNEL_VERSION, and through the stack.
#[test]
fn the_kernels_constants_are_followed() {
    let insns = [
        insn(0xb7, 0, 0, 0, 0),
        insn(0xb7, 3, 0, 0, 0),
        insn(0x18, 2, 0, 0, 0),
        insn(0, 0, 0, 0, 0),
        insn(0x61, 2, 2, 0, 0),
        insn(0x67, 2, 0, 0, 32),
        insn(0xc7, 2, 0, 0, 32),
        insn(0x7b, 10, 2, -8, 0),
        insn(0x85, 0, 0, 0, 14),
        insn(0x79, 4, 10, -8, 0),
        insn(0x65, 4, 0, 1, 6),
        EXIT,
        EXIT,
    ];
    let reached = levels(&insns);
    assert_eq!(reached[11..], [NO, SURE]);
}

// The verifier excludes the second of two conditions that contradict each other, on a value or
// on its copy; on another value, it follows both sides.
#[test]
fn conditions_narrow_values() {
    let twice = |copy: Insn, tested: u8| {
        let insns = [
            insn(0x79, 2, 1, 8, 0),
            copy,
            insn(0x25, 2, 0, 1, 7),
            EXIT,
            insn(0xa5, tested, 0, 1, 4),
            EXIT,
            EXIT,
        ];
        levels(&insns)[6]
    };
    let copy = insn(0xbf, 3, 2, 0, 0);
    assert_eq!(twice(copy, 2), NO);
    assert_eq!(twice(copy, 3), NO);
    let narrow_copy = insn(0xbc, 3, 2, 0, 0);
    assert_eq!(twice(narrow_copy, 3), NO);
    let other = insn(0x79, 3, 1, 16, 0);
    assert_eq!(twice(other, 3), SURE);
}

// clang writes `a && b` so, without a branch.
#[test]
fn zero_masks_anything() {
    let insns = [
        insn(0x85, 0, 0, 0, 7),
        insn(0xb7, 6, 0, 0, 0),
        insn(0x5f, 6, 0, 0, 0),
        insn(0x55, 6, 0, 1, 0),
        EXIT,
        EXIT,
    ];
    assert_eq!(levels(&insns)[4..], [SURE, NO]);
}

#[test]
fn loads_from_the_argument_are_told() {
    let insns = [
        insn(0xbf, 6, 1, 0, 0),
        insn(0x07, 6, 0, 0, 8),
        insn(0x79, 2, 6, 8, 0),
        EXIT,
    ];
    let reached = reach(&insns, &[], &Entry::of_program(), &Unknown);
    let load = ContextLoad {
        at: 2,
        offset: 16,
        bytes: 8,
    };
    assert_eq!(reached.context, [load]);
}

// A jump to lower addresses is not yet a loop: only one back onto its own path is.
#[test]
fn loops_are_found() {
    let counts = [
        insn(0xb7, 1, 0, 0, 0),
        insn(0x18, 2, 0, 0, 0),
        insn(0, 0, 0, 0, 0),
        insn(0x07, 1, 0, 0, 1),
        insn(0xa5, 1, 0, -4, 100),
        EXIT,
    ];
    let jumps_about = [
        insn(0x05, 0, 0, 1, 0),
        EXIT,
        insn(0x15, 0, 0, -2, 0),
        insn(0x06, 0, 0, 0, -3),
    ];
    assert_eq!(back_edge(&counts), Some(4));
    assert_eq!(back_edge(&jumps_about), None);
    assert_eq!(back_edge(&[insn(0x05, 0, 0, -1, 0)]), Some(0));
    assert_eq!(back_edge(&[]), None);
}

#[test]
fn loops_end() {
    let insns = [
        insn(0xb7, 1, 0, 0, 0),
        insn(0x07, 1, 0, 0, 1),
        insn(0xa5, 1, 0, -2, 100),
        EXIT,
    ];
    assert_eq!(levels(&insns).len(), 4);
    assert!(levels(&insns)[3].is_some());
}
