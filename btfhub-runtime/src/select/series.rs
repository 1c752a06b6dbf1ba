//! The series (version directories) of distributions, in one spelling.

/// The number of a version of `distro` that may be given by its codename, as in
/// os-release and as directories.
pub(super) fn number<'a>(distro: &str, version: &'a str) -> &'a str {
    match distro {
        "debian" => match version {
            "stretch" => "9",
            "buster" => "10",
            "bullseye" => "11",
            "bookworm" => "12",
            "trixie" => "13",
            "forky" => "14",
            "duke" => "15",
            other => other,
        },
        "ubuntu" => match version {
            "precise" => "12.04",
            "trusty" => "14.04",
            "xenial" => "16.04",
            "bionic" => "18.04",
            "focal" => "20.04",
            "jammy" => "22.04",
            "noble" => "24.04",
            "resolute" => "26.04",
            other => other,
        },
        _ => version,
    }
}

/// `8` of `8.5`.
pub(super) fn major(version: &str) -> &str {
    version.split_once('.').map_or(version, |(major, _)| major)
}
