//! What is known about distributions, one row each. To support another one, add its row.

/// How a distribution names its kernels and its versions.
///
/// Archives also hold kernels of other distributions. Nothing is known about those, so nothing
/// rules out their entries.
pub(super) struct Distro {
    /// Its directory in the archive, which is also the `ID` in its os-release.
    id: &'static str,
    /// Other `ID`s whose hosts run its kernels.
    other_ids: &'static [&'static str],
    /// How the archive files a `VERSION_ID`.
    filed: Filed,
    /// The letters of the tag in its kernels' releases (`el` in `el8_5`). Distributions may
    /// share them; kernels of other distributions have none of these tags. A tag stands right
    /// after a dot (Debian's also after `-`, `+` or `~`), and its letters hold no digit.
    tags: &'static [&'static str],
    /// Whether the digits after the letters are the version (`8` in `el8_5`).
    tags_have_version: bool,
    /// Its released versions that also have a codename. An unreleased version (`forky`, `sid`,
    /// `rawhide`) has no number yet: its kernels have the number of the previous or of the next
    /// one.
    codenames: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Filed {
    /// As it is.
    Exact,
    /// By the major version, `8` for `8.5`.
    Major,
}

const ROW: Distro = Distro {
    id: "",
    other_ids: &[],
    filed: Filed::Exact,
    tags: &[],
    tags_have_version: true,
    codenames: &[],
};

/// Red Hat Enterprise Linux and what is rebuilt from its sources.
const ENTERPRISE: Distro = Distro {
    filed: Filed::Major,
    tags: &["el"],
    ..ROW
};

#[rustfmt::skip]
const DISTROS: &[Distro] = &[
    Distro { id: "almalinux", ..ENTERPRISE },
    Distro { id: "amzn", other_ids: &["amazon", "amazonlinux"], filed: Filed::Major, tags: &["amzn"], ..ROW },
    Distro { id: "centos", ..ENTERPRISE },
    Distro { id: "debian", tags: &["deb", "bpo"], codenames: &DEBIAN_CODENAMES, ..ROW },
    Distro { id: "fedora", tags: &["fc"], ..ROW },
    Distro { id: "kylin", tags: &["ky"], tags_have_version: false, ..ROW },
    Distro { id: "ol", other_ids: &["oracle", "oraclelinux"], tags: &["el", UEK], ..ENTERPRISE },
    Distro { id: "openEuler", tags: &["oe"], tags_have_version: false, ..ROW },
    Distro { id: "opensuse-leap", ..ROW },
    Distro { id: "rhel", other_ids: &["redhat", "redhatenterprise"], ..ENTERPRISE },
    Distro { id: "rocky", ..ENTERPRISE },
    Distro { id: "sles", other_ids: &["sles_sap", "sled", "sle_hpc"], ..ROW },
    Distro { id: "ubuntu", codenames: &UBUNTU_CODENAMES, ..ROW },
];

/// The tag of Oracle's own kernels, `el8uek`: letters on both sides.
const UEK: &str = "uek";

const DEBIAN_CODENAMES: [(&str, &str); 5] = [
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
];

const UBUNTU_CODENAMES: [(&str, &str); 26] = [
    ("precise", "12.04"),
    ("trusty", "14.04"),
    ("utopic", "14.10"),
    ("vivid", "15.04"),
    ("wily", "15.10"),
    ("xenial", "16.04"),
    ("yakkety", "16.10"),
    ("zesty", "17.04"),
    ("artful", "17.10"),
    ("bionic", "18.04"),
    ("cosmic", "18.10"),
    ("disco", "19.04"),
    ("eoan", "19.10"),
    ("focal", "20.04"),
    ("groovy", "20.10"),
    ("hirsute", "21.04"),
    ("impish", "21.10"),
    ("jammy", "22.04"),
    ("kinetic", "22.10"),
    ("lunar", "23.04"),
    ("mantic", "23.10"),
    ("noble", "24.04"),
    ("oracular", "24.10"),
    ("plucky", "25.04"),
    ("questing", "25.10"),
    ("resolute", "26.04"),
];

/// Which Ubuntu version is the first with a kernel version, and builds it
/// without a tag in `uname -v`.
const UBUNTU_KERNELS: [(&str, &str); 20] = [
    ("4.4", "16.04"),
    ("4.8", "16.10"),
    ("4.10", "17.04"),
    ("4.13", "17.10"),
    ("4.15", "18.04"),
    ("4.18", "18.10"),
    ("5.0", "19.04"),
    ("5.3", "19.10"),
    ("5.4", "20.04"),
    ("5.8", "20.10"),
    ("5.11", "21.04"),
    ("5.13", "21.10"),
    ("5.15", "22.04"),
    ("5.19", "22.10"),
    ("6.2", "23.04"),
    ("6.5", "23.10"),
    ("6.8", "24.04"),
    ("6.11", "24.10"),
    ("6.14", "25.04"),
    ("6.17", "25.10"),
];

/// The flavours that follow the table from their first kernel on. Before 4.15, the cloud
/// kernels for 16.04 were newer than that version's own kernel, and had no tag.
pub(super) const UBUNTU_STOCK: [&str; 5] = [
    "generic",
    "generic-lpae",
    "generic-64k",
    "lowlatency",
    "lowlatency-64k",
];
/// Flavours in one Ubuntu version that use the kernel of another, without a tag. Their releases
/// have no other build.
pub(super) const UBUNTU_APART: [&str; 3] = ["oem", "oem-osp1", "intel"];
/// Flavours for clouds.
pub(super) const UBUNTU_CLOUDS: [&str; 8] = [
    "aws", "azure", "gcp", "gke", "gkeop", "ibm", "kvm", "oracle",
];

/// The endings of releases of Debian's own kernels.
pub(super) const DEBIAN_ENDS: [&str; 8] = [
    "-686",
    "-686-pae",
    "-amd64",
    "-arm64",
    "-armmp",
    "-powerpc64le",
    "-riscv64",
    "-s390x",
];
/// What may precede the ending, besides numbers and `deb13`.
pub(super) const DEBIAN_FLAVOURS: [&str; 2] = ["cloud", "rt"];

impl Distro {
    /// The row for a directory or an `ID`.
    pub(super) fn of(id: &str) -> Option<&'static Self> {
        let is = |name: &&str| name.eq_ignore_ascii_case(id);
        let mut all = DISTROS.iter();
        all.find(|distro| is(&distro.id) || distro.other_ids.iter().any(is))
    }

    /// The archive's name of a distribution that may have several.
    pub(super) fn canonical(id: &str) -> &str {
        Self::of(id).map_or(id, |distro| distro.id)
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.id == id
    }

    /// Whether the archive files its versions by their major number.
    pub(super) fn is_filed_by_major(&self) -> bool {
        self.filed == Filed::Major
    }

    /// The number of a version that has both a number and a codename.
    pub(super) fn number<'a>(&self, version: &'a str) -> &'a str {
        let mut codenames = self.codenames.iter();
        let known = codenames.find(|(codename, _)| *codename == version);
        known.map_or(version, |(_, number)| number)
    }

    /// The digits in a kernel's tag for this version; `None` if the version has no number
    /// (`sid`, `rawhide`).
    pub(super) fn series<'a>(&self, version: &'a str) -> Option<&'a str> {
        let number = self.number(version);
        let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
        let major = number.strip_suffix(rest).filter(|it| !it.is_empty())?;
        // Amazon Linux 1 is filed under `1` or the year of its release; 2022
        // and 2023 are later distributions.
        let is_amazon_1 = self.is("amzn") && ("2011".."2019").contains(&major);
        Some(if is_amazon_1 { "1" } else { major })
    }
}

/// The Ubuntu version whose own kernels have this version, `5.4` for `5.4.0-80`.
pub(super) fn ubuntu_of_kernel(release: &str) -> Option<&'static str> {
    let (major, rest) = release.split_once('.')?;
    let (minor, _) = rest.split_once('.')?;
    let known = UBUNTU_KERNELS.iter().find(|(kernel, _)| {
        let parts = kernel.split_once('.');
        parts == Some((major, minor))
    });
    known.map(|(_, version)| *version)
}

/// A tag in a kernel's release or `uname -v` that only kernels of some
/// distributions have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'h> {
    pub(super) text: &'h str,
    letters: &'h str,
    digits: &'h str,
}

impl<'h> Tag<'h> {
    /// In an RPM's release: `el8_5`, `amzn2`, `fc32`.
    pub(super) fn of_rpm(release: &'h str) -> Option<Self> {
        let mut tags = release.split('.').filter_map(Self::parse);
        tags.find(|tag| !tag.is_debians())
    }

    /// The Debian version that a backport or an update was built for: `deb10` in
    /// `5.10.0-0.deb10.16-amd64` and `4.9.30-2+deb9u5`, `bpo10` in
    /// `5.10.120-1~bpo10+1`.
    pub(super) fn of_debian(text: &'h str) -> Option<Self> {
        let words = text.split(['.', '-', '+', '~', ' ']);
        words.filter_map(Self::parse).find(Self::is_debians)
    }

    fn is_debians(&self) -> bool {
        matches!(self.letters, "deb" | "bpo")
    }

    /// `el` and `8` of `el8_5`, if a distribution has such tags.
    fn parse(text: &'h str) -> Option<Self> {
        let start = text.bytes().position(|byte| byte.is_ascii_digit())?;
        let (letters, rest) = text.split_at_checked(start)?;
        let end = rest.bytes().position(|byte| !byte.is_ascii_digit());
        let (digits, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        let letters = match letters {
            "el" if rest.ends_with(UEK) => UEK,
            letters => letters,
        };
        let tag = Self {
            text,
            letters,
            digits,
        };
        DISTROS
            .iter()
            .any(|distro| tag.is_of(distro))
            .then_some(tag)
    }

    fn is_of(&self, distro: &Distro) -> bool {
        distro.tags.contains(&self.letters)
    }

    /// Whether kernels of this version of a distribution have a different tag.
    pub(super) fn contradicts(&self, distro: &Distro, version: &str) -> bool {
        let other = |series| series != self.digits;
        let has_version = distro.tags_have_version;
        !self.is_of(distro) || has_version && distro.series(version).is_some_and(other)
    }
}

#[cfg(test)]
mod tests {
    use super::{DISTROS, Distro, Tag, UEK};

    #[test]
    fn every_name_is_of_one_row() {
        for distro in DISTROS {
            for name in distro.other_ids.iter().chain([&distro.id]) {
                let found = Distro::of(name).map(|distro| distro.id);
                assert_eq!(found, Some(distro.id), "{name}");
            }
        }
    }

    #[test]
    fn every_tag_can_be_read() {
        for distro in DISTROS.iter().filter(|distro| distro.id != "debian") {
            for letters in distro.tags {
                let release = match *letters {
                    UEK => "5.4.17-2011.el7uek.x86_64".to_owned(),
                    letters => format!("5.10.0-1.{letters}7.x86_64"),
                };
                let contradicts =
                    |version| Tag::of_rpm(&release).map(|tag| tag.contradicts(distro, version));
                assert_eq!(contradicts("7"), Some(false), "{} {release}", distro.id);
                let is_version = Some(distro.tags_have_version);
                assert_eq!(contradicts("8"), is_version, "{} {release}", distro.id);
            }
        }
    }

    #[test]
    fn series() {
        for (distro, version, series) in [
            ("debian", "11", Some("11")),
            ("debian", "bullseye", Some("11")),
            ("debian", "12-backports", Some("12")),
            ("debian", "sid", None),
            ("debian", "forky", None),
            ("fedora", "rawhide", None),
            ("centos", "8", Some("8")),
            ("centos", "8.5.2111", Some("8")),
            ("centos", "8-stream", Some("8")),
            ("centos", "stream", None),
            ("amzn", "2018.03", Some("1")),
            ("amzn", "1", Some("1")),
            ("amzn", "2023", Some("2023")),
            ("kylin", "V10", None),
        ] {
            let row = Distro::of(distro);
            assert_eq!(
                row.and_then(|row| row.series(version)),
                series,
                "{distro} {version}"
            );
        }
    }

    #[test]
    fn tags() {
        let parts = |tag: Tag<'static>| (tag.text, tag.letters, tag.digits);
        for (release, tag) in [
            ("4.18.0-348.7.1.el8_5.x86_64", Some(("el8_5", "el", "8"))),
            (
                "5.4.17-2011.0.7.el8uek.aarch64",
                Some(("el8uek", "uek", "8")),
            ),
            ("4.14.0-115.el7a.aarch64", Some(("el7a", "el", "7"))),
            ("4.5.5-300.fc24.x86_64", Some(("fc24", "fc", "24"))),
            ("5.10.0-0.deb10.16-amd64", None),
            ("5.4.0-80-generic", None),
            ("4.12.14-lp151.28.36-default", None),
        ] {
            assert_eq!(Tag::of_rpm(release).map(parts), tag, "{release}");
        }
        for (text, tag) in [
            ("5.10.0-0.deb10.16-amd64", Some(("deb10", "deb", "10"))),
            ("7.2.13+deb14-amd64", Some(("deb14", "deb", "14"))),
            (
                "#1 SMP Debian 5.10.120-1~bpo10+1",
                Some(("bpo10", "bpo", "10")),
            ),
            ("4.19.0-0.bpo.19-cloud-amd64", None),
        ] {
            assert_eq!(Tag::of_debian(text).map(parts), tag, "{text}");
        }
    }
}
