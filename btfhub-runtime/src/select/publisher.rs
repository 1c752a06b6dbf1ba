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

/// How well `os` names the entry `kernel`; the smaller the better, none when
/// it does not. `ID` goes before `ID_LIKE`, an exact version before a major one.
pub(super) fn rank(os: &OsRelease, kernel: &KernelId<'_>) -> Option<(Name, VersionFit)> {
    let entry = canonical(kernel.distro);
    let names = os.id().into_iter().chain(os.id_like());
    let (place, distro) = names
        .map(canonical)
        .enumerate()
        .find(|(_, name)| name.eq_ignore_ascii_case(entry))?;
    let name = match (place, os.id()) {
        (0, Some(_)) => Name::Id,
        _ => Name::Like(place),
    };
    Some((name, fit(os, distro, kernel.version)?))
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
    let mut names = os.id().into_iter().chain(os.id_like()).map(canonical);
    names.any(|name| name.eq_ignore_ascii_case(canonical(distro)))
}
