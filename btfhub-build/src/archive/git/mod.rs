//! Reads what a git repository says about an archive, without git.
//!
//! ```text
//! object      what an object is, and the hash that it must have
//! pack        packed objects
//! store       packed and loose objects, wherever they lie: verified
//! tree        a path → what a tree holds there
//! repository  where a checkout keeps all that; HEAD
//! ```
//!
//! No git is run, and the repository's configuration, attributes, index, replacements and
//! grafts are ignored. Everything that a [`Store`] returns hashes to the requested id, so it
//! does not matter who wrote the files, or which of several was found.

mod object;
mod pack;
mod repository;
mod store;
mod tree;

pub(super) use object::Kind;
pub(crate) use object::ObjectId;
pub(super) use repository::{Repository, tree_of};
pub(super) use store::Store;
pub(super) use tree::{Mode, files};
