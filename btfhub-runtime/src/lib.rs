//! Picks the right embedded kernel BTF at load time, for eBPF CO-RE programs
//! on kernels that carry none.
//!
//! Layers, each knowing only those above it:
//!
//! ```text
//! kernel   names of one kernel
//! bundle   the file: kernels → classes → BTF
//! embed    include_bundle!: the file as a constant of the program
//! host     what this machine says of itself
//! select   host × bundle → the BTF to use, and why
//! handoff  BTF → bytes (aya) or a path (libbpf)
//! ```

pub mod bundle;
mod embed;
mod kernel;

pub use bundle::{Bundle, BundleError, ClassId};
#[doc(hidden)]
pub use embed::__include_bundle;
pub use kernel::{Arch, KernelId};
