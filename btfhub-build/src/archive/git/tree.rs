//! What a tree holds.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use btfhub_runtime::Printable;

use super::object::Kind;
use super::object::ObjectId;
use super::store::Store;
use crate::error::{Error, ErrorKind};

/// A hundred times the number of files in the largest archive.
const MOST_FILES: usize = 1 << 20;

/// What an item of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) enum Mode {
    File,
    Link,
    Directory,
    /// The commit of a submodule.
    Commit,
}

/// One item of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct Item {
    pub(in crate::archive) mode: Mode,
    pub(in crate::archive) id: ObjectId,
}

/// What is at a path below a tree, if anything is.
///
/// # Errors
/// If a tree on the way can't be read.
pub(in crate::archive) fn find(
    store: &Store,
    root: ObjectId,
    path: &Path,
) -> Result<Option<Item>, Error> {
    let mut item = Item {
        mode: Mode::Directory,
        id: root,
    };
    for name in path {
        if item.mode != Mode::Directory {
            return Ok(None);
        }
        let mut items = read(store, item.id)?;
        let Some(found) = items.remove(name.as_encoded_bytes()) else {
            return Ok(None);
        };
        item = found;
    }
    Ok(Some(item))
}

/// What is below a tree to some depth, without the directories, by path.
///
/// With `lacking`, directories whose trees the repository lacks are listed as such: a partial
/// clone may lack those outside its sparse checkout.
///
/// # Errors
/// If a tree can't be read, if there are more files than in any archive, or if one has a name
/// that would lead out of a checkout or into its `.git`.
pub(in crate::archive) fn files(
    store: &Store,
    root: ObjectId,
    depth: usize,
    lacking: bool,
) -> Result<Vec<(PathBuf, Item)>, Error> {
    let mut files = Vec::new();
    let mut pending = vec![(PathBuf::new(), root)];
    while let Some((above, id)) = pending.pop() {
        for (name, item) in read(store, id)? {
            let Ok(name) = String::from_utf8(name) else {
                continue;
            };
            if !stays_inside(&name) {
                let message = format!(
                    "git's object {id} names a file `{}`, which no checkout may have",
                    Printable(&name)
                );
                return Err(Error::new(ErrorKind::Pin, message));
            }
            let path = above.join(name);
            if item.mode != Mode::Directory {
                files.push((path, item));
            } else if path.iter().count() < depth {
                if lacking && store.find(item.id)?.is_none() {
                    files.push((path, item));
                } else {
                    pending.push((path, item.id));
                }
            }
        }
        if files.len() + pending.len() > MOST_FILES {
            let message = format!("tree {id} and those around it hold too many files");
            return Err(Error::new(ErrorKind::Pin, message));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

/// Whether this is a name in a directory, and none of git's own.
fn stays_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let is_one = matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    );
    is_one && !name.contains('/') && !name.eq_ignore_ascii_case(".git")
}

/// The items of one tree: `<mode> <name>\0<id>`, one after another.
fn read(store: &Store, id: ObjectId) -> Result<HashMap<Vec<u8>, Item>, Error> {
    let object = store.read(id)?;
    let malformed = || Error::new(ErrorKind::Pin, format!("git's object {id} is not a tree"));
    if object.kind != Kind::Tree {
        return Err(malformed());
    }
    let mut items = HashMap::new();
    let mut rest = object.bytes.as_slice();
    while !rest.is_empty() {
        let (name, item, behind) = first(rest, id.as_bytes().len()).ok_or_else(malformed)?;
        items.insert(name.to_owned(), item);
        rest = behind;
    }
    Ok(items)
}

fn first(bytes: &[u8], id_len: usize) -> Option<(&[u8], Item, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (head, rest) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    let space = head.iter().position(|byte| *byte == b' ')?;
    let (mode, name) = (head.get(..space)?, head.get(space + 1..)?);
    let (id, rest) = rest.split_at_checked(id_len)?;
    let mode = match mode {
        b"40000" => Mode::Directory,
        b"120000" => Mode::Link,
        b"160000" => Mode::Commit,
        mode if mode.starts_with(b"100") => Mode::File,
        _ => return None,
    };
    let id = ObjectId::from_bytes(id)?;
    Some((name, Item { mode, id }, rest))
}
