//! The functions of a program, each followed with what is known where it is called.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::constants::Constants;
use super::program::{Code, Function, Needs, Refers};
use super::reach::{self, Change, Entry, Reached, Returned, Surroundings, Value, reach};
use crate::btf::Endian;
use crate::object::Object;

/// With how many different arguments a function is followed.
const MAX_WAYS: usize = 8;
/// `MAX_CALL_FRAMES`.
const MAX_DEPTH: usize = 8;

/// The functions of one program on a kernel.
pub(super) struct Calls<'a, 'c> {
    object: &'a Object,
    code: &'a Code,
    /// The program's own function.
    program: usize,
    changes: &'a dyn Fn(usize) -> &'c [(usize, Change)],
    constants: &'a Constants,
    /// By function.
    known: RefCell<BTreeMap<usize, Ways>>,
    /// How many functions were followed, each from each of its entries.
    count: Cell<usize>,
    depth: Cell<usize>,
}

/// A function by what is known where it begins; `None` while it is followed.
type Ways = BTreeMap<Entry, Option<Followed>>;

/// A function that was followed from one entry.
#[derive(Clone)]
pub(super) struct Followed {
    /// Counts functions and entries.
    pub(super) number: usize,
    pub(super) reached: Rc<Reached>,
}

impl<'a, 'c> Calls<'a, 'c> {
    pub(super) fn new(
        object: &'a Object,
        code: &'a Code,
        program: &Needs,
        changes: &'a dyn Fn(usize) -> &'c [(usize, Change)],
        constants: &'a Constants,
    ) -> Self {
        Self {
            object,
            code,
            program: program.function,
            changes,
            constants,
            known: RefCell::default(),
            count: Cell::new(0),
            depth: Cell::new(0),
        }
    }

    /// Whether the kernel verifies a function by itself.
    pub(super) fn is_apart(&self, number: usize) -> bool {
        let function = self.code.functions.get(number);
        self.constants.verifies_globals && function.is_some_and(|function| function.is_global)
    }

    /// Follows a function that begins with what `entry` knows, or with less; `None` if it is
    /// called too deeply, or calls itself.
    pub(super) fn follow(&self, number: usize, mut entry: Entry) -> Option<Followed> {
        let function = self.code.functions.get(number)?;
        let mut known = self.known.borrow_mut();
        let ways = known.entry(number).or_default();
        let is_apart = self.is_apart(number) && number != self.program;
        if is_apart || (ways.len() >= MAX_WAYS && !ways.contains_key(&entry)) {
            entry = entry.only_context();
        }
        if let Some(known) = ways.get(&entry) {
            return known.clone();
        }
        let depth = self.depth.get();
        if depth == MAX_DEPTH {
            return None;
        }
        ways.insert(entry.clone(), None);
        drop(known);
        self.depth.set(depth + 1);
        let around = Around {
            calls: self,
            function,
        };
        let changes = (self.changes)(number);
        let reached = Rc::new(reach(&function.insns, changes, &entry, &around));
        self.depth.set(depth);
        let followed = Followed {
            number: self.count.get(),
            reached,
        };
        self.count.set(followed.number + 1);
        let mut known = self.known.borrow_mut();
        let ways = known.entry(number).or_default();
        ways.insert(entry, Some(followed.clone()));
        Some(followed)
    }
}

/// What is around one function.
struct Around<'a, 'b, 'c> {
    calls: &'a Calls<'b, 'c>,
    function: &'a Function,
}

impl Surroundings for Around<'_, '_, '_> {
    fn refers(&self, at: usize) -> Option<reach::Refers> {
        Some(match self.function.refers.get(&at)? {
            Refers::Data(section, offset) if self.calls.constants.reads_data => {
                reach::Refers::Data(*section, *offset)
            }
            Refers::Extern(number) => reach::Refers::Extern(*number),
            Refers::Data(..) | Refers::Call(_) | Refers::Function(_) | Refers::Other => {
                reach::Refers::Something
            }
        })
    }

    fn data(&self, section: usize, offset: u64, bytes: u32) -> Option<u64> {
        let sections = self.calls.object.data();
        let section = sections.get(section).filter(|it| it.is_constant())?;
        let from = usize::try_from(offset).ok()?;
        let to = from.checked_add(usize::try_from(bytes).ok()?)?;
        let bytes = section.bytes.get(from..to)?;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(match self.calls.object.btf().endian() {
            Endian::Little => bytes.iter().rev().fold(0, fold),
            Endian::Big => bytes.iter().fold(0, fold),
        })
    }

    fn value(&self, number: usize) -> Value {
        let values = &self.calls.constants.values;
        values.get(number).map_or(Value::Maybe, |value| *value)
    }

    fn address(&self, number: usize) -> Value {
        let addresses = &self.calls.constants.addresses;
        addresses.get(number).map_or(Value::Maybe, |value| *value)
    }

    fn call(&self, at: usize, entry: &Entry) -> Option<Returned> {
        let Some(Refers::Call(to)) = self.function.refers.get(&at) else {
            return None;
        };
        if self.calls.is_apart(*to) {
            // Any number, whatever calls it.
            let value = Value::Word(at);
            return Some(Returned {
                value,
                caller: None,
            });
        }
        let followed = self.calls.follow(*to, entry.clone())?;
        Some(followed.reached.returned())
    }
}
