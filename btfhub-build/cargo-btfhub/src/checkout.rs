//! Brings the work tree of a `fetch` to its pin.
//!
//! An existing index is never used: git writes wherever an index says, even outside the work
//! tree and into `.git`. A new index is made from the pin's tree, and git writes the missing
//! files. Which files to write, and which to remove first, is decided here from the verified trees
//! and the hashes of files.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{MAIN_SEPARATOR, Path};

use btfhub_build::archive::{Pin, PinnedFile};
use btfhub_build::input;

use crate::failure::Failure;
use crate::git::Git;

/// Makes the work tree at `out` hold `blobs` of the commit `pin`, and no other files of this or of
/// the previous commit. `others` says whether the commit has other files. A file that somebody
/// changed is left alone.
pub(crate) fn check_out(
    git: &Git,
    out: &Path,
    pin: &str,
    blobs: &[PinnedFile],
    others: bool,
) -> Result<(), Failure> {
    // A killed run may have left half a file.
    let is_unfinished = git.is_unfinished();
    git.set_unfinished(true)?;
    clear(git, out, blobs, is_unfinished);
    if others {
        // One pattern per directory would be shorter, but would include whatever is added to
        // the directory later.
        let patterns = blobs.iter().fold(String::new(), |mut patterns, blob| {
            let _ = writeln!(patterns, "/{}", escape(&name_in_git(blob)));
            patterns
        });
        git.set_sparse(&patterns)?;
    }
    git.run(&["read-tree", pin])?;
    let absent = (blobs.iter())
        .filter(|blob| out.join(&blob.path).symlink_metadata().is_err())
        .map(name_in_git);
    let absent: String = absent.flat_map(|name| [name, "\0".to_owned()]).collect();
    git.run_with_input(
        &["checkout-index", "-u", "-z", "--stdin"],
        absent.as_bytes(),
    )?;

    // Otherwise git considers the excluded files deleted.
    let chosen: HashSet<String> = blobs.iter().map(name_in_git).collect();
    let all = git.run(&["ls-files", "-z"])?;
    let mut skipped = Vec::new();
    for name in all.split_inclusive(|byte| *byte == 0) {
        let is_chosen =
            |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| chosen.contains(name));
        if !name.strip_suffix(b"\0").is_some_and(is_chosen) {
            skipped.extend(name);
        }
    }
    let skip = ["update-index", "--skip-worktree", "-z", "--stdin"];
    git.run_with_input(&skip, &skipped)?;
    git.set_head(pin)?;
    git.set_unfinished(false)
}

/// Removes what an earlier run wrote and this one does not want, or wants to be different.
/// `Pin::verify` reports what can't be removed.
fn clear(git: &Git, out: &Path, blobs: &[PinnedFile], is_unfinished: bool) {
    let wanted: HashMap<&Path, &PinnedFile> = blobs
        .iter()
        .map(|blob| (blob.path.as_path(), blob))
        .collect();
    let earlier = git.head().and_then(|id| Pin::Commit(id).files(out).ok());
    for file in earlier.unwrap_or_default() {
        let stays = (wanted.get(file.path.as_path())).is_some_and(|new| new.object == file.object);
        if !stays && content(out, &file.path).is_some_and(|found| file.is(&found)) {
            remove(out, &file.path);
        }
    }
    if is_unfinished {
        for file in blobs {
            if content(out, &file.path).is_some_and(|found| !file.is(&found)) {
                remove(out, &file.path);
            }
        }
    }
}

/// The bytes of a file or the target of a link, unless a link leads there.
fn content(out: &Path, path: &Path) -> Option<Vec<u8>> {
    let kind = |path: &Path| Some(out.join(path).symlink_metadata().ok()?.file_type());
    if !directories(path).all(|directory| kind(directory).is_some_and(|kind| kind.is_dir())) {
        return None;
    }
    let file = out.join(path);
    if kind(path)?.is_symlink() {
        let target = fs::read_link(file).ok()?;
        return Some(target.into_os_string().into_encoded_bytes());
    }
    input::read(&file, input::FILE_LIMIT).ok()
}

/// Removes a file or link, and the directories that this empties.
fn remove(out: &Path, path: &Path) {
    if fs::remove_file(out.join(path)).is_err() {
        return;
    }
    for directory in directories(path) {
        if fs::remove_dir(out.join(directory)).is_err() {
            return;
        }
    }
}

/// The directories below `out` that a path leads through, the innermost first.
fn directories(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors()
        .skip(1)
        .take_while(|directory| *directory != Path::new(""))
}

fn name_in_git(blob: &PinnedFile) -> String {
    blob.path.to_string_lossy().replace(MAIN_SEPARATOR, "/")
}

/// Escapes gitignore's special characters in a path.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for char in path.chars() {
        if matches!(char, '*' | '?' | '[' | '\\' | ' ') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn patterns_are_literal() {
        assert_eq!(escape("a/b [1]*?.btf"), r"a/b\ \[1]\*\?.btf");
    }
}
