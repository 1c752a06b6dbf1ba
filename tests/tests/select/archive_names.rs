//! Every kernel in the archive's x86_64 part, as a host: it gets its own entry, or an error that
//! lists several candidates including its own. (The names come from
//! github.com/aquasecurity/btfhub-archive.)

use crate::selecting::{bundle_of, kernel};
use btfhub_runtime::{Bundle, Error, Host, KernelId, Policy, select};

const NAMES: &str = include_str!("../../fixtures/archive-names.txt");

fn entries() -> Vec<KernelId<'static>> {
    let split = |line: &'static str| line.rsplit_once('/').expect("a directory");
    NAMES
        .lines()
        .map(split)
        .map(|(directory, release)| kernel(directory, release))
        .collect()
}

/// `uname -v` on this kernel.
fn uname_v(kernel: &KernelId<'_>) -> String {
    let KernelId {
        distro,
        version,
        release,
        ..
    } = kernel;
    match *distro {
        "debian" if release.contains(".bpo.") => {
            format!("#1 SMP Debian 5.10.120-1~bpo{version}+1 (2022-06-20)")
        }
        "debian" if release.contains(".deb") => {
            format!("#1 SMP Debian 5.10.136-1~deb{version}u3 (2022-10-01)")
        }
        "debian" => "#1 SMP Debian 4.19.316-1 (2024-06-25)".into(),
        "ubuntu" if is_native(version, release) => "#90-Ubuntu SMP Fri Jul 9 2021".into(),
        "ubuntu" => format!("#90~{version}.1-Ubuntu SMP Fri Jul 9 2021"),
        "ol" => "#2 SMP Mon Feb 24 19:40:02 PST 2020".into(),
        _ => "#1 SMP Mon Feb 24 19:40:02 UTC 2020".into(),
    }
}

/// Whether this Ubuntu version builds such a kernel without a tag: its own series, cloud kernels
/// before 4.15, and flavours that follow no other series.
fn is_native(version: &str, release: &str) -> bool {
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().ok());
    let base = (numbers.next().flatten(), numbers.next().flatten());
    let own = match version {
        "16.04" => (Some(4), Some(4)),
        "18.04" => (Some(4), Some(15)),
        _ => (Some(5), Some(4)),
    };
    let flavour = release.splitn(3, '-').nth(2).expect("a flavour");
    let is_stock = ["generic", "lowlatency"].contains(&flavour);
    base == own || base < (Some(4), Some(15)) && !is_stock || flavour.starts_with("oem")
}

/// The os-release of a host for this directory.
fn os_release(kernel: &KernelId<'_>) -> String {
    let version = match (kernel.distro, kernel.version) {
        ("amzn", "2018") => "2018.03",
        ("rhel" | "ol", "7") => "7.9",
        ("rhel" | "ol", "8") => "8.5",
        (_, version) => version,
    };
    format!("ID=\"{}\"\nVERSION_ID=\"{version}\"\n", kernel.distro)
}

/// What is wrong with a host's selection, if anything.
fn wrong(bundle: &Bundle<'_>, host: &Host, own: &KernelId<'_>, is_certain: bool) -> Option<String> {
    let own = own.to_string();
    match select(bundle, host, Policy::default()) {
        Ok(found) if found.kernel().map(|kernel| kernel.to_string()).as_ref() == Some(&own) => None,
        Err(Error::Ambiguous(error)) if !is_certain && error.candidates.contains(&own) => None,
        Ok(other) => Some(format!("{own}: {other}")),
        Err(error) => Some(format!("{own}: {error:#}")),
    }
}

#[test]
fn every_kernel_gets_its_own() {
    let entries = entries();
    assert_eq!(entries.len(), 3011);
    let data = bundle_of(&entries);
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let mut all_wrong = Vec::new();
    for entry in &entries {
        let host = Host::new(entry.release, "x86_64").with_version(uname_v(entry));
        all_wrong.extend(wrong(&bundle, &host, entry, false));
        let host = host.with_os_release(os_release(entry).as_bytes());
        all_wrong.extend(wrong(&bundle, &host, entry, true));
    }
    all_wrong.truncate(20);
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
}

/// The same kernels in directories with a name instead of a number, or more than a number: no mark
/// in a kernel contradicts those.
#[test]
fn rolling_directories() {
    for (distro, version) in [
        ("amzn", "latest"),
        ("centos", "stream"),
        ("debian", "sid"),
        ("debian", "forky"),
        ("debian", "testing"),
        ("debian", "unstable"),
        ("debian", "experimental"),
        ("fedora", "rawhide"),
        ("fedora", "eln"),
        ("ol", "developer"),
        ("rhel", "beta"),
        ("sles", "alp"),
        ("ubuntu", "devel"),
    ] {
        let own = entries().into_iter().filter(|entry| entry.distro == distro);
        // One of those that share a release.
        let mut own: Vec<_> = own.collect();
        own.sort_by_key(|entry| entry.release);
        own.dedup_by_key(|entry| entry.release);
        assert!(!own.is_empty(), "{distro}");
        let filed: Vec<_> = own
            .iter()
            .map(|entry| KernelId { version, ..*entry })
            .collect();
        let data = bundle_of(&filed);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        for (entry, filed) in own.iter().zip(&filed) {
            let host = Host::new(entry.release, "x86_64").with_version(uname_v(entry));
            assert_eq!(wrong(&bundle, &host, filed, true), None);
        }
    }
}

/// Kernels of future versions, and of directories with more than a number.
#[test]
fn versions_to_come() {
    const DEBIAN: &str = "#1 SMP PREEMPT_DYNAMIC Debian 7.2.13-1 (2026-10-01)";
    for (directory, release, uname_v) in [
        ("debian/sid/x86_64", "7.2.13+deb14-amd64", DEBIAN),
        ("debian/forky/x86_64", "7.2.13+deb14-amd64", DEBIAN),
        ("debian/14/x86_64", "7.2.13+deb14-amd64", DEBIAN),
        ("debian/forky/x86_64", "6.12.38+deb13-amd64", DEBIAN),
        ("debian/sid/x86_64", "6.9.7-amd64", DEBIAN),
        ("debian/trixie/x86_64", "7.3.4+deb13-cloud-amd64", DEBIAN),
        (
            "debian/12-backports/x86_64",
            "6.12.43+deb12-amd64",
            "#1 SMP Debian 6.12.43-1~bpo12+1",
        ),
        ("fedora/rawhide/x86_64", "7.2.0-0.rc3.fc46.x86_64", "#1 SMP"),
        ("fedora/44/x86_64", "7.0.4-200.fc44.x86_64", "#1 SMP"),
        ("centos/9-stream/x86_64", "5.14.0-503.el9.x86_64", "#1 SMP"),
        ("centos/stream9/x86_64", "5.14.0-503.el9.x86_64", "#1 SMP"),
        ("rhel/8.10/x86_64", "4.18.0-553.el8_10.x86_64", "#1 SMP"),
        (
            "oracle/9/x86_64",
            "5.15.0-200.131.27.el9uek.x86_64",
            "#2 SMP",
        ),
        ("amzn/2023/x86_64", "6.1.10-15.42.amzn2023.x86_64", "#1 SMP"),
        ("amzn/2017/x86_64", "4.9.51-10.52.amzn1.x86_64", "#1 SMP"),
        (
            "openEuler/22.03/x86_64",
            "5.10.0-60.18.0.50.oe2203.x86_64",
            "#1 SMP",
        ),
        (
            "opensuse-tumbleweed/20261001/x86_64",
            "7.2.1-1-default",
            "#1 SMP",
        ),
        ("ubuntu/mantic/x86_64", "6.5.0-9-generic", "#9-Ubuntu SMP"),
        (
            "ubuntu/jammy/x86_64",
            "6.5.0-9-generic",
            "#9~22.04.1-Ubuntu SMP",
        ),
        ("ubuntu/resolute/x86_64", "7.0.0-9-generic", "#9-Ubuntu SMP"),
        // A custom build, or one of Ubuntu's mainline builds.
        (
            "ubuntu/20.04/x86_64",
            "5.13.0-051300-generic",
            "#202106272333 SMP",
        ),
        ("debian/12/x86_64", "6.1.0-mine-amd64", "#1 SMP"),
    ] {
        let id = kernel(directory, release);
        let data = bundle_of(&[id]);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::new(release, "x86_64").with_version(uname_v);
        assert_eq!(wrong(&bundle, &host, &id, true), None);
    }
    // Still a different kernel's.
    for (directory, release, uname_v) in [
        ("debian/13/x86_64", "7.2.13+deb14-amd64", DEBIAN),
        ("debian/trixie/x86_64", "7.2.13+deb14-amd64", DEBIAN),
        ("debian/sid/x86_64", "6.9.7-amd64", "#1 SMP"),
        ("fedora/43/x86_64", "7.0.4-200.fc44.x86_64", "#1 SMP"),
        (
            "fedora/rawhide/x86_64",
            "4.18.0-553.el8_10.x86_64",
            "#1 SMP",
        ),
        ("centos/8-stream/x86_64", "5.14.0-503.el9.x86_64", "#1 SMP"),
        (
            "ubuntu/mantic/x86_64",
            "6.5.0-9-generic",
            "#9~22.04.1-Ubuntu SMP",
        ),
        ("ubuntu/devel/x86_64", "6.12.38+deb13-amd64", DEBIAN),
    ] {
        let data = bundle_of(&[kernel(directory, release)]);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::new(release, "x86_64").with_version(uname_v);
        let error = select(&bundle, &host, Policy::default()).expect_err(directory);
        assert!(
            error.to_string().contains("is a different kernel"),
            "{error}"
        );
    }
}

/// Debian's testing and sid share one os-release, which distinguishes them from releases but not
/// from each other.
#[test]
fn rolling_os_release() {
    const RELEASE: &str = "7.2.13-amd64";
    let debian = Host::new(RELEASE, "x86_64")
        .with_version("#1 SMP Debian 7.2.13-1")
        .with_os_release(b"ID=debian\nVERSION_CODENAME=forky\n");
    let in_directories = |versions: &[&'static str]| {
        let directory = |version| KernelId {
            version,
            ..kernel("debian/sid/x86_64", RELEASE)
        };
        let kernels: Vec<_> = versions.iter().map(|version| directory(version)).collect();
        let data = bundle_of(&kernels);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        match select(&bundle, &debian, Policy::default()) {
            Ok(selection) => selection.kernel().expect("embedded").version.to_owned(),
            Err(Error::Ambiguous(_)) => "ambiguous".to_owned(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(in_directories(&["13", "forky"]), "forky");
    assert_eq!(in_directories(&["13", "sid"]), "sid");
    assert_eq!(in_directories(&["13", "forky", "sid"]), "ambiguous");
    assert_eq!(in_directories(&["12", "13"]), "ambiguous");
}
