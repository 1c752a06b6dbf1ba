//! Names from outside (of entries, objects, types, programs, members of tars) that would control
//! a terminal, forge a line, or are no names at all.

use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{Failure, Provenance, When};
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::Run;
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::{cli_test, pack};

/// A new title, a new colour, the cursor up, a line and a cargo directive, DEL, a C1 control
/// (CSI in one byte), a mark that turns the direction of the text, a line separator, commands
/// for two CIs that read their logs.
const ODD: [&str; 9] = [
    "\x1b]0;owned\x07",
    "\x1b[31mred\x1b[0m",
    "\x1b[1A\rup",
    "two\ncargo::warning=lines",
    "del\x7fbell\x07",
    "c1\u{9b}31m",
    "bidi\u{202e}\u{2028}",
    "##vso[task.prependpath]",
    "##[group]x",
];

fn kernel(name: &str) -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, 1);
    btf.structure(name, 8, &[member("pid", int, 4)]);
    btf.structure("task", 8, &[member("pid", int, 4)]);
    btf.finish()
}

/// An object with a program in this section, with relocations for a type and a member of this name.
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

/// Nothing in the output controls the terminal.
#[track_caller]
fn is_plain(what: &str, text: &str) {
    let odd = text
        .chars()
        .find(|&c| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}'));
    assert_eq!(odd, None, "{what}: {text:?}");
    let is_command = |line: &str| {
        let begins = ["cargo::", "::"]
            .iter()
            .any(|it| line.trim_start().starts_with(it));
        begins || ["##vso[", "##["].iter().any(|it| line.contains(it))
    };
    let forged = text.lines().find(|line| is_command(line));
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
    pack::entry(
        &dir.path("a"),
        "::error::x/11/x86_64/5.10.0",
        &kernel("task"),
    );
    let long = format!("debian/11/x86_64/5.10.0-{}", "l".repeat(232));
    let entry = std::fs::read(dir.path(format!("a/{good}.btf.tar.xz"))).expect("an entry");
    dir.write(format!("a/{long}.btf.tar.xz"), entry);
    // `uname -r` has at most 64 bytes.
    let longest = format!("debian/11/x86_64/5.10.0-{}", "l".repeat(57));
    pack::entry(&dir.path("a"), &longest, &kernel("task"));
    // A version named by a link next to it.
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
    assert_eq!(list.matches("not a kernel's name").count(), 20, "{list}");
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
            // The page's own script contains no tabs.
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
        // clap's own message has several lines.
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
    assert!(complaint.contains("9 of 9 entries"), "{complaint}");
});

/// A bundle in which every text is this one, if the format allows it.
fn bundle(odd: &str) -> Vec<u8> {
    let provenance = Provenance {
        pins: vec![odd.to_owned()],
        tool: odd.to_owned(),
        ..Provenance::default()
    };
    let mut writer = Writer::new(provenance.with_objects(&[(odd, [1; 32])]));
    let short: String = odd.chars().take(40).collect();
    for (distro, release, class) in [(odd, "5.10.0-1", 4), ("other", "5.10.0-1", 8)] {
        let mut btf = BtfBuilder::new();
        let _ = btf.int("int", class, 1);
        let release = format!("{release}{short}");
        let kernel = KernelId {
            arch: Arch::new(odd),
            release: &release,
            distro,
            version: odd,
        };
        writer.add_kernel(kernel, btf.finish()).expect("a kernel");
        let text: String = odd.chars().take(1000).collect();
        let failure = Failure {
            object: odd.to_owned(),
            program: text.clone(),
            when: When::Always,
            reason: text,
        };
        writer.add_failures(kernel, [failure]).expect("failures");
    }
    writer.finish().expect("a bundle")
}

/// What commands print about a bundle, a host, a baseline, a lock, an os-release and a kernel
/// image in which every text is this one.
fn told(dir: &btfhub_tests::cli::Dir, odd: &str) -> Vec<(String, String)> {
    dir.write("b", bundle(odd));
    dir.write(
        "os",
        format!("ID={}\nVERSION_ID=1\n", odd.replace('\n', "")),
    );
    let reasons = serde_json::json!([{"rule": odd, "text": odd}]);
    let verdict = |word: &str| serde_json::json!({"verdict": word, "reasons": reasons});
    let baseline = serde_json::json!({
        "schema": "btfhub.support/1",
        "objects": [odd, "o"],
        "programs": [{"object": odd, "name": odd, "section": odd},
                     {"object": "o", "name": "p0", "section": "raw_tp/x"}],
        "program_verdicts": [verdict("runs"), verdict("fails")],
        "object_verdicts": [verdict("runs"), verdict("fails")],
        "program_columns": [[0, 0]], "object_columns": [[0, 1]],
        "kernels": [
            {"distro": odd, "version": odd, "arch": odd, "release": odd,
             "program_column": 0, "object_column": 0},
            {"distro": "debian", "version": "11", "arch": "x86_64", "release": "5.10.0",
             "program_column": 0, "object_column": 0}],
    });
    dir.write("before", baseline.to_string());
    let unknown = baseline
        .to_string()
        .replace("\"runs\"", &serde_json::json!(odd).to_string());
    dir.write("no before", unknown);
    let schema = serde_json::json!({"schema": odd});
    dir.write("no schema", schema.to_string());
    dir.write(
        "lock",
        format!("{}  {odd}/x/y/z.btf.tar.xz\n", "0".repeat(64)),
    );
    pack::entry(&dir.path("a"), "debian/11/x86_64/5.10.0", &kernel("task"));
    dir.write("o", object("task"));
    let mut image = vec![0; 4096];
    image.extend(format!("Linux version 5{}x ", odd.replace(' ', "")).as_bytes());
    image.extend(kernel("task_struct"));
    dir.write("Image", image);
    dir.write("shard", [&b"BTFHUB\x1aS"[..], odd.as_bytes()].concat());
    let commands: [&[&str]; 16] = [
        &["inspect", "b"],
        &["inspect", "b", "--kernels"],
        &["select", "b", "--release", "5.10.0", "--machine", odd],
        &[
            "select",
            "b",
            "--release",
            odd,
            "--version-string",
            odd,
            "--os-release",
            "os",
        ],
        &["select", "b", "--release", odd, "--root", "."],
        &["select", "b", "--root", odd],
        &["verify", "b", "--archive", "a", "--object", "o"],
        &[
            "report",
            "--archive",
            "a",
            "--object",
            "o",
            "--baseline",
            "before",
            "--deny",
            "lost",
        ],
        &[
            "report",
            "--archive",
            "a",
            "--object",
            "o",
            "--baseline",
            "no before",
        ],
        &[
            "report",
            "--archive",
            "a",
            "--object",
            "o",
            "--baseline",
            "no schema",
        ],
        &["report", "--archive", "a", "--object", "o", "--deny", odd],
        &["list", "--archive", "a", "--include", odd],
        &[
            "bundle",
            "--archive",
            "a",
            "--object",
            "o",
            "--out",
            "b2",
            "--pin",
            "lock:lock",
        ],
        &[
            "bundle",
            "--archive",
            "a",
            "--object",
            "o",
            "--out",
            "b2",
            "--pin",
            odd,
        ],
        &[
            "add",
            "Image",
            "--archive",
            "a",
            "--distro",
            odd,
            "--version",
            "1",
        ],
        &["merge", "shard", "--out", "b2"],
    ];
    let mut told = Vec::new();
    for command in commands {
        for json in [&[][..], &["--json"]] {
            let run = dir.btfhub(command.iter().chain(json));
            let what = format!("{command:?} {json:?}");
            told.push((format!("{what} stdout"), run.stdout));
            told.push((format!("{what} stderr"), run.stderr));
        }
    }
    for format in ["text", "markdown", "html"] {
        let report = [
            "report",
            "--archive",
            "a",
            "--object",
            "o",
            "--baseline",
            "before",
        ];
        let run = dir.btfhub(report.iter().chain(&["--format", format]));
        told.push((format.to_owned(), run.ok()));
    }
    told
}

cli_test!(nothing_that_is_quoted_ends_a_line, |dir| {
    for odd in ODD.into_iter().chain(["::error::x"]) {
        for (what, text) in told(&dir, odd) {
            is_plain(&what, &text);
        }
    }
});

cli_test!(what_is_quoted_is_cut, |dir| {
    // A program's argument has at most 128 KiB.
    let long = "l".repeat(100_000);
    for (what, text) in told(&dir, &long) {
        let is_document = what.contains("--json") && what.ends_with("stdout") || what == "html";
        let longest = text.lines().map(str::len).max().unwrap_or(0);
        assert!(
            is_document || longest <= 8300,
            "{what}: a line of {longest} bytes"
        );
    }
    let member = "m".repeat(20 << 20);
    for kind in [tar::EntryType::Symlink, tar::EntryType::Regular] {
        let mut tar = tar::Builder::new(Vec::new());
        for name in [&member, &format!("{member}2")] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            let _ = tar.append_data(&mut header, name, &b""[..]);
        }
        let entry = pack::xz(&tar.into_inner().expect("memory"));
        dir.write("a/debian/11/x86_64/5.11.0.btf.tar.xz", entry);
        for command in ["check --archive a", "list --archive a --modules"] {
            let run = dir.btfhub(command.split(' '));
            let said = run.stdout.len() + run.stderr.len();
            assert!(
                run.status == Some(1) && said < 8192,
                "{command}: {said} bytes"
            );
        }
    }
});
