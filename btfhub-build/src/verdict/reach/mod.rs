//! Which instructions of a function can be reached, and how surely.
//!
//! A program checks `bpf_core_field_exists(…)`. libbpf patches the answer into an instruction as
//! a constant, and the branch on it makes the code that would fail unreachable: the verifier
//! never examines it. This module follows constants as the verifier does, but joins them where
//! paths meet, so whatever it finds unreachable is unreachable for the verifier too. What it
//! finds reachable is *surely* so only if no branch on the way depends on a value that the
//! verifier may know better: one that was joined, read back from the stack, or may have been
//! set by user space.
//!
//! ```text
//! limits   the limits of a number that is not constant
//! value    what a register holds, and how surely an instruction is reached
//! slots    what a function stored on its stack
//! state    registers and stacks, and how they are joined
//! compute  arithmetic and conditions on these values
//! helper   what the verifier knows of a call of a helper
//! walk     from instruction to instruction
//! around   what a function refers to outside of itself
//! cycle    whether a function has a loop
//! ```

mod around;
mod compute;
mod cycle;
mod helper;
mod limits;
mod slots;
mod state;
#[cfg(test)]
mod tests;
mod value;
mod walk;

pub(super) use around::{Change, ContextLoad, Refers, Returned, Surroundings};
pub(super) use cycle::back_edge;
pub(super) use state::Entry;
pub(super) use value::{Level, Value};
pub(super) use walk::{Reached, insns, reach};
