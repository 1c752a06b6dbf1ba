//! The selected BTF as bytes and by path, whatever the system refuses.
//!
//! A test that restricts the whole process runs in a child: this test program again, with the test
//! `child` and its instructions in the environment.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::selecting::{btf, bundle, kernel};
use btfhub_runtime::{Bundle, Error, Host, Policy, for_this_host, for_this_host_with, select};
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
    // Every time it is opened, from its start.
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
    assert_eq!(fs::read_link(&path).ok(), Some(target), "gone");
    // The process makes it only once.
    let again = selection.to_file().expect("a memfd");
    assert_eq!(again.path(), Some(&*path));
}

/// In one expression, so that everything except the path is dropped before the loader opens it.
#[test]
fn the_path_outlives_what_gave_it() {
    let data = bundle([(kernel("ubuntu/20.04/x86_64", RELEASE), btf(8))]);
    let bundle = Bundle::parse(&data).expect("a sound bundle");
    let find = || select(&bundle, &host(), Policy::default());
    // One error type on the way.
    let joined = find().and_then(|selection| selection.to_file());
    let mut given = None;
    if let Some(path) = find().expect("there").to_file().expect("a file").path() {
        given = Some(path.to_owned());
    }
    let given = given.expect("embedded");
    assert_eq!(fs::read(&given).expect("readable"), btf(8));
    assert_eq!(joined.expect("a file").path(), Some(&*given));
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

    // The operator's file takes precedence.
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

/// Runs with instructions from [`Child`].
#[test]
#[ignore = "run by the other tests"]
fn child() {
    match std::env::var("TEST_ORDER").as_deref() {
        Ok("hand over") => {
            let data = data();
            let bundle = Bundle::parse(&data).expect("a sound bundle");
            let host = host();
            let selection = select(&bundle, &host, Policy::default()).expect("there");
            let path = match selection.to_file() {
                Ok(file) => file.path().expect("embedded").to_owned(),
                Err(error) => return println!("result: error: {error}"),
            };
            forked();
            assert_eq!(fs::read(&path).expect("readable"), btf(7));
            println!("result: {}", path.display());
            if std::env::var_os("TEST_KILL").is_some() {
                // SAFETY: ends this process.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            }
        }
        Ok("no descriptors") => {
            let mut open = Vec::new();
            while let Ok(file) = fs::File::open("/dev/null") {
                open.push(file);
            }
            let detected = for_this_host(&Bundle::EMPTY);
            drop(open);
            match detected {
                Ok(selection) => println!("result: {selection:#}"),
                Err(error) => println!("result: error: {error:#}"),
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

/// A forked child that asks for the same BTF, drops everything and exits normally.
fn forked() {
    // SAFETY: the child of this program's only busy thread ends in here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let data = data();
        let bundle = Bundle::parse(&data).expect("a sound bundle");
        let selection = select(&bundle, &host(), Policy::default()).expect("there");
        drop(selection.to_file());
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: waits for the child; its status is not asked for.
    let waited = unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    assert_eq!(waited, child);
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

/// This program in its own mount namespace, after `script`.
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

/// Without /proc only a named file can be opened: a single one, however often the program starts.
#[test]
fn without_proc() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut files = Vec::new();
    for _ in 0..3 {
        let mut command = after(NO_PROC);
        // Without AT_SECURE, variables are not trusted.
        command.env("TMPDIR", dir.path()).env("TEST_KILL", "1");
        files.extend(run(command, "hand over"));
    }
    files.dedup();
    if let [path] = &files[..] {
        assert!(path.starts_with("/run/btfhub-"), "{path}");
        let mode = fs::metadata(path).expect("it stays").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(path).expect("ours");
    }
    assert!(files.len() < 2, "{files:?}");
}

/// Each in one line, and with one error.
#[test]
fn other_policies() {
    fn paths() -> Result<(), Error> {
        let bundle = Bundle::EMPTY;
        let host = select(&bundle, &Host::detect()?, Policy::PREFER_EMBEDDED)?;
        let _path = host.to_file()?;
        for_this_host_with(&bundle, Policy::PREFER_EMBEDDED)?.bytes()?;
        Ok(())
    }
    let has_own = Host::detect().expect("a host").kernel_btf().is_some();
    assert_eq!(paths().is_ok(), has_own);
    let embedded = for_this_host_with(&Bundle::EMPTY, Policy::EMBEDDED_ONLY);
    assert!(matches!(embedded, Err(Error::NotFound(_))), "{embedded:?}");
}

/// Files of others that already have these names.
#[test]
fn without_proc_others_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let mount = format!("mount --bind {} /run; {NO_PROC}", dir.path().display());
    let name = |number| dir.path().join(format!("btfhub-{number}.btf"));
    fs::write(name(0), btf(1)).expect("other BTF");
    fs::write(name(1), btf(7)).expect("open to others");
    fs::write(name(2), btf(7)).expect("another user's");
    std::os::unix::fs::chown(name(2), Some(65534), None).expect("root");
    std::os::unix::fs::symlink(name(2), name(3)).expect("a link");
    for path in [name(0), name(2)] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("root");
    }
    if let Some(path) = run(after(&mount), "hand over") {
        assert_eq!(path, "/run/btfhub-4.btf");
        assert_eq!(fs::read(name(4)).expect("there"), btf(7));
    }
}

/// Nothing is left behind, even if the program is killed.
#[test]
fn without_memfd_create() {
    let dir = tempfile::tempdir().expect("a directory");
    for kill in [false, true] {
        let mut command = refusing_memfd(this_program());
        command.env("TMPDIR", dir.path());
        if kill {
            command.env("TEST_KILL", "1");
        }
        if let Some(path) = run(command, "hand over") {
            assert!(path.starts_with("/proc/self/fd/"), "{path}");
        }
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0);
    }
}

/// Writing beyond the limit would end the process with SIGXFSZ.
#[test]
fn no_file_is_allowed() {
    let mut command = Command::new("prlimit");
    command.arg("--fsize=0");
    command.arg(std::env::current_exe().expect("known"));
    let error = run(command, "hand over").expect("it lives");
    assert!(
        error.contains("RLIMIT_FSIZE (`ulimit -f`) allows no file of "),
        "{error}"
    );
}

/// A kernel whose BTF can't be read does not count as one without BTF.
#[test]
fn no_descriptor_is_left() {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return skip("this kernel shows no BTF");
    }
    let told = run(this_program(), "no descriptors").expect("it runs");
    assert!(
        told.starts_with("error: no BTF in the bundle for kernel "),
        "{told}"
    );
    assert!(
        told.contains("/sys/kernel/btf/vmlinux can't be used: Too many open files"),
        "{told}"
    );
    assert!(!told.contains("BTF: none"), "{told}");
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

/// With a seccomp filter that refuses `memfd_create`.
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
    // SAFETY: between fork and exec it only makes two system calls.
    unsafe { command.pre_exec(install) };
    command
}

/// Under a personality, `uname -m` names a different machine.
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
    // A rehearsal: only the bundle, on a kernel with its own BTF.
    let embedded = with(this_program(), "BTFHUB_POLICY", Path::new("embedded-only"));
    assert!(
        embedded.starts_with("error: no BTF in the bundle"),
        "{embedded}"
    );
    assert!(
        embedded.contains("policy of the operator: embedded-only"),
        "{embedded}"
    );
    let unknown = with(this_program(), "BTFHUB_POLICY", Path::new("embedded"));
    let refusal = "error: BTFHUB_POLICY=\"embedded\": give prefer-kernel, prefer-embedded or \
                   embedded-only";
    assert_eq!(unknown, refusal);

    // A set-user-ID copy, started by the user nobody.
    let copy = dir.path().join("program");
    fs::copy(std::env::current_exe().expect("known"), &copy).expect("a copy");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).expect("ours");
    let mut command = Command::new(&copy);
    command.uid(65534).gid(65534).env("BTFHUB_BTF", &given);
    command.env("BTFHUB_POLICY", "embedded-only");
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
            assert!(text.contains("BTFHUB_POLICY: set, but ignored"), "{text}");
            assert!(!text.contains("policy of the operator"), "{text}");
        }
        Err(error) => skip(&format!("no set-user-ID program can be started: {error}")),
    }
}
