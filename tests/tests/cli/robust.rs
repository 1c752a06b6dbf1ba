//! The command line in bad conditions: outputs that can't be written, readers that disappear,
//! endless inputs, names that are not text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::Command;

use btfhub_tests::cli::{Dir, Run, binary};
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::shared::has_tool;
use btfhub_tests::{cli_test, pack};

fn btf(name: &str) -> Vec<u8> {
    let elf = std::fs::read(own_dir().join(format!("guard.{name}.btf.o"))).expect("an object");
    LocalObject::parse(name, &elf).expect("an object").btf
}

/// An archive `a`, an object `o` and a bundle `b`.
fn prepare(dir: &Dir) {
    for release in ["4.19.0", "5.10.0", "6.1.0"] {
        pack::entry(
            &dir.path("a"),
            &format!("debian/11/x86_64/{release}"),
            &btf("after"),
        );
    }
    std::fs::copy(own_dir().join("guard.bpf.o"), dir.path("o")).expect("a copy");
    let bundle = ["bundle", "--archive", "a", "--object", "o", "--out", "b"];
    let _ = dir.btfhub(bundle).ok();
}

/// Every command that writes, to `out`.
fn writers(out: &str) -> Vec<Vec<&str>> {
    let of = |line: &'static str| -> Vec<&str> { line.split(' ').chain(["--out", out]).collect() };
    vec![
        of("bundle --archive a --object o"),
        of("tailor --archive a --object o"),
        of("report --archive a --object o --format html"),
        of("lock --archive a"),
        of("select b --release 5.10.0"),
        of("man"),
    ]
}

fn shell(dir: &Dir, script: &str) -> Run {
    let mut shell = Command::new("bash");
    shell
        .args(["-c", script])
        .env("B", binary())
        .env_remove("BTFHUB_ARCHIVE");
    dir.run(&mut shell)
}

cli_test!(a_reader_that_goes_away_is_no_failure, |dir| {
    for number in 0..3000 {
        let name = format!("a/debian/11/x86_64/5.10.0-{number}-a-rather-long-name.btf.tar.xz");
        dir.write(name, "x");
    }
    for command in ["list --archive a --kernels", "list --archive a --json"] {
        let run = shell(
            &dir,
            &format!("$B {command} | head -n 1; exit ${{PIPESTATUS[0]}}"),
        );
        assert_eq!(
            (run.status, run.stderr.as_str()),
            (Some(0), ""),
            "{command}"
        );
        assert_eq!(run.stdout.lines().count(), 1);
    }
    // Closed from the start.
    let run = shell(&dir, "$B list --archive a | true; exit ${PIPESTATUS[0]}");
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
});

cli_test!(stdout_without_room_is_a_failure, |dir| {
    prepare(&dir);
    for command in [
        "list --archive a",
        "list --archive a --json",
        "inspect b",
        "select b --release 5.10.0",
        "report --archive a --object o",
        "completions bash",
        "man",
    ] {
        let complaint = shell(&dir, &format!("$B {command} > /dev/full")).fails(1);
        assert!(
            complaint.contains("cannot write to stdout"),
            "{command}: {complaint}"
        );
    }
});

cli_test!(what_cannot_be_written_is_named_and_nothing_stays, |dir| {
    prepare(&dir);
    dir.write("file", "mine");
    let before = dir.files("");
    for writer in writers("file/below") {
        let complaint = dir.btfhub(&writer).fails(1);
        assert!(complaint.contains("file/below"), "{writer:?}: {complaint}");
        assert_eq!(dir.files(""), before, "{writer:?}");
    }
    // A directory in place of a file, or the other way round.
    std::fs::create_dir(dir.path("directory")).expect("a directory");
    for writer in writers("directory") {
        if !matches!(writer[0], "tailor" | "man") {
            let complaint = dir.btfhub(&writer).fails(1);
            assert!(complaint.contains("directory"), "{writer:?}: {complaint}");
        }
    }
    let kernel = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(kernel.path(), many_types()).expect("a file");
    let kernel = kernel.path().to_str().expect("UTF-8");
    let add = ["add", kernel, "--release", "5.10.0", "--archive", "file"];
    let more = ["--distro", "d", "--version", "1", "--arch", "x86_64"];
    let complaint = dir.btfhub(add.iter().chain(&more)).fails(1);
    assert!(complaint.contains("file/d/1"), "{complaint}");
    assert_eq!(dir.files(""), before);
    assert_eq!(std::fs::read(dir.path("file")).expect("it"), b"mine");
});

cli_test!(a_full_disk_leaves_nothing, |dir| {
    prepare(&dir);
    std::fs::create_dir(dir.path("disk")).expect("a directory");
    // Root in its own namespace may mount; without namespaces, the test is skipped.
    let able = shell(&dir, "unshare -rm mount -t tmpfs tmpfs disk");
    if able.status != Some(0) {
        println!("no mount namespaces here");
        return;
    }
    for writer in writers("disk/out") {
        let script = format!(
            "unshare -rm bash -c 'mount -t tmpfs -o size=4k,nr_inodes=64 tmpfs disk; \
             head -c 4096 /dev/zero > disk/full; $B {}; code=$?; ls -A disk; exit $code'",
            writer.join(" ")
        );
        let run = shell(&dir, &script);
        assert_eq!(run.stdout, "full\n", "{writer:?}: {}", run.stderr);
        let complaint = run.fails(1);
        assert!(
            complaint.contains("No space left"),
            "{writer:?}: {complaint}"
        );
        assert!(complaint.contains("disk/out"), "{writer:?}: {complaint}");
    }
});

cli_test!(links_stay_links_and_pipes_pipes, |dir| {
    prepare(&dir);
    let bundle = std::fs::read(dir.path("b")).expect("a bundle");
    dir.write("target", "old");
    std::os::unix::fs::symlink("target", dir.path("link")).expect("a link");
    let to = |out: &str| {
        let of = ["bundle", "--archive", "a", "--object", "o", "--out"];
        of.iter()
            .copied()
            .chain([out])
            .collect::<Vec<_>>()
            .join(" ")
    };
    let _ = dir.btfhub(to("link").split(' ')).ok();
    assert!(dir.path("link").is_symlink());
    assert_eq!(std::fs::read(dir.path("target")).expect("it"), bundle);
    let _ = shell(
        &dir,
        &format!("mkfifo pipe; cat pipe > got & $B {}; wait", to("pipe")),
    )
    .ok();
    assert_eq!(std::fs::read(dir.path("got")).expect("it"), bundle);
    let pipe = std::fs::metadata(dir.path("pipe")).expect("it");
    assert!(pipe.file_type().is_fifo());
});

cli_test!(a_tree_appears_whole_or_not_at_all, |dir| {
    prepare(&dir);
    // A directory in place of the last file.
    std::fs::create_dir_all(dir.path("t/debian/11/x86_64/6.1.0.btf/x")).expect("directories");
    let tailor = ["tailor", "--archive", "a", "--object", "o", "--out", "t"];
    let complaint = dir.btfhub(tailor).fails(1);
    assert!(
        complaint.contains("t/debian/11/x86_64/6.1.0.btf"),
        "{complaint}"
    );
    std::fs::remove_dir_all(dir.path("t")).expect("it");

    // Foreign files stay, and are reported.
    dir.write("t/.btfhub-notes.part/0", "mine");
    dir.write("t/debian/10/x86_64/4.19.0.btf", "another run's");
    let run = dir.btfhub(tailor);
    assert!(
        run.stderr.contains("t: 1 file for other kernels"),
        "{}",
        run.stderr
    );
    let _ = run.ok();
    assert_eq!(
        dir.files("t"),
        [
            ".btfhub-notes.part/0",
            "debian/10/x86_64/4.19.0.btf",
            "debian/11/x86_64/4.19.0.btf",
            "debian/11/x86_64/5.10.0.btf",
            "debian/11/x86_64/6.1.0.btf",
        ]
    );
});

cli_test!(inputs_without_end_are_refused, |dir| {
    prepare(&dir);
    let sparse = std::fs::File::create(dir.path("sparse")).expect("a file");
    sparse.set_len(1 << 40).expect("a hole");
    let add = [
        "--archive",
        "n",
        "--distro",
        "d",
        "--version",
        "1",
        "--release",
        "5",
    ];
    for command in [
        &["inspect", "sparse"][..],
        &["verify", "sparse", "--archive", "a", "--object", "o"],
        &["select", "sparse", "--release", "5"],
        &[&["add", "sparse"][..], &add].concat(),
    ] {
        let complaint = dir.btfhub(command).fails(1);
        assert!(
            complaint.contains("1099511627776 bytes long"),
            "{command:?}: {complaint}"
        );
    }
});

cli_test!(names_need_not_be_text, |dir| {
    prepare(&dir);
    let odd = |name: &str| -> OsString {
        let mut bytes = name.as_bytes().to_vec();
        bytes.extend_from_slice(b" \xff\xfe");
        OsString::from_vec(bytes)
    };
    std::fs::rename(dir.path("a"), dir.path(odd("a"))).expect("a rename");
    std::fs::rename(dir.path("o"), dir.path(odd("o"))).expect("a rename");
    let run = |command: &str, more: &[&OsStr]| {
        let base = [OsString::from(command), "--archive".into(), odd("a")];
        dir.btfhub(
            base.iter()
                .map(OsString::as_os_str)
                .chain(more.iter().copied()),
        )
    };
    let of = |text: &'static str| OsStr::new(text);
    assert!(run("list", &[]).ok().contains("3 kernels"));
    assert!(
        run("check", &[of("--json")])
            .ok()
            .contains("btfhub.check/1")
    );
    let (object, out) = (odd("o"), odd("out"));
    let objects = [of("--object"), &object];
    let _ = run("tailor", &[&objects[..], &[of("--out"), &out]].concat()).ok();
    assert!(dir.path(&out).join("debian/11/x86_64/5.10.0.btf").is_file());
    let bundle = odd("bundle");
    let _ = run("bundle", &[&objects[..], &[of("--out"), &bundle]].concat()).ok();
    let _ = dir.btfhub([of("inspect"), &bundle]).ok();
    let _ = dir.btfhub([of("inspect"), &bundle, of("--json")]).ok();
    let verify = [&objects[..], &[&bundle]].concat();
    let _ = dir
        .btfhub([
            of("verify"),
            &bundle,
            of("--archive"),
            &odd("a"),
            of("--object"),
            &object,
        ])
        .ok();
    let _ = verify;
    let page = odd("page");
    let report = [of("--format"), of("html"), of("--out"), &page];
    let _ = run("report", &[&objects[..], &report].concat()).ok();
    // A filter is text.
    let complaint = run("list", &[of("--include"), &odd("x")]).fails(2);
    assert!(complaint.contains("UTF-8"), "{complaint}");
});

cli_test!(colours_and_progress_are_for_terminals, |dir| {
    if !has_tool("script") {
        return;
    }
    prepare(&dir);
    dir.write("a/debian/12/x86_64/6.1.9.btf.tar.xz", "no xz");
    let command = "$B report --archive a --object o";
    let terminal = |environment: &str| {
        let script = format!("{environment} script -qec '{command}' /dev/null < /dev/null");
        shell(&dir, &script).stdout
    };
    let shown = terminal("TERM=xterm");
    assert!(shown.contains("\x1b[1;31merror:\x1b[0m"), "{shown:?}");
    assert!(shown.contains("\rresolving "), "{shown:?}");
    let plain = terminal("TERM=xterm NO_COLOR=1");
    assert!(
        plain.contains("\rresolving ") && !plain.contains("\x1b[1"),
        "{plain:?}"
    );
    let dumb = terminal("TERM=dumb");
    assert!(!dumb.contains('\x1b'), "{dumb:?}");
    let piped = shell(&dir, &format!("TERM=xterm {command} 2>&1"));
    assert!(!piped.stdout.contains('\x1b'), "{:?}", piped.stdout);
});

cli_test!(a_described_host_is_not_this_machine, |dir| {
    prepare(&dir);
    let select = |more: &[&str]| dir.btfhub(["select", "b"].iter().chain(more));
    let first = |more: &[&str]| {
        let text = select(more).ok();
        text.lines().next().expect("a line").to_owned()
    };
    // This machine's architecture, BTF and variables would each give a different result.
    assert_eq!(first(&["--release", "5.10.0"]), "debian/11/x86_64/5.10.0");
    dir.write("raw.btf", btf("after"));
    let mut command = dir.command();
    command.args(["select", "b", "--release", "5.10.0"]);
    command.env("BTFHUB_BTF", dir.path("raw.btf"));
    assert!(
        dir.run(&mut command)
            .ok()
            .starts_with("debian/11/x86_64/5.10.0\n")
    );
    let _ = select(&["--release", "5.10.0", "--machine", "aarch64"]).fails(3);

    // An invalid os-release names no distribution; an unreadable one is an error.
    dir.write("empty", "");
    let run = select(&["--release", "5.10.0", "--os-release", "empty"]);
    assert!(
        run.stderr.contains("empty has no ID line"),
        "{}",
        run.stderr
    );
    let _ = run.ok();
    for unreadable in ["nowhere", "a"] {
        let of = ["--release", "5.10.0", "--os-release", unreadable];
        let complaint = select(&of).fails(1);
        assert!(
            complaint.contains(&format!("cannot read {unreadable}")),
            "{complaint}"
        );
    }
    let text = shell(
        &dir,
        "$B select b --release 5.10.0 --os-release <(printf 'ID=debian\\nVERSION_ID=11\\n')",
    );
    assert!(text.ok().starts_with("debian/11/x86_64/5.10.0\n"));

    // A directory's own BTF belongs only to the kernel that ran there.
    dir.write("root/proc/sys/kernel/osrelease", "6.1.0\n");
    dir.write("root/sys/kernel/btf/vmlinux", btf("after"));
    assert_eq!(first(&["--root", "root"]), "root/sys/kernel/btf/vmlinux");
    assert_eq!(
        first(&["--root", "root", "--embedded"]),
        "debian/11/x86_64/6.1.0"
    );
    let other = ["--root", "root", "--release", "5.10.0"];
    assert_eq!(first(&other), "debian/11/x86_64/5.10.0");
});

cli_test!(an_added_kernel_is_what_it_says, |dir| {
    // A header that says x86_64, as the kernel's own object files do.
    let vmlinux = own_dir().join("guard.after.btf.o");
    assert!(Path::new(&vmlinux).exists());
    let mut entry = vec![0x90u8; 0x300];
    entry[0x202..0x206].copy_from_slice(b"HdrS");
    entry[0x236] = 1;
    entry.extend_from_slice(b"Linux version 5.10.0-30-amd64 (me@here) #1\n\0");
    entry.resize(entry.len().next_multiple_of(16), 0);
    entry.extend_from_slice(&many_types());
    dir.write("vmlinuz", &entry);
    let add = |more: &[&str]| {
        let base = [
            "add",
            "vmlinuz",
            "--archive",
            "n",
            "--distro",
            "d",
            "--version",
            "1",
        ];
        dir.btfhub(base.iter().chain(more))
    };
    let complaint = add(&["--arch", "arm64"]).fails(2);
    assert!(
        complaint.contains("the kernel is for x86_64"),
        "{complaint}"
    );
    assert!(!dir.has("n"));
    let run = add(&["--arch", "amd64", "--release", "5.10.0-31-amd64"]);
    assert!(
        run.stderr.contains("calls itself 5.10.0-30-amd64"),
        "{}",
        run.stderr
    );
    assert!(run.ok().starts_with("added d/1/x86_64/5.10.0-31-amd64\n"));
    let run = add(&[]);
    assert_eq!(run.stderr, "");
    assert!(run.ok().starts_with("added d/1/x86_64/5.10.0-30-amd64\n"));
});

/// BTF with as many types as only a kernel has.
fn many_types() -> Vec<u8> {
    let mut btf = btfhub_tests::btf_builder::BtfBuilder::new();
    let long = btf.int("long", 8, 0);
    let member = |name| btfhub_tests::btf_builder::member(name, long, 0);
    btf.structure("task_struct", 8, &[member("stack")]);
    for number in 0..1500 {
        btf.structure(&format!("type{number}"), 8, &[member("m")]);
    }
    btf.finish()
}
