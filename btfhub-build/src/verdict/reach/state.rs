//! What registers and the stack hold, and how that is joined where paths meet.

use std::ops::RangeInclusive;

use super::limits::Limits;
use super::slots::Slots;
use super::value::{Level, Value};
use crate::insn::{Insn, ST, STX, sign_extend};

/// What is known where a function begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Entry {
    /// r1 to r5.
    registers: [Value; 5],
    /// What the function that calls it stored on its own stack, if it passes an address there.
    caller: Slots,
}

impl Entry {
    /// Where a program begins: r1 is its argument.
    pub(in super::super) fn of_program() -> Self {
        let mut registers = [Value::Unset; 5];
        registers[0] = Value::Context(0);
        Self {
            registers,
            caller: Slots::default(),
        }
    }

    /// If nothing is known.
    pub(in super::super) fn unknown() -> Self {
        Self {
            registers: [Value::Maybe; 5],
            caller: Slots::default(),
        }
    }

    /// What a function that is called in this state knows.
    pub(super) fn of_call(state: &State) -> Self {
        let mut registers = state.arguments();
        let arguments = registers;
        for slot in &mut registers {
            *slot = passed(*slot, &arguments);
        }
        let mut entry = Self {
            registers,
            caller: Slots::default(),
        };
        if entry.passes_stack() {
            entry.caller = state.stack.seen(|value| match value {
                Value::Frame(base) => Some(Value::Caller(base)),
                Value::Caller(_) => None,
                _ => Some(value),
            });
        }
        entry
    }

    /// What remains if there are too many, or if the verifier ignores the rest too.
    pub(in super::super) fn only_context(&self) -> Self {
        let mut entry = Self::unknown();
        for (mine, value) in entry.registers.iter_mut().zip(self.registers) {
            if matches!(value, Value::Context(_)) {
                *mine = value;
            }
        }
        entry
    }

    /// Whether an address on the caller's stack is passed.
    pub(super) fn passes_stack(&self) -> bool {
        let is_address = |value: &Value| matches!(value, Value::Caller(_));
        self.registers.iter().any(is_address)
    }

    /// The state of the first instruction.
    pub(super) fn state(&self) -> State {
        let mut registers = [Value::Unset; 11];
        for (register, argument) in (1..).zip(self.registers) {
            set(&mut registers, register, argument);
        }
        set(&mut registers, 10, Value::Frame(0));
        State {
            level: Level::Surely,
            registers,
            stack: Slots::default(),
            caller: self.caller.clone(),
        }
    }
}

/// What a function knows of a value that it is passed, which may be so twice.
fn passed(value: Value, arguments: &[Value; 5]) -> Value {
    // Not the number of any instruction.
    let first = |from| {
        let is_copy =
            |it: &Value| matches!(*it, Value::Word(its) | Value::Number(its) if its == from);
        usize::MAX - arguments.iter().position(is_copy).unwrap_or(0)
    };
    match value {
        Value::Frame(base) => Value::Caller(base),
        Value::Caller(_) => Value::Maybe,
        Value::Word(from) => Value::Word(first(from)),
        Value::Number(from) => Value::Number(first(from)),
        Value::Unset
        | Value::Maybe
        | Value::Within(_)
        | Value::Constant(_)
        | Value::Default(_)
        | Value::Address
        | Value::Context(_)
        | Value::Data(..)
        | Value::Extern(_) => value,
    }
}

/// r0 to r10, and what the function and the one that called it stored on their stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) level: Level,
    pub(super) registers: [Value; 11],
    pub(super) stack: Slots,
    pub(super) caller: Slots,
}

impl State {
    /// r1 to r5.
    pub(super) fn arguments(&self) -> [Value; 5] {
        [1, 2, 3, 4, 5].map(|register| get(&self.registers, register))
    }

    /// Nothing is known.
    pub(super) fn forget(&mut self) {
        self.registers = [Value::Maybe; 11];
        self.stack = Slots::default();
        self.caller = Slots::default();
    }
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
            *mine = match (*mine, theirs) {
                (Value::Within(one), Value::Within(other)) => Value::Within(one.or(other)),
                (mine, theirs) if mine.is_free() && theirs.is_free() => Value::Within(Limits::ANY),
                _ => Value::Maybe,
            };
        }
    }
    State {
        level: known.level.max(other.level),
        registers,
        stack: known.stack.and(&other.stack),
        caller: known.caller.and(&other.caller),
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

/// Notes what a condition told the verifier of a register, and so of its copies.
pub(super) fn narrow(registers: &mut [Value; 11], register: u8, limits: Option<Limits>) {
    let value = get(registers, register);
    let narrowed = Value::Within(limits.unwrap_or(Limits::ANY));
    match value {
        Value::Word(from) | Value::Number(from) => {
            for slot in registers {
                if matches!(*slot, Value::Word(its) | Value::Number(its) if its == from) {
                    *slot = narrowed;
                }
            }
        }
        Value::Within(_) | Value::Maybe if limits.is_some() => set(registers, register, narrowed),
        _ => {}
    }
}

/// After a call.
pub(super) fn clobber(registers: &mut [Value; 11], which: RangeInclusive<u8>) {
    for register in which {
        set(registers, register, Value::Unset);
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
    let slots = match get(&state.registers, insn.dst) {
        Value::Frame(base) => Some((&mut state.stack, base)),
        Value::Caller(base) => Some((&mut state.caller, base)),
        // Perhaps somewhere on a stack.
        Value::Maybe | Value::Unset => None,
        Value::Word(_)
        | Value::Number(_)
        | Value::Within(_)
        | Value::Constant(_)
        | Value::Default(_)
        | Value::Address
        | Value::Context(_)
        | Value::Data(..)
        | Value::Extern(_) => return,
    };
    match slots.filter(|_| changed.is_none()) {
        Some((slots, base)) => {
            let at = base.saturating_add(insn.off.into());
            let is_kept = matches!(
                kept,
                Value::Constant(_)
                    | Value::Default(_)
                    | Value::Context(_)
                    | Value::Address
                    | Value::Frame(_)
                    | Value::Caller(_)
            );
            // Of less than 8 bytes every verifier knows only that they are 0 (`STACK_ZERO`).
            let is_zero = matches!(kept, Value::Constant(0) | Value::Default(0));
            let is_known = insn.bytes() == 8 || (is_zero && insn.class() == STX);
            slots.store(at, insn.bytes(), (is_known && is_kept).then_some(kept));
        }
        None => {
            state.stack = Slots::default();
            state.caller = Slots::default();
        }
    }
}
