//! The bundle: one file that holds, for many kernels, the BTF that an eBPF
//! program's relocations need.

mod checksum;
mod cursor;
mod error;
mod format;
mod index;
mod provenance;
mod read;
#[cfg(feature = "write")]
pub mod write;

pub use error::BundleError;
pub use index::{Arches, ClassId, Entry, Kernels, Lookup, RELEASE_MAX};
pub use provenance::{ObjectDigest, Provenance};
pub use read::{Bundle, PartSize};
