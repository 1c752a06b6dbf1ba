//! Which poisoned instructions of a function can be reached.
//!
//! A program asks `bpf_core_field_exists(…)`, the answer is patched into an instruction as a
//! constant, and the branch on it leaves the access that would fail unreachable: the
//! verifier never looks at it. Constants are followed here as the verifier follows them, but
//! joined where paths meet, so that what is found unreachable is so for the verifier too.

use super::patch::{INSN, Insn, sign_extend, wide_immediate};
use crate::btf::Endian;

/// What libbpf made of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It holds this value now.
    Value(u64),
    /// It can't be executed.
    Poisoned,
}

/// r0 to r10, those that hold a known constant.
type Registers = [Option<u64>; 11];

const JMP: u8 = 5;
const JMP32: u8 = 6;
const ALU: u8 = 4;
const ALU64: u8 = 7;
const LD: u8 = 0;
const LDX: u8 = 1;

/// The indices, in instructions, of the poisoned ones that are reachable from the start of
/// the function. `code` is the function's own; `changes` are by index, ascending.
pub(super) fn reachable_poison(
    code: &[u8],
    endian: Endian,
    changes: &[(usize, Change)],
) -> Vec<usize> {
    let insns: Vec<Insn> = (0..code.len() / INSN)
        .map_while(|at| Insn::at(code, at * INSN, endian))
        .collect();
    let mut states: Vec<Option<Registers>> = vec![None; insns.len()];
    let mut pending = Vec::new();
    let mut reached = Vec::new();
    enter(&mut states, &mut pending, 0, [None; 11]);
    while let Some(at) = pending.pop() {
        let (Some(&insn), Some(&Some(mut registers))) = (insns.get(at), states.get(at)) else {
            continue;
        };
        let change = (changes.binary_search_by_key(&at, |(at, _)| *at).ok())
            .and_then(|found| changes.get(found))
            .map(|(_, change)| *change);
        let value = match change {
            Some(Change::Poisoned) => {
                reached.push(at);
                // The verifier ends here. Going on, with nothing known, finds what else
                // would end it once this is mended.
                let next = if insn.is_ldimm64() { at + 2 } else { at + 1 };
                enter(&mut states, &mut pending, next, [None; 11]);
                continue;
            }
            Some(Change::Value(value)) => Some(value),
            None => None,
        };
        match insn.class() {
            JMP | JMP32 => {
                for (target, registers) in jump(at, insn, registers) {
                    enter(&mut states, &mut pending, target, registers);
                }
                continue;
            }
            ALU | ALU64 => compute(insn, value, &mut registers),
            LD if insn.is_ldimm64() => {
                let second = insns.get(at + 1).copied();
                // Another source is a map, a variable or a function.
                let constant = second
                    .filter(|_| insn.src == 0)
                    .map(|second| value.unwrap_or_else(|| wide_immediate(insn, second)));
                set(&mut registers, insn.dst, constant);
                enter(&mut states, &mut pending, at + 2, registers);
                continue;
            }
            LD => forget(&mut registers, 0..=5),
            LDX => set(&mut registers, insn.dst, None),
            // Stores; an atomic one may also load, into its source or r0.
            _ => {
                set(&mut registers, insn.src, None);
                set(&mut registers, 0, None);
            }
        }
        enter(&mut states, &mut pending, at + 1, registers);
    }
    reached.sort_unstable();
    reached.dedup();
    reached
}

/// Comes to an instruction with these registers: what earlier paths brought there is
/// joined, and the instruction is looked at again where that changed anything.
fn enter(
    states: &mut [Option<Registers>],
    pending: &mut Vec<usize>,
    at: usize,
    registers: Registers,
) {
    let Some(state) = states.get_mut(at) else {
        return;
    };
    let joined = match state {
        None => registers,
        Some(known) => {
            let mut joined = *known;
            for (mine, theirs) in joined.iter_mut().zip(registers) {
                if *mine != theirs {
                    *mine = None;
                }
            }
            joined
        }
    };
    if *state != Some(joined) {
        *state = Some(joined);
        pending.push(at);
    }
}

fn get(registers: &Registers, register: u8) -> Option<u64> {
    registers.get(usize::from(register)).copied().flatten()
}

fn set(registers: &mut Registers, register: u8, value: Option<u64>) {
    if let Some(slot) = registers.get_mut(usize::from(register)) {
        *slot = value;
    }
}

fn forget(registers: &mut Registers, which: std::ops::RangeInclusive<u8>) {
    for register in which {
        set(registers, register, None);
    }
}

/// The right-hand operand.
fn operand(insn: Insn, changed: Option<u64>, registers: &Registers) -> Option<u64> {
    if insn.has_immediate() {
        // A patched immediate is 32 bits like any other.
        let patched = changed.map(|value| sign_extend_32(value & u64::from(u32::MAX)));
        Some(patched.unwrap_or_else(|| sign_extend(insn.imm.into())))
    } else {
        get(registers, insn.src)
    }
}

fn sign_extend_32(value: u64) -> u64 {
    if value & 0x8000_0000 == 0 {
        value
    } else {
        value | !u64::from(u32::MAX)
    }
}

/// `BPF_OP`.
fn op(insn: Insn) -> u8 {
    insn.code & 0xf0
}

fn compute(insn: Insn, changed: Option<u64>, registers: &mut Registers) {
    const LOW: u64 = 0xffff_ffff;
    let right = operand(insn, changed, registers);
    let left = get(registers, insn.dst);
    let is_32 = insn.class() == ALU;
    let narrow = |value: u64| if is_32 { value & LOW } else { value };
    let bits = if is_32 { 31 } else { 63 };
    let both = left
        .zip(right)
        .map(|(left, right)| (narrow(left), narrow(right)));
    let shift = both.map(|(left, right)| (left, u32::try_from(right & bits).unwrap_or(0)));
    // A sign-extending move has its width in the offset, as has a signed division.
    let result = if insn.off != 0 {
        None
    } else {
        match op(insn) {
            0x00 => both.map(|(left, right)| left.wrapping_add(right)),
            0x10 => both.map(|(left, right)| left.wrapping_sub(right)),
            0x20 => both.map(|(left, right)| left.wrapping_mul(right)),
            0x40 => both.map(|(left, right)| left | right),
            0x50 => both.map(|(left, right)| left & right),
            0x60 => shift.map(|(left, right)| left << right),
            0x70 => shift.map(|(left, right)| left >> right),
            0xa0 => both.map(|(left, right)| left ^ right),
            0xb0 => right,
            _ => None,
        }
    };
    set(registers, insn.dst, result.map(narrow));
}

/// Where a jump can lead, and with what.
fn jump(at: usize, insn: Insn, registers: Registers) -> Vec<(usize, Registers)> {
    const CALL: u8 = 0x80;
    const EXIT: u8 = 0x90;
    let to = |offset: i64| {
        let next = i64::try_from(at).ok()?.checked_add(1)?;
        usize::try_from(next.checked_add(offset)?).ok()
    };
    let next = to(0).map(|next| (next, registers));
    let taken = to(insn.off.into()).map(|taken| (taken, registers));
    match op(insn) {
        0x00 if insn.class() == JMP => taken.into_iter().collect(),
        // `gotol`: the offset is in the immediate.
        0x00 => (to(insn.imm.into()).map(|taken| (taken, registers)))
            .into_iter()
            .collect(),
        CALL => {
            let mut after = registers;
            forget(&mut after, 0..=5);
            to(0).map(|next| (next, after)).into_iter().collect()
        }
        EXIT => Vec::new(),
        _ => match decided(insn, &registers) {
            Some(true) => taken.into_iter().collect(),
            Some(false) => next.into_iter().collect(),
            None => taken.into_iter().chain(next).collect(),
        },
    }
}

/// Whether a conditional jump on known values is taken.
fn decided(insn: Insn, registers: &Registers) -> Option<bool> {
    let left = get(registers, insn.dst)?;
    let right = operand(insn, None, registers)?;
    let is_32 = insn.class() == JMP32;
    let narrow = |value: u64| {
        if is_32 {
            value & u64::from(u32::MAX)
        } else {
            value
        }
    };
    let signed = |value: u64| {
        let value = if is_32 { sign_extend_32(value) } else { value };
        i64::from_ne_bytes(value.to_ne_bytes())
    };
    let (left, right) = (narrow(left), narrow(right));
    let (left_signed, right_signed) = (signed(left), signed(right));
    Some(match op(insn) {
        0x10 => left == right,
        0x20 => left > right,
        0x30 => left >= right,
        0x40 => left & right != 0,
        0x50 => left != right,
        0x60 => left_signed > right_signed,
        0x70 => left_signed >= right_signed,
        0xa0 => left < right,
        0xb0 => left <= right,
        0xc0 => left_signed < right_signed,
        0xd0 => left_signed <= right_signed,
        _ => return None,
    })
}
