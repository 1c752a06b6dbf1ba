//! Lints on the command line.

use btfhub_tests::cli::{Dir, Run};
use btfhub_tests::{app, cli_test, pack};
use serde_json::Value;

/// A kernel, an object that fails on it, and one without relocations.
fn prepare(dir: &Dir) {
    let kernel = "debian/11/x86_64/5.10.0-9-amd64";
    pack::entry(&dir.path("archive"), kernel, &app::kernel(8));
    dir.write("fails.o", app::object(&["no_such_member"]));
    dir.write("asks-nothing.o", app::object(&[]));
}

/// The names of the lints in a document.
fn lints(run: &Run) -> Vec<String> {
    let document: Value = serde_json::from_str(&run.stdout).expect("a document");
    let lints = document["lints"].as_array().expect("a list");
    let names = lints.iter().map(|lint| lint["lint"].as_str());
    names.map(|name| name.expect("a name").to_owned()).collect()
}

cli_test!(every_command_tells_what_a_build_would, |dir| {
    prepare(&dir);
    for (command, object, lint) in [
        ("bundle --out b", "fails.o", "failing-relocations"),
        (
            "bundle --out s --shard 1/1",
            "fails.o",
            "failing-relocations",
        ),
        (
            "bundle --out s --shard 1/1",
            "asks-nothing.o",
            "no-relocations",
        ),
        ("tailor --out t", "fails.o", "failing-relocations"),
        ("report", "asks-nothing.o", "no-relocations"),
    ] {
        let arguments = || {
            let named = ["--archive", "archive", "--object", object];
            command.split(' ').chain(named)
        };
        let told = dir.btfhub(arguments());
        assert_eq!(told.status, Some(0), "{command}: {}", told.stderr);
        let warnings = told.stderr.matches("warning: ").count();
        assert_eq!(warnings, 1, "{command}: {}", told.stderr);
        assert!(told.stderr.contains(&format!("[{lint}]")), "{command}");
        let document = dir.btfhub(arguments().chain(["--json"]));
        assert_eq!(lints(&document), [lint], "{command}");
    }
});

// If archive and object are named, the Cargo.toml is not read unless it is named too.
cli_test!(a_table_denies_where_it_is_read, |dir| {
    prepare(&dir);
    dir.write("src/lib.rs", "");
    dir.write(
        "Cargo.toml",
        "[package]\nname = \"probe\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [package.metadata.btfhub]\narchive = \"archive\"\nobjects = \"fails.o\"\n\
         [package.metadata.btfhub.lints]\nfailing-relocations = \"deny\"\n",
    );
    let named = ["--archive", "archive", "--object", "fails.o"];
    let with = |more: &[&str]| dir.btfhub([&["bundle", "--out", "b"], more].concat());
    let denied = "denied by the Cargo.toml: programs cannot be loaded on 1 of 1 kernel";
    for more in [&[][..], &named[..2], &named[2..]] {
        let complaint = with(more).fails(1);
        assert!(complaint.contains(denied), "{more:?}: {complaint}");
        assert!(!dir.has("b"));
    }
    let all = with(&[&named[..], &["--manifest-path", "Cargo.toml"]].concat());
    assert!(all.fails(1).contains(denied));
    let told = with(&named);
    assert_eq!(told.status, Some(0), "{}", told.stderr);
    assert!(told.stderr.contains("[failing-relocations]"));
});
