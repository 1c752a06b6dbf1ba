//! Debian kernels booted under qemu, without CPU virtualisation.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::project::workspace;
use crate::shared::{scratch, skip};

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Debian's version, as in the archive.
    pub version: &'static str,
    /// `uname -r`.
    pub release: String,
    /// The compressed kernel.
    pub image: PathBuf,
    /// The version of its package.
    pub package: String,
}

/// (suite and series, version of Debian)
const KERNELS: [(&str, &str); 3] = [
    ("bullseye:5.10", "11"),
    ("bookworm:6.1", "12"),
    ("bookworm-backports:6.12", "12"),
];

/// Debian's kernels 5.10, 6.1 and 6.12, fetched once; says why if that is not possible.
///
/// # Panics
/// If they can't be had but must.
#[must_use]
pub fn kernels() -> Option<Vec<Kernel>> {
    let mut kernels = fetch(&KERNELS.map(|(suite, _)| suite.to_owned()))?;
    for (kernel, (_, version)) in kernels.iter_mut().zip(KERNELS) {
        kernel.version = version;
    }
    Some(kernels)
}

/// Kernels as `tests/vm/fetch` names them; says why if they can't be fetched.
///
/// # Panics
/// If they can't be had but must.
#[must_use]
pub fn fetch(wanted: &[String]) -> Option<Vec<Kernel>> {
    let dir = scratch("vm");
    let fetched = Command::new(workspace().join("tests/vm/fetch"))
        .arg(&dir)
        .args(wanted)
        .output()
        .expect("tests/vm/fetch");
    if !fetched.status.success() {
        let errors = String::from_utf8_lossy(&fetched.stderr);
        skip(&format!("no kernels to boot: {errors}"));
        return None;
    }
    let lines = String::from_utf8(fetched.stdout).expect("plain text");
    let kernels = lines.lines().zip(wanted).map(|(line, wanted)| {
        let (named, release) = line.split_once(' ').expect("suite and release");
        assert_eq!(named, wanted);
        let file = |ending: &str| dir.join(format!("{release}.{ending}"));
        let package = fs::read_to_string(file("version")).expect("a version");
        Kernel {
            version: "",
            image: file("vmlinuz"),
            package: package.trim().to_owned(),
            release: release.to_owned(),
        }
    });
    Some(kernels.collect())
}

/// The initramfs of a guest: busybox, `tests/vm` and `agents` (name, program).
///
/// # Panics
/// If it can't be made.
pub fn initramfs(agents: &[(String, PathBuf)], into: &Path) -> PathBuf {
    let scripts = workspace().join("tests/vm");
    let root = root(into, Path::new("/bin/busybox"), &scripts.join("init"));
    for dir in ["agents", "etc"] {
        fs::create_dir_all(root.join(dir)).expect("a directory");
    }
    put(&scripts.join("parent"), &root.join("bin/parent"));
    put(&scripts.join("witness"), &root.join("bin/witness"));
    for (name, program) in agents {
        put(program, &root.join("agents").join(name));
    }
    pack(&root, into)
}

/// The root of a guest, with a busybox and its first process.
///
/// # Panics
/// If it can't be made.
#[must_use]
pub fn root(into: &Path, busybox: &Path, init: &Path) -> PathBuf {
    let root = into.join("root");
    for dir in ["bin", "proc", "sys", "dev", "tmp"] {
        fs::create_dir_all(root.join(dir)).expect("a directory");
    }
    put(busybox, &root.join("bin/busybox"));
    symlink("busybox", root.join("bin/sh")).expect("a link");
    put(init, &root.join("init"));
    root
}

/// Copies a program.
///
/// # Panics
/// If it can't be.
pub fn put(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("ours");
}

/// Packs the root of a guest.
///
/// # Panics
/// If it can't be.
#[must_use]
pub fn pack(root: &Path, into: &Path) -> PathBuf {
    let archive = into.join("initramfs");
    let mut names = String::new();
    list(root, root, &mut names);
    let mut cpio = Command::new("cpio")
        .args(["--quiet", "-o", "-H", "newc", "-R", "0:0"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(File::create(&archive).expect("a file"))
        .spawn()
        .expect("cpio");
    let mut stdin = cpio.stdin.take().expect("piped");
    stdin.write_all(names.as_bytes()).expect("cpio reads");
    drop(stdin);
    assert!(cpio.wait().expect("cpio").success());
    archive
}

/// Every path below `dir`, directories before their content.
fn list(root: &Path, dir: &Path, names: &mut String) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root).expect("below the root");
        *names += &format!("{}\n", name.display());
        if path.is_dir() && !path.is_symlink() {
            list(root, &path, names);
        }
    }
}

/// Boots `kernel` until it resets itself; returns its console output.
///
/// # Panics
/// If qemu fails.
#[must_use]
pub fn boot(kernel: &Path, initramfs: &Path) -> String {
    boot_on("x86_64", kernel, initramfs)
}

/// Like [`boot`], on a machine of another architecture.
///
/// # Panics
/// If qemu fails.
#[must_use]
pub fn boot_on(arch: &str, kernel: &Path, initramfs: &Path) -> String {
    let (qemu, machine, console) = match arch {
        // qemu 7.2 spoils the flags when an interrupt meets cmpxchg16b, which
        // Linux 6.12 uses in every allocation where the CPU has it.
        "x86_64" => ("qemu-system-x86_64", &["-cpu", "qemu64,-cx16"][..], "ttyS0"),
        _ => (
            "qemu-system-aarch64",
            &["-M", "virt", "-cpu", "cortex-a72"][..],
            "ttyAMA0",
        ),
    };
    let arguments = match arch {
        "x86_64" => format!("console={console} panic=-1 quiet no_timer_check"),
        _ => format!("console={console} panic=-1 quiet"),
    };
    // A guest that hangs is killed, so that the test fails instead of hanging too.
    let output = Command::new("timeout")
        .args(["--kill-after=10", "900", qemu])
        .args(machine)
        .args(["-accel", "tcg", "-m", "1024", "-smp", "1"])
        .args(["-nodefaults", "-no-user-config", "-nographic"])
        .args(["-serial", "stdio", "-monitor", "none", "-no-reboot"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", &arguments])
        .stdin(Stdio::null())
        .output()
        .expect(qemu);
    let console = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {errors}{console}",
        output.status
    );
    console
}

/// The result of one agent in a guest.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// For example `aya-bundle`.
    pub name: String,
    /// Whether the kernel's own BTF was visible (`own`) or not (`hidden`).
    pub btf: String,
    /// The exit status; 143 if it watched until it was stopped.
    pub status: String,
    /// What the witness read about itself in /proc.
    pub expected: String,
    /// What the agent printed about the witness.
    pub events: Vec<String>,
    /// Whether it printed the end of the witness.
    pub exited: bool,
    /// Its standard error.
    pub errors: String,
}

/// The cases in a guest's console, which ends with `@ done`.
///
/// # Panics
/// If it does not.
#[must_use]
pub fn cases(console: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut done = false;
    for line in console.lines() {
        let Some(line) = line.trim_end().strip_prefix("@ ") else {
            continue;
        };
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if key == "case" {
            cases.push(Case {
                name: value.to_owned(),
                ..Case::default()
            });
        }
        done |= key == "done";
        let Some(case) = cases.last_mut() else {
            continue;
        };
        match key {
            "btf" => value.clone_into(&mut case.btf),
            "status" => value.clone_into(&mut case.status),
            "expected" => value.clone_into(&mut case.expected),
            "event" => case.events.push(value.to_owned()),
            "exit" => case.exited = true,
            "error" => case.errors += &format!("{value}\n"),
            _ => {}
        }
    }
    assert!(done, "the guest did not come to its end:\n{console}");
    cases
}
