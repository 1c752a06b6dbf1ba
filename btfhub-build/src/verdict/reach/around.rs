//! What a function refers to outside of itself.

use super::slots::Slots;
use super::state::Entry;
use super::value::Value;

/// How libbpf changed one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Change {
    /// It now holds this value.
    Value(u64),
    /// It can't be executed.
    Poisoned,
}

/// What an `ldimm64` of an address refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Refers {
    /// A section of data, and an offset in it.
    Data(usize, u64),
    /// An extern.
    Extern(usize),
    /// Something else that exists.
    Something,
}

/// What a function leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Returned {
    /// What it returns.
    pub(in super::super) value: Value,
    /// What is on the stack of the function that called it, from the lowest address on that was
    /// passed; `None` if that is not known.
    pub(in super::super) caller: Option<Slots>,
}

/// What a function refers to outside of itself.
pub(in super::super) trait Surroundings {
    /// What instruction `at`, an `ldimm64` of an address, refers to.
    fn refers(&self, at: usize) -> Option<Refers>;
    /// The value that a load of this many bytes from constant data gives.
    fn data(&self, section: usize, offset: u64, bytes: u32) -> Option<u64>;
    /// The value that a load from an extern gives.
    fn value(&self, number: usize) -> Value;
    /// The address of an extern; 0 if it does not exist.
    fn address(&self, number: usize) -> Value;
    /// What the function that instruction `at` calls leaves, if it can be followed.
    fn call(&self, at: usize, entry: &Entry) -> Option<Returned>;
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

impl ContextLoad {
    /// The end of the bytes that it loads.
    pub(in super::super) fn end(&self) -> i64 {
        self.offset.saturating_add(self.bytes.into())
    }
}
