//! What a tree holds.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::object::Kind;
use super::object::ObjectId;
use super::store::Store;
use crate::error::{Error, ErrorKind};

/// A hundred times what the largest archive holds.
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

/// A tree and those below it, each read when a path leads through it.
#[derive(Debug)]
pub(in crate::archive) struct Tree {
    root: ObjectId,
    directories: HashMap<PathBuf, HashMap<Vec<u8>, Item>>,
}

impl Tree {
    pub(in crate::archive) fn new(root: ObjectId) -> Self {
        Self {
            root,
            directories: HashMap::new(),
        }
    }

    /// What is at a path, if anything is.
    ///
    /// # Errors
    /// When a tree on the way can't be had.
    pub(in crate::archive) fn find(
        &mut self,
        store: &Store,
        path: &Path,
    ) -> Result<Option<Item>, Error> {
        let mut item = Item {
            mode: Mode::Directory,
            id: self.root,
        };
        let mut above = PathBuf::new();
        for component in path.components() {
            let Component::Normal(name) = component else {
                return Ok(None);
            };
            if item.mode != Mode::Directory {
                return Ok(None);
            }
            if !self.directories.contains_key(&above) {
                let items = read(store, item.id)?;
                self.directories.insert(above.clone(), items);
            }
            let items = self.directories.get(&above);
            let Some(found) = items.and_then(|items| items.get(name.as_encoded_bytes())) else {
                return Ok(None);
            };
            item = *found;
            above.push(name);
        }
        Ok(Some(item))
    }
}

impl Tree {
    /// All that is in it that is no directory, to some depth, in its order.
    ///
    /// # Errors
    /// When a tree in it can't be had, or it holds more than any archive.
    pub(in crate::archive) fn files(
        &self,
        store: &Store,
        depth: usize,
    ) -> Result<Vec<(PathBuf, Item)>, Error> {
        let mut files = Vec::new();
        let mut pending = vec![(PathBuf::new(), self.root)];
        while let Some((above, id)) = pending.pop() {
            for (name, item) in read(store, id)? {
                let Ok(name) = String::from_utf8(name) else {
                    continue;
                };
                let path = above.join(name);
                if item.mode != Mode::Directory {
                    files.push((path, item));
                } else if path.iter().count() < depth {
                    pending.push((path, item.id));
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
}

/// The items of one tree: `<mode> <name>\0<id>`, one behind the other.
fn read(store: &Store, id: ObjectId) -> Result<HashMap<Vec<u8>, Item>, Error> {
    let object = store.read(id)?;
    let malformed = || Error::new(ErrorKind::Pin, format!("git's object {id} is no tree"));
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
