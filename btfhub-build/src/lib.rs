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
//! bundle in memory, outside of cargo. The modules are the engine behind both, and behind
//! `cargo btfhub`; they may change in any release.
//!
//! # Features
//!
//! - `liblzma` (default): decodes xz with liblzma, built from its bundled C source.
//! - `lzma-rust2`: decodes xz in pure Rust. Needs no C compiler, and takes several times as
//!   long in an unoptimised build script.
//! - `manifest`: [`Builder`] reads `[package.metadata.btfhub]` of the package's Cargo.toml.

pub mod archive;
pub mod atlas;
pub mod btf;
mod builder;
mod cache;
mod cargo;
mod classes;
mod diagnostics;
mod error;
pub mod input;
mod insn;
pub mod modules;
pub mod object;
pub mod output;
mod queue;
pub mod relo;
pub mod report;
pub mod shard;
pub mod support;
pub mod tailor;
pub mod verdict;

pub use builder::{BadEntry, Builder, Generated, Kernel, OnBadEntry, Progress};
pub use diagnostics::{Diagnostic, Level, Lint, Loader, diagnose};
pub use error::{Error, ErrorKind};
pub use modules::Modules;
