//! What differs between the systems that programs are built on. Both modules
//! have the same functions.

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "windows.rs"]
mod system;

pub(crate) use system::{
    as_accessible_as, do_not_wait, identity, is_of_others, link, open, path, permissions, try_lock,
};
