//! Tailors kernel BTF to eBPF objects.
//!
//! Layers, each knowing only those above it (the data flows down):
//!
//! ```text
//! error    what every stage that touches files fails with
//! archive  a checkout on disk → entries → raw BTF
//! btf      BPF Type Format: read, write
//! object   eBPF ELF → local BTF + CO-RE relocations
//! relo     the relocation algorithm of libbpf
//! tailor   what relocations read of a kernel → minimal BTF, canonical
//! ```

pub mod archive;
pub mod btf;
mod error;
pub mod object;
pub mod relo;
pub mod tailor;

pub use error::{Error, ErrorKind};
