//! The selected BTF as bytes and behind a path, whatever the system refuses.
//!
//! What takes something away from the whole process runs in a child: this test
//! program again, with the test `child` and its orders in the environment.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::selecting::{btf, bundle, kernel};
use btfhub_runtime::{Bundle, Host, Policy, for_this_host, select};
use btfhub_tests::shared::skip;

const RELEASE: &str = "5.4.0-84-generic";

fn data() -> Vec<u8> {
    bundle([(kernel("ubuntu/20.04/x86_64", RELEASE), btf(7))])
}

fn host() -> Host {
    Host::new(RELEASE, "x86_64")
}

#[test]
fn embedded_is_a_sealed_memfd() {
    let data = data();
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let host = host();
    let selection = select(&bundle, &host, Policy::default()).expect("there");
    assert_eq!(selection.bytes().expect("sound"), btf(7));
    let file = selection.to_file().expect("a memfd");
    let path = file.path().expect("embedded").to_owned();
    assert!(path.starts_with("/proc/self/fd"), "{}", path.display());
    // As often as it is opened, from its start.
    for _ in 0..2 {
        assert_eq!(fs::read(&path).expect("readable"), btf(7));
    }
    // Root may open it for writing, and still can't write.
    let opened = OpenOptions::new().write(true).open(&path);
    assert!(opened.is_err() || opened.is_ok_and(|mut file| file.write(b"x").is_err()));
    assert!(
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .is_err()
    );
    assert_eq!(fs::read(&path).expect("readable"), btf(7));
    let target = fs::read_link(&path).expect("a link");
    drop(file);
    assert_ne!(
        fs::read_link(&path).ok(),
        Some(target),
        "it outlived its owner"
    );
}

#[test]
fn kernels_own_and_the_operators() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("vmlinux");
    fs::write(&path, btf(3)).expect("a file");
    let data = data();
    let bundle = Bundle::parse(&data).expect("a sound bundle");

    let own = host().with_kernel_btf(Some(path.clone()));
    let selection = select(&bundle, &own, Policy::default()).expect("the kernel's");
    assert_eq!(selection.bytes().expect("readable"), btf(3));
    assert_eq!(selection.to_file().expect("nothing to do").path(), None);

    // The operator's file goes before everything.
    for policy in [
        Policy::PREFER_KERNEL,
        Policy::PREFER_EMBEDDED,
        Policy::EMBEDDED_ONLY,
    ] {
        let given = own.clone().with_operator_btf(&path).expect("BTF");
        let selection = select(&Bundle::EMPTY, &given, policy).expect("given");
        assert_eq!(selection.bytes().expect("readable"), btf(3));
        let file = selection.to_file().expect("as it is");
        assert_eq!(file.path(), Some(path.as_path()));
    }
    let given = host().with_operator_btf(&path).expect("BTF");
    fs::write(&path, "no longer").expect("a file");
    let selection = select(&bundle, &given, Policy::default()).expect("given");
    assert!(selection.bytes().is_err());
    fs::remove_file(&path).expect("was there");
    assert!(selection.bytes().is_err());
    assert!(host().with_operator_btf(&path).is_err());
    assert!(host().with_operator_btf(dir.path()).is_err());
}

/// Runs with orders from [`Child`].
#[test]
#[ignore = "run by the other tests"]
fn child() {
    match std::env::var("TEST_ORDER").as_deref() {
        Ok("hand over") => {
            let data = data();
            let bundle = Bundle::parse(&data).expect("a sound bundle");
            let host = host();
            let selection = select(&bundle, &host, Policy::default()).expect("there");
            match selection.to_file() {
                Ok(file) => {
                    let path = file.path().expect("embedded").to_owned();
                    let content = fs::read(&path).expect("readable");
                    assert_eq!(content, btf(7));
                    drop(file);
                    assert!(!path.exists(), "left behind");
                    println!("result: {}", path.display());
                }
                Err(error) => println!("result: error: {error}"),
            }
        }
        Ok("detect") => match for_this_host(&Bundle::EMPTY) {
            Ok(selection) => println!("result: {selection:#}"),
            Err(error) => println!("result: error: {error:#}"),
        },
        Ok("machine") => {
            let host = Host::detect().expect("nothing is named");
            println!("result: {}", host.arch().expect("known"));
        }
        other => panic!("{other:?}"),
    }
}

/// What the child prints after `result: `.
fn run(mut command: Command, order: &str) -> Option<String> {
    command.args(["--exact", "handoff::child", "--ignored", "--nocapture"]);
    let output = command
        .env("TEST_ORDER", order)
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let result = text.split_once("result: ").map(|(_, result)| result);
    if result.is_none() {
        let errors = String::from_utf8_lossy(&output.stderr);
        skip(&format!("the child could not run: {text}{errors}"));
    }
    let result = result?.split("test handoff::child").next().expect("a part");
    Some(
        result
            .trim_end()
            .trim_end_matches("test")
            .trim_end()
            .to_owned(),
    )
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("known"))
}

/// This program in a mount namespace of its own, after `script`.
fn after(script: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("set -e; {script}\nexec \"$0\" \"$@\"");
    command.args(["--mount", "sh", "-c", &script]);
    command.arg(std::env::current_exe().expect("known"));
    command
}

const NO_PROC: &str = "umount -l /proc";
const READ_ONLY: &str = "for d in /run /dev/shm /tmp /var/tmp; do \
     mount --bind $d $d; mount -o remount,bind,ro $d; done";

#[test]
fn without_proc() {
    if let Some(path) = run(after(NO_PROC), "hand over") {
        assert!(path.starts_with("/run/btfhub-"), "{path}");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = after(NO_PROC);
    // Who can't read AT_SECURE trusts no variable.
    command.env("TMPDIR", dir.path());
    if let Some(path) = run(command, "hand over") {
        assert!(path.starts_with("/run/btfhub-"), "{path}");
    }
}

#[test]
fn without_memfd_create() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = refusing_memfd(this_program());
    command.env("TMPDIR", dir.path());
    if let Some(path) = run(command, "hand over") {
        assert!(Path::new(&path).starts_with(dir.path()), "{path}");
    }
    assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0);
}

#[test]
fn nothing_writable() {
    let mut command = refusing_memfd(after(READ_ONLY));
    command.env("TMPDIR", "/proc/self");
    if let Some(error) = run(command, "hand over") {
        for part in [
            "error: nowhere to put",
            "memfd: Operation not permitted",
            "/run: Read-only",
            "/var/tmp: Read-only",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}

/// With a seccomp filter under which `memfd_create` is not permitted.
fn refusing_memfd(mut command: Command) -> Command {
    let memfd_create = u32::try_from(libc::SYS_memfd_create).expect("small");
    let instruction = |code: u32, jt, jf, k| libc::sock_filter {
        code: u16::try_from(code).expect("small"),
        jt,
        jf,
        k,
    };
    let refused = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).expect("small");
    let filter = [
        // The number of the system call is the first word.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            memfd_create,
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, refused),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let mut filter = filter;
        let program = libc::sock_fprog {
            len: 4,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: the filter outlives the call, which copies it.
        let failed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
        };
        if failed {
            return Err(std::io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes two system calls and no more.
    unsafe { command.pre_exec(install) };
    command
}

/// `uname -m` under a personality is that of another machine's kernel.
#[test]
#[cfg(target_arch = "x86_64")]
fn machine_behind_a_personality() {
    let mut command = Command::new("setarch");
    command.arg("i686");
    command.arg(std::env::current_exe().expect("known"));
    assert_eq!(run(command, "machine").as_deref(), Some("x86_64"));
}

/// The operator's variables, and that a program with raised privileges
/// ignores them.
#[test]
fn variables() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), open).expect("ours");
    let given = dir.path().join("given.btf");
    fs::write(&given, btf(5)).expect("a file");
    let with = |mut command: Command, name: &str, value: &Path| {
        command.env(name, value);
        run(command, "detect").expect("it runs")
    };
    let by_operator = format!("BTF file {}: given by the operator", given.display());
    let operators = with(this_program(), "BTFHUB_BTF", &given);
    assert_eq!(operators.lines().next(), Some(&by_operator[..]));
    assert!(!operators.contains("ignored"), "{operators}");
    let missing = dir.path().join("missing");
    for (name, value, error) in [
        ("BTFHUB_BTF", &missing, "error: the BTF file "),
        ("BTFHUB_OS_RELEASE", &missing, "error: the os-release file "),
        ("BTFHUB_OS_RELEASE", &given, "error: the os-release file "),
    ] {
        let result = with(this_program(), name, value);
        assert!(result.starts_with(error), "{result}");
    }
    let empty = with(this_program(), "BTFHUB_BTF", Path::new(""));
    assert!(!empty.contains("given by"), "{empty}");

    // A set-user-ID copy, started by nobody.
    let copy = dir.path().join("program");
    fs::copy(std::env::current_exe().expect("known"), &copy).expect("a copy");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).expect("ours");
    let mut command = Command::new(&copy);
    command.uid(65534).gid(65534).env("BTFHUB_BTF", &given);
    match command
        .args(["--exact", "handoff::child", "--ignored", "--nocapture"])
        .env("TEST_ORDER", "detect")
        .output()
    {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("result: "), "{text}");
            assert!(!text.contains("given by the operator"), "{text}");
            assert!(text.contains("BTFHUB_BTF: set, but ignored"), "{text}");
        }
        Err(error) => skip(&format!("no set-user-ID program can be started: {error}")),
    }
}
