//! What a scan found that is not an entry, or not quite one.

use std::fmt;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use btfhub_runtime::Printable;

use super::entry::LONGEST_NAME;
use crate::error::shown_path;

/// Something odd in an archive. It never stops a scan; the caller decides what it means for a
/// build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anomaly {
    pub(super) path: PathBuf,
    pub(super) oddity: Oddity,
}

/// What is odd.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Oddity {
    /// A link to a directory of the same archive (`ubuntu/bionic` → `18.04`):
    /// its kernels are counted once, under the directory itself.
    Alias(PathBuf),
    /// A small regular file that holds the name of a sibling directory: a link that was checked
    /// out without link support. Its kernels are counted once.
    LinkFile(String),
    /// A link that would give a directory's kernels its number as their version (`18.10` →
    /// `bionic`), but another link already gives them this one.
    SecondNumber(String),
    /// A link that leads nowhere (git-annex content that was not fetched) or
    /// to a directory around the archive.
    BadLink,
    /// A link that leads out of the archive, to this path. Only
    /// [`Archive::scan_following_links`](super::Archive::scan_following_links) uses what is
    /// there.
    LeadsOut(PathBuf),
    /// An entry's name at a depth other than `<distro>/<version>/<arch>/`. Nothing says which
    /// kernel it is, so it is left out.
    Stray,
    /// A file next to the entries that is not an entry (`.failed`, `.hasbtf`).
    SideFile,
    /// An entry of zero bytes: a placeholder, no kernel.
    Empty,
    /// A Git LFS pointer instead of an entry. The entry is listed, but cannot be decoded.
    LfsPointer,
    /// The name is not UTF-8; `uname -r` is.
    NotUtf8,
    /// The name has characters that cannot be shown, or a part of more than
    /// 64 bytes: `uname -r` has no more.
    ImpossibleName,
    /// A directory or file that cannot be looked at, and why. A build fails on
    /// it, for it may hide kernels.
    Unreadable(String),
    /// The file name has the package's build counter, which `uname -r` does not show; the entry
    /// is taken as this release.
    BuildCounter(String),
    /// Like [`BuildCounter`](Self::BuildCounter), but several entries name that release, so
    /// this one is left out.
    SecondBuild(String),
    /// Another entry of the archive names the same kernel (`arm64` and
    /// `aarch64` directories, for instance). Both are listed.
    SameKernel(PathBuf),
    /// An entry that a build would take and its pin has, or a directory that may
    /// hold some, but not this sparse checkout. Only a pinned build sees these.
    NotCheckedOut,
}

impl Anomaly {
    /// Where, below the archive's root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What.
    pub fn oddity(&self) -> &Oddity {
        &self.oddity
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = |path: &Path| shown_path(path).replace(MAIN_SEPARATOR, "/");
        write!(f, "{}: ", below(&self.path))?;
        match &self.oddity {
            Oddity::Alias(target) => write!(f, "link to {}, counted once", shown_path(target)),
            Oddity::LinkFile(target) => write!(
                f,
                "a file instead of a link to {}, counted once",
                Printable(target)
            ),
            Oddity::SecondNumber(number) => write!(
                f,
                "gives a directory one more number; its kernels are of version {}",
                Printable(number)
            ),
            Oddity::BadLink => f.write_str("link to nothing in the archive, left out"),
            Oddity::LeadsOut(target) => {
                write!(
                    f,
                    "link out of the archive, to {}, left out",
                    shown_path(target)
                )
            }
            Oddity::Stray => f.write_str(
                "not under <distro>/<version>/<arch>/, so its kernel is unknown; left out",
            ),
            Oddity::SideFile => f.write_str("not an entry, left out"),
            Oddity::Empty => f.write_str("empty file, left out"),
            Oddity::LfsPointer => f.write_str("Git LFS pointer; its content was not fetched"),
            Oddity::NotUtf8 => f.write_str("name is not UTF-8, left out"),
            Oddity::ImpossibleName => write!(
                f,
                "not a kernel's name, which has at most {LONGEST_NAME} bytes and no control \
                 characters; left out"
            ),
            Oddity::Unreadable(why) => write!(f, "cannot be read: {}", Printable(why)),
            Oddity::BuildCounter(release) => {
                write!(
                    f,
                    "carries a build counter; `uname -r` says {}",
                    Printable(release)
                )
            }
            Oddity::SecondBuild(release) => {
                let release = Printable(release);
                write!(
                    f,
                    "another build of {release}, which has an entry; left out"
                )
            }
            Oddity::SameKernel(other) => {
                write!(f, "names the same kernel as {}", below(other))
            }
            Oddity::NotCheckedOut => f.write_str("not in this sparse checkout, left out"),
        }
    }
}
