//! What the engine is compared with.
//!
//! | module | oracle |
//! |---|---|
//! | [`libbpf`] | libbpf's own relocation core, called in process |
//! | [`modes`] | the ways a loader can walk an object's relocations, on top of it |
//! | [`records`] | a reader of eBPF objects that shares nothing with the engine's |

pub mod libbpf;
pub mod modes;
pub mod records;
