//! On which kernels a program loads and attaches, how sure that is, and why not.
//!
//! ```text
//! outcome    the words
//! uapi       names of the numbers of the kernel's interface
//! section    section → program type, attach type, target (libbpf's table)
//! target     target → names of functions
//! module     names of what is mostly in modules
//! alternative  other names for what a kernel may lack
//! facts      a kernel's BTF → what it has of what programs ask for
//! age        how new a kernel is
//! kernel     which one, and what the user knows of it
//! program    objects → programs, their functions, what they refer to
//! reach      which instructions are reached
//! constants  what a kernel answers to an object's externs
//! found      a program on a kernel → what it does there
//! patched    what libbpf makes of an object's instructions
//! case       a program on a kernel, and what is found out about it
//! rules      one rule a file: what of it the kernel does not take
//! whole      objects with all their programs
//! judge      objects × kernels → verdicts
//! columns    lists of verdicts, of which few differ
//! left_out   which programs to leave out, so that the others load
//! ```
//!
//! A verdict is about one program that is loaded by itself by libbpf 1.7, with the
//! relocations against the BTF that was looked at, by a user with all capabilities, and
//! attached as `bpf_program__attach` does it.

mod age;
mod alternative;
mod case;
mod columns;
mod constants;
mod facts;
mod found;
mod judge;
mod kernel;
mod left_out;
mod module;
mod outcome;
mod patched;
mod program;
mod reach;
mod rules;
mod section;
mod target;
mod uapi;
mod whole;

pub(crate) use columns::Columns;
pub use judge::{Facts, Judge, Judged};
pub use kernel::{Kernel, KernelBtf};
pub(crate) use outcome::fact;
pub use outcome::{Certainty, Outcome, Reason, Verdict};
pub use program::Program;
pub use section::{Hook, SectionDef, section_def};
