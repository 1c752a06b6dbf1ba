//! The bundle: one file that holds, for many kernels, the BTF that an eBPF
//! program's relocations need.
//!
//! # What a class is
//!
//! A class's BTF is not stored. It is rebuilt from *definitions*, of which each
//! is stored once however many classes have it:
//!
//! ```text
//! definition  one type with a name, its anonymous parts inlined; other named
//!             types by name, so that it holds whatever the ids are
//! items       its members: against an earlier variant of the same type, which
//!             came, which went, and by how much the rest moved
//! class       which definitions, against the earlier class that is nearest
//! image       definitions → BTF: named types in order, then the anonymous ones
//!             as a walk completes them, strings in the order of first use
//! ```
//!
//! The writer compares what comes back; a BTF that this does not give back byte
//! for byte is kept as bytes. Everything is coded through one adaptive binary
//! arithmetic coder (`coder.rs`, `model.rs`), and each rule is written once, as a
//! function that runs in both directions. `definition.rs`, `library.rs` and
//! `items.rs` know nothing of bundles: they code definitions of every kind of
//! BTF.
//!
//! # Why so
//!
//! Bytes for the classes alone, without index and provenance, of 45 real x86_64
//! kernels (5.10 to 7.3); each codec at its best setting:
//!
//! | | execwatch, 17 classes | libbpf-tools, 22 classes |
//! |---|---|---|
//! | BTF of all classes | 12,293 | 76,811 |
//! | each class alone: deflate / zstd / lzma / brotli | 6,062 / 6,099 / 5,892 / 5,676 | 33,146 / 32,338 / 30,719 / 29,179 |
//! | all classes solid | 806 / 668 / 649 / 642 | 5,510 / 3,777 / 3,507 / 3,616 |
//! | definitions as text, once, and a bit set per class | 766 / 704 / 679 / 629 | 2,928 / 2,594 / 2,437 / 2,241 |
//! | **this format** | **299** | **1,183** |
//!
//! (Since then the canonical form has become coarser: 16 and 20 classes, 285 and
//! 1,154 bytes.) Of the latter, names take 54 %, definitions 38 %, the classes'
//! sets 7 %. General codecs decode faster and weigh double; they would also be a
//! dependency, and this is none. A bit takes the coder some 40 ns (30 when it is
//! compiled once for each number of contexts, which doubles the code that programs
//! carry), which is what bounds a block of classes (14,000 bits, root included, of which
//! one class of the largest bundle below takes 10,000; 13,000 would add 7 % to it) and a
//! block of the index (4,000; with 512 kernels whatever their bits, that bundle would have
//! 9,784 bytes, and its worst kernel take a third longer). Where one class takes nearly
//! that, or more (13 KB of BTF for 600 relocations: 35,000 bits), blocks have half as many
//! as it, or a quarter more than their own first class: that made a bundle of 43 such
//! classes 6.5 KB instead of 21.6, one of 649 25 instead of 230, and the 2.0 ms for which
//! one of them was rebuilt 2.3. The counters take 256 KiB of heap while a class is
//! rebuilt; a quarter of that would cost 1.5 % in size.
//! A reader gives up on a block after 2^21 steps (bits, and what it had to look
//! at to know their meaning): bits that were expected cost next to nothing, so
//! that a file made to do harm could say classes without end in a few bytes.
//!
//! Whole bundles, index and provenance included, measured by
//! `cargo run --release -p btfhub-tests --bin bundle-size`:
//!
//! | | kernels | bpftool: files, bytes, tar.xz | outcomes | classes | bundle | of the tar.xz |
//! |---|---|---|---|---|---|---|
//! | x86_64, execwatch | 45 | 21, 20,678, 2,048 | 16 | 16 | 664 | 0.32 |
//! | x86_64, libbpf-tools | 45 | 38, 163,060, 8,344 | 20 | 20 | 2,032 | 0.24 |
//! | arm64, execwatch | 16 | 13, 12,840, 2,056 | 10 | 10 | 618 | 0.30 |
//! | arm64, libbpf-tools | 16 | 15, 62,611, 7,992 | 12 | 12 | 1,906 | 0.24 |
//!
//! And for 5,000 kernels derived from real ones:
//!
//! | | classes | bundle | index | a kernel | finding and rebuilding one class: median, worst | heap |
//! |---|---|---|---|---|---|---|
//! | execwatch | 68 | 5,650 | 5,031 | 1.01 | 0.3 ms, 0.5 ms | 317 KiB |
//! | libbpf-tools | 454 | 10,487 | 5,303 | 1.06 | 0.8 ms, 0.95 ms | 349 KiB |
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
#[cfg(feature = "write")]
mod meter;
mod model;
mod names;
mod object;
#[cfg(feature = "write")]
mod parse;
#[cfg(feature = "write")]
mod plan;
mod provenance;
mod read;
mod text;
#[cfg(feature = "write")]
mod whole;
#[cfg(feature = "write")]
pub mod write;

pub use error::BundleError;
pub use index::{Arches, ClassId, Entry, Kernels, Lookup, RELEASE_MAX};
pub use object::ObjectError;
#[cfg(feature = "write")]
pub use provenance::objects_sha256;
pub use provenance::{ObjectDigest, Provenance};
pub use read::Bundle;
#[cfg(feature = "write")]
pub use whole::PartSize;
