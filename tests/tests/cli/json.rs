//! `--json`: one document, with the fields that docs/json.md names and no others.

use std::collections::BTreeSet;

use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::{Dir, Run};
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::shared::has_tool;
use btfhub_tests::{cli_test, pack};
use serde_json::Value;

/// The fields that the documentation names for a schema; a section may have a table for each
/// exit status, told apart by `part`.
fn documented(schema: &str, part: usize) -> BTreeSet<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md");
    let page = std::fs::read_to_string(page).expect("docs/json.md");
    let section = page
        .split("\n### ")
        .find(|section| {
            section
                .lines()
                .next()
                .is_some_and(|title| title.contains(schema))
        })
        .unwrap_or_else(|| panic!("no section on {schema}"));
    let table = section.split("|---|---|").nth(part + 1).expect("a table");
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let mut fields: BTreeSet<String> = rows
        .flat_map(|row| row.split('|').nth(1).expect("a cell").split(','))
        .map(|field| field.trim().trim_matches('`').to_owned())
        .collect();
    fields.insert("schema".to_owned());
    fields
}

/// The fields of a document, lists by their elements.
fn fields(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let name = if name.is_empty() {
                    member.clone()
                } else {
                    format!("{name}.{member}")
                };
                fields(value, &name, found);
            }
        }
        Value::Array(elements) => {
            let name = format!("{name}[]");
            found.insert(name.clone());
            for element in elements {
                if element.is_object() || element.is_array() {
                    fields(element, &name, found);
                }
            }
        }
        _ => {
            found.insert(name.to_owned());
        }
    }
}

#[track_caller]
fn document(run: &Run, schema: &str) -> Value {
    let value: Value = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", run.stdout, run.stderr));
    assert_eq!(value["schema"], schema);
    value
}

/// Runs a command that must print a document of this schema with exactly these fields.
#[track_caller]
fn check(dir: &Dir, arguments: &[&str], schema: &str, status: i32, part: usize) -> Value {
    let run = dir.btfhub(arguments.iter().chain(&["--json"]));
    let value = document(&run, schema);
    assert_eq!(run.status, Some(status), "{}", run.stderr);
    let mut found = BTreeSet::new();
    fields(&value, "", &mut found);
    // Keys and values as the runtime logs them.
    let found: BTreeSet<String> = (found.into_iter())
        .map(|field| match field.strip_prefix("decision.") {
            Some(_) => "decision.*".to_owned(),
            None => field,
        })
        .collect();
    assert_eq!(found, documented(schema, part), "{arguments:?}");
    value
}

fn btf(name: &str) -> Vec<u8> {
    let elf = std::fs::read(own_dir().join(format!("guard.{name}.btf.o"))).expect("an object");
    LocalObject::parse(name, &elf).expect("an object").btf
}

fn object() -> String {
    own_dir()
        .join("guard.bpf.o")
        .to_str()
        .expect("UTF-8")
        .to_owned()
}

/// An archive with a damaged entry, one that is odd, and an anomaly; a bundle of the others.
fn prepare(dir: &Dir) {
    for (kernel, variant) in [
        ("ubuntu/18.04/x86_64/5.4.0-80-generic", "before"),
        ("ubuntu/20.04/x86_64/5.4.0-80-generic", "after"),
        ("debian/11/x86_64/5.10.0-9-amd64", "before"),
    ] {
        pack::entry(&dir.path("archive"), kernel, &btf(variant));
    }
    dir.write("archive/debian/11/x86_64/5.10.1.btf.tar.xz", "no xz");
    dir.write("archive/debian/11/x86_64/5.10.2.btf.tar.xz", "");
    let bundle = [
        "bundle",
        "--archive",
        "archive",
        "--object",
        &object(),
        "--out",
        "b",
        "--skip-bad",
        "--exclude",
        "*5.10.2",
    ];
    let value = check(dir, &bundle, "btfhub.bundle/1", 0, 0);
    assert_eq!(value["kernels"], 3);
}

cli_test!(documents_of_archives, |dir| {
    prepare(&dir);
    let archive = ["--archive", "archive"];
    let of = |command: &'static str| [&[command][..], &archive].concat();
    check(&dir, &of("list"), "btfhub.list/1", 0, 0);
    check(&dir, &of("check"), "btfhub.check/1", 1, 0);
    let check_lock = [&of("lock")[..], &["--check"]].concat();
    check(&dir, &check_lock, "btfhub.lock/1", 1, 0);
    check(&dir, &of("lock"), "btfhub.lock/1", 0, 0);
    let mut kernel = BtfBuilder::new();
    let int = kernel.int("int", 4, 1);
    kernel.structure("task_struct", 4, &[member("pid", int, 0)]);
    dir.write("k.btf", kernel.finish());
    let add = [
        "add",
        "k.btf",
        "--archive",
        "own",
        "--distro",
        "d",
        "--version",
        "1",
        "--release",
        "5",
        "--arch",
        "x86_64",
    ];
    let value = check(&dir, &add, "btfhub.add/1", 0, 0);
    assert_eq!(value["state"], "added");
    let remove = ["remove", "d/1/x86_64/5", "--archive", "own"];
    check(&dir, &remove, "btfhub.remove/1", 0, 0);
    check(&dir, &["man", "--out", "man"], "btfhub.man/1", 0, 0);
});

cli_test!(documents_of_bundles, |dir| {
    prepare(&dir);
    let object = object();
    for part in ["1/2", "2/2"] {
        let out = part.replace('/', "-");
        let shard = [
            "bundle",
            "--archive",
            "archive",
            "--object",
            &object,
            "--exclude",
            "*5.10.[12]",
            "--shard",
            part,
            "--out",
            &out,
        ];
        check(&dir, &shard, "btfhub.shard/1", 0, 0);
    }
    let merge = ["merge", "1-2", "2-2", "--out", "merged"];
    let merged = check(&dir, &merge, "btfhub.merge/1", 0, 0);
    assert_eq!(merged["kernels"], 3);
    let inspected = check(&dir, &["inspect", "b"], "btfhub.inspect/1", 0, 0);
    for number in ["kernels", "classes", "bytes"] {
        assert!(inspected[number].is_u64(), "{number}: {inspected}");
    }
    let tailor = [
        "tailor",
        "--archive",
        "archive",
        "--object",
        &object,
        "--out",
        "t",
        "--skip-bad",
    ];
    check(&dir, &tailor, "btfhub.tailor/1", 0, 0);
    pack::entry(
        &dir.path("archive"),
        "debian/11/x86_64/5.10.0-9-amd64",
        &btf("after"),
    );
    let verify = ["verify", "b", "--archive", "archive", "--object", &object];
    check(&dir, &verify, "btfhub.verify/1", 1, 0);
    let select = ["select", "b", "--release", "5.10.0-9-amd64"];
    check(&dir, &select, "btfhub.select/1", 0, 0);
    let select = ["select", "b", "--release", "5.4.0-80-generic"];
    let value = check(&dir, &select, "btfhub.select/1", 4, 1);
    assert_eq!(value["candidates"].as_array().map(Vec::len), Some(2));
    let select = ["select", "b", "--release", "9"];
    check(&dir, &select, "btfhub.select/1", 3, 1);
});

cli_test!(document_of_a_fetch, |dir| {
    if !has_tool("git") {
        return;
    }
    pack::entry(&dir.path("up"), "debian/11/x86_64/5.10.0-9-amd64", b"none");
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(dir.path("up"));
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        dir.run(git.args(arguments)).ok()
    };
    git(&["init", "-q"]);
    git(&["config", "uploadpack.allowFilter", "true"]);
    git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "one"]);
    let pin = git(&["rev-parse", "HEAD"]);
    let url = format!("file://{}", dir.path("up").display());
    let fetch = ["fetch", "--pin", pin.trim(), "--out", "out", "--url", &url];
    check(&dir, &fetch, "btfhub.fetch/1", 0, 0);
});

cli_test!(failures_are_documents_too, |dir| {
    for (arguments, status) in [
        (&["list", "--archive", "nowhere"][..], 1),
        (&["list"], 2),
        (&["list", "--no-such-option"], 2),
        (&["no-such-command"], 2),
        (&[], 2),
        (&["inspect", "nowhere"], 1),
        (&["select", "nowhere", "--release", "1"], 1),
        (
            &[
                "add",
                "nowhere",
                "--archive",
                "a",
                "--distro",
                "d",
                "--version",
                "1",
            ],
            1,
        ),
    ] {
        let value = check(&dir, arguments, "btfhub.error/1", status, 0);
        assert_eq!(value["exit"], status);
    }
    // Requested help is not a failure, and prints no document.
    let help = dir.btfhub(["list", "--json", "--help"]).ok();
    assert!(help.contains("Examples:"), "{help}");
});
