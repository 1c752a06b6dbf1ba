//! What is said of the supply chain is so.

use std::fs;
use std::process::Command;

use btfhub_tests::project::workspace;

/// The tables of `docs/supply-chain.md`, made anew.
#[test]
fn the_list_of_unsafe_code_is_of_today() {
    let page = fs::read_to_string(workspace().join("docs/supply-chain.md")).expect("the page");
    let (_, rest) = page
        .split_once("<!-- made by .ci/unsafe --write -->\n")
        .expect("where the tables begin");
    let (written, _) = rest
        .split_once("<!-- end of what .ci/unsafe made -->")
        .expect("where they end");
    let output = Command::new("bash")
        .arg(workspace().join(".ci/unsafe"))
        .output()
        .expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let made = String::from_utf8_lossy(&output.stdout);
    assert!(made.matches('\n').count() > 30, "{made}");
    assert_eq!(
        written.trim(),
        made.trim(),
        "dependencies changed: `.ci/unsafe --write`, and look at what came in"
    );
}

/// No crate of ours may take the ban on unsafe code back.
#[test]
fn unsafe_code_is_forbidden() {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for name in [
        "btfhub-build",
        "btfhub-build/cargo-btfhub",
        "btfhub-macros",
        "btfhub-runtime",
    ] {
        let manifest = fs::read_to_string(workspace().join(name).join("Cargo.toml"));
        let manifest = manifest.expect("Cargo.toml");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name}");
    }
}
