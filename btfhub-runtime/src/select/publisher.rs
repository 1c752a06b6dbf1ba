//! Which entries an os-release file names.

use super::series::{major, number};
use crate::KernelId;
use crate::host::OsRelease;

/// Which of an os-release's names is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// `ID`.
    Id,
    /// One of `ID_LIKE`, by its place.
    Like(usize),
}

/// How well an os-release names an entry; the smaller the better. `ID` goes
/// before `ID_LIKE`, an exact version before a major one.
pub(super) type Rank = (Name, VersionFit);

/// How well `os` names the entry `kernel`; none when it does not.
pub(super) fn rank(os: &OsRelease, kernel: &KernelId<'_>) -> Option<Rank> {
    let (name, distro) = name_of(os, kernel.distro)?;
    Some((name, fit(os, distro, kernel.version)?))
}

/// Which of its names `os` has for a distribution, and that name.
fn name_of<'o>(os: &'o OsRelease, distro: &str) -> Option<(Name, &'o str)> {
    let distro = canonical(distro);
    let is = |name: &str| name.eq_ignore_ascii_case(distro);
    if let Some(id) = os.id().map(canonical).filter(|id| is(id)) {
        return Some((Name::Id, id));
    }
    for (place, like) in os.id_like().enumerate() {
        let like = canonical(like);
        if is(like) {
            return Some((Name::Like(place), like));
        }
    }
    None
}

/// How a version directory was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum VersionFit {
    /// `VERSION_ID`, or the codename.
    Exact,
    /// The major version, where the archive files by that.
    Major,
    /// Amazon Linux 1 releases, which older copies file together as `1`.
    Amazon1,
}

fn fit(os: &OsRelease, distro: &str, directory: &str) -> Option<VersionFit> {
    let directory = number(distro, directory);
    let is = |version: &str| number(distro, version).eq_ignore_ascii_case(directory);
    let codename = match distro {
        "ubuntu" => os.ubuntu_codename().or(os.version_codename()),
        _ => os.version_codename(),
    };
    let version = os.version_id();
    if version.is_some_and(is) || codename.is_some_and(is) {
        return Some(VersionFit::Exact);
    }
    let major = major(version?);
    match distro {
        "almalinux" | "amzn" | "centos" | "ol" | "rhel" | "rocky" if major == directory => {
            Some(VersionFit::Major)
        }
        // 2011.09 to 2018.03; 2022 and 2023 are later distributions.
        "amzn" if directory == "1" && ("2011".."2019").contains(&major) => {
            Some(VersionFit::Amazon1)
        }
        _ => None,
    }
}

/// The archive's name of a distribution that has several.
fn canonical(id: &str) -> &str {
    match id {
        "oracle" | "oraclelinux" => "ol",
        "redhat" | "redhatenterprise" => "rhel",
        "amazon" | "amazonlinux" => "amzn",
        "sles_sap" | "sled" | "sle_hpc" => "sles",
        other => other,
    }
}

/// Whether `os` is of this distribution, whatever its version.
pub(super) fn names(os: &OsRelease, distro: &str) -> bool {
    name_of(os, distro).is_some()
}
