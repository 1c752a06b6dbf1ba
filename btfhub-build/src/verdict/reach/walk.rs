//! From instruction to instruction, each as often as what is known of it changes.

use super::compute::{compute, decided};
use super::value::{Level, State, Value, clobber, get, join, set, store};
use crate::insn::{ALU, ALU64, INSN, Insn, JMP, JMP32, LD, LDX, ST, STX, wide_immediate};

/// What libbpf made of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Change {
    /// It holds this value now.
    Value(u64),
    /// It can't be executed.
    Poisoned,
}

/// What an instruction with an address of something refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Refers {
    /// A place in a section of data.
    Data(usize, u64),
    /// An extern.
    Extern(usize),
    /// Something that is there.
    Something,
}

/// What is around a function.
pub(in super::super) trait Surroundings {
    /// What instruction `at`, an `ldimm64` of an address, refers to.
    fn refers(&self, at: usize) -> Option<Refers>;
    /// What a load of so many bytes from constant data gives.
    fn data(&self, section: usize, offset: u64, bytes: u32) -> Option<u64>;
    /// What a load from an extern gives.
    fn value(&self, number: usize) -> Value;
    /// Whether an extern that may be missing is there.
    fn is_there(&self, number: usize) -> Option<bool>;
}

/// A load from the program's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct ContextLoad {
    /// Which instruction.
    pub(in super::super) at: usize,
    /// The first byte.
    pub(in super::super) offset: i64,
    /// How many bytes.
    pub(in super::super) bytes: u32,
}

/// What can be reached in a function.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Reached {
    /// For each instruction.
    pub(in super::super) levels: Vec<Option<Level>>,
    /// Loads from the argument that are reached.
    pub(in super::super) context: Vec<ContextLoad>,
    /// Calls of other functions to which the argument is passed on in r1.
    pub(in super::super) passed_on: Vec<usize>,
}

/// What can be reached in a function that is entered so surely with this in r1.
pub(in super::super) fn reach(
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
        steps: insns.len().saturating_mul(STEPS).saturating_add(1000),
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

/// How often an instruction is looked at, on average, before registers and the stack are given
/// up: programs made for that could keep this busy for long.
const STEPS: usize = 16;

struct Walk<'a, S> {
    insns: &'a [Insn],
    around: &'a S,
    states: Vec<Option<State>>,
    pending: Vec<usize>,
    /// How many more are done before what is known is given up.
    steps: usize,
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
            Some(known) if self.steps > 0 => join(known, &state),
            Some(known) => State {
                level: known.level.max(state.level),
                registers: [Value::Maybe; 11],
                stack: Vec::new(),
            },
        };
        if slot.as_ref() != Some(&joined) {
            self.steps = self.steps.saturating_sub(1);
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
                let level = state.level.min(Level::Maybe);
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
        match insn.op() {
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
                    level: state.level.min(Level::Maybe),
                    ..state.clone()
                };
                let both = if is_sure { state } else { doubtful(&state) };
                // A pointer may be known not to be null.
                let is_zero_sided = insn.class() == JMP
                    && insn.has_immediate()
                    && insn.imm == 0
                    && get(&both.registers, insn.dst) == Value::Word;
                let on = |decision: bool| match (decided, insn.op()) {
                    (Some(decided), _) if decided == decision => Some(both.clone()),
                    (Some(_), _) if is_sure => None,
                    (Some(_), _) => Some(State {
                        level: Level::IfChanged,
                        ..both.clone()
                    }),
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

/// The instructions of a function.
pub(in super::super) fn insns(code: &[u8], endian: crate::btf::Endian) -> Vec<Insn> {
    (0..code.len() / INSN)
        .map_while(|at| Insn::at(code, at * INSN, endian))
        .collect()
}
