//! Relocations, tailored BTF and what other loaders make of it, against libbpf's own core, bpftool and aya-obj.

mod atlas;
mod aya;
mod aya_modules;
mod big_endian;
mod bpftool;
mod contract;
mod cross;
mod fixtures;
mod format;
mod handmade;
mod modules;
mod properties;
mod twins;
