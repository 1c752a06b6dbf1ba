//! The bundle: one file that holds, for many kernels, the BTF that an eBPF
//! program's relocations need.
//!
//! # What a class is
//!
//! A class's BTF is not stored. It is rebuilt from *definitions*, each of which is stored once,
//! even if many classes use it:
//!
//! ```text
//! definition  one type; it refers to named types by name, so that it does not
//!             depend on type ids
//! class       a list of definitions, as differences from the most similar earlier class
//! rebuild     definitions → BTF: named types in order, then the anonymous ones
//!             in the order in which a walk completes them, strings by first use
//! ```
//!
//! The writer compares the result. A BTF that is not rebuilt byte for byte is stored as bytes.
//!
//! # Why this layout
//!
//! Numbers of one kind are stored together, in columns, as differences from the previous
//! number, and each section is deflated as a whole. To read one of 609 classes, a program
//! inflates 23 KB; to find one of 5,000 kernels, 38 KB. That takes a tenth of a millisecond;
//! smaller pieces would need more bytes to locate. A context-mixing codec would make a bundle
//! one or two kilobytes smaller, but needs twice the code, is thirty times slower, and is hard
//! to audit. `docs/speed.md` has measurements.
//!
#![doc = include_str!("format.md")]

mod classes;
mod cursor;
mod definition;
mod digest;
mod error;
mod format;
mod kernels;
mod object;
mod programs;
mod provenance;
mod read;
mod rebuild;
mod types;
#[cfg(feature = "write")]
mod whole;
#[cfg(feature = "write")]
pub mod write;

pub use error::BundleError;
pub use kernels::{Arches, ClassId, Entry, Kernels, Lookup, RELEASE_MAX};
pub use object::ObjectError;
pub use programs::{Failure, When};
#[cfg(feature = "write")]
pub use provenance::objects_sha256;
pub use provenance::{ObjectDigest, Provenance};
pub use read::Bundle;
#[cfg(feature = "write")]
pub use whole::{FailureSets, PartSize};
