//! Picks the right embedded kernel BTF at load time, for eBPF CO-RE programs
//! on kernels that carry none.
//!
//! Layers, each knowing only those above it:
//!
//! ```text
//! kernel   names of one kernel
//! bundle   the file: kernels → classes → BTF
//! embed    include_bundle!: the file as a constant of the program
//! host     what this machine says of itself
//! select   host × bundle → the BTF to use, and why
//! handoff  BTF → bytes (aya) or a path (libbpf)
//! ```

pub mod bundle;
#[cfg(feature = "macros")]
mod embed;
mod error;
mod handoff;
mod host;
mod kernel;
mod select;

pub use bundle::{Bundle, BundleError, ClassId};
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use embed::__include_bundle;
pub use error::Error;
pub use handoff::{BtfFile, HandoffError};
pub use host::{BTF_VARIABLE, Host, HostError, OS_RELEASE_VARIABLE, OsRelease};
pub use kernel::{Arch, KernelId};
pub use select::{Ambiguous, Holding, NotFound, Policy, SelectError, Selection, select};

/// Decides which BTF this machine gets: [`Host::detect`], then [`select()`]
/// with the default [`Policy`] (the kernel's own BTF where it has any).
///
/// Log the [`Selection`]: its one line is what support needs. Then hand it to
/// the loader with [`Selection::to_file`] (libbpf) or [`Selection::bytes`] (aya).
///
/// # Errors
/// When the operator named a file that can't be used, or there is no BTF for
/// this kernel, or several and nothing tells which.
pub fn for_this_host<'a>(bundle: &Bundle<'a>) -> Result<Selection<'a>, Error> {
    Ok(select::select_by_default(bundle, Host::detect()?)?)
}
