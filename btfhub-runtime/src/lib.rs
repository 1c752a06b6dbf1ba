//! The kernel BTF that your eBPF CO-RE programs need, on kernels that carry
//! none: embedded in your program, and the right one picked on the host.
//!
//! [btfhub-build](https://docs.rs/btfhub-build) makes a bundle for your eBPF
//! objects in a build script. This crate embeds it, and gives your loader the
//! BTF of exactly the running kernel: the kernel's own if it has any, else the
//! bundle's, else an error that says what there is.
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
//!     // libbpf takes a path, `builder.btf_custom_path(path)`. None means that
//!     // it finds the kernel's own by itself.
//!     let file = selection.to_file()?;
//!     let path: Option<&std::path::Path> = file.path();
//!
//!     // aya takes bytes, `Btf::parse(&bytes, Endianness::default())`.
//!     let bytes: Vec<u8> = selection.bytes()?;
//! #   Ok(())
//! }
//! ```
//!
//! It is made for Linux. On other systems it compiles, so that a workspace can
//! be checked there, and [`Host::detect`] fails with [`Error::NotLinux`].

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
pub use select::{Ambiguous, Holding, NotFound, Selection, select};

/// Decides which BTF this machine gets: [`Host::detect`], then [`select()`]
/// with the default [`Policy`] (the kernel's own BTF if it has any).
///
/// Log the [`Selection`]: its one line is what support needs. Then hand it to
/// the loader with [`Selection::to_file`] (libbpf) or [`Selection::bytes`] (aya).
///
/// # Errors
/// When there is no BTF for this kernel, or several and nothing tells which;
/// when a variable of the operator's can't be used.
pub fn for_this_host<'a>(bundle: &Bundle<'a>) -> Result<Selection<'a>, Error> {
    select::select_by_default(bundle, Host::detect()?)
}

/// The same with another [`Policy`].
///
/// ```no_run
/// # use btfhub_runtime::{Bundle, Error, Policy, for_this_host_with};
/// # static BTF: Bundle = Bundle::EMPTY;
/// # fn main() -> Result<(), Error> {
/// // A test of the embedded BTF, on a kernel that has its own.
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
