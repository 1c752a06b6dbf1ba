//! The bundle: one file that holds, for many kernels, the BTF that an eBPF
//! program's relocations need.

mod blocks;
mod checksum;
mod class;
mod coder;
mod cursor;
mod definition;
mod error;
mod format;
mod image;
mod index;
mod items;
mod library;
mod model;
mod names;
#[cfg(feature = "write")]
mod parse;
#[cfg(feature = "write")]
mod plan;
mod provenance;
mod read;
mod text;
#[cfg(feature = "write")]
pub mod write;

pub use error::BundleError;
pub use index::{Arches, ClassId, Entry, Kernels, Lookup, RELEASE_MAX};
pub use provenance::{ObjectDigest, Provenance, objects_sha256};
pub use read::{Bundle, PartSize};
