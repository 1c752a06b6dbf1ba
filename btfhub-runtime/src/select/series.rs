//! The series (version directories) of distributions, in one spelling.

/// Codenames that stand for a version, in os-release and as directories.
const CODENAMES: [(&str, &str, &str); 15] = [
    ("debian", "stretch", "9"),
    ("debian", "buster", "10"),
    ("debian", "bullseye", "11"),
    ("debian", "bookworm", "12"),
    ("debian", "trixie", "13"),
    ("debian", "forky", "14"),
    ("debian", "duke", "15"),
    ("ubuntu", "precise", "12.04"),
    ("ubuntu", "trusty", "14.04"),
    ("ubuntu", "xenial", "16.04"),
    ("ubuntu", "bionic", "18.04"),
    ("ubuntu", "focal", "20.04"),
    ("ubuntu", "jammy", "22.04"),
    ("ubuntu", "noble", "24.04"),
    ("ubuntu", "resolute", "26.04"),
];

/// The number of a version of `distro` that may be given by its codename.
pub(super) fn number<'a>(distro: &str, version: &'a str) -> &'a str {
    CODENAMES
        .iter()
        .find(|(of, codename, _)| *of == distro && *codename == version)
        .map_or(version, |(_, _, number)| number)
}

/// `8` of `8.5`.
pub(super) fn major(version: &str) -> &str {
    version.split_once('.').map_or(version, |(major, _)| major)
}
