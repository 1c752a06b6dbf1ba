//! Relocations and tailored BTF, compared with libbpf's own core, bpftool and aya-obj.

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
