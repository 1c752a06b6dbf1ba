//! What a tree holds.

use std::collections::HashSet;
use std::path::{Path, PathBuf, is_separator};

use btfhub_runtime::Printable;

use super::object::Kind;
use super::object::ObjectId;
use super::store::Store;
use crate::error::{Error, ErrorKind};

/// A hundred times the number of files in the largest archive.
const MOST_FILES: usize = 1 << 20;

/// A hundred times the number of trees in the largest archive. One that is at several places
/// counts as often.
const MOST_TREES: usize = 1 << 14;

/// A hundred times the size of the largest archive's trees and paths.
const MOST_BYTES: usize = 128 << 20;

/// The longest name that file systems have.
const LONGEST_NAME: usize = 255;

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
        let mut items = read(store, item.id)?.items.into_iter();
        let Some((_, found)) = items.find(|(found, _)| found == name.as_encoded_bytes()) else {
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
    let too_large = || {
        let message = format!("tree {root} is larger than any archive's");
        Error::new(ErrorKind::Pin, message)
    };
    let mut files = Vec::new();
    let mut pending = vec![(PathBuf::new(), root)];
    let (mut trees, mut bytes) = (0, 0);
    while let Some((above, id)) = pending.pop() {
        let tree = read(store, id)?;
        trees += 1;
        bytes += tree.size;
        for (name, item) in tree.items {
            let Ok(name) = String::from_utf8(name) else {
                continue;
            };
            let path = above.join(name);
            bytes += path.as_os_str().len();
            if item.mode != Mode::Directory {
                files.push((path, item));
            } else if path.iter().count() < depth {
                if lacking && store.find(item.id)?.is_none() {
                    files.push((path, item));
                } else {
                    pending.push((path, item.id));
                }
            }
            let found = files.len() + pending.len();
            if found > MOST_FILES || trees + pending.len() > MOST_TREES || bytes > MOST_BYTES {
                return Err(too_large());
            }
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

/// One tree.
struct Tree {
    /// What is in it, by name, in git's order.
    items: Vec<(Vec<u8>, Item)>,
    size: usize,
}

/// Reads a tree: `<mode> <name>\0<id>`, one after another. What `git fsck` refuses is refused:
/// such items have several meanings, or none that can be checked out.
fn read(store: &Store, id: ObjectId) -> Result<Tree, Error> {
    let object = store.read(id)?;
    let no_tree = || Error::new(ErrorKind::Pin, format!("git's object {id} is not a tree"));
    if object.kind != Kind::Tree {
        return Err(no_tree());
    }
    let mut items = Vec::new();
    let mut rest = object.bytes.as_slice();
    while !rest.is_empty() {
        let (name, item, behind) = first(rest, id.as_bytes().len()).ok_or_else(no_tree)?;
        items.push((name.to_owned(), item));
        rest = behind;
    }
    let flaw = if let Some((name, _)) = items.iter().find(|(name, _)| !is_name(name)) {
        let name = String::from_utf8_lossy(name.get(..LONGEST_NAME).unwrap_or(name));
        &format!(
            "it names a file `{}`, which no checkout may have",
            Printable(&name)
        )
    } else if !items.is_sorted_by_key(order) {
        "its names are not in git's order"
    } else if items
        .iter()
        .map(|(name, _)| name)
        .collect::<HashSet<_>>()
        .len()
        < items.len()
    {
        "a name in it occurs twice"
    } else {
        let size = object.bytes.len();
        return Ok(Tree { items, size });
    };
    Err(Error::new(
        ErrorKind::Pin,
        format!("git's tree {id} is malformed: {flaw}"),
    )
    .help("`git fsck` tells more; pin a commit without it"))
}

fn is_name(name: &[u8]) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && ![&b"."[..], b".."].contains(&name)
        && !name.eq_ignore_ascii_case(b".git")
        && !name.iter().any(|byte| is_separator(char::from(*byte)))
}

/// What git orders a tree by: directories as if their names ended with a slash.
fn order((name, item): &(Vec<u8>, Item)) -> Vec<u8> {
    let slash = (item.mode == Mode::Directory).then_some(b'/');
    name.iter().copied().chain(slash).collect()
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
