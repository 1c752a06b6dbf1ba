//! Tailors kernel BTF to eBPF objects.
//!
//! Layers, each knowing only those above it (the data flows down):
//!
//! ```text
//! error    what every stage that touches files fails with
//! input    files that somebody else may have put there
//! output   files and trees that appear whole or not at all
//! queue    a fixed number of threads
//! archive  a checkout on disk → entries → raw BTF; pins and locks
//! btf      BPF Type Format: read, write
//! object   eBPF ELF → local BTF + CO-RE relocations
//! relo     the relocation algorithm of libbpf
//! modules  which modules of a kernel count, and its BTF with theirs
//! tailor   what relocations read of a kernel → minimal BTF, canonical
//! atlas    the definitions of many kernels, each kept once
//! insn     one instruction of eBPF, and how libbpf patches it
//! verdict  what programs need, what a kernel has: which load and attach there
//! report   every relocation × every kernel
//! support  every program × every kernel: what it says, what changed
//! cache    what need not be done again
//! classes  kernels with one tailored BTF → bundle, proven
//! shard    parts of a bundle, made apart and joined
//! builder  what to build; the stages in order; no environment
//! diagnostics  what a user should act on, as lints
//! cargo    the edge: OUT_DIR, CARGO_*, BTFHUB_*, cargo:: lines
//! ```

pub mod archive;
pub mod atlas;
pub mod btf;
mod builder;
mod cache;
mod cargo;
mod classes;
mod diagnostics;
mod error;
pub mod input;
mod insn;
pub mod modules;
pub mod object;
pub mod output;
mod queue;
pub mod relo;
pub mod report;
pub mod shard;
pub mod support;
pub mod tailor;
pub mod verdict;

pub use builder::{BadEntry, Builder, Generated, Kernel, OnBadEntry, Progress};
pub use diagnostics::{Diagnostic, Level, Lint, Loader, diagnose};
pub use error::{Error, ErrorKind};
pub use modules::Modules;
