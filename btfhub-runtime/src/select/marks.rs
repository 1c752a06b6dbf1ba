//! What a kernel says about its origin, and which entries that rules out.
//!
//! If a kernel has one distribution's mark, entries of distributions whose kernels have a
//! different mark are ruled out. Distributions without a row in `distros` (forks of the archive
//! have such) are never ruled out.
//!
//! Debian and Ubuntu put their name into `uname -v` of everything they build. A kernel whose
//! release looks like theirs but lacks the name was built by somebody else, perhaps from the
//! same sources but with a different configuration.

use core::fmt;

use super::distros::{DEBIAN_ENDS, DEBIAN_FLAVOURS, Distro, Tag};
use super::ubuntu;
use crate::KernelId;
use crate::printable::Printable;

/// The marks of one kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks<'h> {
    release: &'h str,
    /// Whether `uname -v` is known.
    has_uname_v: bool,
    /// The first word of `uname -v`, if it is Ubuntu's, and what it means.
    ubuntu: Option<(&'h str, ubuntu::Build<'h>)>,
    /// Whether `uname -v` has the word [`DEBIAN`].
    names_debian: bool,
    /// Each with the place where it was found.
    tags: [Option<(Tag<'h>, &'static str)>; 2],
}

/// Why an entry can't be the running kernel's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Contradiction<'h> {
    /// Another distribution's mark at this place.
    Has { text: &'h str, place: &'static str },
    /// The mark that all kernels of the entry's distribution have.
    Lacks { text: &'static str },
}

impl fmt::Display for Contradiction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Has { text, place } => write!(f, "{place} has `{}`", Printable(text)),
            Self::Lacks { text } => write!(f, "{UNAME_V} lacks `{text}`"),
        }
    }
}

const UNAME_R: &str = "uname -r";
const UNAME_V: &str = "uname -v";
/// A word in `uname -v` of Debian's kernels.
const DEBIAN: &str = "Debian";

impl<'h> Marks<'h> {
    pub(super) fn of(release: &'h str, uname_v: &'h str) -> Self {
        let mut words = uname_v.split_whitespace();
        let first_word = words.clone().next().unwrap_or("");
        let debians = |text, place| Tag::of_debian(text).map(|tag| (tag, place));
        Self {
            release,
            has_uname_v: !first_word.is_empty(),
            ubuntu: ubuntu::Build::of(first_word).map(|build| (first_word, build)),
            names_debian: words.any(|word| word == DEBIAN),
            tags: [
                Tag::of_rpm(release).map(|tag| (tag, UNAME_R)),
                debians(release, UNAME_R).or_else(|| debians(uname_v, UNAME_V)),
            ],
        }
    }

    /// Whether `kernel`, an entry for this release, can't be this kernel. `newest_ubuntu` is
    /// the newest Ubuntu version under which it is filed.
    pub(super) fn contradict(
        &self,
        kernel: &KernelId<'_>,
        newest_ubuntu: &str,
    ) -> Option<Contradiction<'h>> {
        let distro = Distro::of(kernel.distro)?;
        let (is_debian, is_ubuntu) = (distro.is("debian"), distro.is("ubuntu"));
        if let Some((text, build)) = self.ubuntu {
            if !is_ubuntu || build.contradicts(self.release, kernel.version, newest_ubuntu) {
                let place = UNAME_V;
                return Some(Contradiction::Has { text, place });
            }
        }
        for (tag, place) in self.tags.into_iter().flatten() {
            if tag.contradicts(distro, kernel.version) {
                let text = tag.text;
                return Some(Contradiction::Has { text, place });
            }
        }
        if self.names_debian && !is_debian {
            let (text, place) = (DEBIAN, UNAME_V);
            return Some(Contradiction::Has { text, place });
        }
        if !self.has_uname_v {
            return None;
        }
        let missing = if is_debian && !self.names_debian && is_named_as_debians(self.release) {
            DEBIAN
        } else if is_ubuntu && self.ubuntu.is_none() && ubuntu::is_named_as_theirs(self.release) {
            "-Ubuntu"
        } else {
            return None;
        };
        Some(Contradiction::Lacks { text: missing })
    }
}

/// Whether a release looks like those of Debian's own kernels: `5.10.0-9-cloud-amd64`,
/// `6.12.43+deb13-amd64`, `6.9.7-amd64`.
fn is_named_as_debians(release: &str) -> bool {
    let Some(end) = DEBIAN_ENDS.iter().find(|end| release.ends_with(*end)) else {
        return false;
    };
    let words = release.strip_suffix(end).unwrap_or(release);
    let mut words = words.split(['-', '+']);
    words.all(|word| {
        word.starts_with(|c: char| c.is_ascii_digit())
            || DEBIAN_FLAVOURS.contains(&word)
            || Tag::of_debian(word).is_some()
    })
}
