//! Ubuntu builds one release for several of its series; `uname -v` says which.

use core::cmp::Ordering;

use super::distros::{Distro, UBUNTU_APART, UBUNTU_CLOUDS, UBUNTU_STOCK, ubuntu_of_kernel};
use super::order::numeric;

/// What `uname -v` says about an Ubuntu build.
///
/// Its first word has the package's version. A hardware enablement kernel (a newer series'
/// kernel, built for an older series) has the older series' version there
/// (`#90~18.04.1-Ubuntu`); the newer series' own build has none (`#90-Ubuntu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build<'h> {
    /// Built for the series with this version.
    For(&'h str),
    /// Built for the series the kernel belongs to.
    Native,
    /// Built by Ubuntu, but with an unknown mark.
    Unknown,
}

impl<'h> Build<'h> {
    /// The mark in the first word of `uname -v`; `None` if it is not an Ubuntu build.
    pub(super) fn of(first_word: &'h str) -> Option<Self> {
        let package = first_word.strip_prefix('#')?.strip_suffix("-Ubuntu")?;
        let Some((_, tag)) = package.split_once('~') else {
            return Some(Self::Native);
        };
        Some(series_of_tag(tag).map_or(Self::Unknown, Self::For))
    }

    /// Whether an entry filed under `version` can't be this build.
    /// `newest` is the newest version under which this release is filed.
    pub(super) fn contradicts(self, release: &str, version: &str, newest: &str) -> bool {
        let Some(version) = number(version) else {
            return false;
        };
        match self {
            Self::For(series) => version != series,
            Self::Native => match native_series(release) {
                Some(native) => version != native,
                None => numeric(version, newest) == Ordering::Less,
            },
            Self::Unknown => false,
        }
    }
}

/// The number of a version; `None` if it has none (`devel`).
pub(super) fn number(version: &str) -> Option<&str> {
    let number = Distro::of("ubuntu").map_or(version, |ubuntu| ubuntu.number(version));
    number
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(number)
}

/// `18.04` for the tag `18.04.1` or `18.04`; also for the first tags, which had the codename
/// (`precise1`).
fn series_of_tag(tag: &str) -> Option<&str> {
    let name = tag.trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some(version) = number(name).filter(|version| *version != name) {
        return Some(version);
    }
    let digits = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    let (year, rest) = tag.split_once('.')?;
    let month = rest.split('.').next()?;
    (digits(year, 2) && digits(month, 2))
        .then(|| tag.get(..5))
        .flatten()
}

/// Whether a release looks like those of Ubuntu's own builds. (Its mainline builds have
/// different ones: `5.4.0-050400-generic`.)
pub(super) fn is_named_as_theirs(release: &str) -> bool {
    let is_own = |(abi, name): (&str, &str)| {
        let mut flavours = UBUNTU_STOCK
            .iter()
            .chain(&UBUNTU_APART)
            .chain(&UBUNTU_CLOUDS);
        !abi.starts_with('0') && flavours.any(|flavour| *flavour == name)
    };
    abi_flavour(release).is_some_and(is_own)
}

/// `80` and `generic` in `5.4.0-80-generic`.
fn abi_flavour(release: &str) -> Option<(&str, &str)> {
    let (_base, rest) = release.split_once('-')?;
    let (abi, flavour) = rest.split_once('-')?;
    let is_number = abi.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((abi, flavour))
}

/// The series that a release without a tag was built for, if that is certain.
///
/// From 4.15 on, unknown flavours are assumed to follow the table. If a flavour does not, its
/// kernel gets no BTF; if it does, it does not get the BTF of its namesake for an older series.
fn native_series(release: &str) -> Option<&'static str> {
    let (_abi, flavour) = abi_flavour(release)?;
    let series = ubuntu_of_kernel(release)?;
    let since_4_15 = numeric(release, "4.15") != Ordering::Less;
    let is_certain =
        UBUNTU_STOCK.contains(&flavour) || since_4_15 && !UBUNTU_APART.contains(&flavour);
    is_certain.then_some(series)
}

#[cfg(test)]
mod tests {
    use super::{Build, native_series};

    /// Texts of real machines.
    #[test]
    fn marks() {
        for (word, build) in [
            ("#90-Ubuntu", Some(Build::Native)),
            ("#90~18.04.1-Ubuntu", Some(Build::For("18.04"))),
            ("#18~22.04.1-Ubuntu", Some(Build::For("22.04"))),
            ("#46~precise1-Ubuntu", Some(Build::For("12.04"))),
            ("#5~20.04-Ubuntu", Some(Build::For("20.04"))),
            ("#1~lp1234567-Ubuntu", Some(Build::Unknown)),
            ("#1~180.4-Ubuntu", Some(Build::Unknown)),
            ("#1~18.041-Ubuntu", Some(Build::Unknown)),
            ("#1~18.é-Ubuntu", Some(Build::Unknown)),
            ("#202112141040~1639505278~21.10~0ede46a", None),
            ("#1", None),
            ("", None),
        ] {
            assert_eq!(Build::of(word), build, "{word}");
        }
    }

    #[test]
    fn native() {
        for (release, series) in [
            ("5.4.0-80-generic", Some("20.04")),
            ("5.4.0-1010-azure", Some("20.04")),
            ("5.3.0-1007-azure", Some("19.10")),
            ("4.13.0-1005-azure", None),
            ("4.13.0-16-generic", Some("17.10")),
            ("4.4.0-1061-aws", None),
            ("4.4.0-21-lowlatency", Some("16.04")),
            ("4.15.0-1030-gke", Some("18.04")),
            ("5.4.0-1010-gkeop", Some("20.04")),
            ("4.13.0-1005-raspi2", None),
            ("5.0.0-1010-oem-osp1", None),
            ("5.13.0-1004-oem", None),
            ("5.13.0-1004-intel", None),
            ("5.14.0-1004-oem", None),
            ("5.40.0-1-generic", None),
            ("5.4", None),
        ] {
            assert_eq!(native_series(release), series, "{release}");
        }
    }
}
