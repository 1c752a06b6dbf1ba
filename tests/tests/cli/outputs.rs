//! What commands write: never under a name that somebody else may have taken, and a killed run
//! leaves nothing for good.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use btfhub_runtime::Bundle;
use btfhub_tests::cli::{Dir, Run, binary};
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::shared::{has_tool, skip};
use btfhub_tests::{cli_test, pack};

const RELEASES: [&str; 3] = ["4.19.0", "5.10.0", "6.1.0"];

/// An archive `a` and the object `o`.
fn prepare(dir: &Dir) {
    let elf = std::fs::read(own_dir().join("guard.after.btf.o")).expect("an object");
    let btf = LocalObject::parse("after", &elf).expect("an object").btf;
    for release in RELEASES {
        let kernel = format!("debian/11/x86_64/{release}");
        pack::entry(&dir.path("a"), &kernel, &btf);
    }
    std::fs::copy(own_dir().join("guard.bpf.o"), dir.path("o")).expect("a copy");
}

const BUNDLE: &str = "bundle --archive a --object o --out b";
const TAILOR: &str = "tailor --archive a --object o --out t";

/// Runs a script in which `$$` is the process id of the `$B` that it becomes by `exec`.
fn shell(dir: &Dir, script: &str) -> Run {
    let mut shell = Command::new("bash");
    shell.args(["-c", script]).env("B", binary());
    dir.run(shell.env_remove("BTFHUB_ARCHIVE"))
}

fn tailored() -> Vec<String> {
    let path = |release| format!("debian/11/x86_64/{release}.btf");
    RELEASES.iter().map(path).collect()
}

/// Everything in a directory, links and directories too.
fn listing(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> = names
        .map(|item| item.expect("an item").file_name().to_string_lossy().into())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    let metadata = path.metadata().expect("a file");
    metadata.permissions().mode() & 0o7777
}

cli_test!(a_planted_link_is_not_written_through, |dir| {
    prepare(&dir);
    dir.write("secret", "mine");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(dir.path("secret"), private).expect("permissions");
    // Names that are predictable from the target's name and the process id, as they once were.
    let plant = "for name in .b.$$.part .btfhub-$$.part b.$$.tmp .b.$$.tmp b.part b.tmp; do \
                 ln -s secret $name; done";
    let _ = shell(&dir, &format!("{plant}; exec $B {BUNDLE}")).ok();
    assert_eq!(std::fs::read(dir.path("secret")).expect("it"), b"mine");
    assert_eq!(mode(&dir.path("secret")), 0o600);
    let bundle = std::fs::read(dir.path("b")).expect("a bundle");
    assert!(Bundle::parse(&bundle).is_ok());
});

cli_test!(a_directory_of_another_run_is_left_to_it, |dir| {
    prepare(&dir);
    // A file that a process with the same id, in another container, is about to rename.
    let plant = "mkdir -p t/.btfhub-$$.part; \
                 for number in 0 1 2; do echo theirs > t/.btfhub-$$.part/$number; done";
    let _ = shell(&dir, &format!("{plant}; exec $B {TAILOR}")).ok();
    let theirs = (dir.files("t").into_iter()).filter(|file| file.starts_with('.'));
    assert_eq!(theirs.count(), 3, "{:?}", dir.files("t"));
});

cli_test!(trees_are_not_written_through_links, |dir| {
    prepare(&dir);
    std::fs::create_dir_all(dir.path("elsewhere")).expect("a directory");
    std::fs::create_dir_all(dir.path("t")).expect("a directory");
    symlink("../elsewhere", dir.path("t/debian")).expect("a link");
    let complaint = dir.btfhub(TAILOR.split(' ')).fails(1);
    assert!(
        complaint.contains("t/debian/11/x86_64") && complaint.contains("not a directory"),
        "{complaint}"
    );
    assert_eq!(dir.files("elsewhere"), [""; 0]);
    // The root itself is the user's choice.
    std::fs::remove_dir_all(dir.path("t")).expect("it");
    symlink("elsewhere", dir.path("t")).expect("a link");
    let _ = dir.btfhub(TAILOR.split(' ')).ok();
    assert_eq!(dir.files("elsewhere"), tailored());
});

cli_test!(who_may_read_a_file_is_not_changed, |dir| {
    prepare(&dir);
    let umask = |mask: &str| {
        let _ = shell(&dir, &format!("umask {mask}; exec $B {BUNDLE}")).ok();
        mode(&dir.path("b"))
    };
    assert_eq!(umask("027"), 0o640);
    for old in [0o600, 0o664] {
        dir.write("b", "old");
        let permissions = std::fs::Permissions::from_mode(old);
        std::fs::set_permissions(dir.path("b"), permissions).expect("permissions");
        assert_eq!(umask("022"), old);
    }
    let _ = shell(&dir, &format!("umask 022; exec $B {TAILOR}")).ok();
    assert_eq!(mode(&dir.path("t/debian")), 0o755);
    assert_eq!(mode(&dir.path("t")), 0o755);
});

/// Whether this process may trace another, which killing one at a system call needs.
fn can_trace(dir: &Dir) -> bool {
    if !has_tool("strace") {
        return false;
    }
    let traced = shell(dir, "strace -o /dev/null true").status == Some(0);
    if !traced {
        skip("this process may not trace others (ptrace)");
    }
    traced
}

/// A run that is interfered with when it first renames its output.
fn injected(dir: &Dir, what: &str, arguments: &str) -> Command {
    let mut strace = Command::new("strace");
    let renames = "rename,renameat,renameat2";
    strace
        .current_dir(dir.path(""))
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={renames}"))
        .args(["-e", &format!("inject={renames}:{what}:when=1")])
        .arg(binary())
        .args(arguments.split(' '))
        .env_remove("BTFHUB_ARCHIVE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    strace
}

cli_test!(what_a_killed_run_left_is_removed_by_the_next, |dir| {
    prepare(&dir);
    if !can_trace(&dir) {
        return;
    }
    let names = || {
        let mut names = listing(&dir.path(""));
        if dir.has("t") {
            names.extend(listing(&dir.path("t")));
        }
        names.retain(|name| name.starts_with(".btfhub-"));
        names
    };
    std::fs::create_dir(dir.path("t")).expect("a directory");
    // One that is not ours, though it looks like it.
    dir.write(".btfhub-notes.part", "mine");
    for arguments in [BUNDLE, TAILOR, BUNDLE] {
        // Killed before it has renamed anything.
        let _ = injected(&dir, "signal=KILL", arguments).status();
        assert_eq!(names().len(), 2, "{arguments}: {:?}", names());
        let _ = dir.btfhub(arguments.split(' ')).ok();
        assert_eq!(names(), [".btfhub-notes.part"], "{arguments}");
        let _ = std::fs::remove_file(dir.path("b"));
    }
});

cli_test!(what_a_live_run_is_writing_is_left_to_it, |dir| {
    prepare(&dir);
    if !can_trace(&dir) {
        return;
    }
    std::fs::create_dir(dir.path("t")).expect("a directory");
    for (arguments, place) in [(BUNDLE, ""), (TAILOR, "t")] {
        let staged = || {
            let mut names = listing(&dir.path(place));
            names.retain(|name| name.starts_with(".btfhub-"));
            names.pop()
        };
        // It waits for some seconds before it renames.
        let slow = injected(&dir, "delay_enter=6000000", arguments).spawn();
        let mut slow = slow.expect("strace");
        let started = Instant::now();
        let staged = loop {
            if let Some(staged) = staged() {
                break staged;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{arguments}");
            std::thread::sleep(Duration::from_millis(10));
        };
        let _ = dir.btfhub(arguments.split(' ')).ok();
        let still_there = dir.path(place).join(&staged).exists();
        if slow.try_wait().expect("a process").is_none() {
            assert!(still_there, "{arguments}");
        }
        assert!(slow.wait().expect("a process").success(), "{arguments}");
        assert!(!dir.path(place).join(&staged).exists(), "{arguments}");
    }
    assert_eq!(dir.files("t"), tailored());
});

cli_test!(two_runs_at_once_leave_one_whole_tree, |dir| {
    prepare(&dir);
    // As in two containers: each has the process id 1.
    let alone = match shell(&dir, "unshare -rpf true").status {
        Some(0) => "unshare -rpf",
        _ => "",
    };
    for round in 0..5 {
        let script = format!(
            "for run in 1 2 3; do {alone} $B {TAILOR} & runs+=\" $!\"; {alone} $B {BUNDLE} & \
             runs+=\" $!\"; done; for run in $runs; do wait $run || exit; done"
        );
        let _ = shell(&dir, &script).ok();
        assert_eq!(dir.files("t"), tailored(), "{round}");
        let bundle = std::fs::read(dir.path("b")).expect("a bundle");
        assert!(Bundle::parse(&bundle).is_ok());
        std::fs::remove_dir_all(dir.path("t")).expect("it");
        std::fs::remove_file(dir.path("b")).expect("it");
    }
    assert_eq!(listing(&dir.path("")), ["a", "o"]);
});

cli_test!(the_longest_name_of_a_file_can_be_written, |dir| {
    prepare(&dir);
    let name = "n".repeat(255);
    let _ = dir
        .btfhub(["bundle", "--archive", "a", "--object", "o", "--out", &name])
        .ok();
    assert!(dir.path(name).is_file());
});

cli_test!(pahole_writes_where_nobody_can_be_in_the_way, |dir| {
    if !has_tool("pahole") || !has_tool("cc") {
        return;
    }
    dir.write(
        "k.c",
        "struct task_struct { int pid, tgid; } init_task; int main(void) { return 0; }",
    );
    let _ = dir
        .run(Command::new("cc").args(["-g", "-o", "vmlinux-6.6.6", "k.c"]))
        .ok();
    dir.write("tmp/theirs", "");
    let add = "add vmlinux-6.6.6 --archive n --distro d --version 1";
    let run = format!("export TMPDIR=$PWD/tmp; mkdir tmp/cargo-btfhub-$$-pahole; exec $B {add}");
    let run = shell(&dir, &run);
    assert!(!run.stderr.contains("File exists"), "{}", run.stderr);
    let left = listing(&dir.path("tmp"));
    let ours = left
        .iter()
        .filter(|name| !name.starts_with("cargo-btfhub-"));
    assert_eq!(ours.collect::<Vec<_>>(), ["theirs"]);
});
