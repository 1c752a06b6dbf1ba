//! What registers and the stack hold, and how that is joined where paths meet.

use std::ops::RangeInclusive;

use crate::insn::{Insn, ST, STX, sign_extend};

/// How surely the verifier reaches an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) enum Level {
    /// Only if a constant differs from what is assumed: user space may set the object's
    /// constants, and some releases lack a number of the kernel's version.
    IfChanged,
    /// Unless it knows some value better.
    Maybe,
    /// In any case.
    Surely,
}

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) enum Value {
    /// Anything, and the verifier may know more.
    Maybe,
    /// Any 64 bits, perhaps a pointer that is not null, from this instruction. Its copies are
    /// the same.
    Word(usize),
    /// Any number, likewise.
    Number(usize),
    /// One of these, of which a condition told the verifier more.
    Narrowed,
    /// A constant.
    Constant(u64),
    /// A constant that user space may have replaced before loading.
    Default(u64),
    /// The address of something that exists.
    Address,
    /// The program's argument plus this many bytes.
    Context(i64),
    /// A section of data, and an offset in it.
    Data(usize, u64),
    /// The address of an extern.
    Extern(usize),
    /// The frame pointer plus this many bytes.
    Frame(i64),
}

/// r1 to r5 where a function begins.
pub(in super::super) type Arguments = [Value; 5];

impl Value {
    /// Whether it was anything before conditions.
    fn is_free(self) -> bool {
        matches!(self, Self::Word(_) | Self::Number(_) | Self::Narrowed)
    }

    /// What a function that it is passed to knows of it.
    pub(super) fn passed(self) -> Self {
        match self {
            Self::Constant(_)
            | Self::Default(_)
            | Self::Address
            | Self::Context(_)
            | Self::Data(..)
            | Self::Extern(_) => self,
            Self::Maybe | Self::Word(_) | Self::Number(_) | Self::Narrowed | Self::Frame(_) => {
                Self::Maybe
            }
        }
    }
}

/// r0 to r10, and what the function stores on its stack: offset, value and width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) level: Level,
    pub(super) registers: [Value; 11],
    pub(super) stack: Vec<(i64, Value, u32)>,
}

/// What is known where two paths meet. A path that is taken only if a constant differs adds
/// nothing to one that is taken anyway.
pub(super) fn join(known: &State, other: &State) -> State {
    match (known.level, other.level) {
        (Level::IfChanged, Level::Maybe | Level::Surely) => return other.clone(),
        (Level::Maybe | Level::Surely, Level::IfChanged) => return known.clone(),
        _ => {}
    }
    let mut registers = known.registers;
    for (mine, theirs) in registers.iter_mut().zip(other.registers) {
        if *mine != theirs {
            let are_free = mine.is_free() && theirs.is_free();
            *mine = if are_free {
                Value::Narrowed
            } else {
                Value::Maybe
            };
        }
    }
    State {
        level: known.level.max(other.level),
        registers,
        stack: (known.stack.iter())
            .filter(|kept| other.stack.contains(kept))
            .copied()
            .collect(),
    }
}

pub(super) fn get(registers: &[Value; 11], register: u8) -> Value {
    let value = registers.get(usize::from(register));
    value.copied().unwrap_or(Value::Maybe)
}

pub(super) fn set(registers: &mut [Value; 11], register: u8, value: Value) {
    if let Some(slot) = registers.get_mut(usize::from(register)) {
        *slot = value;
    }
}

/// Notes that a condition told the verifier more of a value, and so of its copies.
pub(super) fn narrow(registers: &mut [Value; 11], value: Value) {
    if let Value::Word(from) | Value::Number(from) = value {
        for slot in registers {
            if matches!(*slot, Value::Word(its) | Value::Number(its) if its == from) {
                *slot = Value::Narrowed;
            }
        }
    }
}

pub(super) fn clobber(registers: &mut [Value; 11], which: RangeInclusive<u8>) {
    for register in which {
        set(registers, register, Value::Maybe);
    }
}

/// What a store leaves on the stack; an atomic one may also load, into its source or r0.
pub(super) fn store(insn: Insn, changed: Option<u64>, state: &mut State) {
    let is_atomic = insn.class() == STX && insn.code & 0xe0 == 0xc0;
    let kept = match insn.class() {
        STX if !is_atomic => get(&state.registers, insn.src),
        ST => Value::Constant(sign_extend(insn.imm.into())),
        _ => Value::Maybe,
    };
    if is_atomic {
        set(&mut state.registers, insn.src, Value::Maybe);
        set(&mut state.registers, 0, Value::Maybe);
    }
    match get(&state.registers, insn.dst) {
        Value::Frame(base) if changed.is_none() => {
            let at = base.saturating_add(insn.off.into());
            let width = insn.bytes();
            let end = at.saturating_add(width.into());
            (state.stack)
                .retain(|(slot, _, its)| slot.saturating_add((*its).into()) <= at || end <= *slot);
            let is_kept = matches!(
                kept,
                Value::Constant(_) | Value::Default(_) | Value::Context(_) | Value::Address
            );
            // Of less than 8 bytes every verifier knows only that they are 0 (`STACK_ZERO`).
            let is_zero = matches!(kept, Value::Constant(0) | Value::Default(0));
            let is_known = width == 8 || (is_zero && insn.class() == STX);
            // More than any function usefully stores there.
            if is_known && is_kept && state.stack.len() < 64 {
                let place = state.stack.partition_point(|(slot, ..)| *slot < at);
                state.stack.insert(place, (at, kept, width));
            }
        }
        // To an unknown address, which may be on the stack.
        Value::Maybe | Value::Frame(_) => state.stack.clear(),
        Value::Word(_)
        | Value::Number(_)
        | Value::Narrowed
        | Value::Constant(_)
        | Value::Default(_)
        | Value::Address
        | Value::Context(_)
        | Value::Data(..)
        | Value::Extern(_) => {}
    }
}
