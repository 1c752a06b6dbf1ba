//! The oracles that the engine is compared with.
//!
//! | module | oracle |
//! |---|---|
//! | [`libbpf`] | libbpf's own relocation core, called in process |
//! | [`big_endian`] | the same on a big-endian machine, under qemu |
//! | [`modes`] | the ways a loader can walk an object's relocations, on top of it |
//! | [`records`] | a reader of eBPF objects that is independent of the engine's |

pub mod big_endian;
pub mod libbpf;
pub mod modes;
pub mod records;
