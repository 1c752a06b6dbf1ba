//! The BTFhub archive on disk: which kernels it holds, and how one of them
//! becomes raw BTF.
//!
//! ```text
//! <os-release ID>/<version>/<arch>/<release>.btf.tar.xz
//! ```
//!
//! * [`scan`](Archive::scan) walks a checkout and lists its entries, with
//!   everything odd it met ([`Anomaly`]).
//! * [`Entry`] is one `.btf.tar.xz`; its path and its
//!   [`KernelId`](btfhub_runtime::KernelId) are two spellings of one thing.
//! * [`decode()`] turns the bytes of an entry into BTF, within a size limit.
//! * [`Filter`] selects kernels by path or by kernel version.

mod anomaly;
mod contents;
mod decode;
mod digest;
mod entry;
mod filter;
mod git;
mod links;
mod lock;
mod pin;
mod scan;
pub(crate) mod xz;

pub use anomaly::{Anomaly, Oddity};
pub use contents::PinnedFile;
pub use decode::{DEFAULT_LIMIT, DecodeError, Decoded, DecodedModule, decode};
pub use digest::Digest;
pub use entry::{ENTRY_FILE_LIMIT, Entry};
pub(crate) use entry::{SUFFIX, is_name};
pub use filter::{Filter, FilterError};
pub(crate) use git::ObjectId;
pub(crate) use links::{Lead, follow};
pub use lock::Lock;
pub use pin::Pin;
pub(crate) use pin::{Pinned, State, lines};
pub use scan::Archive;
