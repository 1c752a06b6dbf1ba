//! Walks from instruction to instruction, and again wherever what is known has changed.

use std::collections::BTreeMap;

use super::around::{Change, ContextLoad, Refers, Returned, Surroundings};
use super::compute::{compute, decided, told};
use super::helper::{after_helper, takes_address};
use super::limits::Limits;
use super::slots::Slots;
use super::state::{Entry, State, clobber, get, join, narrow, set, store};
use super::value::{Level, Value};
use crate::insn::{ALU, ALU64, INSN, Insn, JMP, JMP32, LD, LDX, ST, STX, wide_immediate};

/// What can be reached in a function.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Reached {
    /// For each instruction; `None` if it is not reached.
    pub(super) levels: Vec<Option<Level>>,
    /// Loads from the argument that are reached.
    pub(in super::super) context: Vec<ContextLoad>,
    /// Calls of other functions, and what is passed to them.
    pub(in super::super) passed: BTreeMap<usize, Entry>,
    /// Instructions that take a number for an address, and whether it is certainly one.
    pub(in super::super) numbers: BTreeMap<usize, bool>,
    /// What it returns, and leaves on its caller's stack, by the instruction that returns it.
    results: BTreeMap<usize, (Level, Value, Slots)>,
}

impl Reached {
    /// How surely an instruction is reached if the function is entered with `level`.
    pub(in super::super) fn level(&self, at: usize, level: Level) -> Option<Level> {
        let its = self.levels.get(at).copied().flatten()?;
        Some(its.min(level))
    }

    /// What it leaves behind on every path.
    pub(in super::super) fn returned(&self) -> Returned {
        let best = self.results.values().map(|(level, ..)| *level).max();
        let counts = |level: Level| level > Level::IfChanged || best == Some(level);
        let results = self.results.values().filter(|(level, ..)| counts(*level));
        let all = results.map(|(_, value, caller)| (*value, caller.clone()));
        let all = all.reduce(|(value, caller), (other, others)| {
            let value = if value == other { value } else { Value::Maybe };
            (value, caller.and(&others))
        });
        let (value, caller) = all.unwrap_or((Value::Maybe, Slots::default()));
        let is_constant = matches!(value, Value::Constant(_) | Value::Default(_));
        Returned {
            value: if is_constant { value } else { Value::Maybe },
            caller: Some(caller),
        }
    }
}

/// What can be reached in a function that is surely entered, with what is known then.
pub(in super::super) fn reach(
    insns: &[Insn],
    changes: &[(usize, Change)],
    entry: &Entry,
    around: &impl Surroundings,
) -> Reached {
    let mut walk = Walk {
        insns,
        changes,
        around,
        is_target: jump_targets(insns),
        states: vec![None; insns.len()],
        pending: Vec::new(),
        steps: insns.len().saturating_mul(STEPS).saturating_add(1000),
        taken: lowest_address_taken(insns),
        levels: vec![None; insns.len()],
        context: BTreeMap::new(),
        numbers: BTreeMap::new(),
        passed: BTreeMap::new(),
        results: BTreeMap::new(),
    };
    walk.enter(0, &entry.state());
    while let Some(at) = walk.pending.pop() {
        walk.follow(at);
    }
    Reached {
        levels: walk.levels,
        context: walk.context.into_values().collect(),
        numbers: walk.numbers,
        passed: walk.passed,
        results: walk.results,
    }
}

/// Where paths may meet: the start of the function and the targets of jumps.
fn jump_targets(insns: &[Insn]) -> Vec<bool> {
    let mut is_target = vec![false; insns.len()];
    let targets = insns
        .iter()
        .enumerate()
        .filter_map(|(at, insn)| jump_target(at, *insn));
    for target in targets.chain([0]) {
        if let Some(slot) = is_target.get_mut(target) {
            *slot = true;
        }
    }
    is_target
}

/// The lowest stack slot whose address is taken: calls may change it and everything above.
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

/// How often an instruction is visited, on average, before registers and the stack are no longer
/// tracked: a malicious program could keep this busy for long.
const STEPS: usize = 16;

struct Walk<'a, S> {
    insns: &'a [Insn],
    changes: &'a [(usize, Change)],
    around: &'a S,
    /// Whether each instruction is the target of a jump.
    is_target: Vec<bool>,
    /// What is known at each target of a jump.
    states: Vec<Option<Box<State>>>,
    pending: Vec<usize>,
    /// How many more instructions are visited before registers are no longer tracked.
    steps: usize,
    taken: i64,
    /// From the last visit of each instruction, when all paths to it were known.
    levels: Vec<Option<Level>>,
    context: BTreeMap<usize, ContextLoad>,
    numbers: BTreeMap<usize, bool>,
    passed: BTreeMap<usize, Entry>,
    results: BTreeMap<usize, (Level, Value, Slots)>,
}

impl<S: Surroundings> Walk<'_, S> {
    /// Enters the target of a jump with this state, joined with that of earlier paths. If that
    /// changes anything, the target is visited again.
    fn enter(&mut self, at: usize, state: &State) {
        let Some(slot) = self.states.get_mut(at) else {
            return;
        };
        let joined = match slot.as_deref() {
            None => state.clone(),
            Some(known) if self.steps > 0 => join(known, state),
            Some(known) => {
                let mut unknown = state.clone();
                unknown.level = known.level.max(state.level);
                unknown.forget();
                unknown
            }
        };
        if slot.as_deref() != Some(&joined) {
            *slot = Some(Box::new(joined));
            self.pending.push(at);
        }
    }

    /// Walks from one jump target to the next.
    fn follow(&mut self, from: usize) {
        let Some(mut state) = self.states.get(from).cloned().flatten() else {
            return;
        };
        let first = self.changes.partition_point(|(at, _)| *at < from);
        let mut changes = self
            .changes
            .get(first..)
            .unwrap_or_default()
            .iter()
            .peekable();
        let mut at = from;
        while let Some(&insn) = self.insns.get(at) {
            while changes.next_if(|(changed, _)| *changed < at).is_some() {}
            let change = changes.next_if(|(changed, _)| *changed == at);
            self.steps = self.steps.saturating_sub(1);
            let change = change.map(|(_, change)| *change);
            self.note(at, insn, change, &state);
            let Some(next) = self.step(at, insn, change, &mut state) else {
                return;
            };
            if self.is_target.get(next) == Some(&true) {
                return self.enter(next, &state);
            }
            at = next;
        }
    }

    /// Records an instruction that is reached in this state.
    fn note(&mut self, at: usize, insn: Insn, change: Option<Change>, state: &State) {
        if let Some(slot) = self.levels.get_mut(at) {
            *slot = Some(state.level);
        }
        let address = match insn.class() {
            LDX => Some(insn.src),
            ST | STX => Some(insn.dst),
            JMP if takes_address(insn) => Some(1),
            _ => None,
        };
        let address = address.map(|register| get(&state.registers, register));
        let is_sure = match address.filter(|_| change != Some(Change::Poisoned)) {
            Some(Value::Constant(_)) => Some(true),
            Some(Value::Default(_)) => Some(false),
            // Some 32-bit fields of the argument are pointers to packets.
            Some(Value::Number(from)) if !self.context.contains_key(&from) => Some(true),
            _ => None,
        };
        match is_sure {
            Some(is_sure) => _ = self.numbers.insert(at, is_sure),
            None => _ = self.numbers.remove(&at),
        }
        if insn.class() == LDX {
            let offset = match change {
                None => Some(i64::from(insn.off)),
                Some(Change::Value(offset)) => i64::try_from(offset).ok(),
                Some(Change::Poisoned) => None,
            };
            let load = match (get(&state.registers, insn.src), offset) {
                (Value::Context(base), Some(offset)) => Some(ContextLoad {
                    at,
                    offset: base.saturating_add(offset),
                    bytes: insn.bytes(),
                }),
                _ => None,
            };
            match load {
                Some(load) => _ = self.context.insert(at, load),
                None => _ = self.context.remove(&at),
            }
        } else if insn.class() == JMP && insn.op() == EXIT {
            let result = get(&state.registers, 0);
            let caller = state.caller.seen(|value| match value {
                Value::Caller(base) => Some(Value::Frame(base)),
                Value::Frame(_) => None,
                _ => Some(value),
            });
            self.results.insert(at, (state.level, result, caller));
        }
    }

    /// Executes an instruction on a state, and returns the next one.
    fn step(
        &mut self,
        at: usize,
        insn: Insn,
        change: Option<Change>,
        state: &mut State,
    ) -> Option<usize> {
        let next = if insn.is_ldimm64() { at + 2 } else { at + 1 };
        let value = match change {
            Some(Change::Poisoned) => {
                // The verifier stops here. Going on, with nothing known, finds what would stop
                // it next.
                state.level = state.level.min(Level::Maybe);
                state.forget();
                return Some(next);
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
            }
            LD => {
                clobber(&mut state.registers, 1..=5);
                set(&mut state.registers, 0, Value::Maybe);
            }
            LDX => {
                let loaded = self.load(at, insn, value, state);
                set(&mut state.registers, insn.dst, loaded);
            }
            ST | STX => store(insn, value, state),
            _ => {}
        }
        Some(next)
    }

    /// The value of an `ldimm64`.
    fn immediate(&self, at: usize, insn: Insn, changed: Option<u64>) -> Value {
        if let Some(value) = changed {
            return Value::Constant(value);
        }
        match self.around.refers(at) {
            Some(Refers::Data(section, offset)) => Value::Data(section, offset),
            Some(Refers::Extern(number)) => self.around.address(number),
            Some(Refers::Something) => Value::Address,
            // Other sources are maps, variables or functions.
            None if insn.src == 0 => (self.insns.get(at + 1)).map_or(Value::Maybe, |second| {
                Value::Constant(wide_immediate(insn, *second))
            }),
            None => Value::Address,
        }
    }

    /// The value of a load.
    fn load(&self, at: usize, insn: Insn, changed: Option<u64>, state: &State) -> Value {
        let offset = changed.map_or(i64::from(insn.off), |value| {
            i64::try_from(value).unwrap_or(i64::MAX)
        });
        let bytes = insn.bytes();
        let unknown = if bytes == 8 || insn.is_sign_extending() {
            Value::Word(at)
        } else {
            Value::Number(at)
        };
        match get(&state.registers, insn.src) {
            Value::Data(section, base) => (base.checked_add_signed(offset))
                .and_then(|offset| self.around.data(section, offset, bytes))
                .map_or(unknown, Value::Default),
            Value::Extern(number) if offset == 0 => self.around.value(number),
            Value::Extern(_) => Value::Maybe,
            Value::Frame(base) => state.stack.load(base.saturating_add(offset), bytes),
            Value::Caller(base) => state.caller.load(base.saturating_add(offset), bytes),
            // Perhaps of a stack.
            Value::Maybe | Value::Unset => Value::Maybe,
            Value::Word(_)
            | Value::Number(_)
            | Value::Within(_)
            | Value::Constant(_)
            | Value::Default(_)
            | Value::Address
            | Value::Context(_) => unknown,
        }
    }

    fn jump(&mut self, at: usize, insn: Insn, state: &mut State) -> Option<usize> {
        let target = jump_target(at, insn);
        match insn.op() {
            CALL => {
                let result = if insn.is_call_of_program() {
                    self.call_of_program(at, state)
                } else {
                    after_helper(at, insn, self.taken, state)
                };
                clobber(&mut state.registers, 1..=5);
                set(&mut state.registers, 0, result);
                Some(at + 1)
            }
            EXIT => None,
            ALWAYS => target,
            _ => {
                let (decided, is_sure) = decided(insn, &state.registers);
                let doubtful = state.level.min(Level::Maybe);
                let level = if is_sure { state.level } else { doubtful };
                // The verifier may know that a pointer is not null.
                let is_zero_sided = insn.class() == JMP
                    && insn.has_immediate()
                    && insn.imm == 0
                    && matches!(get(&state.registers, insn.dst), Value::Word(_));
                let on = |decision: bool| match (decided, insn.op()) {
                    (Some(decided), _) if decided == decision => Some(level),
                    (Some(_), _) if is_sure => None,
                    (Some(_), _) => Some(Level::IfChanged),
                    (None, 0x10) if is_zero_sided && decision => Some(doubtful),
                    (None, 0x50) if is_zero_sided && !decision => Some(doubtful),
                    (None, _) => Some(level),
                };
                let [taken, not_taken] =
                    [true, false].map(|is_taken| told(insn, &state.registers, is_taken));
                if let (Some(level), Some(target)) = (on(true), target) {
                    let mut there = state.clone();
                    there.level = level;
                    learn(insn, decided, taken, &mut there);
                    self.enter(target, &there);
                }
                state.level = on(false)?;
                learn(insn, decided, not_taken, state);
                Some(at + 1)
            }
        }
    }

    /// Follows a call of another function of the object; returns what that returns.
    fn call_of_program(&mut self, at: usize, state: &mut State) -> Value {
        let entry = Entry::of_call(state);
        let returned = self.around.call(at, &entry);
        let (value, left) = returned.map_or((Value::Maybe, None), |it| (it.value, it.caller));
        let may_pass_stack = state.arguments().contains(&Value::Maybe);
        match left {
            Some(left) if entry.passes_stack() => state.stack = left,
            Some(_) if !may_pass_stack => {}
            _ => state.stack.forget_from(self.taken),
        }
        // It may have been passed an address there.
        state.caller = Slots::default();
        self.passed.insert(at, entry);
        value
    }
}

/// Notes what the verifier knows after a condition.
fn learn(insn: Insn, decided: Option<bool>, limits: Option<Limits>, state: &mut State) {
    if decided.is_none() {
        narrow(&mut state.registers, insn.dst, limits);
        if !insn.has_immediate() {
            narrow(&mut state.registers, insn.src, None);
        }
    }
}

pub(super) const ALWAYS: u8 = 0x00;
const CALL: u8 = 0x80;
pub(super) const EXIT: u8 = 0x90;

/// Where an instruction may jump.
pub(super) fn jump_target(at: usize, insn: Insn) -> Option<usize> {
    let offset = match (insn.class(), insn.op()) {
        (JMP, CALL | EXIT) => return None,
        // `gotol`
        (JMP32, ALWAYS) => insn.imm.into(),
        (JMP | JMP32, _) => i64::from(insn.off),
        _ => return None,
    };
    let next = i64::try_from(at).ok()?.checked_add(1)?;
    usize::try_from(next.checked_add(offset)?).ok()
}

/// The instructions of a function.
pub(in super::super) fn insns(code: &[u8], endian: crate::btf::Endian) -> Vec<Insn> {
    (0..code.len() / INSN)
        .map_while(|at| Insn::at(code, at * INSN, endian))
        .collect()
}
