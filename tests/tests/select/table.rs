//! Every distribution's os-release with releases of every directory of the archive: nobody gets
//! another kernel's BTF.

use std::collections::BTreeMap;

use crate::selecting::{btf, bundle, bundle_of, kernel, os_releases};
use btfhub_runtime::{Bundle, Error, Host, KernelId, Policy, select};

/// An installed kernel: its directory in the archive, `uname -r` and `uname -v`.
type Installed = (&'static str, &'static str, &'static str);

/// Kernels whose release no other distribution or version uses, so that the release alone decides.
/// `only_the_wrong_one` tests tags.
const UNIQUE: &[Installed] = &[
    (
        "amzn/1/x86_64",
        "4.14.106-79.86.amzn1.x86_64",
        "#1 SMP Mon Mar 18 17:25:59 UTC 2019",
    ),
    (
        "amzn/2018/x86_64",
        "4.14.334-177.552.amzn1.x86_64",
        "#1 SMP Thu Jan 4 2024",
    ),
    (
        "amzn/2/x86_64",
        "4.14.334-252.552.amzn2.x86_64",
        "#1 SMP Thu Jan 4 2024",
    ),
    (
        "amzn/2/arm64",
        "4.14.334-252.552.amzn2.aarch64",
        "#1 SMP Thu Jan 4 2024",
    ),
    (
        "centos/7/x86_64",
        "3.10.0-1160.41.1.el7.x86_64",
        "#1 SMP Tue Aug 31 14:52:47 UTC 2021",
    ),
    (
        "centos/7/arm64",
        "4.14.0-115.el7a.aarch64",
        "#1 SMP Sun Nov 25 20:54:21 UTC 2018",
    ),
    (
        "centos/8/x86_64",
        "4.18.0-348.7.1.el8_5.x86_64",
        "#1 SMP Wed Dec 22 13:25:12 UTC 2021",
    ),
    (
        "rhel/7/x86_64",
        "3.10.0-1160.80.1.el7.x86_64",
        "#1 SMP Sat Oct 8 18:13:21 UTC 2022",
    ),
    (
        "rhel/8/x86_64",
        "4.18.0-372.32.1.el8_6.x86_64",
        "#1 SMP Fri Oct 7 12:35:10 EDT 2022",
    ),
    (
        "ol/7/x86_64",
        "4.14.35-1902.el7uek.x86_64",
        "#2 SMP Tue Mar 5 2019",
    ),
    (
        "ol/8/arm64",
        "5.4.17-2011.0.7.el8uek.aarch64",
        "#2 SMP Mon Feb 24 2020",
    ),
    (
        "debian/9/x86_64",
        "4.9.0-19-amd64",
        "#1 SMP Debian 4.9.320-2 (2022-06-30)",
    ),
    (
        "debian/9/x86_64",
        "4.19.0-0.bpo.19-cloud-amd64",
        "#1 SMP Debian 4.19.232-1~deb9u1",
    ),
    (
        "debian/10/x86_64",
        "4.19.0-27-amd64",
        "#1 SMP Debian 4.19.316-1 (2024-06-25)",
    ),
    (
        "debian/10/arm64",
        "5.10.0-0.deb10.17-rt-arm64",
        "#1 SMP PREEMPT_RT Debian 5.10.136-1~deb10u3",
    ),
    (
        "debian/10/x86_64",
        "5.10.0-0.bpo.15-amd64",
        "#1 SMP Debian 5.10.120-1~bpo10+1",
    ),
    (
        "debian/11/x86_64",
        "5.10.0-9-cloud-amd64",
        "#1 SMP Debian 5.10.70-1 (2021-09-30)",
    ),
    (
        "debian/12/x86_64",
        "6.1.0-47-amd64",
        "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1",
    ),
    (
        "debian/12/x86_64",
        "6.12.43+deb12-amd64",
        "#1 SMP Debian 6.12.43-1~bpo12+1",
    ),
    (
        "fedora/24/x86_64",
        "4.5.5-300.fc24.x86_64",
        "#1 SMP Thu May 19 13:05:32 UTC 2016",
    ),
    (
        "fedora/32/x86_64",
        "5.6.6-300.fc32.x86_64",
        "#1 SMP Tue Apr 21 13:44:19 UTC 2020",
    ),
    (
        "sles/12.3/x86_64",
        "4.4.103-6.33-default",
        "#1 SMP Fri Jan 5 2018 (e1a0e94)",
    ),
    (
        "sles/12.5/x86_64",
        "4.12.14-120-default",
        "#1 SMP Thu Nov 7 16:39:09 UTC 2019 (fd9dc36)",
    ),
    (
        "sles/15.3/x86_64",
        "5.3.18-59.10-default",
        "#1 SMP Tue Jul 6 2021 (9adc5b0)",
    ),
    (
        "opensuse-leap/15.1/x86_64",
        "4.12.14-lp151.28.36-default",
        "#1 SMP Fri Dec 6 2019 (8f4a495)",
    ),
    (
        "ubuntu/16.04/x86_64",
        "4.4.0-210-generic",
        "#242-Ubuntu SMP Fri Apr 16 09:57:56 UTC 2021",
    ),
    (
        "ubuntu/16.04/x86_64",
        "4.13.0-1005-azure",
        "#7-Ubuntu SMP Mon Jan 8 21:37:36 UTC 2018",
    ),
    (
        "ubuntu/16.04/x86_64",
        "4.15.0-45-generic",
        "#48~16.04.1-Ubuntu SMP Tue Jan 29 2019",
    ),
    (
        "ubuntu/18.04/x86_64",
        "4.15.0-20-generic",
        "#21-Ubuntu SMP Tue Apr 24 06:16:15 UTC 2018",
    ),
    (
        "ubuntu/18.04/x86_64",
        "4.15.0-1030-gke",
        "#32-Ubuntu SMP Wed Apr 10 2019",
    ),
    (
        "ubuntu/18.04/x86_64",
        "5.0.0-1010-oem-osp1",
        "#11-Ubuntu SMP Mon Jul 1 2019",
    ),
    (
        "ubuntu/18.04/x86_64",
        "5.3.0-1007-azure",
        "#7~18.04.1-Ubuntu SMP Tue Dec 3 2019",
    ),
    (
        "ubuntu/20.04/x86_64",
        "5.4.0-84-generic",
        "#94-Ubuntu SMP Thu Aug 26 20:27:37 UTC 2021",
    ),
    (
        "ubuntu/20.04/x86_64",
        "5.11.0-1023-azure",
        "#24~20.04.1-Ubuntu SMP Wed Dec 1 2021",
    ),
    (
        "ubuntu/20.04/arm64",
        "5.13.0-39-generic",
        "#44~20.04.1-Ubuntu SMP Thu Mar 24 2022",
    ),
    (
        "ubuntu/20.04/x86_64",
        "5.14.0-1004-oem",
        "#4-Ubuntu SMP Wed Sep 1 2021",
    ),
    (
        "openEuler/20.03/x86_64",
        "4.19.90-2112.8.0.0131.oe1.x86_64",
        "#1 SMP Fri Dec 31 2021",
    ),
    (
        "kylin/V10/aarch64",
        "4.19.90-24.4.v2101.ky10.aarch64",
        "#1 SMP Mon May 24 2021",
    ),
    (
        "bclinux/21.10U3/x86_64",
        "4.19.90-2107.6.0.0248.35.oe1.bclinux.x86_64",
        "#1 SMP Mon Aug 7 2023",
    ),
    (
        "debian/13/s390x",
        "6.12.94+deb13-s390x",
        "#1 SMP Debian 6.12.94-1 (2026-06-20)",
    ),
];

/// One release built by three distributions, each with different types.
const ENTERPRISE: &str = "4.18.0-147.0.3.el8_1.aarch64";
const ENTERPRISE_DIRECTORIES: [&str; 3] = ["centos/8/arm64", "ol/8/arm64", "rhel/8/arm64"];

/// One release built twice by Ubuntu.
const UBUNTU: &str = "5.4.0-80-generic";
const UBUNTU_DIRECTORIES: [&str; 2] = ["ubuntu/18.04/x86_64", "ubuntu/20.04/x86_64"];
const UBUNTU_18_04: &str = "#90~18.04.1-Ubuntu SMP Tue Jul 13 19:40:02 UTC 2021";
const UBUNTU_20_04: &str = "#90-Ubuntu SMP Fri Jul 9 22:49:44 UTC 2021";

fn archive() -> Vec<KernelId<'static>> {
    let unique = UNIQUE
        .iter()
        .map(|(directory, release, _)| kernel(directory, release));
    let enterprise = ENTERPRISE_DIRECTORIES
        .iter()
        .map(|directory| kernel(directory, ENTERPRISE));
    let ubuntu = UBUNTU_DIRECTORIES
        .iter()
        .map(|directory| kernel(directory, UBUNTU));
    unique.chain(enterprise).chain(ubuntu).collect()
}

/// What a host got: the entry, or the kind of error.
fn outcome(bundle: &Bundle<'_>, host: &Host) -> String {
    match select(bundle, host, Policy::default()) {
        Ok(selection) => selection.kernel().expect("an embedded one").to_string(),
        Err(Error::NotFound(_)) => "not found".into(),
        Err(Error::Ambiguous(_)) => "ambiguous".into(),
        Err(other) => panic!("{other}"),
    }
}

#[derive(Default)]
struct Tally {
    rows: usize,
    found: usize,
    refused: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn row(&mut self, bundle: &Bundle<'_>, host: &Host, about: &str, expected: &str) {
        let got = outcome(bundle, host);
        self.rows += 1;
        if got != expected {
            self.wrong
                .push(format!("{host}, {about}: {got} instead of {expected}"));
        } else if got.contains('/') {
            self.found += 1;
        } else {
            *self.refused.entry(got).or_default() += 1;
        }
    }

    fn finish(self, what: &str) {
        let Self {
            rows,
            found,
            refused,
            wrong,
        } = self;
        println!(
            "{what}: {rows} rows, {found} found, refused {refused:?}, wrong {}",
            wrong.len()
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn machine(directory: &str) -> &'static str {
    match directory.rsplit_once('/').expect("three parts").1 {
        "x86_64" => "x86_64",
        "s390x" => "s390x",
        _ => "aarch64",
    }
}

/// A release that only one entry has is found whatever os-release says, whether it is the host's,
/// a container image's, or missing.
#[test]
fn the_release_decides() {
    let data = bundle_of(&archive());
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let mut tally = Tally::default();
    for &(directory, release, uname_v) in UNIQUE {
        let expected = kernel(directory, release).to_string();
        let host = Host::new(release, machine(directory)).with_version(uname_v);
        tally.row(&bundle, &host, "no os-release", &expected);
        for (name, content) in os_releases() {
            let host = host.clone().with_os_release(content.as_bytes());
            tally.row(&bundle, &host, name, &expected);
        }
    }
    tally.finish("unique releases × os-release");
}

/// RHEL and its rebuilds share releases; only the host's os-release distinguishes them.
#[test]
fn enterprise_clash() {
    let data = bundle_of(&archive());
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let mut tally = Tally::default();
    let host = Host::new(ENTERPRISE, "aarch64").with_version("#1 SMP Wed Nov 27 2019");
    tally.row(&bundle, &host, "no os-release", "ambiguous");
    for (name, content) in os_releases() {
        let distro = match name {
            "centos-8" => Some("centos"),
            "ol-8" => Some("ol"),
            // Rebuilds that the archive does not hold name RHEL first.
            "rhel-8" | "almalinux-8" | "rocky-8" => Some("rhel"),
            _ => None,
        };
        let expected = match distro {
            Some(distro) => format!("{distro}/8/arm64/{ENTERPRISE}"),
            None => "ambiguous".into(),
        };
        let host = host.clone().with_os_release(content.as_bytes());
        tally.row(&bundle, &host, name, &expected);
    }
    tally.finish("enterprise clash × os-release");
}

/// Ubuntu's two builds of one release: `uname -v` decides, whatever os-release says, even if the
/// bundle holds only the other build.
#[test]
fn ubuntu_clash() {
    let data = bundle_of(&archive());
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let mut tally = Tally::default();
    for (uname_v, right, wrong) in [
        (UBUNTU_18_04, "ubuntu/18.04/x86_64", "ubuntu/20.04/x86_64"),
        (UBUNTU_20_04, "ubuntu/20.04/x86_64", "ubuntu/18.04/x86_64"),
    ] {
        let only_wrong = bundle_of(&[kernel(wrong, UBUNTU)]);
        let only_wrong = Bundle::parse(&only_wrong).expect("a sound bundle");
        let expected = format!("{right}/{UBUNTU}");
        let host = Host::new(UBUNTU, "x86_64").with_version(uname_v);
        for (name, content) in os_releases() {
            let host = host.clone().with_os_release(content.as_bytes());
            tally.row(&bundle, &host, name, &expected);
            tally.row(&only_wrong, &host, name, "not found");
        }
        tally.row(&bundle, &host, "no os-release", &expected);
        tally.row(&only_wrong, &host, "no os-release", "not found");
    }
    // Without uname -v, os-release decides.
    let host = Host::new(UBUNTU, "x86_64");
    for (name, content) in os_releases() {
        let expected = match name {
            "ubuntu-18.04" => format!("ubuntu/18.04/x86_64/{UBUNTU}"),
            "ubuntu-20.04" | "linuxmint-20" => format!("ubuntu/20.04/x86_64/{UBUNTU}"),
            _ => "ambiguous".into(),
        };
        let host = host.clone().with_os_release(content.as_bytes());
        tally.row(&bundle, &host, name, &expected);
    }
    tally.finish("ubuntu clash × os-release");
}

/// Amazon Linux 1 is filed under the year of its release, and in part under 1.
#[test]
fn amazon_clash() {
    const RELEASE: &str = "4.14.106-79.86.amzn1.x86_64";
    let ids = ["amzn/1/x86_64", "amzn/2018/x86_64"].map(|d| kernel(d, RELEASE));
    let data = bundle_of(&ids);
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let mut tally = Tally::default();
    for (name, content) in os_releases() {
        let expected = match name {
            "amzn-1" => ids[0].to_string(),
            "amzn-2018" => ids[1].to_string(),
            _ => "ambiguous".into(),
        };
        let host = Host::new(RELEASE, "x86_64").with_os_release(content.as_bytes());
        tally.row(&bundle, &host, name, &expected);
    }
    tally.finish("amazon clash × os-release");
}

/// A bundle that holds this release, but from a kernel that this one contradicts: nothing is
/// selected.
#[test]
fn only_the_wrong_one() {
    let mut tally = Tally::default();
    for (release, uname_v, wrong) in [
        // Interim releases of Ubuntu, against the LTS builds of their kernels.
        (
            "5.8.0-25-generic",
            "#26-Ubuntu SMP Thu Oct 15 2020",
            "ubuntu/20.04/x86_64",
        ),
        (
            "5.3.0-1007-azure",
            "#7-Ubuntu SMP Tue Dec 3 2019",
            "ubuntu/18.04/x86_64",
        ),
        (
            "4.15.0-45-generic",
            "#48-Ubuntu SMP Tue Jan 29 2019",
            "ubuntu/16.04/x86_64",
        ),
        (
            "5.4.0-80-generic",
            "#90~22.04.1-Ubuntu SMP",
            "ubuntu/20.04/x86_64",
        ),
        // A flavour that Ubuntu also builds for an older series.
        (
            "5.4.0-1010-gkeop",
            "#11-Ubuntu SMP Mon Aug 2 2021",
            "ubuntu/18.04/x86_64",
        ),
        // Built by somebody from the distribution's sources.
        (
            "5.4.0-80-generic",
            "#1 SMP Tue Jul 13 19:40:02 UTC 2021",
            "ubuntu/20.04/x86_64",
        ),
        (
            "5.4.0-80-generic",
            "#202107131940~1626204002~20.04~0ede46a SMP",
            "ubuntu/20.04/x86_64",
        ),
        (
            "5.10.0-9-amd64",
            "#1 SMP Thu Sep 30 2021",
            "debian/11/x86_64",
        ),
        // Other distributions' names.
        (
            "5.10.0-9-amd64",
            "#1 SMP Debian 5.10.70-1 (2021-09-30)",
            "ubuntu/20.04/x86_64",
        ),
        ("5.4.0-80-generic", UBUNTU_20_04, "debian/11/x86_64"),
        (
            "5.10.0-0.deb10.17-amd64",
            "#1 SMP Debian 5.10.136-1~deb10u3",
            "debian/11/x86_64",
        ),
        (
            "5.10.0-30-amd64",
            "#1 SMP Debian 5.10.218-1~deb10u1",
            "debian/bullseye/x86_64",
        ),
        ("4.18.0-147.el8.x86_64", "#1 SMP", "rhel/7/x86_64"),
        ("4.18.0-147.el8.x86_64", "#1 SMP", "amzn/2/x86_64"),
        ("5.4.17-2011.0.7.el8uek.x86_64", "#2 SMP", "centos/8/x86_64"),
        (
            "4.14.334-252.552.amzn2.x86_64",
            "#1 SMP",
            "amzn/2018/x86_64",
        ),
        ("4.14.334-177.552.amzn1.x86_64", "#1 SMP", "amzn/2/x86_64"),
        ("4.5.5-300.fc24.x86_64", "#1 SMP", "fedora/25/x86_64"),
        (
            "4.19.90-24.4.v2101.ky10.x86_64",
            "#1 SMP",
            "openEuler/20.03/x86_64",
        ),
    ] {
        let data = bundle_of(&[kernel(wrong, release)]);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::new(release, "x86_64").with_version(uname_v);
        tally.row(&bundle, &host, wrong, "not found");
        // The same release on another machine.
        let host = Host::new(release, "aarch64");
        tally.row(&bundle, &host, "another architecture", "not found");
    }
    tally.finish("only the wrong one");
}

/// Directories named by codename work like those named by number.
#[test]
fn codenames() {
    let mut tally = Tally::default();
    for (directory, release, uname_v) in [
        (
            "debian/bullseye/x86_64",
            "5.10.0-9-amd64",
            "#1 SMP Debian 5.10.70-1~deb11u1",
        ),
        ("ubuntu/bionic/x86_64", UBUNTU, UBUNTU_18_04),
        ("ubuntu/focal/x86_64", UBUNTU, UBUNTU_20_04),
        // The newest, whether named by number or by codename.
        ("ubuntu/20.04/x86_64", "5.14.0-1004-oem", "#4-Ubuntu SMP"),
        ("ubuntu/focal/x86_64", "5.14.0-1004-oem", "#4-Ubuntu SMP"),
    ] {
        let mut ids = vec![kernel(directory, release)];
        if release.ends_with("-oem") {
            ids.push(kernel("ubuntu/bionic/x86_64", release));
        }
        let data = bundle_of(&ids);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::new(release, "x86_64").with_version(uname_v);
        tally.row(&bundle, &host, uname_v, &format!("{directory}/{release}"));
    }
    tally.finish("codenames");
}

/// A custom kernel, filed under the distribution that it is installed on, with its own release.
#[test]
fn own_kernels() {
    let mut tally = Tally::default();
    for (directory, release) in [
        ("debian/12/x86_64", "6.18.44-vm3"),
        ("debian/11/x86_64", "5.10.0"),
        ("ubuntu/20.04/x86_64", "5.4.0-custom"),
        ("ubuntu/20.04/x86_64", "5.4.0-80-custom"),
        ("debian/11/x86_64", "5.10.0-46-custom"),
        ("debian/11/x86_64", "5.10.218"),
    ] {
        let data = bundle_of(&[kernel(directory, release)]);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::new(release, "x86_64").with_version("#1 SMP Tue Jul 13 2021");
        tally.row(&bundle, &host, "own", &format!("{directory}/{release}"));
    }
    tally.finish("own kernels");
}

/// Any name of a machine maps to the archive's architecture; big-endian machines are separate
/// ones.
#[test]
fn machines() {
    const RELEASE: &str = "4.18.0-147.el8.aarch64";
    let data = bundle_of(&[kernel("rhel/8/arm64", RELEASE)]);
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let mut tally = Tally::default();
    for (machine, expected) in [
        ("aarch64", "rhel/8/arm64/4.18.0-147.el8.aarch64"),
        ("arm64", "rhel/8/arm64/4.18.0-147.el8.aarch64"),
        ("aarch64_be", "not found"),
        ("armv8l", "not found"),
        ("x86_64", "not found"),
    ] {
        tally.row(&bundle, &Host::new(RELEASE, machine), machine, expected);
    }
    tally.finish("machines");
}

/// A release with several entries is ambiguous only if their classes differ.
#[test]
fn consensus() {
    let ids: Vec<_> = ENTERPRISE_DIRECTORIES
        .iter()
        .map(|d| kernel(d, ENTERPRISE))
        .collect();
    let data = bundle(ids.iter().map(|id| (*id, btf(1))));
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let host = Host::new(ENTERPRISE, "aarch64");
    let selection = select(&bundle, &host, Policy::default()).expect("they agree");
    assert_eq!(selection.kernel(), Some(ids[0]));
    assert_eq!(
        selection.to_string(),
        format!("BTF of centos/8/arm64/{ENTERPRISE}: all 3 candidates agree")
    );
    assert_eq!(selection.bytes().expect("sound"), btf(1));
}
