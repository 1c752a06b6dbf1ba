//! What a program uses on a kernel: which of its instructions are reached after relocation, and
//! what these call and read.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::calls::Calls;
use super::constants::Constants;
use super::program::{Code, Function, Needs, Refers};
use super::reach::{Change, ContextLoad, Entry, Level, Reached};
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
    /// Where a number is taken for an address, most surely.
    pub(super) number: Option<(Place, Level)>,
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
    let calls = Calls::new(object, code, program, changes, constants);
    // How surely each function is entered with what.
    let mut entered: BTreeMap<usize, (Level, usize, Rc<Reached>)> = BTreeMap::new();
    let mut pending = vec![(program.function, Level::Surely, Entry::of_program())];
    if constants.verifies_uncalled {
        let globals = parts.iter().skip(1).filter(|part| calls.is_apart(**part));
        pending.extend(globals.map(|part| (*part, Level::Surely, Entry::unknown())));
    }
    while let Some((number, level, entry)) = pending.pop() {
        let (Some(function), Some(followed)) =
            (code.functions.get(number), calls.follow(number, entry))
        else {
            continue;
        };
        let known = entered.get(&followed.number);
        if known.is_some_and(|(known, ..)| *known >= level) {
            continue;
        }
        let reached = followed.reached;
        for (&at, refers) in &function.refers {
            let Some(level) = reached.level(at, level) else {
                continue;
            };
            match refers {
                Refers::Call(to) => {
                    let passed = reached.passed.get(&at).cloned();
                    pending.push((*to, level, passed.unwrap_or_else(Entry::unknown)));
                }
                // A helper may call it.
                Refers::Function(to) => {
                    pending.push((*to, level.min(Level::Maybe), Entry::unknown()));
                }
                Refers::Data(..) | Refers::Extern(_) | Refers::Other => {}
            }
        }
        entered.insert(followed.number, (level, number, reached));
    }
    for (level, number, reached) in entered.values() {
        if let Some(function) = code.functions.get(*number) {
            let level = |at: usize| reached.level(at, *level);
            usage.reached(*number, function, changes(*number), reached, level);
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

impl Usage {
    /// Adds what is reached in a function.
    fn reached(
        &mut self,
        number_of: usize,
        function: &Function,
        changes: &[(usize, Change)],
        reached: &Reached,
        level: impl Fn(usize) -> Option<Level>,
    ) {
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
        for (&at, is_sure) in &reached.numbers {
            let place = Place {
                function: number_of,
                at,
            };
            let most = if *is_sure {
                Level::Surely
            } else {
                Level::Maybe
            };
            let level = level(at).map(|level| level.min(most));
            let is_surer = |level: &Level| self.number.is_none_or(|(_, known)| known < *level);
            self.number = level
                .filter(is_surer)
                .map(|level| (place, level))
                .or(self.number);
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
