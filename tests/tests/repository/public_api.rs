//! The public API, one line for each item: `tests/fixtures/public-api/<crate>.txt`.
//! A change of the API changes that file, which shows in review: a line that is removed or changed
//! breaks somebody's build, and belongs in the changelog.
//!
//! `BTFHUB_BLESS=1 cargo test -p btfhub-tests --test repository public_api` rewrites the lists.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_tests::project::workspace;
use btfhub_tests::shared;
use public_api::Builder;

/// The crates, with the features that expose everything.
const CRATES: [(&str, &[&str]); 3] = [
    ("btfhub-build", &["--features", "manifest"]),
    ("btfhub-macros", &[]),
    ("btfhub-runtime", &["--features", "write"]),
];

/// The version of rustdoc's JSON that the crate `public-api` reads.
const FORMAT: u64 = 57;

#[test]
fn is_as_written_down() {
    let mut changes = Vec::new();
    for (name, features) in CRATES {
        let json = json(name, features);
        let text = fs::read_to_string(&json).expect("what rustdoc wrote");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let format = value
            .get("format_version")
            .and_then(serde_json::Value::as_u64);
        if format != Some(FORMAT) {
            return shared::skip(&format!(
                "this rustdoc writes JSON of version {format:?}, the lists are read from {FORMAT}"
            ));
        }
        let api = Builder::from_rustdoc_json(&json)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build()
            .expect("the JSON that it reads");
        let found: String = api.items().map(|item| format!("{item}\n")).collect();
        let file = workspace().join(format!("tests/fixtures/public-api/{name}.txt"));
        if std::env::var_os("BTFHUB_BLESS").is_some() {
            fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
            fs::write(&file, &found).expect("a written list");
        }
        let known = fs::read_to_string(&file).expect("the list");
        let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
        let (known, found) = (lines(&known), lines(&found));
        changes.extend(known.difference(&found).map(|line| format!("- {line}")));
        changes.extend(found.difference(&known).map(|line| format!("+ {line}")));
    }
    assert!(
        changes.is_empty(),
        "the public API changed. If it should, say so in CHANGELOG.md and renew the lists \
         (BTFHUB_BLESS=1):\n{}",
        changes.join("\n")
    );
}

/// rustdoc's JSON of a crate. It is unstable; only rustdoc itself is allowed to use unstable
/// features, so that nothing else is recompiled.
fn json(name: &str, features: &[&str]) -> PathBuf {
    let dir = tempfile::tempdir().expect("a directory");
    let rustdoc = dir.path().join("rustdoc");
    let real = std::env::var("RUSTDOC").unwrap_or_else(|_| "rustdoc".to_owned());
    fs::write(
        &rustdoc,
        format!("#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec '{real}' \"$@\"\n"),
    )
    .expect("a script");
    fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755)).expect("a script");
    let exe = std::env::current_exe().expect("this binary");
    // target/debug/deps/public_api
    let target = exe.ancestors().nth(3).expect("the target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace())
        .env("RUSTDOC", &rustdoc)
        .env_remove("RUSTDOCFLAGS")
        .args(["rustdoc", "--quiet", "--lib", "-p", name])
        .args(features)
        .arg("--target-dir")
        .arg(target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Path::new(target)
        .join("doc")
        .join(format!("{}.json", name.replace('-', "_")))
}
