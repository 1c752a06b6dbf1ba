//! Which instructions of a function can be reached, and how surely.
//!
//! A program asks `bpf_core_field_exists(…)`, the answer is patched into an instruction as a
//! constant, and the branch on it leaves what would fail unreachable: the verifier never
//! looks at it. Constants are followed here as the verifier follows them, but joined where
//! paths meet, so that what is found unreachable is so for the verifier too. What is found
//! reachable is so *surely* only where nothing on the way there hung on a value that the
//! verifier may know better: one that was joined, or read back from the stack, or that user
//! space may have set.
//!
//! ```text
//! value    what registers and the stack hold
//! compute  arithmetic and conditions on it
//! walk     from instruction to instruction
//! cycle    whether a function repeats anything
//! ```

mod compute;
mod cycle;
#[cfg(test)]
mod tests;
mod value;
mod walk;

pub(super) use cycle::back_edge;
pub(super) use value::{Level, Value};
pub(super) use walk::{Change, ContextLoad, Reached, Refers, Surroundings, insns, reach};
