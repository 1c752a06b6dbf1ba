//! What a program uses on a kernel: which of its instructions are reached after relocation, and
//! what these call and read.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::constants::Constants;
use super::program::{Code, Function, Needs, Refers};
use super::reach::{
    self, Arguments, Change, ContextLoad, Level, Reached, Surroundings, Value, reach,
};
use crate::insn::{CALL, Insn};

/// A place in the code of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The function's number.
    pub(super) function: usize,
    /// The instruction's number in it.
    pub(super) at: usize,
}

/// What a program uses on a kernel.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Instructions that libbpf made invalid and that are reached, even if only
    /// [`Level::IfChanged`], ascending.
    pub(super) poisoned: Vec<(Place, Level)>,
    /// Helpers that are called, each at the place that is reached most surely.
    pub(super) helpers: BTreeMap<u32, (Place, Level)>,
    /// Kernel functions that are called, by extern, likewise.
    pub(super) kfuncs: BTreeMap<usize, (Place, Level)>,
    /// Loads from the program's argument.
    pub(super) context: Vec<(ContextLoad, Place, Level)>,
    /// The first place that takes the address of a function.
    pub(super) callback: Option<Place>,
    /// The first place that calls another function.
    pub(super) call: Option<Place>,
    /// The first place that refers to global data.
    pub(super) data: Option<Place>,
    /// Externs whose address the program takes.
    pub(super) addresses: BTreeMap<usize, Place>,
    /// Instructions that old kernels lack, by name.
    pub(super) later: BTreeMap<&'static str, (Place, Level)>,
    /// The first place that jumps back.
    pub(super) repeats: Option<Place>,
    /// The number of all its instructions.
    pub(super) size: usize,
}

struct Around<'a> {
    function: &'a Function,
    data: &'a [crate::object::DataSection],
    is_little: bool,
    constants: &'a Constants,
    /// What functions return.
    results: &'a BTreeMap<usize, Value>,
}

impl<'a> Around<'a> {
    fn new(
        object: &'a crate::object::Object,
        function: &'a Function,
        constants: &'a Constants,
        results: &'a BTreeMap<usize, Value>,
    ) -> Self {
        Self {
            function,
            data: object.data(),
            is_little: object.btf().endian() == crate::btf::Endian::Little,
            constants,
            results,
        }
    }
}

impl Surroundings for Around<'_> {
    fn refers(&self, at: usize) -> Option<reach::Refers> {
        Some(match self.function.refers.get(&at)? {
            Refers::Data(section, offset) if self.constants.reads_data => {
                reach::Refers::Data(*section, *offset)
            }
            Refers::Extern(number) => reach::Refers::Extern(*number),
            Refers::Data(..) | Refers::Call(_) | Refers::Function(_) | Refers::Other => {
                reach::Refers::Something
            }
        })
    }

    fn data(&self, section: usize, offset: u64, bytes: u32) -> Option<u64> {
        let section = self
            .data
            .get(section)
            .filter(|section| section.is_constant())?;
        let from = usize::try_from(offset).ok()?;
        let to = from.checked_add(usize::try_from(bytes).ok()?)?;
        let bytes = section.bytes.get(from..to)?;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.is_little {
            bytes.iter().rev().fold(0, fold)
        } else {
            bytes.iter().fold(0, fold)
        })
    }

    fn value(&self, number: usize) -> Value {
        (self.constants.values.get(number)).map_or(Value::Maybe, |value| *value)
    }

    fn is_there(&self, number: usize) -> Option<bool> {
        self.constants.present.get(number).copied().flatten()
    }

    fn result(&self, at: usize) -> Value {
        let result = match self.function.refers.get(&at) {
            Some(Refers::Call(to)) => self.results.get(to),
            _ => None,
        };
        match result {
            Some(Value::Number(_)) => Value::Number(at),
            Some(constant) => *constant,
            None => Value::Maybe,
        }
    }
}

/// Follows a program of `code` after `changes` to its functions.
pub(super) fn follow<'c>(
    object: &crate::object::Object,
    code: &Code,
    program: &Needs,
    parts: &[usize],
    changes: &dyn Fn(usize) -> &'c [(usize, Change)],
    constants: &Constants,
) -> Usage {
    let mut usage = Usage::default();
    let results = results(object, code, program, changes, constants);
    // How surely each function is entered, by its arguments.
    let mut entered: BTreeMap<usize, BTreeMap<Arguments, (Level, Reached)>> = BTreeMap::new();
    let mut arguments = UNKNOWN;
    arguments[0] = Value::Context(0);
    let mut pending = vec![(program.function, Level::Surely, arguments)];
    let of_itself = |function: &Function| function.is_global && constants.verifies_globals;
    if constants.verifies_uncalled {
        let is_global = |part: &&usize| code.functions.get(**part).is_some_and(of_itself);
        let globals = parts.iter().skip(1).filter(is_global);
        pending.extend(globals.map(|part| (*part, Level::Surely, UNKNOWN)));
    }
    while let Some((number, level, mut arguments)) = pending.pop() {
        let Some(function) = code.functions.get(number) else {
            continue;
        };
        let ways = entered.entry(number).or_default();
        let is_new = !ways.contains_key(&arguments);
        if is_new && (ways.len() >= MAX_WAYS || (of_itself(function) && number != program.function))
        {
            arguments = only_context(arguments);
        }
        if (ways.get(&arguments)).is_some_and(|(known, _)| *known >= level) {
            continue;
        }
        let around = Around::new(object, function, constants, &results);
        let reached = reach(&function.insns, changes(number), level, arguments, &around);
        for (&at, refers) in &function.refers {
            let Some(level) = reached.levels.get(at).copied().flatten() else {
                continue;
            };
            match refers {
                Refers::Call(to) => {
                    let passed = reached.passed.get(&at).copied().unwrap_or(UNKNOWN);
                    pending.push((*to, level, passed));
                }
                // A helper may call it.
                Refers::Function(to) => {
                    pending.push((*to, level.min(Level::Maybe), UNKNOWN));
                }
                Refers::Data(..) | Refers::Extern(_) | Refers::Other => {}
            }
        }
        ways.insert(arguments, (level, reached));
    }
    for (number, ways) in &entered {
        for (_, reached) in ways.values() {
            if let Some(function) = code.functions.get(*number) {
                usage.reached(*number, function, changes(*number), reached);
            }
        }
    }
    // Each place once, as surely as it is reached at all.
    (usage.poisoned).sort_by_key(|(place, level)| (*place, Reverse(*level)));
    usage.poisoned.dedup_by_key(|(place, _)| *place);
    for number in parts {
        if let Some(function) = code.functions.get(*number) {
            usage.all(*number, function);
        }
    }
    usage
}

/// How many different arguments a function is followed with.
const MAX_WAYS: usize = 4;
const UNKNOWN: Arguments = [Value::Maybe; 5];

/// What remains of arguments if there are too many, or if the verifier ignores them too.
fn only_context(arguments: Arguments) -> Arguments {
    arguments.map(|value| match value {
        Value::Context(_) => value,
        _ => Value::Maybe,
    })
}

/// Longer functions do more than answer a question.
const MAX_ANSWER: usize = 256;
/// `MAX_CALL_FRAMES`.
const MAX_DEPTH: usize = 8;

/// The constants that functions return, whatever their arguments.
fn results<'c>(
    object: &crate::object::Object,
    code: &Code,
    program: &Needs,
    changes: &dyn Fn(usize) -> &'c [(usize, Change)],
    constants: &Constants,
) -> BTreeMap<usize, Value> {
    let mut results = BTreeMap::new();
    let mut pending = vec![(program.function, 0, false)];
    while let Some((number, depth, is_after)) = pending.pop() {
        let Some(function) = code.functions.get(number) else {
            continue;
        };
        if is_after {
            let around = Around::new(object, function, constants, &results);
            let reached = reach(
                &function.insns,
                changes(number),
                Level::Surely,
                UNKNOWN,
                &around,
            );
            let constant = reached.constant().unwrap_or(Value::Maybe);
            results.insert(number, constant);
            continue;
        }
        if depth > 0 {
            if results.contains_key(&number) {
                continue;
            }
            results.insert(number, Value::Maybe);
            if function.is_global && constants.verifies_globals {
                // Any number, whatever calls it.
                results.insert(number, Value::Number(0));
            } else if function.insns.len() <= MAX_ANSWER {
                pending.push((number, depth, true));
            }
        }
        let calls = function.refers.values().filter_map(|refers| match refers {
            Refers::Call(to) => Some(*to),
            _ => None,
        });
        if depth < MAX_DEPTH {
            pending.extend(calls.map(|to| (to, depth + 1, false)));
        }
    }
    results
}

impl Usage {
    /// Adds what is reached in a function.
    fn reached(
        &mut self,
        number_of: usize,
        function: &Function,
        changes: &[(usize, Change)],
        reached: &Reached,
    ) {
        let level = |at: usize| reached.levels.get(at).copied().flatten();
        for (at, change) in changes {
            if let (Change::Poisoned, Some(level)) = (change, level(*at)) {
                let place = Place {
                    function: number_of,
                    at: *at,
                };
                self.poisoned.push((place, level));
            }
        }
        for (at, insn) in function.insns.iter().enumerate() {
            let Some(level) = level(at) else { continue };
            if let Some((what, false)) = later_instruction(*insn) {
                let place = Place {
                    function: number_of,
                    at,
                };
                most_surely(&mut self.later, what, place, level.min(Level::Maybe));
            }
            if insn.code != CALL {
                continue;
            }
            if let Some(Refers::Extern(number)) = function.refers.get(&at) {
                let place = Place {
                    function: number_of,
                    at,
                };
                most_surely(&mut self.kfuncs, *number, place, level);
            }
            if insn.src != 0 {
                continue;
            }
            let (Ok(helper), false) = (
                u32::try_from(insn.imm),
                changes.binary_search_by_key(&at, |(at, _)| *at).is_ok(),
            ) else {
                continue;
            };
            let place = Place {
                function: number_of,
                at,
            };
            most_surely(&mut self.helpers, helper, place, level);
        }
        for load in &reached.context {
            if let Some(level) = level(load.at) {
                let place = Place {
                    function: number_of,
                    at: load.at,
                };
                self.context.push((*load, place, level));
            }
        }
    }

    /// Adds what matters even if it is not reached: the verifier checks every instruction before
    /// it follows any.
    fn all(&mut self, number: usize, function: &Function) {
        self.size = self.size.saturating_add(function.insns.len());
        let place = |at: usize| Place {
            function: number,
            at,
        };
        for (&at, refers) in &function.refers {
            match refers {
                Refers::Call(_) => _ = self.call.get_or_insert(place(at)),
                Refers::Function(_) => _ = self.callback.get_or_insert(place(at)),
                Refers::Data(..) => _ = self.data.get_or_insert(place(at)),
                Refers::Extern(to) => {
                    if (function.insns.get(at)).is_some_and(|insn| insn.is_ldimm64()) {
                        self.addresses.entry(*to).or_insert(place(at));
                    }
                }
                Refers::Other => {}
            }
        }
        self.repeats = self.repeats.or(function.repeats.map(place));
        let mut at = 0;
        while let Some(insn) = function.insns.get(at) {
            if let Some((what, true)) = later_instruction(*insn) {
                most_surely(&mut self.later, what, place(at), Level::Maybe);
            }
            at += if insn.is_ldimm64() { 2 } else { 1 };
        }
    }
}

/// Keeps the place that is reached most surely.
fn most_surely<K: Ord>(
    known: &mut BTreeMap<K, (Place, Level)>,
    key: K,
    place: Place,
    level: Level,
) {
    let known = known.entry(key).or_insert((place, level));
    if known.1 < level {
        *known = (place, level);
    }
}

/// The name of an instruction that old kernels lack ([`rules::instruction`](super::rules) has
/// the versions), and whether they refuse it even in code that is never reached
/// (`bpf_opcode_in_insntable`, `resolve_pseudo_ldimm64`).
fn later_instruction(insn: Insn) -> Option<(&'static str, bool)> {
    let (class, op) = (insn.class(), insn.code & 0xf0);
    Some(match class {
        // `gotol` is newer than the other instructions of JMP32.
        6 if op == 0 => ("gotol", true),
        6 => ("jmp32", true),
        5 if op == 0xe0 => ("may_goto", true),
        3 if insn.code & 0xe0 == 0xc0 => match insn.imm {
            0 => return None,
            0x100 | 0x110 => ("load-acquire", false),
            _ => ("atomic", true),
        },
        1 if insn.code & 0xe0 == 0x80 => ("ldsx", true),
        4 | 7 if op == 0xb0 && insn.off != 0 => {
            if insn.off == 1 && class == 7 && insn.imm != 0 {
                ("addr_space_cast", false)
            } else {
                ("movsx", false)
            }
        }
        4 | 7 if matches!(op, 0x30 | 0x90) && insn.off == 1 => ("sdiv", false),
        7 if op == 0xd0 => ("bswap", true),
        _ => return None,
    })
}
