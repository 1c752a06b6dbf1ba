//! The archive on disk: what counts as an entry, and what an entry decodes to.

use std::error::Error as _;
use std::ffi::OsStr;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use btfhub_build::ErrorKind;
use btfhub_build::archive::{Archive, DEFAULT_LIMIT, Lock, decode};
use btfhub_build::atlas::AtlasBuilder;
use btfhub_tests::pack::{self, Member};
use tar::EntryType;

/// Entries and anomalies as lines, in the order of the scan.
fn listing(root: &Path) -> Vec<String> {
    let archive = Archive::scan(root).expect("a directory");
    let entries = archive.entries().iter();
    let entries = entries.map(|entry| format!("{} = {}", entry.path().display(), entry.kernel()));
    let anomalies = archive.anomalies().iter();
    entries
        .chain(anomalies.map(|anomaly| format!("! {anomaly}")))
        .collect()
}

fn assert_listing(root: &Path, expected: &[&str]) {
    assert_eq!(listing(root), expected, "{:#?}", listing(root));
}

#[test]
fn entries_are_ordered_as_a_bundle_index() {
    let dir = tempfile::tempdir().unwrap();
    for kernel in [
        "ubuntu/20.04/x86_64/5.4.0-80-generic",
        "ubuntu/18.04/x86_64/5.4.0-80-generic",
        "centos/8/x86_64/4.18.0-80.el8.x86_64",
        "debian/11/arm64/5.10.0-9-arm64",
    ] {
        pack::entry(dir.path(), kernel, b"");
    }
    assert_listing(
        dir.path(),
        &[
            "debian/11/arm64/5.10.0-9-arm64.btf.tar.xz = debian/11/arm64/5.10.0-9-arm64",
            "centos/8/x86_64/4.18.0-80.el8.x86_64.btf.tar.xz = centos/8/x86_64/4.18.0-80.el8.x86_64",
            "ubuntu/18.04/x86_64/5.4.0-80-generic.btf.tar.xz = ubuntu/18.04/x86_64/5.4.0-80-generic",
            "ubuntu/20.04/x86_64/5.4.0-80-generic.btf.tar.xz = ubuntu/20.04/x86_64/5.4.0-80-generic",
        ],
    );
}

#[test]
fn links_count_once_whichever_side_bears_the_number() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    pack::entry(root, "ubuntu/18.04/x86_64/4.15.0-20-generic", b"");
    symlink("18.04", root.join("ubuntu/bionic")).unwrap();
    pack::entry(root, "debian/buster/x86_64/4.19.0-27-amd64", b"");
    symlink("buster", root.join("debian/10")).unwrap();
    pack::entry(root, "debian/11/x86_64/5.10.0-9-amd64", b"");
    pack::write(root, "debian/bullseye", b"11");
    symlink("nowhere", root.join("debian/sid")).unwrap();
    symlink("..", root.join("debian/up")).unwrap();
    assert_listing(
        root,
        &[
            "ubuntu/18.04/x86_64/4.15.0-20-generic.btf.tar.xz = ubuntu/18.04/x86_64/4.15.0-20-generic",
            "debian/buster/x86_64/4.19.0-27-amd64.btf.tar.xz = debian/10/x86_64/4.19.0-27-amd64",
            "debian/11/x86_64/5.10.0-9-amd64.btf.tar.xz = debian/11/x86_64/5.10.0-9-amd64",
            "! debian/10: link to debian/buster, counted once",
            "! debian/bullseye: a file instead of a link to 11, counted once",
            "! debian/sid: link to nothing in the archive, left out",
            "! debian/up: link to nothing in the archive, left out",
            "! ubuntu/bionic: link to ubuntu/18.04, counted once",
        ],
    );
}

/// In any order that the file system lists them.
#[test]
fn of_several_numbers_of_a_directory_the_first_counts() {
    let numbers = ["18.04", "18.10", "19.04", "19.10", "20.04", "20.10"];
    for from_the_end in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let kernel = "ubuntu/bionic/x86_64/4.15.0-20-generic";
        pack::entry(root, kernel, b"");
        let mut order = numbers;
        if from_the_end {
            order.reverse();
        }
        for number in order {
            symlink("bionic", root.join("ubuntu").join(number)).unwrap();
        }
        let listing = listing(root);
        let named = format!("{kernel}.btf.tar.xz = ubuntu/18.04/x86_64/4.15.0-20-generic");
        assert!(listing.contains(&named), "{listing:?}");
        for number in &numbers[1..] {
            let told = format!(
                "! ubuntu/{number}: gives a directory one more number; its kernels are of \
                 version 18.04"
            );
            assert!(listing.contains(&told), "{listing:?}");
        }
    }
}

#[test]
fn a_distribution_may_be_linked_in_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (root, other) = (dir.path().join("archive"), dir.path().join("other"));
    pack::entry(&other, "10/x86_64/4.19.0-27-amd64", b"");
    symlink("10", other.join("buster")).unwrap();
    fs::create_dir(&root).unwrap();
    symlink(&other, root.join("debian")).unwrap();
    let lead_out = other.canonicalize().unwrap();
    let lead_out = format!(
        "! debian: link out of the archive, to {}, left out",
        lead_out.display()
    );
    assert_listing(&root, &[&lead_out]);
    let followed = Archive::scan_following_links(&root).unwrap();
    let kernels: Vec<String> = (followed.entries().iter())
        .map(|entry| entry.kernel().to_string())
        .collect();
    assert_eq!(kernels, ["debian/10/x86_64/4.19.0-27-amd64"]);
    assert_eq!(followed.anomalies().len(), 1, "{:?}", followed.anomalies());
}

/// Not even to see whether something is there: that could start a mount, or ask another machine.
#[test]
fn what_links_lead_to_outside_is_not_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let root = dir.join("archive");
    pack::entry(&root, "debian/10/x86_64/4.19.0-27-amd64", b"");
    // Whoever looked would complain.
    symlink("loop", dir.join("loop")).unwrap();
    let out = |to: &str| format!("link out of the archive, to {to}, left out");
    let beside = |name: &str| out(&dir.join(name).display().to_string());
    let root_name = root.display();
    let nothing = "link to nothing in the archive, left out";
    let alias = "link to debian/10, counted once";
    let entry = "debian/10/x86_64/5.10.0-1-amd64.btf.tar.xz";
    for (link, target, told) in [
        ("debian/11", "../../loop", beside("loop")),
        ("debian/11", "../../loop/x/../y", beside("loop/x/../y")),
        ("debian/11", "../../nowhere", beside("nowhere")),
        ("debian/11", "/nowhere/x", out("/nowhere/x")),
        ("ubuntu", "../loop", beside("loop")),
        (entry, "../../../../loop", beside("loop")),
        (".hidden", "../loop", String::new()),
        // Out, and in again.
        ("debian/11", "../../archive/debian/10", alias.to_owned()),
        (
            "debian/11",
            &format!("{root_name}/debian/10"),
            alias.to_owned(),
        ),
        ("debian/11", "../..", nothing.to_owned()),
        ("debian/11", "..", nothing.to_owned()),
        ("debian/11", "none", nothing.to_owned()),
        (
            "debian/11",
            "11",
            "cannot be read: a loop of links".to_owned(),
        ),
    ] {
        symlink(target, root.join(link)).unwrap();
        let archive = Archive::scan(&root).unwrap();
        let anomalies = archive.anomalies().iter().map(ToString::to_string);
        let anomalies: Vec<String> = anomalies.filter(|it| it.contains(link)).collect();
        let told = Some(format!("{link}: {told}")).filter(|_| !told.is_empty());
        assert_eq!(anomalies, told.into_iter().collect::<Vec<_>>(), "{target}");
        fs::remove_file(root.join(link)).unwrap();
    }
}

/// A file changes between the scan and reading it.
#[test]
fn a_file_that_is_another_by_now_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = "debian/10/x86_64/4.19.0-27-amd64";
    pack::entry(dir.path(), kernel, b"");
    let archive = Archive::scan(dir.path()).unwrap();
    let [entry] = archive.entries() else { panic!() };
    let whole = entry.read().unwrap();
    let read = || entry.read().unwrap_err();
    let instead = |make: &dyn Fn(&Path)| {
        fs::remove_file(entry.file()).unwrap();
        make(entry.file());
    };
    instead(&|file| assert!(Command::new("mkfifo").arg(file).status().unwrap().success()));
    assert_eq!(read().kind(), ErrorKind::Entry);
    let error = Lock::of(&archive, NonZeroUsize::MIN, |_| true).unwrap_err();
    assert!(
        format!("{error:?}").contains("not a regular file"),
        "{error:?}"
    );
    let error = AtlasBuilder::new().build(archive.entries(), |_, _| ());
    assert!(error.is_err());

    let other = dir.path().join("other");
    fs::write(&other, &whole).unwrap();
    instead(&|file| symlink(&other, file).unwrap());
    assert_eq!(read().kind(), ErrorKind::Entry, "a link");
    instead(&|file| symlink("/dev/zero", file).unwrap());
    assert_eq!(read().kind(), ErrorKind::Entry, "a link to a device");
    instead(&|file| fs::write(file, &whole).unwrap());
    assert_eq!(entry.read().unwrap(), whole);
    fs::remove_file(entry.file()).unwrap();
    assert_eq!(
        read().kind(),
        ErrorKind::Io,
        "nothing is known of what is gone"
    );
}

#[test]
fn what_is_no_entry_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let good = "amzn/2/aarch64/4.14.334-252.552.amzn2.aarch64";
    pack::entry(root, good, b"");
    pack::entry(root, "amzn/2/arm64/4.14.334-252.552.amzn2.aarch64", b"");
    pack::entry(root, "1/x86_64/4.14.106-79.86.amzn1.x86_64", b"");
    pack::entry(root, "a12-5.10-2021-09-arm64", b"");
    pack::write(root, "README.md", b"# BTFHub");
    pack::write(root, ".gitignore", b"*");
    pack::write(root, ".git/objects/a/b/c.btf.tar.xz", b"no");
    pack::write(root, "ol/7/x86_64/4.14.35.btf.tar.xz", b"");
    pack::write(root, "ol/7/x86_64/4.14.36.failed", b"");
    pack::write(root, "ol/7/x86_64/4.14.37.hasbtf", b"");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n";
    pack::write(root, "ol/8/x86_64/5.4.17.btf.tar.xz", pointer);
    let name = OsStr::from_bytes(b"5.4.\xff.btf.tar.xz");
    pack::write(root, Path::new("ol/8/x86_64").join(name), b"x");
    assert_listing(
        root,
        &[
            "amzn/2/aarch64/4.14.334-252.552.amzn2.aarch64.btf.tar.xz = amzn/2/arm64/4.14.334-252.552.amzn2.aarch64",
            "amzn/2/arm64/4.14.334-252.552.amzn2.aarch64.btf.tar.xz = amzn/2/arm64/4.14.334-252.552.amzn2.aarch64",
            "ol/8/x86_64/5.4.17.btf.tar.xz = ol/8/x86_64/5.4.17",
            "! 1/x86_64/4.14.106-79.86.amzn1.x86_64.btf.tar.xz: not under <distro>/<version>/<arch>/, so its kernel is unknown; left out",
            "! a12-5.10-2021-09-arm64.btf.tar.xz: not under <distro>/<version>/<arch>/, so its kernel is unknown; left out",
            "! amzn/2/arm64/4.14.334-252.552.amzn2.aarch64.btf.tar.xz: names the same kernel as amzn/2/aarch64/4.14.334-252.552.amzn2.aarch64.btf.tar.xz",
            "! ol/7/x86_64/4.14.35.btf.tar.xz: empty file, left out",
            "! ol/7/x86_64/4.14.36.failed: not an entry, left out",
            "! ol/7/x86_64/4.14.37.hasbtf: not an entry, left out",
            "! ol/8/x86_64/5.4.17.btf.tar.xz: Git LFS pointer; its content was not fetched",
            "! ol/8/x86_64/5.4.\u{fffd}.btf.tar.xz: name is not UTF-8, left out",
        ],
    );
}

#[test]
fn sles_build_counters_are_not_uname() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for release in [
        "4.4.103-6.33-default",
        "4.4.103-6.33.1-default",
        "4.4.120-92.70.1-default",
        "4.4.120-92.70.2-default",
    ] {
        pack::entry(root, &format!("sles/12.3/x86_64/{release}"), b"");
    }
    assert_listing(
        root,
        &[
            "sles/12.3/x86_64/4.4.103-6.33-default.btf.tar.xz = sles/12.3/x86_64/4.4.103-6.33-default",
            "sles/12.3/x86_64/4.4.120-92.70.1-default.btf.tar.xz = sles/12.3/x86_64/4.4.120-92.70-default",
            "! sles/12.3/x86_64/4.4.103-6.33.1-default.btf.tar.xz: another build of 4.4.103-6.33-default, which has an entry; left out",
            "! sles/12.3/x86_64/4.4.120-92.70.1-default.btf.tar.xz: carries a build counter; `uname -r` says 4.4.120-92.70-default",
            "! sles/12.3/x86_64/4.4.120-92.70.2-default.btf.tar.xz: another build of 4.4.120-92.70-default, which has an entry; left out",
        ],
    );
}

#[test]
fn no_archive_and_no_entries() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let missing = Archive::scan(root.join("missing")).unwrap_err();
    let message = format!("no BTF archive at {}/missing", root.display());
    assert_eq!(missing.to_string(), message);
    assert!(missing.help_text().unwrap().contains("BTFHUB_ARCHIVE"));

    pack::write(root, "file", b"");
    assert!(Archive::scan(root.join("file")).is_err());

    let help = |root: &Path| {
        let error = Archive::scan(root).unwrap().no_entries();
        error.help_text().unwrap().to_owned()
    };
    assert!(help(root).contains("sparse checkout"));
    pack::entry(root, "outer/ubuntu/20.04/x86_64/5.4.0", b"");
    assert!(help(root).contains("1 files like outer/ubuntu/20.04/x86_64/5.4.0.btf.tar.xz"));
    assert!(help(root).ends_with("a directory below?"));
    assert!(help(&root.join("outer/ubuntu")).ends_with("a directory above?"));
}

fn error(bytes: &[u8], limit: u64) -> String {
    match decode(bytes, limit) {
        Ok(decoded) => panic!("decoded {}", decoded.member),
        Err(error) => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

#[test]
fn one_member_whatever_its_name() {
    for len in [0, 1, 3, 4, 5, 4095, 4096] {
        let bytes: Vec<u8> = (0..len).map(|at: u32| at.to_le_bytes()[0]).collect();
        let tar = pack::tar(&[
            Member {
                name: "x/",
                kind: EntryType::Directory,
                bytes: b"",
            },
            Member::file("x/._any", b"macOS"),
            Member::file("x/any", &bytes),
        ]);
        let decoded = decode(&pack::xz(&tar), DEFAULT_LIMIT).unwrap();
        assert_eq!(decoded.bytes(), bytes);
        assert_eq!(
            (decoded.member.as_str(), decoded.modules.len()),
            ("x/any", 0)
        );
    }
}

#[test]
fn vmlinux_among_modules() {
    let files = [
        Member::file("5.10/ext4", b"split"),
        Member::file("5.10/vmlinux", b"base!"),
        Member::file("5.10/xfs", b"split"),
    ];
    let decoded = decode(&pack::xz(&pack::tar(&files)), DEFAULT_LIMIT).unwrap();
    assert_eq!(decoded.bytes(), b"base!");
    assert_eq!(decoded.modules.len(), 2);

    let none = pack::xz(&pack::tar(&[files[0], files[2]]));
    assert_eq!(
        error(&none, DEFAULT_LIMIT),
        "the tar holds 2 files and none of them is the only `vmlinux` or \
         `<release>.btf`: 5.10/ext4, 5.10/xfs"
    );
    let two = pack::xz(&pack::tar(&[files[1], files[1]]));
    assert_eq!(
        error(&two, DEFAULT_LIMIT),
        "the tar holds 2 files and none of them is the only `vmlinux` or \
         `<release>.btf`: 5.10/vmlinux, 5.10/vmlinux"
    );
}

#[test]
fn members_that_do_not_belong() {
    let with = |name: &'static str, kind| {
        let member = Member {
            name,
            kind,
            bytes: b"",
        };
        error(&pack::xz(&pack::tar(&[member])), DEFAULT_LIMIT)
    };
    let said = |what: &str| format!("the tar holds {what}, where one regular file belongs");
    assert_eq!(
        with("/v", EntryType::Regular),
        said("an absolute path, `/v`")
    );
    assert_eq!(
        with("../v", EntryType::Regular),
        said("a path with `..`, `../v`")
    );
    assert_eq!(with("v", EntryType::Symlink), said("a link, `v`"));
    assert_eq!(with("v", EntryType::Link), said("a link, `v`"));
    assert_eq!(with("v", EntryType::Char), said("a device, `v`"));
    assert_eq!(with("v", EntryType::Fifo), said("a device, `v`"));
    assert_eq!(with("v", EntryType::GNUSparse), said("a sparse file, `v`"));
    let continuous = with("v", EntryType::Continuous);
    assert_eq!(continuous, said("an unknown kind of member, `v`"));
    assert_eq!(with("d", EntryType::Directory), "the tar holds no file");

    // A sparse file in the spelling of POSIX tars: a record of keywords
    // before a member that looks regular.
    let keywords = Member {
        name: "keywords",
        kind: EntryType::XHeader,
        bytes: b"22 GNU.sparse.major=1\n",
    };
    let sparse = [keywords, Member::file("v", b"map")];
    assert_eq!(
        error(&pack::xz(&pack::tar(&sparse)), DEFAULT_LIMIT),
        said("a sparse file, `v`")
    );
}

#[test]
fn damaged_and_oversized() {
    let member: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let tar = pack::tar(&[Member::file("v", &member)]);
    let whole = pack::xz(&tar);
    assert!(decode(&whole, DEFAULT_LIMIT).is_ok());

    assert_eq!(error(b"", DEFAULT_LIMIT), "not an xz file");
    assert_eq!(error(&tar, DEFAULT_LIMIT), "not an xz file");
    assert_eq!(
        error(
            b"version https://git-lfs.github.com/spec/v1\n",
            DEFAULT_LIMIT
        ),
        "Git LFS pointer instead of the file; `git lfs pull` fetches it"
    );
    assert!(error(&pack::xz(&[7; 600]), DEFAULT_LIMIT) == "the xz holds no readable tar");
    assert_eq!(
        error(&pack::xz(b""), DEFAULT_LIMIT),
        "the tar holds no file"
    );

    // Truncated anywhere, even by the last byte, which no tar reader would miss.
    for len in [
        6,
        7,
        100,
        whole.len() / 2,
        whole.len() - 30,
        whole.len() - 1,
    ] {
        let message = error(&whole[..len], DEFAULT_LIMIT);
        assert_eq!(message, "truncated: the xz stream ends too early", "{len}");
    }
    for at in (12..whole.len()).step_by(997) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        let message = error(&damaged, DEFAULT_LIMIT);
        assert!(message.starts_with("damaged xz stream"), "{at}: {message}");
    }
    let cut = pack::xz(&tar[..tar.len() / 2]);
    assert_eq!(
        error(&cut, DEFAULT_LIMIT),
        "truncated: the tar inside ends in the middle of a member"
    );

    assert_eq!(
        error(&whole, 400_000),
        "decompresses to more than the limit of 400000 bytes"
    );
    // A claimed size allocates nothing, and a bomb after the member counts too.
    let mut claims = tar.clone();
    claims[124..136].copy_from_slice(b"77777777777\0");
    let mut header = tar::Header::from_byte_slice(&claims[..512]).clone();
    header.set_cksum();
    claims[..512].copy_from_slice(header.as_bytes());
    assert_eq!(
        error(&pack::xz(&claims), DEFAULT_LIMIT),
        "decompresses to more than the limit of 268435456 bytes"
    );
    let mut bomb = pack::tar(&[Member::file("v", b"small")]);
    bomb.resize(1 << 20, 0);
    assert_eq!(
        error(&pack::xz(&bomb), 100_000),
        "decompresses to more than the limit of 100000 bytes"
    );
}
