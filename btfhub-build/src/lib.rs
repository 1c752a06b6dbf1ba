//! Tailors the kernel BTF of a [BTFhub archive](https://github.com/aquasecurity/btfhub-archive)
//! to a program's eBPF objects, and writes it as one bundle for
//! [btfhub-runtime](https://docs.rs/btfhub-runtime) to embed.
//!
//! In a `build.rs`:
//!
//! ```no_run
//! fn main() -> Result<(), btfhub_build::Error> {
//!     btfhub_build::Builder::new()
//!         .archive("/srv/btfhub-archive")
//!         .object("src/probe.bpf.o")
//!         .build("probe")
//! }
//! ```
//!
//! The program embeds it with `btfhub_runtime::include_bundle!("probe")`.
//!
//! [`Builder`] is all that most build scripts need. [`Builder::generate`] makes the same
//! bundle in memory, outside of cargo.
//!
//! The engine behind it is public for this project's own command line and tests, and not
//! documented here: it may change in any release. Ask if you need a part of it.
//!
//! # Features
//!
//! - `liblzma` (default): decodes xz with liblzma, built from its bundled C source.
//! - `lzma-rust2`: decodes xz in pure Rust. Needs no C compiler, and takes several times as
//!   long in an unoptimised build script.
//! - `manifest`: [`Builder`] reads `[package.metadata.btfhub]` of the package's Cargo.toml.

#[doc(hidden)]
pub mod archive;
#[doc(hidden)]
pub mod atlas;
#[doc(hidden)]
pub mod btf;
mod builder;
mod cache;
mod cargo;
mod classes;
mod diagnostics;
mod error;
#[doc(hidden)]
pub mod input;
mod insn;
#[doc(hidden)]
pub mod modules;
#[doc(hidden)]
pub mod object;
#[doc(hidden)]
pub mod output;
mod platform;
mod queue;
#[doc(hidden)]
pub mod relo;
#[doc(hidden)]
pub mod report;
pub mod shard;
pub mod support;
#[doc(hidden)]
pub mod symbols;
#[doc(hidden)]
pub mod tailor;
#[doc(hidden)]
pub mod verdict;

pub use archive::Pin;
pub use builder::{BadEntry, Builder, Generated, Kernel, OnBadEntry, Progress};
#[doc(hidden)]
pub use diagnostics::diagnose;
pub use diagnostics::{Diagnostic, Level, Lint, Loader};
pub use error::{Error, ErrorKind};
pub use modules::Modules;
pub use verdict::Certainty;
