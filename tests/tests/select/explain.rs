//! Inference between neighbours, and what selections and errors say.

use crate::selecting::{btf, bundle, kernel, os_release};
use btfhub_runtime::{Bundle, Error, Host, Policy, select};

/// Ubuntu 20.04 has 77 and 81 in one class, and 84 in another; 18.04 has all of them, each in its
/// own class.
fn data() -> Vec<u8> {
    bundle([
        (kernel("ubuntu/20.04/x86_64", "5.4.0-9-generic"), btf(9)),
        (kernel("ubuntu/20.04/x86_64", "5.4.0-77-generic"), btf(1)),
        (kernel("ubuntu/20.04/x86_64", "5.4.0-81-generic"), btf(1)),
        (kernel("ubuntu/20.04/x86_64", "5.4.0-84-generic"), btf(2)),
        (kernel("ubuntu/20.04/x86_64", "5.4.0-100-generic"), btf(2)),
        (kernel("ubuntu/20.04/x86_64", "5.4.0-1010-azure"), btf(3)),
        (kernel("ubuntu/20.04/arm64", "5.4.0-79-generic"), btf(4)),
        (kernel("ubuntu/20.04/x86_64", "5.8.0-79-generic"), btf(4)),
        (kernel("ubuntu/18.04/x86_64", "5.4.0-77-generic"), btf(5)),
        (kernel("ubuntu/18.04/x86_64", "5.4.0-81-generic"), btf(6)),
        (kernel("ubuntu/18.04/x86_64", "5.4.0-80-generic"), btf(7)),
    ])
}

const FOR_20_04: &str = "#90-Ubuntu SMP Fri Jul 9 22:49:44 UTC 2021";
const FOR_18_04: &str = "#90~18.04.1-Ubuntu SMP Tue Jul 13 19:40:02 UTC 2021";

#[test]
fn bracketed() {
    let data = data();
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    for (release, uname_v, neighbour) in [
        ("5.4.0-80-generic", FOR_20_04, Some("5.4.0-77-generic")),
        ("5.4.0-79-generic", FOR_20_04, Some("5.4.0-77-generic")),
        ("5.4.0-99-generic", FOR_20_04, Some("5.4.0-84-generic")),
        // Its neighbours differ, or one is missing, or they are from other distributions.
        ("5.4.0-82-generic", FOR_20_04, None),
        ("5.4.0-8-generic", FOR_20_04, None),
        ("5.4.0-101-generic", FOR_20_04, None),
        ("5.4.0-80-lowlatency", FOR_20_04, None),
        ("5.4.0-80.1-generic", FOR_20_04, None),
        ("5.5.0-80-generic", FOR_20_04, None),
        ("5.4.0-78-generic", FOR_18_04, None),
    ] {
        let host = Host::new(release, "x86_64").with_version(uname_v);
        assert!(
            select(&bundle, &host, Policy::default()).is_err(),
            "{release} by default"
        );
        let selection = select(&bundle, &host, Policy::default().bracketed(true));
        match (selection, neighbour) {
            (Ok(selection), Some(neighbour)) => {
                assert!(selection.is_inferred());
                assert_eq!(selection.kernel().expect("embedded").release, neighbour);
            }
            (Err(Error::NotFound(_)), None) => {}
            (other, _) => panic!("{release}: {other:?}"),
        }
    }
}

/// Rebuilds share releases, and `uname` does not distinguish them: an inference must hold for each
/// of them, or for the one that runs here.
#[test]
fn bracketed_where_several_distributions_may_be_meant() {
    const BEFORE: &str = "4.18.0-348.2.1.el8_5.x86_64";
    const WANTED: &str = "4.18.0-348.7.1.el8_5.x86_64";
    const AFTER: &str = "4.18.0-348.12.2.el8_5.x86_64";
    // Classes of the neighbours in centos and in ol; 0 for none.
    for (centos, ol, undecided, on_centos, on_ol) in [
        (
            (1, 1),
            (1, 1),
            Some("centos"),
            Some("centos"),
            Some("centos"),
        ),
        ((1, 1), (2, 2), None, Some("centos"), Some("ol")),
        ((1, 1), (1, 2), None, Some("centos"), None),
        ((1, 1), (1, 0), None, Some("centos"), None),
        ((1, 1), (0, 2), None, Some("centos"), None),
        (
            (1, 1),
            (0, 0),
            Some("centos"),
            Some("centos"),
            Some("centos"),
        ),
        ((1, 2), (1, 1), None, None, Some("ol")),
    ] {
        let kernels = [("centos/8/x86_64", centos), ("ol/8/x86_64", ol)];
        let kernels = kernels.iter().flat_map(|(directory, classes)| {
            [(BEFORE, classes.0), (AFTER, classes.1)]
                .map(|(release, class)| (kernel(directory, release), class))
        });
        let kernels = kernels.filter(|(_, class)| *class > 0);
        let data = bundle(kernels.map(|(kernel, class)| (kernel, btf(class))));
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::new(WANTED, "x86_64");
        for (name, expected) in [("", undecided), ("centos-8", on_centos), ("ol-8", on_ol)] {
            let host = match name {
                "" => host.clone(),
                name => host.clone().with_os_release(os_release(name).as_bytes()),
            };
            let selection = select(&bundle, &host, Policy::default().bracketed(true));
            let got = selection.as_ref().ok().and_then(|s| s.kernel());
            let got = got.map(|kernel| kernel.distro);
            assert_eq!(got, expected, "{centos:?} {ol:?} {name}: {selection:?}");
        }
    }
}

#[test]
fn a_selection_explains_itself() {
    let data = data();
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let host = Host::new("5.4.0-80-generic", "x86_64")
        .with_version(FOR_18_04)
        .with_os_release(os_release("ubuntu-18.04").as_bytes());
    let selection = select(&bundle, &host, Policy::default()).expect("there");
    assert_eq!(
        selection.to_string(),
        "BTF of ubuntu/18.04/x86_64/5.4.0-80-generic: the only candidate"
    );
    let host = host.with_version(FOR_20_04);
    let policy = Policy::default().bracketed(true);
    let selection = select(&bundle, &host, policy).expect("inferred");
    let class = selection.class().expect("embedded");
    let full = format!("{selection:#}");
    let other = bundle.lookup(btfhub_runtime::Arch::new("x86_64"), "5.4.0-80-generic");
    let other = other
        .map(|entry| entry.expect("sound").class())
        .next()
        .expect("there");
    let classes: Vec<_> = full.matches("(class ").collect();
    assert_eq!(classes.len(), 5);
    let lines: Vec<_> = full.lines().take(6).collect();
    assert_eq!(
        lines,
        [
            "BTF of ubuntu/20.04/x86_64/5.4.0-77-generic: inferred: 5.4.0-80-generic lies between 5.4.0-77-generic and 5.4.0-81-generic, which share a class",
            "  host: kernel 5.4.0-80-generic x86_64 on ubuntu 18.04",
            "  uname -v: #90-Ubuntu SMP Fri Jul 9 22:49:44 UTC 2021",
            "  the kernel's own BTF: none",
            "  os-release given: ubuntu 18.04, given as the host's",
            &format!(
                "  entry ubuntu/18.04/x86_64/5.4.0-80-generic (class {other}): ruled out, \
                 uname -v has `#90-Ubuntu`"
            ),
        ]
    );
    let fields = selection.fields();
    let field = |key| {
        fields
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| &value[..])
    };
    assert_eq!(field("btf"), Some("inferred"));
    assert_eq!(field("release"), Some("5.4.0-80-generic"));
    assert_eq!(field("arch"), Some("x86_64"));
    assert_eq!(
        field("kernel"),
        Some("ubuntu/20.04/x86_64/5.4.0-77-generic")
    );
    assert_eq!(field("class"), Some(&class.to_string()[..]));
    assert_eq!(field("os_release"), Some("ubuntu 18.04"));
    assert_eq!(field("path"), None);
}

#[test]
fn debian_revisions_are_unverified() {
    let data = bundle([(kernel("debian/11/x86_64", "5.10.0-9-amd64"), btf(1))]);
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let host = Host::new("5.10.0-9-amd64", "x86_64");
    let selection = select(&bundle, &host, Policy::default()).expect("there");
    assert_eq!(
        selection.to_string(),
        "BTF of debian/11/x86_64/5.10.0-9-amd64: the only candidate; package revision unverified"
    );
}

#[test]
fn not_found_says_what_there_is() {
    let data = data();
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let host = Host::new("5.4.0-80-generic", "x86_64").with_version(FOR_20_04);
    let Err(Error::NotFound(error)) = select(&bundle, &host, Policy::default()) else {
        panic!("it is not there");
    };
    assert_eq!(error.ruled_out.len(), 1);
    assert_eq!(
        error.nearest,
        [
            "ubuntu/20.04/x86_64/5.4.0-77-generic",
            "ubuntu/20.04/x86_64/5.4.0-81-generic",
        ]
    );
    let holdings: Vec<_> = error
        .holdings
        .iter()
        .map(|h| (&h.series[..], h.kernels))
        .collect();
    assert_eq!(holdings, [("ubuntu/18.04", 3), ("ubuntu/20.04", 7)]);
    assert_eq!(
        error.to_string(),
        "no BTF in the bundle for kernel 5.4.0-80-generic x86_64; \
         ubuntu/18.04/x86_64/5.4.0-80-generic is a different kernel (uname -v has `#90-Ubuntu`); \
         nearest, but different kernels: ubuntu/20.04/x86_64/5.4.0-77-generic, \
         ubuntu/20.04/x86_64/5.4.0-81-generic; the bundle serves ubuntu/18.04 (3), \
         ubuntu/20.04 (7); update the bundle, or name a BTF file of this kernel in BTFHUB_BTF"
    );
}

/// A selection takes one line in a log.
#[test]
fn not_found_tells_many_distributions_in_few_words() {
    let serves = |directories: &[String]| {
        let kernels = directories.iter().zip(1..);
        let data = bundle(kernels.map(|(name, size)| (kernel(name, "5.4.0-1-generic"), btf(size))));
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::new("5.4.0-80-generic", "x86_64");
        let error = select(&bundle, &host, Policy::default()).expect_err("not there");
        let text = error.to_string();
        let (_, serves) = text
            .split_once("; the bundle serves ")
            .expect("what is there");
        let (serves, _) = serves.split_once("; update").expect("what to do");
        serves.to_owned()
    };
    let of = |distro: &str, versions: u32| -> Vec<String> {
        let version = |version| format!("{distro}/{version}/x86_64");
        (10..10 + versions).map(version).collect()
    };
    assert_eq!(
        serves(&[of("debian", 2), of("ubuntu", 1)].concat()),
        "debian/10 (1), debian/11 (1), ubuntu/10 (1)"
    );
    assert_eq!(
        serves(
            &[
                of("amzn", 2),
                of("centos", 3),
                of("fedora", 18),
                of("ubuntu", 4)
            ]
            .concat()
        ),
        "amzn (2), centos (3), fedora (18), ubuntu (4)"
    );
    let many: Vec<String> = ('a'..='l')
        .flat_map(|name| of(&name.to_string(), 1))
        .collect();
    assert_eq!(
        serves(&many),
        "a (1), b (1), c (1), d (1), e (1), f (1), g (1), h (1), 4 others"
    );
}

#[test]
fn ambiguous_names_the_candidates() {
    let release = "4.18.0-147.0.3.el8_1.x86_64";
    let data = bundle([
        (kernel("centos/8/x86_64", release), btf(1)),
        (kernel("ol/8/x86_64", release), btf(2)),
    ]);
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let host = Host::new(release, "x86_64");
    let error = select(&bundle, &host, Policy::default()).expect_err("two");
    assert_eq!(
        error.to_string(),
        "several distributions built kernel 4.18.0-147.0.3.el8_1.x86_64 x86_64, each with \
         different types, and nothing says which of them runs here: \
         centos/8/x86_64/4.18.0-147.0.3.el8_1.x86_64, ol/8/x86_64/4.18.0-147.0.3.el8_1.x86_64; \
         in a container, mount the host's /etc/os-release as /host/etc/os-release or name it in \
         BTFHUB_OS_RELEASE; or name a BTF file of this kernel in BTFHUB_BTF"
    );
    for (name, line) in [
        (
            "centos-8",
            "BTF of centos/8/x86_64/4.18.0-147.0.3.el8_1.x86_64: the host's os-release decides \
             among 2 candidates",
        ),
        (
            "rocky-8",
            "BTF of centos/8/x86_64/4.18.0-147.0.3.el8_1.x86_64: the host's os-release (its \
             ID_LIKE) decides among 2 candidates",
        ),
    ] {
        let host = host.clone().with_os_release(os_release(name).as_bytes());
        let selection = select(&bundle, &host, Policy::default()).expect("named");
        assert_eq!(selection.to_string(), line);
    }
}

/// No text from a host, a bundle or a file name controls a terminal or adds a line to the log.
#[test]
fn what_is_quoted_is_one_line() {
    use btfhub_runtime::bundle::Provenance;
    use btfhub_runtime::bundle::write::Writer;
    use btfhub_runtime::{Arch, KernelId};
    let long = "l".repeat(100_000);
    for odd in [
        "a\nforged",
        "\x1b[31m",
        "c\u{9b}1m",
        "d\u{202e}\u{2028}",
        &long,
    ] {
        let mut provenance = Provenance::default();
        provenance.pins.push(odd.to_owned());
        let mut writer = Writer::new(provenance.with_objects(&[(odd, [1; 32]), ("o", [2; 32])]));
        let short = odd.get(..40).unwrap_or(odd);
        let releases = [("a", "1"), ("a", "3"), (odd, "5"), ("b", "5"), (odd, "7")];
        for (class, (distro, number)) in (0..).zip(releases) {
            let release = format!("5.4.0-{number}-{short}");
            let kernel = KernelId {
                arch: Arch::new(odd),
                release: &release,
                distro,
                version: odd,
            };
            writer.add_kernel(kernel, btf(class / 2)).unwrap();
        }
        let data = writer.finish().unwrap();
        let bundle = Bundle::parse(&data).unwrap();
        let mut told = vec![bundle.check_object(b"another").unwrap_err().to_string()];
        let dir = tempfile::tempdir().unwrap();
        let name = odd.get(..200).unwrap_or(odd);
        let file = dir.path().join(format!("os{name}"));
        let text = format!("ID={}\nVERSION_ID=\"{}\"\n", odd.replace('\n', ""), odd);
        std::fs::write(&file, text).unwrap();
        let root = dir.path().join(format!("root{name}"));
        std::fs::create_dir_all(root.join("sys/kernel/btf")).unwrap();
        std::fs::write(root.join("sys/kernel/btf/vmlinux"), "no BTF").unwrap();
        for number in ["1", "2", "5", "6", "9"] {
            for host in [Host::default(), Host::detect_under(&root)] {
                let mut host = host
                    .with_release(format!("5.4.0-{number}-{short}"))
                    .with_machine(odd)
                    .with_version(odd);
                match host.clone().with_os_release_file(&file) {
                    Ok(known) => host = known,
                    Err(error) => told.push(error.to_string()),
                }
                if let Err(error) = host.clone().with_operator_btf(&file) {
                    told.push(error.to_string());
                }
                told.push(host.to_string());
                match select(&bundle, &host, Policy::default().bracketed(true)) {
                    Ok(selection) => {
                        told.push(selection.to_string());
                        told.extend(format!("{selection:#}").lines().map(str::to_owned));
                        let fields = selection.fields().into_iter();
                        told.extend(fields.map(|(_, value)| value));
                    }
                    Err(error) => {
                        told.push(error.to_string());
                        told.extend(format!("{error:#}").lines().map(str::to_owned));
                    }
                }
                let host = host.with_kernel_btf(Some(file.clone()));
                let selection = select(&bundle, &host, Policy::default()).unwrap();
                told.push(selection.to_string());
                told.push(format!("{selection:#}").lines().collect());
            }
        }
        for text in told {
            let steers = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}');
            assert!(!text.contains(steers), "{odd:?}: {text:?}");
            assert!(!text.starts_with("forged"), "{text:?}");
            assert!(text.len() < 16_384, "{} bytes", text.len());
        }
    }
}
