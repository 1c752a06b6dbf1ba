//! The bundle: one file that holds, for many kernels, the BTF that an eBPF
//! program's relocations need.
//!
//! # What a class is
//!
//! A class's BTF is not stored. It is rebuilt from *definitions*, of which each
//! is stored once however many classes have it:
//!
//! ```text
//! definition  one type; it refers to types with a name by name, so that it holds
//!             whatever the ids are
//! class       which definitions, against the earlier class that is nearest
//! image       definitions → BTF: named types in order, then the anonymous ones
//!             as a walk completes them, strings in the order of first use
//! ```
//!
//! The writer compares what comes back; a BTF that this does not give back byte
//! for byte is kept as bytes.
//!
//! # Why so
//!
//! Numbers of one kind stand together, in columns, as differences to what comes
//! before; then a section is deflated as a whole. One class of 609 takes 23 KB to
//! inflate, one kernel of 5,000 takes 38 KB, which is a tenth of a millisecond: smaller
//! pieces would take more to find. A codec that mixes contexts makes a bundle one
//! or two kilobytes smaller; it was twice the code in here, thirty times slower, and
//! nothing that a security team would want to read.
//!
//! Whole bundles, measured by `cargo run --release -p btfhub-tests --bin bundle-size`;
//! `large` is an object with 600 relocations:
//!
//! | | kernels | bpftool: files, bytes, tar.xz | outcomes | classes | bundle | of the tar.xz |
//! |---|---|---|---|---|---|---|
//! | x86_64, execwatch | 45 | 21, 20,678, 2,048 | 16 | 16 | 1,071 | 0.52 |
//! | x86_64, libbpf-tools | 45 | 38, 163,060, 8,344 | 20 | 20 | 2,976 | 0.36 |
//! | x86_64, large | 45 | 39, 608,852, 59,580 | 25 | 25 | 6,421 | 0.11 |
//! | arm64, execwatch | 16 | 13, 12,840, 2,056 | 10 | 10 | 965 | 0.47 |
//! | arm64, libbpf-tools | 16 | 15, 62,611, 7,992 | 12 | 12 | 2,762 | 0.35 |
//!
//! And for 5,000 kernels derived from real ones:
//!
//! | | classes | bundle | kernels | a kernel | finding and rebuilding one class: median, worst | heap |
//! |---|---|---|---|---|---|---|
//! | execwatch | 68 | 5,905 | 4,653 | 0.93 | 0.06 ms, 0.09 ms | 38 KiB |
//! | libbpf-tools | 454 | 9,841 | 5,053 | 1.01 | 0.09 ms, 0.12 ms | 58 KiB |
//! | large | 609 | 14,430 | 5,110 | 1.02 | 0.12 ms, 0.21 ms | 157 KiB |
//!
//! Embedding costs the time to hash the file, in unoptimised code. Seconds
//! of CPU to build an edited program, by `cargo run -p btfhub-tests --bin embedding`:
//!
//! | bundle of | 0.1 MB | 1 MB | 10 MB |
//! |---|---|---|---|
//! | `include_bundle!` | 0.19 | 0.24 | 0.56 |
//! | `include_bytes!` | 0.19 | 0.20 | 0.29 |
//! | none | 0.19 | 0.19 | 0.19 |
//!
#![doc = include_str!("format.md")]

mod classes;
mod cursor;
mod definition;
mod digest;
mod error;
mod format;
mod image;
mod kernels;
mod object;
mod programs;
mod provenance;
mod read;
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
