//! Names from outside (of entries, objects, types, programs, members of tars) that would steer
//! a terminal, forge a line or be no name at all.

use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::Run;
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::{cli_test, pack};

/// A new title, a new colour, the cursor up, a line and a cargo directive, DEL, a C1 control
/// (CSI in one byte), a mark that turns the direction of the text, a line separator.
const ODD: [&str; 7] = [
    "\x1b]0;owned\x07",
    "\x1b[31mred\x1b[0m",
    "\x1b[1A\rup",
    "two\ncargo::warning=lines",
    "del\x7fbell\x07",
    "c1\u{9b}31m",
    "bidi\u{202e}\u{2028}",
];

fn kernel(name: &str) -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, 1);
    btf.structure(name, 8, &[member("pid", int, 4)]);
    btf.structure("task", 8, &[member("pid", int, 4)]);
    btf.finish()
}

/// An object with a program of this section, which asks for a type and a member of this name.
fn object(name: &str) -> Vec<u8> {
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, 1);
    let odd = local.structure(name, 8, &[member("pid", int, 0), member(name, int, 4)]);
    let relo = |access: &str| Relo {
        program: 0,
        type_id: odd,
        access: access.into(),
        kind: 0,
    };
    let section = format!("raw_tp/{name}");
    elf_builder::object_of_sections(&local, &[relo("0:0"), relo("0:1")], &[&section], false)
}

/// Nothing printed can do more than be read.
#[track_caller]
fn is_plain(what: &str, text: &str) {
    let odd = text
        .chars()
        .find(|&c| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}'));
    assert_eq!(odd, None, "{what}: {text:?}");
    let forged = text
        .lines()
        .find(|line| line.trim_start().starts_with("cargo::"));
    assert_eq!(forged, None, "{what}: {text:?}");
}

#[track_caller]
fn plain(what: &str, run: Run) -> Run {
    is_plain(what, &run.stdout);
    is_plain(what, &run.stderr);
    run
}

cli_test!(entries_that_no_kernel_is_called_are_left_out, |dir| {
    let good = "debian/11/x86_64/5.10.0-1-amd64";
    pack::entry(&dir.path("a"), good, &kernel("task"));
    for odd in ODD {
        pack::entry(
            &dir.path("a"),
            &format!("debian/11/x86_64/5.10.0{odd}"),
            &kernel("task"),
        );
        pack::entry(
            &dir.path("a"),
            &format!("de{odd}bian/11/x86_64/5.10.1"),
            &kernel("task"),
        );
        dir.write(format!("a/debian/11/x86_64/side{odd}"), "x");
        dir.write(format!("a/debian/stray{odd}.btf.tar.xz"), "x");
    }
    let long = format!("debian/11/x86_64/5.10.0-{}", "l".repeat(232));
    let entry = std::fs::read(dir.path(format!("a/{good}.btf.tar.xz"))).expect("an entry");
    dir.write(format!("a/{long}.btf.tar.xz"), entry);
    // 64 bytes are the most that `uname -r` has.
    let longest = format!("debian/11/x86_64/5.10.0-{}", "l".repeat(57));
    pack::entry(&dir.path("a"), &longest, &kernel("task"));
    // A version by the name of a link beside it.
    pack::entry(
        &dir.path("a"),
        "ubuntu/bionic/x86_64/4.15.0",
        &kernel("task"),
    );
    let link = dir.path("a/ubuntu/18.04\x1b[31m");
    std::os::unix::fs::symlink("bionic", link).expect("a link");
    dir.write("o", object("task"));

    let kernels = plain("list", dir.btfhub(["list", "--archive", "a", "--kernels"])).ok();
    assert_eq!(
        kernels.lines().collect::<Vec<_>>(),
        ["ubuntu/bionic/x86_64/4.15.0", good, longest.as_str()]
    );
    let list = plain("list", dir.btfhub(["list", "--archive", "a"])).ok();
    assert_eq!(list.matches("not a kernel's name").count(), 15, "{list}");
    assert!(list.contains(r"5.10.0two\ncargo::warning=lines"), "{list}");
    let json = plain(
        "list --json",
        dir.btfhub(["list", "--archive", "a", "--json"]),
    )
    .ok();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json.to_string().contains("not a kernel's name"));

    let _ = plain("lock", dir.btfhub(["lock", "--archive", "a", "--out", "l"])).ok();
    let _ = plain(
        "lock",
        dir.btfhub(["lock", "--archive", "a", "--out", "l", "--check"]),
    )
    .ok();
    let _ = plain("check", dir.btfhub(["check", "--archive", "a"])).ok();
    for command in [
        "bundle --out b",
        "bundle --out b --pin lock:l",
        "tailor --out t",
    ] {
        let more = ["--archive", "a", "--object", "o"];
        let _ = plain(command, dir.btfhub(command.split(' ').chain(more))).ok();
    }
    let bundle = plain("inspect", dir.btfhub(["inspect", "b", "--kernels"])).ok();
    assert!(bundle.contains(&longest), "{bundle}");
});

cli_test!(names_in_objects_and_kernels_are_shown_as_text, |dir| {
    for odd in ODD {
        let odd_type = format!("t{odd}");
        let archive = dir.path("a");
        pack::entry(&archive, "debian/11/x86_64/5.10.0", &kernel(&odd_type));
        pack::entry(&archive, "debian/11/x86_64/5.10.1", &kernel("task"));
        let file = format!("dir/o{odd}.bpf.o");
        dir.write(&file, object(&odd_type));
        let run = |arguments: &[&str]| {
            let more = ["--archive", "a", "--object", &file];
            let run = dir.btfhub(arguments.iter().copied().chain(more));
            plain(&arguments.join(" "), run)
        };
        for format in ["text", "json", "html", "markdown"] {
            let shown = run(&["report", "--format", format]);
            assert!(!shown.stdout.is_empty(), "{}", shown.stderr);
            let _ = run(&["report", "--format", format, "--out", "page"]).ok();
            let page = std::fs::read_to_string(dir.path("page")).expect("a report");
            // The page's own script has tabs in none of its lines.
            is_plain(format, &page);
        }
        let json = run(&["report", "--format", "json"]).ok();
        let _: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let _ = run(&["report", "--deny", "unloadable"]);
        let _ = run(&["bundle", "--out", "b"]).ok();
        let _ = plain("inspect", dir.btfhub(["inspect", "b"])).ok();
        let _ = plain(
            "verify",
            dir.btfhub(["verify", "b", "--archive", "a", "--object", &file]),
        );
        let _ = plain(
            "atlas",
            dir.btfhub(["atlas", "build", "--archive", "a", "--out", "x"]),
        )
        .ok();
        let _ = plain("atlas diff", dir.btfhub(["atlas", "diff", "x", "x"]));
        let usage = dir.btfhub(["atlas", "inspect", "x", &odd_type]);
        // What clap says has lines of its own.
        if !odd.contains('\n') {
            let _ = plain("usage", usage).fails(2);
        }
        // Errors name the file.
        dir.write(&file, "no object");
        let complaint = run(&["bundle", "--out", "b"]).fails(1);
        assert!(complaint.contains("not a 64-bit ELF file"), "{complaint}");
        std::fs::remove_dir_all(dir.path("a")).expect("it");
    }
});

cli_test!(members_of_entries_are_shown_as_text, |dir| {
    for (number, odd) in ODD.into_iter().enumerate() {
        let members = [
            pack::Member::file(odd, b"x"),
            pack::Member::file("other", b"x"),
        ];
        let entry = pack::xz(&pack::tar(&members));
        dir.write(
            format!("a/debian/11/x86_64/5.10.{number}.btf.tar.xz"),
            entry,
        );
    }
    let complaint = plain("check", dir.btfhub(["check", "--archive", "a"]));
    assert!(
        complaint.stdout.contains("none of them is the only"),
        "{}",
        complaint.stdout
    );
    dir.write("o", object("task"));
    let bundle = ["bundle", "--archive", "a", "--object", "o", "--out", "b"];
    let complaint = plain("bundle", dir.btfhub(bundle)).fails(1);
    assert!(complaint.contains("7 of 7 entries"), "{complaint}");
});
