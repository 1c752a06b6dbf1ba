//! Which BTF a host gets, and how a loader gets at it.

mod alloc;
mod archive_names;
mod explain;
mod failing;
mod handoff;
mod host;
mod kernel_btf;
mod selecting;
mod table;
