//! What a kernel says of its own origin, and which entries that rules out.
//!
//! Where a distribution's kernel carries a mark, an entry of a distribution
//! whose kernels would carry another one can't be it. Distributions that are
//! not known here (forks of the archive hold such) are never ruled out.
//!
//! Debian and Ubuntu put their name into `uname -v` of everything they build. A
//! kernel with a release like theirs and without the name was built by somebody
//! else, from the same sources perhaps, but with another configuration.

use core::fmt;

use super::series::{major, number};
use super::ubuntu;
use crate::KernelId;

/// The marks of one kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks<'h> {
    release: &'h str,
    /// Whether `uname -v` is known.
    has_uname_v: bool,
    /// The first word of `uname -v`, if that is Ubuntu's, and what it says.
    ubuntu: Option<(&'h str, ubuntu::Build<'h>)>,
    others: [Option<Mark<'h>>; 3],
}

/// A mark: only kernels of these distributions, in this version, carry it.
#[derive(Clone, Copy, Debug)]
struct Mark<'h> {
    text: &'h str,
    place: &'static str,
    /// With blanks between them.
    distros: &'static str,
    version: Version<'h>,
}

#[derive(Clone, Copy, Debug)]
enum Version<'h> {
    Any,
    /// This one, or a point release of it.
    Major(&'h str),
    /// Amazon Linux 1, which is filed under the year of its release or `1`.
    Amazon1,
}

/// Why an entry can't be the running kernel's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Contradiction<'h> {
    /// A mark of another's at this place.
    Has { text: &'h str, place: &'static str },
    /// The mark that all kernels of the entry's distribution have.
    Lacks { text: &'static str },
}

impl fmt::Display for Contradiction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Has { text, place } => write!(f, "{place} has `{text}`"),
            Self::Lacks { text } => write!(f, "{UNAME_V} lacks `{text}`"),
        }
    }
}

const UNAME_R: &str = "uname -r";
const UNAME_V: &str = "uname -v";
/// A word of `uname -v` of Debian's kernels.
const DEBIAN: &str = "Debian";

/// The distributions whose kernels' marks are known.
const KNOWN: &str = "almalinux amzn centos debian fedora kylin ol openEuler opensuse-leap rhel \
                     rocky sles ubuntu";
/// Red Hat Enterprise Linux and what is rebuilt from its sources.
const ENTERPRISE: &str = "almalinux centos ol rhel rocky";

impl<'h> Marks<'h> {
    pub(super) fn of(release: &'h str, uname_v: &'h str) -> Self {
        let first_word = uname_v.split_whitespace().next().unwrap_or("");
        Self {
            release,
            has_uname_v: !first_word.is_empty(),
            ubuntu: ubuntu::Build::of(first_word).map(|build| (first_word, build)),
            others: [
                rpm_mark(release),
                debian_mark(release, UNAME_R).or_else(|| debian_mark(uname_v, UNAME_V)),
                uname_v
                    .split_whitespace()
                    .find(|word| *word == DEBIAN)
                    .map(|text| Mark {
                        text,
                        place: UNAME_V,
                        distros: "debian",
                        version: Version::Any,
                    }),
            ],
        }
    }

    /// Whether `kernel`, an entry of this release, can't be this kernel.
    /// `newest_ubuntu` is the newest Ubuntu version under which it is filed.
    pub(super) fn contradict(
        &self,
        kernel: &KernelId<'_>,
        newest_ubuntu: &str,
    ) -> Option<Contradiction<'h>> {
        let is_known = is_one_of(KNOWN, kernel.distro);
        if let Some((text, build)) = self.ubuntu {
            let contradicts = match kernel.distro {
                "ubuntu" => build.contradicts(self.release, kernel.version, newest_ubuntu),
                _ => is_known,
            };
            if contradicts {
                let place = UNAME_V;
                return Some(Contradiction::Has { text, place });
            }
        }
        for mark in self.others.iter().flatten() {
            let Mark { text, place, .. } = *mark;
            let contradicts = match is_one_of(mark.distros, kernel.distro) {
                true => mark.version.contradicts(kernel),
                false => is_known,
            };
            if contradicts {
                return Some(Contradiction::Has { text, place });
            }
        }
        let (text, lacks) = match kernel.distro {
            "debian" => (
                DEBIAN,
                is_named_as_debians(self.release) && !self.names_debian(),
            ),
            "ubuntu" => (
                "-Ubuntu",
                ubuntu::is_named_as_theirs(self.release) && self.ubuntu.is_none(),
            ),
            _ => return None,
        };
        (self.has_uname_v && lacks).then_some(Contradiction::Lacks { text })
    }

    fn names_debian(&self) -> bool {
        let mut marks = self.others.iter().flatten();
        marks.any(|mark| mark.text == DEBIAN)
    }
}

impl Version<'_> {
    /// Whether `kernel`, of a distribution with the mark, has another one.
    fn contradicts(self, kernel: &KernelId<'_>) -> bool {
        let entry = major(number(kernel.distro, kernel.version));
        match self {
            Self::Any => false,
            Self::Major(version) => entry != version,
            Self::Amazon1 => matches!(entry, "2" | "2022" | "2023"),
        }
    }
}

/// Whether a release ends as those of Debian's flavours do.
fn is_named_as_debians(release: &str) -> bool {
    const ENDS: [&str; 8] = [
        "-686",
        "-686-pae",
        "-amd64",
        "-arm64",
        "-armmp",
        "-powerpc64le",
        "-riscv64",
        "-s390x",
    ];
    ENDS.iter().any(|end| release.ends_with(end))
}

fn is_one_of(distros: &str, distro: &str) -> bool {
    let mut names = distros.split_ascii_whitespace();
    names.any(|name| name.eq_ignore_ascii_case(distro))
}

/// The distribution tag in the release of an RPM (`.el8_5`, `.amzn2`, `.fc32`).
fn rpm_mark(release: &str) -> Option<Mark<'_>> {
    release.split('.').find_map(|text| {
        let (letters, digits, rest) = letters_digits(text)?;
        let (distros, version) = match letters {
            "el" if rest.ends_with("uek") => ("ol", Version::Major(digits)),
            "el" => (ENTERPRISE, Version::Major(digits)),
            "amzn" if digits == "1" => ("amzn", Version::Amazon1),
            "amzn" => ("amzn", Version::Major(digits)),
            "fc" => ("fedora", Version::Major(digits)),
            "oe" => ("openEuler", Version::Any),
            "ky" => ("kylin", Version::Any),
            _ => return None,
        };
        Some(Mark {
            text,
            place: UNAME_R,
            distros,
            version,
        })
    })
}

/// The Debian release that a backport or an update was built for: `deb10` in
/// `5.10.0-0.deb10.16-amd64` and `4.9.30-2+deb9u5`, `bpo10` in
/// `5.10.120-1~bpo10+1`.
fn debian_mark<'h>(text: &'h str, place: &'static str) -> Option<Mark<'h>> {
    text.split(['.', '-', '+', '~', ' ']).find_map(|text| {
        let (letters, digits, _) = letters_digits(text)?;
        matches!(letters, "deb" | "bpo").then_some(Mark {
            text,
            place,
            distros: "debian",
            version: Version::Major(digits),
        })
    })
}

/// `el`, `8` and `_5` of `el8_5`.
fn letters_digits(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.bytes().position(|byte| byte.is_ascii_digit())?;
    let (letters, rest) = text.split_at_checked(start)?;
    let end = rest.bytes().position(|byte| !byte.is_ascii_digit());
    let end = end.unwrap_or(rest.len());
    let (digits, rest) = rest.split_at_checked(end)?;
    Some((letters, digits, rest))
}
