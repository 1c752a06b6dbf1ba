//! What a register holds, and how surely an instruction is reached.

use super::limits::Limits;

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
    /// Nothing that a program may read.
    Unset,
    /// Anything, and the verifier may know more.
    Maybe,
    /// Any 64 bits, perhaps a pointer that is not null, from this instruction. Its copies are
    /// the same.
    Word(usize),
    /// Any number of 32 bits, likewise.
    Number(usize),
    /// One of these, within limits that the verifier knows from a condition or a helper.
    Within(Limits),
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
    /// The frame pointer of the function that called this one, plus this many bytes.
    Caller(i64),
}

impl Value {
    /// Whether it was anything before conditions.
    pub(super) fn is_free(self) -> bool {
        matches!(self, Self::Word(_) | Self::Number(_) | Self::Within(_))
    }
}
