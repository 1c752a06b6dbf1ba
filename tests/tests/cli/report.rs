//! `report` in its formats, and `--deny`.

use btfhub_build::archive;
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, member};
use btfhub_tests::cli::Dir;
use btfhub_tests::objects::{libbpf_tools, own_dir};
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::{cli_test, elf_builder, pack};
use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/archive");
const EXECWATCH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/execwatch/src/execwatch.bpf.o"
);

fn object(name: &str) -> String {
    own_dir().join(name).to_str().expect("UTF-8").to_owned()
}

fn report(dir: &Dir, object: &str, more: &[&str]) -> btfhub_tests::cli::Run {
    let base = ["report", "--archive", EXAMPLES, "--object", object];
    dir.btfhub(base.iter().chain(more))
}

/// Kernels with an enumerator of 64 bits, as written by pahole before 1.24 and by later ones.
fn wide_enums(dir: &Dir) {
    const HIGH: u64 = 1 << 63 | 4;
    for (kernel, is_old) in [("5.10.0-9-amd64", true), ("6.1.0-9-amd64", false)] {
        let mut btf = BtfBuilder::new();
        let int = btf.int("int", 4, INT_SIGNED);
        btf.structure("task_struct", 4, &[member("pid", int, 0)]);
        if is_old {
            let cut = [("WIDE_LOW", 4), ("WIDE_HIGH", 4)];
            btf.enumeration("wide_flags", 8, false, &cut);
        } else {
            let whole = [("WIDE_LOW", 4), ("WIDE_HIGH", HIGH)];
            btf.enumeration64("wide_flags", false, &whole);
        }
        let kernel = format!("debian/11/x86_64/{kernel}");
        pack::entry(&dir.path("wide"), &kernel, &btf.finish());
    }
}

cli_test!(an_enumerator_that_lost_its_upper_half_is_told, |dir| {
    wide_enums(&dir);
    let object = object("wide_enum.bpf.o");
    let args = ["--archive", "wide", "--object", &object];
    let command = |words: &[&str]| dir.btfhub(words.iter().chain(&args));
    let json = command(&["report", "--format", "json"]).ok();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let told: Vec<(&str, String)> = (json["kernels"].as_array().expect("kernels").iter())
        .map(|kernel| {
            let column = kernel["column"].as_u64().expect("a number") as usize;
            let verdicts = json["columns"][column].as_array().expect("a column");
            let verdicts = verdicts.iter().map(|at| {
                let verdict = &json["verdicts"][at.as_u64().expect("a number") as usize];
                let word = |key: &str| verdict[key].as_str().expect("a word").to_owned();
                format!("{} {} {}", word("status"), word("effect"), word("value"))
            });
            let release = kernel["release"].as_str().expect("a release");
            (release, verdicts.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let high = (1u64 << 63 | 4).to_string();
    assert_eq!(
        told,
        [
            // WIDE_HIGH, WIDE_LOW
            (
                "5.10.0-9-amd64",
                "truncated wrong-value 4, resolved fine 4".to_owned()
            ),
            (
                "6.1.0-9-amd64",
                format!("resolved fine {high}, resolved fine 4")
            ),
        ]
    );
    let run = command(&["report", "--deny", "truncated"]);
    let line = "BAD   bpf_core_enum_value(enum wide_flags, WIDE_HIGH): truncated on 1 kernel\n      \
                the program has 0x8000000000000004, the kernel's BTF 0x4";
    assert!(run.stdout.contains(line), "{}", run.stdout);
    let complaint = run.fails(1);
    assert!(complaint.contains("LINUX_KERNEL_VERSION"), "{complaint}");
    let warning = "warning: programs get a wrong number on 1 of 2 kernels \
                   (debian/11/x86_64/5.10.0-9-amd64)";
    for words in [
        &["report"][..],
        &["bundle", "--out", "b.btfhub"],
        &["tailor", "--out", "tree"],
    ] {
        let run = command(words);
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        assert!(
            run.stderr.contains("[truncated-enumerators]"),
            "{}",
            run.stderr
        );
        let _ = run.ok();
    }
    // Everything loads.
    let _ = command(&["report", "--deny", "unloadable"]).ok();
});

cli_test!(no_two_rows_read_the_same, |dir| {
    let objects = ["flavor.bpf.o", "array.bpf.o", "kernel.bpf.o", "field.bpf.o"].map(object);
    let args = ["report", "--archive", EXAMPLES, "--json"];
    let objects = objects.iter().flat_map(|path| ["--object", path]);
    let json = dir.btfhub(args.into_iter().chain(objects)).ok();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let mut terms: Vec<&str> = (json["relocations"].as_array().expect("relocations").iter())
        .map(|relocation| relocation["term"].as_str().expect("a term"))
        .collect();
    for expected in [
        "shape___old.width",
        "shape___new.size.w",
        "bpf_core_field_exists(shape___a___b.width)",
        "bpf_core_type_exists(struct shape___new) / bpf_core_type_exists(struct shape___old)",
        "bpf_core_type_matches(struct shape___new)",
        "bpf_core_type_matches(struct shape___old)",
        "bpf_core_enum_value(enum level___mine, LEVEL_HIGH)",
    ] {
        assert!(terms.contains(&expected), "{expected}: {terms:#?}");
    }
    let count = terms.len();
    terms.sort_unstable();
    terms.dedup();
    assert_eq!(terms.len(), count);
});

cli_test!(what_a_build_script_says_is_said, |dir| {
    let maps = object("maps_only.bpf.o");
    let guard = object("guard.bpf.o");
    for words in [
        &["report"][..],
        &["bundle", "--out", "b.btfhub"],
        &["tailor", "--out", "tree"],
    ] {
        let args = ["--archive", EXAMPLES, "--object", &guard, "--object", &maps];
        let run = dir.btfhub(words.iter().chain(&args));
        let warning = "warning: no CO-RE relocations in maps_only.bpf.o: it holds no program \
                       [no-relocations]";
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        let _ = run.ok();
        let run = dir.btfhub(words.iter().chain(&args).chain(&["--quiet"]));
        assert_eq!(run.stderr, "");
    }
});

cli_test!(a_change_that_drops_kernels_is_caught, |dir| {
    let dropped = object("dropped.bpf.o");
    // If the field exists, nothing is denied.
    let _ = report(
        &dir,
        &dropped,
        &["--include", ">=6.1", "--deny", "unloadable"],
    )
    .ok();
    let run = report(&dir, &dropped, &["--deny", "unloadable"]);
    let text = &run.stdout;
    assert!(
        text.contains(
            "The one program is not expected to run on all 8 kernels; `on_switch` fails on 3 kernels, all"
        ),
        "{text}"
    );
    assert!(
        text.contains("FAIL  on_switch (raw_tp/sched_switch): fails (proven) on 3 kernels"),
        "{text}"
    );
    assert!(
        text.contains("FAIL  task_struct.__state: absent on 3 kernels"),
        "{text}"
    );
    assert!(text.lines().count() <= 24, "{text}");
    let complaint = run.fails(1);
    for expected in [
        "--deny unloadable>0: 3 of 8 kernels: debian/11/arm64 5.10 (1), debian/11/x86_64 5.10 (2)",
        "task_struct.__state is absent on 3 kernels: task_struct has no member __state",
        "used in on_switch (raw_tp/sched_switch) dropped.bpf.c:",
        "what to do: guard the access with bpf_core_field_exists()",
    ] {
        assert!(complaint.contains(expected), "{expected}: {complaint}");
    }
});

cli_test!(the_name_of_the_file_says_the_format, |dir| {
    let object = object("guard.bpf.o");
    for (name, begins) in [
        ("r.html", "<!doctype html>"),
        ("r.json", "{"),
        ("r.md", "#"),
        ("r.txt", "guard.bpf.o: "),
    ] {
        let _ = report(&dir, &object, &["--out", name]).ok();
        let text = std::fs::read_to_string(dir.path(name)).expect("a report");
        assert!(text.starts_with(begins), "{name}: {:.40}", text);
    }
});

cli_test!(thresholds, |dir| {
    for (release, variant) in [
        ("4.18", "before"),
        ("5.4", "before"),
        ("5.15", "after"),
        ("6.1", "after"),
    ] {
        let elf =
            std::fs::read(own_dir().join(format!("guard.{variant}.btf.o"))).expect("an object");
        let btf = LocalObject::parse(variant, &elf).expect("an object").btf;
        pack::entry(
            &dir.path("a"),
            &format!("debian/11/x86_64/{release}.0"),
            &btf,
        );
    }
    let object = object("guard.bpf.o");
    let report = |deny: &[&str]| {
        let base = ["report", "--archive", "a", "--object", &object];
        let deny = deny.iter().flat_map(|kind| ["--deny", *kind]);
        dir.btfhub(base.into_iter().chain(deny))
    };
    let _ = report(&["unloadable>2"]).ok();
    let _ = report(&["unloadable>1"]).fails(1);
    let _ = report(&["unloadable>50%"]).ok();
    let _ = report(&["unloadable>49.5%"]).fails(1);
    let _ = report(&["unguarded"]).fails(1);
    let _ = report(&["ambiguous", "incompatible", "refused"]).ok();
    let _ = report(&["ambiguous", "absent"]).fails(1);
    let complaint = report(&["unloadible"]).fails(2);
    assert!(complaint.contains("is not a threshold"), "{complaint}");
});

// A missing field is reported once, though it is read, measured and shifted.
cli_test!(one_cause_is_told_once, |dir| {
    let run = report(&dir, &object("kernel.bpf.o"), &["--deny", "unloadable"]);
    let told = "bpf_core_field_size(bpf_map.map_type) and 4 more";
    assert!(
        run.stdout
            .contains(&format!("{told}: incompatible on 8 kernels")),
        "{}",
        run.stdout
    );
    assert!(run.stdout.lines().count() <= 24, "{}", run.stdout);
    let complaint = run.fails(1);
    assert!(
        complaint.contains(&format!("{told} are incompatible")),
        "{complaint}"
    );
});

// Forty programs that read another architecture's registers, or can't be traced there.
cli_test!(programs_with_one_reason_are_told_together, |dir| {
    let mut tools = libbpf_tools().into_iter();
    let Some(tool) = tools.find(|tool| tool.name.contains("/klockstat#")) else {
        return;
    };
    dir.write("klockstat.bpf.o", tool.elf);
    let kernels = ["--include", "debian/11/arm64/*", "--format"];
    for (format, expected) in [
        (
            "text",
            "kprobe_mutex_lock (kprobe/mutex_lock) and 21 more: fails (proven) on 1 kernel\n      \
             the kernel's pt_regs does not fit the program\n",
        ),
        (
            "markdown",
            "| `kprobe_mutex_lock (kprobe/mutex_lock)` and 21 more | fails (proven) | \
             debian/11/arm64 5.10 (1) | the kernel's pt\\_regs does not fit the program |\n",
        ),
        (
            "support",
            "`kprobe_mutex_lock_interruptible` and 18 more: fails (proven): the kernel's \
             pt\\_regs does not fit the program; `mutex_lock`, ",
        ),
    ] {
        let text = report(&dir, "klockstat.bpf.o", &[&kernels[..], &[format]].concat()).ok();
        assert!(text.contains(expected), "{format}: {text}");
    }
});

// A threshold on guarded relocations does not advise to fix what needs no fixing.
cli_test!(a_threshold_names_what_exceeds_it, |dir| {
    let run = report(&dir, EXECWATCH, &["--deny", "absent", "--json"]);
    let json: Value = serde_json::from_str(&run.stdout).expect("one document");
    assert_eq!(json["denied"][0]["exceeded"], true);
    let complaint = run.fails(1);
    for expected in [
        "--deny absent>0: 8 of 8 kernels",
        "task_struct.__state is absent on 3 kernels",
        "it checks first, and loads",
    ] {
        assert!(complaint.contains(expected), "{expected}: {complaint}");
    }
    assert!(!complaint.contains("guard the access"), "{complaint}");
});

cli_test!(a_guarded_field_is_not_denied, |dir| {
    // Its second program is only for newer kernels.
    let text = report(&dir, EXECWATCH, &["--deny", "unguarded"]).ok();
    assert!(
        text.contains("1 of 2 programs is expected to run on all 8 kernels;"),
        "{text}"
    );
    assert!(
        text.contains("ok    task_struct.__state: absent on 3 kernels"),
        "{text}"
    );
});

cli_test!(json_has_the_documented_shape, |dir| {
    let two = ["--include", "debian/1[13]/x86_64/*cloud*"];
    let report = |more: &[&str]| report(&dir, &object("dropped.bpf.o"), &[&two, more].concat());
    let complaint = report(&["--json", "--format", "html"]).fails(2);
    assert!(complaint.contains("leave out one"), "{complaint}");
    let deny = ["--deny", "unloadable>1", "--deny", "absent>90%"];
    let json = report(&[&["--json"][..], &deny].concat()).ok();
    assert_eq!(
        json,
        report(&[&["--format", "json", "--jobs", "1"][..], &deny].concat()).ok(),
        "the same at any number of jobs"
    );
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["schema"], "btfhub.report/2");
    assert_eq!(
        json["denied"],
        serde_json::json!([
            {"threshold": "unloadable>1", "exceeded": false},
            {"threshold": "absent>90%", "exceeded": false},
        ])
    );
    assert_eq!(json["objects"], serde_json::json!(["dropped.bpf.o"]));
    assert_eq!(json["summary"]["kernels"], 2);
    assert_eq!(json["summary"]["kernels_where_all_loads"], 1);
    let kernels = json["kernels"].as_array().expect("a list");
    let relocation = &json["relocations"][0];
    assert_eq!(relocation["term"], "task_struct.__state");
    assert_eq!(relocation["kind"], "byte_off");
    let site = &relocation["sites"][0];
    assert!(
        site["text"].as_str().expect("a line").contains("task"),
        "{site}"
    );
    let function = site["function"].as_u64().expect("an index") as usize;
    assert_eq!(json["functions"][function]["name"], "on_switch");
    assert_eq!(
        json["functions"][function]["section"],
        "raw_tp/sched_switch"
    );
    for kernel in kernels {
        let column = kernel["column"].as_u64().expect("an index") as usize;
        let verdict = json["columns"][column][0].as_u64().expect("an index") as usize;
        let verdict = &json["verdicts"][verdict];
        let old = kernel["series"] == "5.10";
        assert_eq!(kernel["loads"], !old, "{kernel}");
        assert_eq!(verdict["status"], if old { "absent" } else { "resolved" });
        assert_eq!(
            verdict["effect"],
            if old { "program-fails" } else { "fine" }
        );
        assert_eq!(verdict["value"].is_null(), old, "{verdict}");
        assert_eq!(
            verdict["failing"].as_array().expect("a list").is_empty(),
            !old
        );
    }
});

cli_test!(markdown_for_a_pull_request, |dir| {
    let two = [
        "--include",
        "debian/1[13]/x86_64/*cloud*",
        "--format",
        "markdown",
    ];
    let text = report(&dir, &object("dropped.bpf.o"), &two).ok();
    assert!(
        text.starts_with("### Kernel compatibility of `dropped.bpf.o`\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "**The one program is not expected to run on all 2 kernels; `on_switch` fails on 1 kernel, all before "
        ),
        "{text}"
    );
    assert!(
        text.contains("| debian/11/x86\\_64 5.10 | 1 | 0 | 0 | 1 |"),
        "{text}"
    );
    assert!(
        text.contains(
            "| `task_struct.__state` | debian/11/x86\\_64 5.10 (1) | absent, program-fails: "
        ),
        "{text}"
    );
});

cli_test!(written_to_a_file, |dir| {
    let run = report(
        &dir,
        EXECWATCH,
        &[
            "--include",
            "debian/11/arm64/*",
            "--format",
            "html",
            "--out",
            "sub/report.html",
        ],
    );
    assert_eq!(run.stdout, "");
    let _ = run.ok();
    let html = std::fs::read_to_string(dir.path("sub/report.html")).expect("a page");
    assert!(html.starts_with("<!doctype html>"));
    assert!(html.contains("\"schema\":\"btfhub.report/2\""));
});

cli_test!(damaged_entries_are_told, |dir| {
    let elf = std::fs::read(own_dir().join("guard.after.btf.o")).expect("an object");
    let btf = LocalObject::parse("after", &elf).expect("it").btf;
    pack::entry(&dir.path("a"), "debian/11/x86_64/5.10.0", &btf);
    dir.write("a/debian/11/x86_64/5.10.1.btf.tar.xz", "no xz");
    let object = object("guard.bpf.o");
    let run = dir.btfhub(["report", "--archive", "a", "--object", &object]);
    assert!(
        run.stdout
            .contains("left out: 1 kernel with a damaged entry"),
        "{}",
        run.stdout
    );
    let complaint = run.fails(1);
    assert!(complaint.contains("debian/11/x86_64/5.10.1"), "{complaint}");
    let _ = dir
        .btfhub([
            "report",
            "--archive",
            "a",
            "--object",
            &object,
            "--skip-bad",
        ])
        .ok();
});

// Paths that only the machine that compiled the objects knows are cut off.
cli_test!(source_paths_are_those_of_the_package, |dir| {
    let mut tools = libbpf_tools().into_iter();
    let Some(tool) = tools.find(|tool| tool.name.contains("/runqlen#")) else {
        return;
    };
    dir.write("runqlen.bpf.o", tool.elf);
    let files = |prefix: &str| -> Vec<String> {
        let more = ["--json", "--path-prefix", prefix];
        let json = report(&dir, "runqlen.bpf.o", &more).ok();
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let relocations = json["relocations"].as_array().expect("a list").iter();
        let sites =
            relocations.flat_map(|relocation| relocation["sites"].as_array().expect("a list"));
        sites
            .filter_map(|site| Some(site["file"].as_str()?.to_owned()))
            .collect()
    };
    let given = files("/nowhere");
    let (directory, _) = given[0]
        .rsplit_once('/')
        .expect("a path of the build machine");
    let cut = files(directory);
    assert_eq!(cut.len(), given.len());
    assert!(
        cut.iter().all(|file| !file.contains('/')),
        "{given:?}: {cut:?}"
    );
});

// Lines fit a terminal.
cli_test!(lines_of_text_are_short, |dir| {
    let text = report(&dir, &object("kernel.bpf.o"), &[]).ok();
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{longest:?}: {text}");
});

/// An archive of four kernels, and its report: the program runs on the two newer ones.
fn four(dir: &Dir, more: &[&str]) -> btfhub_tests::cli::Run {
    for (release, runs) in [
        ("4.18.0", false),
        ("5.4.0", false),
        ("6.1.0", true),
        ("6.6.0", true),
    ] {
        kernel(dir, release, runs);
    }
    on_four(dir, more)
}

/// A kernel with this release and the types of Debian 11 or 12.
fn kernel(dir: &Dir, release: &str, runs: bool) {
    let of = match runs {
        false => "debian/11/x86_64/5.10.0-46-cloud-amd64",
        true => "debian/12/x86_64/6.1.0-56-amd64",
    };
    let packed = std::fs::read(format!("{EXAMPLES}/{of}.btf.tar.xz")).expect("an entry");
    let btf = archive::decode(&packed, archive::DEFAULT_LIMIT).expect("BTF");
    let name = format!("debian/11/x86_64/{release}");
    pack::entry(&dir.path("a"), &name, btf.bytes());
}

fn on_four(dir: &Dir, more: &[&str]) -> btfhub_tests::cli::Run {
    let object = object("dropped.bpf.o");
    let base = ["report", "--archive", "a", "--object", &object];
    dir.btfhub(base.iter().chain(more))
}

const BASELINE: [&str; 4] = ["--baseline", "base.json", "--deny", "lost"];

cli_test!(nothing_changes_against_itself, |dir| {
    let json = four(&dir, &["--format", "support", "--json"]).ok();
    dir.write("base.json", &json);
    let text = on_four(&dir, &BASELINE).ok();
    assert!(
        text.contains("nothing changed since the baseline"),
        "{text}"
    );
    let again = on_four(&dir, &["--format", "support", "--json", "--jobs", "1"]).ok();
    assert_eq!(json, again, "the same at any number of jobs");
    // A whole report is a baseline as well.
    let _ = on_four(&dir, &["--format", "json", "--out", "base.json"]).ok();
    let text = on_four(&dir, &BASELINE).ok();
    assert!(
        text.contains("nothing changed since the baseline"),
        "{text}"
    );
});

cli_test!(what_a_change_loses_is_told_in_every_format, |dir| {
    let _ = four(
        &dir,
        &["--format", "support", "--json", "--out", "base.json"],
    )
    .ok();
    // 6.1 loses the field, 5.4 gains it, 6.6 is removed and 6.12 is added.
    kernel(&dir, "6.1.0", false);
    kernel(&dir, "5.4.0", true);
    kernel(&dir, "6.12.0", true);
    std::fs::remove_file(dir.path("a/debian/11/x86_64/6.6.0.btf.tar.xz")).expect("removed");

    let run = on_four(&dir, &BASELINE);
    for expected in [
        "since the baseline: support lost on 2 kernels, ",
        "lost    ",
        "won     ",
        "on_switch: runs → fails (proven) on debian/11/x86_64/6.1.0",
        "1 kernel gone",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    let complaint = run.fails(1);
    for expected in [
        "--deny lost>0: support lost on 2 of 4 kernels: debian/11/x86_64 (2)",
        "finds nothing here",
        "kernels no longer in the report: debian/11/x86_64/6.6.0",
        "update the baseline",
    ] {
        assert!(complaint.contains(expected), "{expected}: {complaint}");
    }
    let _ = on_four(&dir, &["--baseline", "base.json", "--deny", "lost>2"]).ok();
    let _ = on_four(&dir, &["--baseline", "base.json", "--deny", "lost>49%"]).fails(1);

    let json = on_four(&dir, &["--baseline", "base.json", "--json"]).ok();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let changes = &json["changes"];
    assert_eq!(
        changes["lost_on"],
        serde_json::json!(["debian/11/x86_64/6.1.0", "debian/11/x86_64/6.6.0"])
    );
    assert_eq!(
        changes["kernels_gone"],
        serde_json::json!(["debian/11/x86_64/6.6.0"])
    );
    assert_eq!(
        changes["kernels_new"],
        serde_json::json!(["debian/11/x86_64/6.12.0"])
    );
    let lost = &changes["lost"][0];
    assert_eq!(lost["before"]["verdict"], "runs");
    assert_eq!(lost["after"]["certainty"], "proven");
    assert_eq!(
        lost["kernels"],
        serde_json::json!(["debian/11/x86_64/6.1.0"])
    );

    let markdown = on_four(&dir, &["--baseline", "base.json", "--format", "markdown"]).ok();
    assert!(markdown.contains("#### What changed"), "{markdown}");
    assert!(markdown.contains("| lost | `"), "{markdown}");
    let html = on_four(&dir, &["--baseline", "base.json", "--format", "html"]).ok();
    assert!(
        html.contains("\"lost_on\":[\"debian/11/x86_64/6.1.0\""),
        "{html}"
    );
    assert!(html.contains("What changed</h4>"), "printed too");
});

cli_test!(baselines_that_cannot_be_used, |dir| {
    let complaint = four(&dir, &["--deny", "lost"]).fails(2);
    assert!(complaint.contains("needs a --baseline"), "{complaint}");
    let wild = r#"{"schema": "btfhub.support/1", "programs": [], "program_columns": [[7]],
        "program_verdicts": [], "objects": [], "object_columns": [], "object_verdicts": [],
        "kernels": []}"#;
    for (text, expected) in [
        ("no JSON", "it is not the JSON of a report"),
        ("{}", "its schema is none"),
        (
            r#"{"schema": "btfhub.report/1"}"#,
            "its schema is btfhub.report/1",
        ),
        (r#"{"schema": "btfhub.report/2"}"#, "missing field"),
        (wild, "program_columns[0] has 1 verdicts for 0 programs"),
        (&wild.replace("[[7]]", "[]"), "it names no kernel"),
    ] {
        dir.write("base.json", text);
        let complaint = on_four(&dir, &BASELINE).fails(1);
        assert!(complaint.contains(expected), "{expected}: {complaint}");
        assert!(complaint.contains("base.json"), "{complaint}");
    }
});

// Others may have written a baseline.
cli_test!(names_of_a_baseline_are_shown_as_text, |dir| {
    let json = four(&dir, &["--format", "support", "--json"]).ok();
    let forged = "x\nforged \u{1b}[31m";
    let mut base: Value = serde_json::from_str(&json).expect("JSON");
    base["programs"][0]["name"] = forged.into();
    base["kernels"][0]["release"] = forged.into();
    for verdict in base["program_verdicts"].as_array_mut().expect("verdicts") {
        *verdict = serde_json::json!({"verdict": "runs", "certainty": null,
            "reasons": [{"rule": forged, "text": forged}]});
    }
    dir.write("base.json", serde_json::to_string(&base).expect("JSON"));
    for format in ["text", "markdown", "html"] {
        let run = on_four(&dir, &[&BASELINE[..], &["--format", format]].concat());
        let all = [run.stdout.clone(), run.fails(1)].concat();
        assert!(all.contains("forged"), "{format}: {all}");
        assert!(
            !all.contains("\nforged") && !all.contains('\u{1b}'),
            "{format}: {all}"
        );
    }
});

cli_test!(a_table_for_the_readme, |dir| {
    let table = four(&dir, &["--format", "support"]).ok();
    for expected in [
        "| debian 11 | x86\\_64 | 4 |",
        "| 6.1.0 – 6.6.0 (2) | 4.18.0 – 5.4.0 (2) some fail[^btfhub-1] |",
        "\n[^btfhub-1]: `",
    ] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
    let (begin, end) = (table.lines().next(), table.lines().last());
    let (begin, end) = (begin.expect("a line"), end.expect("a line"));
    dir.write(
        "README.md",
        format!("# Agent\r\n{begin}\nold\n{end}\nbelow\n"),
    );
    let complaint = on_four(&dir, &["--format", "support", "--check", "README.md"]).fails(1);
    assert!(complaint.contains("it says:   old"), "{complaint}");
    let _ = on_four(&dir, &["--format", "support", "--into", "README.md"]).ok();
    let page = std::fs::read_to_string(dir.path("README.md")).expect("the page");
    assert_eq!(page, format!("# Agent\r\n{table}below\n"));
    let _ = on_four(&dir, &["--format", "support", "--check", "README.md"]).ok();
    // A change that loses a kernel.
    kernel(&dir, "6.1.0", false);
    let complaint = on_four(&dir, &["--format", "support", "--check", "README.md"]).fails(1);
    assert!(
        complaint.contains("--into README.md rewrites it"),
        "{complaint}"
    );
    for page in ["nothing", &format!("{end}\n{begin}\n"), &page.repeat(2)] {
        dir.write("README.md", page);
        for option in ["--into", "--check"] {
            let complaint = on_four(&dir, &["--format", "support", option, "README.md"]).fails(1);
            assert!(complaint.contains("README.md"), "{complaint}");
            assert!(complaint.contains("these two lines"), "{complaint}");
        }
    }
    let _ = on_four(&dir, &["--check", "README.md"]).fails(2);
});

// The rest of the page stays as it is: line endings, and text that mentions the markers.
cli_test!(a_table_in_a_page_of_windows, |dir| {
    let table = four(&dir, &["--format", "support"]).ok();
    let begin = table.lines().next().expect("a line");
    let end = table.lines().last().expect("a line");
    let prose = format!("See `{begin}`.\r\n");
    dir.write("README.md", format!("{prose}{begin}\r\n{end}"));
    let _ = on_four(&dir, &["--format", "support", "--into", "README.md"]).ok();
    let page = std::fs::read_to_string(dir.path("README.md")).expect("the page");
    assert_eq!(page, prose + &table.trim_end().replace('\n', "\r\n"));
    let _ = on_four(&dir, &["--format", "support", "--check", "README.md"]).ok();
});

// On a page that shows them, they mention nobody, form no link and refer to no issue.
cli_test!(names_in_markdown_are_nothing_but_text, |dir| {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, 1);
    btf.structure("task", 8, &[member("pid", int, 0)]);
    let archive = dir.path("a");
    for kernel in [
        "@team/#12/x86_64/5.10.0-www.a.b",
        "d/&#64;team/x86_64/http:.5",
    ] {
        pack::entry(&archive, kernel, &btf.clone().finish());
    }
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, 1);
    let task = local.structure("other", 8, &[member("pid", int, 0)]);
    let relo = elf_builder::Relo {
        program: 0,
        type_id: task,
        access: "0:0".into(),
        kind: 0,
    };
    let object = elf_builder::object_of_sections(&local, &[relo], &["raw_tp/x"], false);
    dir.write("@team.o", object);
    for format in ["markdown", "support"] {
        let report = [
            "report",
            "--archive",
            "a",
            "--object",
            "@team.o",
            "--format",
            format,
        ];
        let page = dir.btfhub(report).ok();
        assert!(page.contains("x86\\_64"), "{page}");
        // Nothing in code is a link.
        let text: String = page.split('`').step_by(2).collect();
        for link in ["@t", "#1", "www.", "://", "&#64"] {
            assert!(!text.contains(link), "{format}: {link}: {page}");
        }
    }
});
