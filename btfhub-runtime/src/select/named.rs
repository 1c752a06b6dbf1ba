//! Which entries an os-release file names.

use super::distros::Distro;
use crate::KernelId;
use crate::host::OsRelease;

/// Which name of an os-release matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// `ID`.
    Id,
    /// One of the names in `ID_LIKE`, by its position.
    Like(usize),
}

/// How well an os-release names an entry; smaller is better. `ID` comes before `ID_LIKE`, an
/// exact version before a major one.
pub(super) type Rank = (Name, VersionFit);

/// How well `os` names the entry `kernel`; `None` if it does not.
pub(super) fn rank(os: &OsRelease, kernel: &KernelId<'_>) -> Option<Rank> {
    let name = name_of(os, kernel.distro)?;
    Some((name, fit(os, kernel)?))
}

/// Whether `os` is of this distribution, in any version.
pub(super) fn is_of(os: &OsRelease, distro: &str) -> bool {
    name_of(os, distro).is_some()
}

/// By which of its names `os` matches a distribution.
fn name_of(os: &OsRelease, distro: &str) -> Option<Name> {
    let distro = Distro::canonical(distro);
    let is = |name: &str| Distro::canonical(name).eq_ignore_ascii_case(distro);
    if os.id().is_some_and(is) {
        return Some(Name::Id);
    }
    os.id_like().position(is).map(Name::Like)
}

/// How a version directory matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum VersionFit {
    /// `VERSION_ID`, or the codename; or there is no `VERSION_ID`, as in rolling
    /// releases, and the directory has no number.
    Exact,
    /// The major version, if the archive uses that.
    Major,
    /// Amazon Linux 1 releases, which older copies file together as `1`.
    Amazon1,
}

fn fit(os: &OsRelease, kernel: &KernelId<'_>) -> Option<VersionFit> {
    let distro = Distro::of(kernel.distro);
    let directory = number(distro, kernel.version);
    let is = |version: &str| number(distro, version).eq_ignore_ascii_case(directory);
    let codename = match distro {
        Some(distro) if distro.is("ubuntu") => os.ubuntu_codename().or(os.version_codename()),
        _ => os.version_codename(),
    };
    if os.version_id().is_some_and(is) || codename.is_some_and(is) {
        return Some(VersionFit::Exact);
    }
    let Some(version) = os.version_id() else {
        // For example, Debian's testing and sid have the same os-release.
        let has_number = directory.starts_with(|c: char| c.is_ascii_digit());
        return (!has_number).then_some(VersionFit::Exact);
    };
    let distro = distro.filter(|distro| distro.is_filed_by_major())?;
    let major = version.split_once('.').map_or(version, |(major, _)| major);
    if major == directory {
        Some(VersionFit::Major)
    } else if distro.series(version) == Some(directory) {
        Some(VersionFit::Amazon1)
    } else {
        None
    }
}

fn number<'v>(distro: Option<&Distro>, version: &'v str) -> &'v str {
    distro.map_or(version, |distro| distro.number(version))
}
