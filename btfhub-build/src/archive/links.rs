//! Where links lead. Nothing outside of the directory that holds them is looked at: that could
//! start a mount, or ask another machine.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The number of links that Linux follows in one path (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Into the directory: the path without links.
    Inside(PathBuf),
    /// Out of it, as far as its links tell.
    Outside(PathBuf),
}

/// Follows the links in `path`, which is below `root`, a canonical path.
///
/// # Errors
/// If something in the directory can't be looked at or is missing, or if links form a loop.
pub(crate) fn follow(root: &Path, path: &Path) -> io::Result<Lead> {
    let mut here = root.to_owned();
    // The next one last.
    let mut ahead = Vec::new();
    put_names(&mut ahead, path);
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        if name == ".." {
            here.pop();
        } else {
            here.push(name);
        }
        if !here.starts_with(root) && !root.starts_with(&here) {
            here.extend(ahead.iter().rev());
            return Ok(Lead::Outside(here));
        }
        // The directories around it are known to be no links.
        if root.starts_with(&here) || !here.symlink_metadata()?.is_symlink() {
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(io::Error::other("a loop of links"));
        }
        let target = here.read_link()?;
        here.pop();
        put_names(&mut ahead, &target);
    }
    Ok(match here.starts_with(root) {
        true => Lead::Inside(here),
        false => Lead::Outside(here),
    })
}

/// Puts the names in a path behind those that come after them, in reverse order.
fn put_names(ahead: &mut Vec<OsString>, path: &Path) {
    let names = path.components().rev();
    let names = names.filter(|name| !matches!(name, Component::CurDir));
    ahead.extend(names.map(|name| name.as_os_str().to_owned()));
}
