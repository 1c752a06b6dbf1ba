//! Which instructions of a function can be reached, and how surely.
//!
//! A program asks `bpf_core_field_exists(…)`, the answer is patched into an instruction as a
//! constant, and the branch on it leaves what would fail unreachable: the verifier never
//! looks at it. Constants are followed here as the verifier follows them, but joined where
//! paths meet, so that what is found unreachable is so for the verifier too. What is found
//! reachable is so *surely* only where nothing on the way there hung on a value that the
//! verifier may know better: one that was joined, or read back from the stack, or that user
//! space may have set.

use std::ops::RangeInclusive;

use crate::insn::{INSN, Insn, sign_extend, wide_immediate};

/// What libbpf made of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// It holds this value now.
    Value(u64),
    /// It can't be executed.
    Poisoned,
}

/// How surely the verifier comes to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    /// It may know better.
    Maybe,
    /// It does.
    Surely,
}

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// Anything, and the verifier may know more.
    Maybe,
    /// Any 64 bits, perhaps a pointer that is not null.
    Word,
    /// Any number.
    Number,
    /// A constant.
    Constant(u64),
    /// A constant that user space may have replaced before loading.
    Default(u64),
    /// The address of something that is there.
    Address,
    /// The program's argument and so many bytes.
    Context(i64),
    /// So many bytes behind the beginning of a section of data.
    Data(usize, u64),
    /// The address of an extern.
    Extern(usize),
    /// The frame pointer and so many bytes.
    Frame(i64),
}

/// What an instruction with an address of something refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refers {
    /// A place in a section of data.
    Data(usize, u64),
    /// An extern.
    Extern(usize),
    /// Something that is there.
    Something,
}

/// What is around a function.
pub(crate) trait Surroundings {
    /// What instruction `at`, an `ldimm64` of an address, refers to.
    fn refers(&self, at: usize) -> Option<Refers>;
    /// What a load of so many bytes from constant data gives.
    fn data(&self, section: usize, offset: u64, bytes: u32) -> Option<u64>;
    /// What a load from an extern gives.
    fn value(&self, number: usize) -> Value;
    /// Whether an extern that may be missing is there.
    fn is_there(&self, number: usize) -> Option<bool>;
}

/// Nothing is known of it.
pub(crate) struct Unknown;

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
    fn is_there(&self, _: usize) -> Option<bool> {
        None
    }
}

/// A load from the program's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextLoad {
    /// Which instruction.
    pub(crate) at: usize,
    /// The first byte.
    pub(crate) offset: i64,
    /// How many bytes.
    pub(crate) bytes: u32,
}

/// What can be reached in a function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    /// For each instruction.
    pub(crate) levels: Vec<Option<Level>>,
    /// Loads from the argument that are reached.
    pub(crate) context: Vec<ContextLoad>,
    /// Calls of other functions to which the argument is passed on in r1.
    pub(crate) passed_on: Vec<usize>,
}

/// r0 to r10, and what the function keeps on its stack, by offset.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    level: Level,
    registers: [Value; 11],
    stack: Vec<(i64, Value)>,
}

const JMP: u8 = 5;
const JMP32: u8 = 6;
const ALU: u8 = 4;
const ALU64: u8 = 7;
const LD: u8 = 0;
const LDX: u8 = 1;
const ST: u8 = 2;
const STX: u8 = 3;

/// The indices, in instructions, of the poisoned ones that are reachable from the start of
/// the function, whatever surrounds it. `changes` are by index, ascending.
pub(crate) fn reachable_poison(insns: &[Insn], changes: &[(usize, Change)]) -> Vec<usize> {
    let reached = reach(insns, changes, Level::Surely, Value::Word, &Unknown);
    (changes.iter())
        .filter(|(at, change)| {
            *change == Change::Poisoned && reached.levels.get(*at).copied().flatten().is_some()
        })
        .map(|(at, _)| *at)
        .collect()
}

/// What can be reached in a function that is entered so surely with this in r1.
pub(crate) fn reach(
    insns: &[Insn],
    changes: &[(usize, Change)],
    level: Level,
    argument: Value,
    around: &impl Surroundings,
) -> Reached {
    let mut registers = [Value::Maybe; 11];
    set(&mut registers, 1, argument);
    set(&mut registers, 10, Value::Frame(0));
    let mut walk = Walk {
        insns,
        around,
        states: vec![None; insns.len()],
        pending: Vec::new(),
        taken: lowest_address_taken(insns),
    };
    walk.enter(
        0,
        State {
            level,
            registers,
            stack: Vec::new(),
        },
    );
    while let Some(at) = walk.pending.pop() {
        let (Some(&insn), Some(Some(state))) = (insns.get(at), walk.states.get(at)) else {
            continue;
        };
        let state = state.clone();
        let change = (changes.binary_search_by_key(&at, |(at, _)| *at).ok())
            .and_then(|found| changes.get(found))
            .map(|(_, change)| *change);
        walk.step(at, insn, change, state);
    }
    walk.end()
}

/// The lowest place on the stack whose address is taken: calls may change what is at it and
/// above.
fn lowest_address_taken(insns: &[Insn]) -> i64 {
    let mut lowest = i64::MAX;
    for (insn, next) in insns.iter().zip(insns.iter().skip(1)) {
        if matches!(insn.class(), ALU | ALU64) && insn.code & 0xf8 == 0xb8 && insn.src == 10 {
            let is_addition = next.code == 0x07 && next.dst == insn.dst;
            let offset = if is_addition { next.imm.into() } else { 0 };
            lowest = lowest.min(offset);
        }
    }
    lowest
}

struct Walk<'a, S> {
    insns: &'a [Insn],
    around: &'a S,
    states: Vec<Option<State>>,
    pending: Vec<usize>,
    taken: i64,
}

impl<S: Surroundings> Walk<'_, S> {
    /// Comes to an instruction with this state: what earlier paths brought there is joined,
    /// and the instruction is looked at again where that changed anything.
    fn enter(&mut self, at: usize, state: State) {
        let Some(slot) = self.states.get_mut(at) else {
            return;
        };
        let joined = match slot.as_ref() {
            None => state,
            Some(known) => join(known, &state),
        };
        if slot.as_ref() != Some(&joined) {
            *slot = Some(joined);
            self.pending.push(at);
        }
    }

    fn step(&mut self, at: usize, insn: Insn, change: Option<Change>, mut state: State) {
        let value = match change {
            Some(Change::Poisoned) => {
                // The verifier ends here. Going on, with nothing known, finds what else
                // would end it once this is mended.
                let next = if insn.is_ldimm64() { at + 2 } else { at + 1 };
                let registers = [Value::Maybe; 11];
                let stack = Vec::new();
                let level = Level::Maybe;
                self.enter(
                    next,
                    State {
                        level,
                        registers,
                        stack,
                    },
                );
                return;
            }
            Some(Change::Value(value)) => Some(value),
            None => None,
        };
        match insn.class() {
            JMP | JMP32 => return self.jump(at, insn, state),
            ALU | ALU64 => compute(insn, value, &mut state.registers),
            LD if insn.is_ldimm64() => {
                let loaded = self.immediate(at, insn, value);
                set(&mut state.registers, insn.dst, loaded);
                return self.enter(at + 2, state);
            }
            LD => clobber(&mut state.registers, 0..=5),
            LDX => {
                let loaded = self.load(insn, value, &state);
                set(&mut state.registers, insn.dst, loaded);
            }
            ST | STX => store(insn, value, &mut state),
            _ => {}
        }
        self.enter(at + 1, state);
    }

    /// What an `ldimm64` gives.
    fn immediate(&self, at: usize, insn: Insn, changed: Option<u64>) -> Value {
        if let Some(value) = changed {
            return Value::Constant(value);
        }
        match self.around.refers(at) {
            Some(Refers::Data(section, offset)) => Value::Data(section, offset),
            Some(Refers::Extern(number)) => match self.around.is_there(number) {
                Some(true) => Value::Extern(number),
                Some(false) => Value::Constant(0),
                None => Value::Maybe,
            },
            Some(Refers::Something) => Value::Address,
            // Another source is a map, a variable or a function.
            None if insn.src == 0 => (self.insns.get(at + 1)).map_or(Value::Maybe, |second| {
                Value::Constant(wide_immediate(insn, *second))
            }),
            None => Value::Address,
        }
    }

    /// What a load gives.
    fn load(&self, insn: Insn, changed: Option<u64>, state: &State) -> Value {
        let offset = changed.map_or(i64::from(insn.off), |value| {
            i64::try_from(value).unwrap_or(i64::MAX)
        });
        let bytes = insn.bytes();
        match get(&state.registers, insn.src) {
            Value::Data(section, base) => (base.checked_add_signed(offset))
                .and_then(|offset| self.around.data(section, offset, bytes))
                .map_or(Value::Number, Value::Default),
            Value::Extern(number) if offset == 0 => self.around.value(number),
            Value::Extern(_) => Value::Maybe,
            Value::Frame(base) => {
                let at = base.saturating_add(offset);
                let kept = state.stack.iter().find(|(slot, _)| *slot == at);
                kept.filter(|_| bytes == 8)
                    .map_or(Value::Maybe, |(_, value)| *value)
            }
            _ if bytes == 8 => Value::Word,
            _ => Value::Number,
        }
    }

    fn jump(&mut self, at: usize, insn: Insn, state: State) {
        const CALL: u8 = 0x80;
        const EXIT: u8 = 0x90;
        let to = |offset: i64| {
            let next = i64::try_from(at).ok()?.checked_add(1)?;
            usize::try_from(next.checked_add(offset)?).ok()
        };
        let next = to(0);
        let taken = to(insn.off.into());
        let mut go = |to: Option<usize>, state: State| {
            if let Some(to) = to {
                self.enter(to, state);
            }
        };
        match op(insn) {
            0x00 if insn.class() == JMP => go(taken, state),
            // `gotol`: the offset is in the immediate.
            0x00 => go(to(insn.imm.into()), state),
            CALL => {
                let mut after = state;
                clobber(&mut after.registers, 1..=5);
                set(&mut after.registers, 0, Value::Word);
                let lowest = self.taken;
                after.stack.retain(|(slot, _)| *slot < lowest);
                self.enter(at + 1, after);
            }
            EXIT => {}
            _ => {
                let (decided, is_sure) = decided(insn, &state.registers);
                let doubtful = |state: &State| State {
                    level: Level::Maybe,
                    ..state.clone()
                };
                let both = if is_sure { state } else { doubtful(&state) };
                // A pointer may be known not to be null.
                let is_zero_sided = insn.class() == JMP
                    && insn.has_immediate()
                    && insn.imm == 0
                    && get(&both.registers, insn.dst) == Value::Word;
                let on = |decision: bool| match (decided, op(insn)) {
                    (Some(decided), _) => (decided == decision).then(|| both.clone()),
                    (None, 0x10) if is_zero_sided && decision => Some(doubtful(&both)),
                    (None, 0x50) if is_zero_sided && !decision => Some(doubtful(&both)),
                    (None, _) => Some(both.clone()),
                };
                if let Some(state) = on(true) {
                    go(taken, state);
                }
                if let Some(state) = on(false) {
                    go(next, state);
                }
            }
        }
    }

    fn end(self) -> Reached {
        let mut reached = Reached::default();
        for (at, (insn, state)) in self.insns.iter().zip(&self.states).enumerate() {
            reached.levels.push(state.as_ref().map(|state| state.level));
            let Some(state) = state else { continue };
            if insn.class() == LDX {
                if let Value::Context(base) = get(&state.registers, insn.src) {
                    reached.context.push(ContextLoad {
                        at,
                        offset: base.saturating_add(insn.off.into()),
                        bytes: insn.bytes(),
                    });
                }
            } else if insn.is_call_of_program()
                && matches!(get(&state.registers, 1), Value::Context(0))
            {
                reached.passed_on.push(at);
            }
        }
        reached
    }
}

fn join(known: &State, other: &State) -> State {
    let mut registers = known.registers;
    for (mine, theirs) in registers.iter_mut().zip(other.registers) {
        if *mine != theirs {
            *mine = Value::Maybe;
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

fn get(registers: &[Value; 11], register: u8) -> Value {
    let value = registers.get(usize::from(register));
    value.copied().unwrap_or(Value::Maybe)
}

fn set(registers: &mut [Value; 11], register: u8, value: Value) {
    if let Some(slot) = registers.get_mut(usize::from(register)) {
        *slot = value;
    }
}

fn clobber(registers: &mut [Value; 11], which: RangeInclusive<u8>) {
    for register in which {
        set(registers, register, Value::Maybe);
    }
}

/// What a store leaves on the stack; an atomic one may also load, into its source or r0.
fn store(insn: Insn, changed: Option<u64>, state: &mut State) {
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
            let bytes = i64::from(insn.bytes());
            (state.stack).retain(|(slot, _)| slot.saturating_add(8) <= at || at + bytes <= *slot);
            let is_kept = matches!(
                kept,
                Value::Constant(_) | Value::Default(_) | Value::Context(_) | Value::Address
            );
            // Enough for what a function keeps there of any use here.
            if bytes == 8 && is_kept && state.stack.len() < 64 {
                let place = state.stack.partition_point(|(slot, _)| *slot < at);
                state.stack.insert(place, (at, kept));
            }
        }
        // Somewhere else, or by an unknown way on the stack.
        Value::Maybe | Value::Frame(_) => state.stack.clear(),
        _ => {}
    }
}

/// The right-hand operand.
fn operand(insn: Insn, changed: Option<u64>, registers: &[Value; 11]) -> Value {
    if insn.has_immediate() {
        // A patched immediate is 32 bits like any other.
        let patched = changed.map(|value| sign_extend_32(value & u64::from(u32::MAX)));
        Value::Constant(patched.unwrap_or_else(|| sign_extend(insn.imm.into())))
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

/// A known number, and whether user space can't have changed it.
fn number(value: Value) -> Option<(u64, bool)> {
    match value {
        Value::Constant(value) => Some((value, true)),
        Value::Default(value) => Some((value, false)),
        _ => None,
    }
}

fn compute(insn: Insn, changed: Option<u64>, registers: &mut [Value; 11]) {
    const LOW: u64 = 0xffff_ffff;
    let right = operand(insn, changed, registers);
    let left = get(registers, insn.dst);
    let is_32 = insn.class() == ALU;
    // A move, and an addition to an address.
    if !is_32 && insn.off == 0 {
        let moved = match (op(insn), left, right) {
            (0xb0, _, right) => Some(right),
            (0x00, Value::Context(base), Value::Constant(by)) => {
                Some(Value::Context(base.wrapping_add(signed(by))))
            }
            (0x00, Value::Frame(base), Value::Constant(by)) => {
                Some(Value::Frame(base.wrapping_add(signed(by))))
            }
            (0x00, Value::Data(section, base), Value::Constant(by)) => {
                Some(Value::Data(section, base.wrapping_add(by)))
            }
            _ => None,
        };
        if let Some(moved) = moved {
            return set(registers, insn.dst, moved);
        }
    }
    let narrow = |value: u64| if is_32 { value & LOW } else { value };
    let bits = if is_32 { 31 } else { 63 };
    let is_move = op(insn) == 0xb0;
    let left = if is_move { Value::Constant(0) } else { left };
    let result = number(left).zip(number(right)).and_then(|(left, right)| {
        let is_sure = left.1 && right.1;
        let (left, right) = (narrow(left.0), narrow(right.0));
        let shift = u32::try_from(right & bits).unwrap_or(0);
        // A sign-extending move has its width in the offset, as has a signed division.
        if insn.off != 0 {
            return None;
        }
        let value = match op(insn) {
            0x00 => left.wrapping_add(right),
            0x10 => left.wrapping_sub(right),
            0x20 => left.wrapping_mul(right),
            0x40 => left | right,
            0x50 => left & right,
            0x60 => left << shift,
            0x70 => left >> shift,
            0xa0 => left ^ right,
            0xb0 => right,
            0xc0 => {
                let left = if is_32 { sign_extend_32(left) } else { left };
                sign_extend(signed(left) >> shift)
            }
            _ => return None,
        };
        Some((narrow(value), is_sure))
    });
    let is_free = |value: Value| {
        matches!(
            value,
            Value::Word | Value::Number | Value::Constant(_) | Value::Default(_)
        )
    };
    let result = match result {
        Some((value, true)) => Value::Constant(value),
        Some((value, false)) => Value::Default(value),
        // The verifier tracks ranges and bits of what is computed.
        None if is_move && is_free(right) => Value::Number,
        None => Value::Maybe,
    };
    set(registers, insn.dst, result);
}

fn signed(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

/// Whether a conditional jump is taken, where that is known; and whether what is said (also
/// that it is not known) would be the verifier's view for sure.
fn decided(insn: Insn, registers: &[Value; 11]) -> (Option<bool>, bool) {
    let left = get(registers, insn.dst);
    let right = operand(insn, None, registers);
    if let (Value::Address | Value::Extern(_), Some((0, true)), JMP) =
        (left, number(right), insn.class())
    {
        match op(insn) {
            0x10 => return (Some(false), true),
            0x50 => return (Some(true), true),
            _ => {}
        }
    }
    let is_free = |value: Value| {
        matches!(value, Value::Word | Value::Number) || matches!(number(value), Some((_, true)))
    };
    let Some(((left, left_sure), (right, right_sure))) = number(left).zip(number(right)) else {
        return (None, is_free(left) && is_free(right));
    };
    let is_32 = insn.class() == JMP32;
    let narrow = |value: u64| {
        if is_32 {
            value & u64::from(u32::MAX)
        } else {
            value
        }
    };
    let signed = |value: u64| signed(if is_32 { sign_extend_32(value) } else { value });
    let (left, right) = (narrow(left), narrow(right));
    let (left_signed, right_signed) = (signed(left), signed(right));
    let taken = match op(insn) {
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
        _ => return (None, false),
    };
    (Some(taken), left_sure && right_sure)
}

/// The instructions of a function.
pub(crate) fn insns(code: &[u8], endian: crate::btf::Endian) -> Vec<Insn> {
    (0..code.len() / INSN)
        .map_while(|at| Insn::at(code, at * INSN, endian))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        fn is_there(&self, _: usize) -> Option<bool> {
            Some(true)
        }
    }

    fn levels(insns: &[Insn]) -> Vec<Option<Level>> {
        reach(insns, &[], Level::Surely, Value::Context(0), &World).levels
    }

    const NO: Option<Level> = None;
    const MAYBE: Option<Level> = Some(Level::Maybe);
    const SURE: Option<Level> = Some(Level::Surely);
    const EXIT: Insn = Insn {
        code: 0x95,
        dst: 0,
        src: 0,
        off: 0,
        imm: 0,
    };

    // What user space may have set decides the way, but nothing for sure.
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
        // Instruction 2 is a load here, of which nothing is asked.
        assert_eq!(levels(&insns), [SURE, NO, SURE, SURE, MAYBE, NO]);
    }

    // Through an arithmetic shift, as of LINUX_KERNEL_VERSION, and through the stack.
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

    #[test]
    fn loads_from_the_argument_are_told() {
        let insns = [
            insn(0xbf, 6, 1, 0, 0),
            insn(0x07, 6, 0, 0, 8),
            insn(0x79, 2, 6, 8, 0),
            EXIT,
        ];
        let reached = reach(&insns, &[], Level::Surely, Value::Context(0), &Unknown);
        let load = ContextLoad {
            at: 2,
            offset: 16,
            bytes: 8,
        };
        assert_eq!(reached.context, [load]);
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
}
