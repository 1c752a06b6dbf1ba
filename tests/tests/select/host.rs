//! What a host says about itself: containers, hostile files, the operator's variables.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::selecting::{bundle_of, kernel, os_release};
use btfhub_runtime::{Bundle, Error, Host, OsRelease, Policy, select};
use tempfile::TempDir;

const RELEASE: &str = "4.18.0-147.0.3.el8_1.x86_64";
const INITIAL: &str = "pid:[4026531836]";

/// A root directory, as a container or a host sees it.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().expect("a directory"));
        root.file("proc/sys/kernel/osrelease", format!("{RELEASE}\n"));
        root.file("proc/sys/kernel/version", "#1 SMP Wed Nov 27 2019\n");
        root.file("proc/sys/kernel/arch", "x86_64\n");
        root
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("directories");
        fs::write(path, content).expect("a file");
        self
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("directories");
        symlink(target, path).expect("a link");
        self
    }

    fn pid_namespace(&self, name: &str) -> &Self {
        self.link("proc/self", "77").link("proc/77/ns/pid", name)
    }

    /// Which of three distributions' entries with one release the host gets.
    fn outcome(&self) -> String {
        let ids = ["centos/8/x86_64", "ol/8/x86_64", "rhel/8/x86_64"].map(|d| kernel(d, RELEASE));
        let data = bundle_of(&ids);
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let host = Host::detect_under(self.path());
        match select(&bundle, &host, Policy::default()) {
            Ok(selection) => selection.kernel().expect("embedded").distro.to_owned(),
            Err(Error::Ambiguous(_)) => "ambiguous".to_owned(),
            Err(Error::NotFound(_)) => "not found".to_owned(),
            Err(other) => other.to_string(),
        }
    }
}

#[test]
fn whose_os_release_breaks_a_tie() {
    // The os-release of the image, below /host and below /proc/1/root; and the namespace.
    for (image, mounted, init, namespace, expected) in [
        ("alpine", "", "", INITIAL, "ambiguous"),
        // The image's file looks exactly like the host's would.
        ("centos-8", "", "", "pid:[4026532201]", "ambiguous"),
        ("centos-8", "", "", INITIAL, "ambiguous"),
        ("centos-8", "rhel-8", "", "pid:[4026532201]", "rhel"),
        ("centos-8", "rhel-8", "", "", "rhel"),
        // Process 1 is the host's only in the initial namespace.
        ("centos-8", "", "ol-8", INITIAL, "ol"),
        ("centos-8", "", "ol-8", "pid:[4026532201]", "ambiguous"),
        ("centos-8", "", "ol-8", "", "ambiguous"),
        ("centos-8", "ol-8", "ol-8", INITIAL, "ol"),
        ("centos-8", "ol-8", "centos-8", "pid:[4026532201]", "ol"),
        // /host is not the host's root.
        ("centos-8", "rhel-8", "ol-8", INITIAL, "ambiguous"),
        ("centos-8", "alpine", "ol-8", INITIAL, "ol"),
        ("centos-8", "empty", "ol-8", INITIAL, "ol"),
        // On the host itself.
        ("rhel-8", "", "rhel-8", INITIAL, "rhel"),
    ] {
        let root = Root::new();
        root.file("etc/os-release", os_release(image));
        if !mounted.is_empty() {
            root.file("host/etc/os-release", os_release(mounted));
        }
        if !init.is_empty() {
            root.file("proc/1/root/usr/lib/os-release", os_release(init));
        }
        if !namespace.is_empty() {
            root.pid_namespace(namespace);
        }
        let about = format!("image {image}, /host {mounted}, init {init}, {namespace}");
        assert_eq!(root.outcome(), expected, "{about}");
    }
}

/// Links are followed as seen from the root they are in.
#[test]
fn links_stay_below_their_root() {
    for (target, place, expected) in [
        ("/usr/lib/os-release", "host/usr/lib/os-release", "rhel"),
        ("../usr/lib/os-release", "host/usr/lib/os-release", "rhel"),
        (
            "../../../../usr/lib/os-release",
            "host/usr/lib/os-release",
            "rhel",
        ),
        (
            "/etc/static/os-release",
            "host/etc/static/os-release",
            "rhel",
        ),
        // Links to themselves, and to nothing.
        ("/etc/os-release", "host/other", "ambiguous"),
        ("/gone", "host/other", "ambiguous"),
    ] {
        let root = Root::new();
        root.file("etc/os-release", os_release("centos-8"));
        root.file("usr/lib/os-release", os_release("centos-8"));
        root.file(place, os_release("rhel-8"));
        root.link("host/etc/os-release", target);
        assert_eq!(root.outcome(), expected, "{target}");
    }
    // A link chain longer than the kernel follows.
    let root = Root::new();
    for i in 0..50 {
        root.link(&format!("host/etc/l{i}"), &format!("l{}", i + 1));
    }
    root.file("host/etc/l50", os_release("rhel-8"));
    root.link("host/etc/os-release", "l0");
    assert_eq!(root.outcome(), "ambiguous");
}

/// Content that no os-release should have: never a panic, never a wrong selection.
#[test]
fn hostile_os_release() {
    let rhel = os_release("rhel-8");
    let crlf = rhel.replace('\n', "\r\n");
    let mut huge = rhel.as_bytes().to_vec();
    huge.resize(10 << 20, b'#');
    let mut long_line = rhel.as_bytes().to_vec();
    long_line.extend(b"\nNAME=");
    long_line.resize(60 << 10, b'x');
    let nul = rhel.replace("ID=", "\0ID=");
    let every_byte: Vec<u8> = (0..=255).collect();
    for (name, content, expected) in [
        ("as it is", rhel.as_bytes(), "rhel"),
        ("CRLF", crlf.as_bytes(), "rhel"),
        ("a long line", &long_line, "rhel"),
        ("ten megabytes", &huge, "ambiguous"),
        ("NUL in names", nul.as_bytes(), "ambiguous"),
        ("every byte", &every_byte, "ambiguous"),
        ("only ID", b"ID=rhel", "ambiguous"),
        ("version before ID", b"VERSION_ID='8.5'\nID=rhel", "rhel"),
        (
            "commented",
            b"#ID=centos\nID=rhel\nVERSION_ID=8.5\n",
            "rhel",
        ),
        (
            "no UTF-8 in ID",
            b"ID=rhel\xff\nVERSION_ID=8.5\n",
            "ambiguous",
        ),
        (
            "no UTF-8 elsewhere",
            b"NAME=\xff\xfe\nID=rhel\nVERSION_ID=8.5\n",
            "rhel",
        ),
        ("likes", b"ID=x\nVERSION_ID=8\nID_LIKE=\"y ol z\"", "ol"),
        (
            "a path as version",
            b"ID=rhel\nVERSION_ID=../../8",
            "ambiguous",
        ),
    ] {
        let root = Root::new();
        root.file("host/etc/os-release", content);
        assert_eq!(root.outcome(), expected, "{name}");
    }
}

/// Every prefix of a real file and every single byte of it changed.
#[test]
fn damaged_os_release() {
    let whole = os_release("ubuntu-20.04").as_bytes();
    for end in 0..=whole.len() {
        OsRelease::parse(&whole[..end]);
    }
    for at in 0..whole.len() {
        for byte in [0, b'"', b'\'', b'\\', b'\n', b'=', 0x80, 0xff] {
            let mut damaged = whole.to_vec();
            damaged[at] = byte;
            OsRelease::parse(&damaged);
        }
    }
}

/// Something else in place of the files.
#[test]
fn not_a_file() {
    let root = Root::new();
    fs::create_dir_all(root.path().join("host/etc/os-release")).expect("a directory");
    fs::create_dir_all(root.path().join("proc/1/root/etc")).expect("a directory");
    let pipe = root.path().join("proc/1/root/etc/os-release");
    // Opening it carelessly would wait forever for a writer.
    let made = Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    root.link("etc", "/dev/null").pid_namespace(INITIAL);
    // Opened at all, it would let a writer go, who waits for a reader.
    let mut writer = Command::new("sh")
        .args(["-c", "exec 3> \"$0\""])
        .arg(&pipe)
        .spawn()
        .expect("a shell");
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(root.outcome(), "ambiguous");
    let host = Host::detect_under(root.path());
    assert!(host.os_release().is_none());
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(writer.try_wait().expect("a child").is_none());
    writer.kill().expect("a child");
    writer.wait().expect("a child");
}

/// An empty root, and /proc files with arbitrary content.
#[test]
fn hostile_proc() {
    let nothing = tempfile::tempdir().expect("a directory");
    let host = Host::detect_under(nothing.path());
    assert_eq!(
        (host.release(), host.version(), host.arch()),
        ("", "", None)
    );
    let data = bundle_of(&[kernel("centos/8/x86_64", RELEASE)]);
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let error = select(&bundle, &host, Policy::default()).expect_err("no release");
    assert!(matches!(error, Error::UnknownRelease), "{error}");

    let long = "9".repeat(5000);
    for text in [
        "",
        "\n",
        "\0\0",
        "\u{fffd}",
        "-",
        "#-~Ubuntu",
        "#~-Ubuntu",
        "4.18.0-é",
        &long,
    ] {
        let root = Root::new();
        root.file("proc/sys/kernel/osrelease", text);
        root.file("proc/sys/kernel/version", text);
        root.file("proc/sys/kernel/arch", text);
        let host = Host::detect_under(root.path());
        let policy = Policy::default().bracketed(true);
        let error = select(&bundle, &host, policy).expect_err("no such kernel");
        println!("{error:#}");
        let version = Host::new(RELEASE, "x86_64").with_version(text);
        let found = select(&bundle, &version, policy).is_ok();
        assert_eq!(found, !text.ends_with("-Ubuntu"), "{text}");
    }
}

/// An unknown machine: every architecture is a candidate.
#[test]
fn unknown_machine() {
    let root = Root::new();
    fs::remove_file(root.path().join("proc/sys/kernel/arch")).expect("was there");
    root.file("host/etc/os-release", os_release("rhel-8"));
    assert_eq!(root.outcome(), "rhel");
}
