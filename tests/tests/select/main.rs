//! Which BTF a host gets, and how a loader gets at it.

mod alloc;
mod explain;
mod handoff;
mod host;
mod selecting;
mod table;
