//! Gives your eBPF CO-RE programs the kernel BTF they need, on kernels that ship
//! without it. The BTF is embedded in your program, and the right one is picked on
//! the host.
//!
//! [btfhub-build](https://docs.rs/btfhub-build) makes a bundle for your eBPF
//! objects in a build script. This crate embeds the bundle and gives your loader the
//! BTF of exactly the running kernel: the kernel's own if it has one, or else the
//! bundle's, or else an error that lists what is available.
//!
//! ```no_run
//! use btfhub_runtime::{Bundle, for_this_host};
//!
//! // In a program: `= btfhub_runtime::include_bundle!("probe")`.
//! static BTF: Bundle = Bundle::EMPTY;
//!
//! fn main() -> Result<(), btfhub_runtime::Error> {
//!     let selection = for_this_host(&BTF)?;
//!     eprintln!("{selection}"); // which BTF, and why
//!
//!     // libbpf takes a path, `builder.btf_custom_path(path)`. With None it
//!     // finds the kernel's own BTF by itself.
//!     let file = selection.to_file()?;
//!     let path: Option<&std::path::Path> = file.path();
//!
//!     // aya takes bytes, `Btf::parse(&bytes, Endianness::default())`.
//!     let bytes: Vec<u8> = selection.bytes()?;
//! #   Ok(())
//! }
//! ```
//!
//! This crate is for Linux. It also compiles on other systems, so that you can check a
//! workspace there; [`Host::detect`] then fails with [`Error::NotLinux`].

pub mod bundle;
#[cfg(feature = "macros")]
mod embed;
mod error;
mod handoff;
mod host;
mod kernel;
mod policy;
mod printable;
mod select;

pub use bundle::{Bundle, BundleError, ClassId};
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use embed::__include_bundle;
pub use error::{Error, FileError};
pub use handoff::BtfFile;
pub use host::{BTF_VARIABLE, Host, OS_RELEASE_VARIABLE, OsRelease};
pub use kernel::{Arch, KernelId};
pub use policy::{POLICY_VARIABLE, Policy};
pub use printable::Printable;
pub use select::{
    Ambiguous, FailingProgram, FailingPrograms, Holding, NotFound, Selection, select,
};

/// Decides which BTF this machine gets: calls [`Host::detect`], then [`select()`]
/// with the default [`Policy`] (the kernel's own BTF if it has one).
///
/// Log the [`Selection`]: its one line is what support needs. Then hand it to
/// the loader with [`Selection::to_file`] (libbpf) or [`Selection::bytes`] (aya).
///
/// # Errors
/// If there is no BTF for this kernel, or several and nothing says which one is right;
/// if one of the operator's variables can't be used.
pub fn for_this_host<'a>(bundle: &Bundle<'a>) -> Result<Selection<'a>, Error> {
    select::select_by_default(bundle, Host::detect()?)
}

/// Like [`for_this_host`], with another [`Policy`].
///
/// ```no_run
/// # use btfhub_runtime::{Bundle, Error, Policy, for_this_host_with};
/// # static BTF: Bundle = Bundle::EMPTY;
/// # fn main() -> Result<(), Error> {
/// // Tests the embedded BTF on a kernel that has its own.
/// let selection = for_this_host_with(&BTF, Policy::EMBEDDED_ONLY)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`for_this_host`].
pub fn for_this_host_with<'a>(bundle: &Bundle<'a>, policy: Policy) -> Result<Selection<'a>, Error> {
    select(bundle, &Host::detect()?, policy)
}
