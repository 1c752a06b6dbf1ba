//! On which kernels a program loads and attaches, how sure that is, and why not.
//!
//! ```text
//! outcome    what a verdict says
//! uapi       names of the numbers of the kernel's interface
//! section    section → program type, attach type, target (libbpf's table)
//! target     target → names of functions
//! module     names that usually belong to modules
//! alternative  other names for what a kernel may lack
//! facts      a kernel's BTF → which of the things that programs need it has
//! age        how new a kernel is
//! kernel     which kernel, and what the user says about it
//! program    objects → programs, their functions, what they refer to
//! reach      which instructions are reached
//! externs    what a kernel has of what an object declares
//! constants  what an object's externs are on a kernel
//! calls      the functions of a program, as they call each other
//! usage      what a program reaches, calls and reads on a kernel
//! patched    what libbpf turns an object's instructions into
//! case       a program on a kernel, and what the rules found
//! rules      what a kernel may refuse in a program, one rule per file
//! whole      objects with all their programs
//! judge      objects × kernels → verdicts
//! columns    lists of verdicts, equal ones stored once
//! left_out   which programs to leave out, so that the others load
//! ```
//!
//! A verdict is about one program: libbpf 1.7 loads it by itself, relocates it against the
//! BTF that was examined, with all capabilities, and attaches it with `bpf_program__attach`.

mod age;
mod alternative;
mod calls;
mod case;
mod columns;
mod constants;
mod externs;
mod facts;
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
mod usage;
mod whole;

pub(crate) use columns::Columns;
pub use judge::{Facts, Judge, Judged};
pub use kernel::{Kernel, KernelBtf};
pub(crate) use outcome::fact;
pub use outcome::{Certainty, Outcome, Reason, Verdict};
pub use program::Program;
pub use section::{Hook, SectionDef, section_def};
