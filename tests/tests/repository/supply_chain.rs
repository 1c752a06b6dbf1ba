//! The claims about the supply chain are true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_tests::project::workspace;

/// The tables in `docs/supply-chain.md` are up to date.
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
        "dependencies changed: `.ci/unsafe --write`, and look at what was added"
    );
}

/// No crate of ours may lift the ban on unsafe code.
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

/// Every Rust file below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(directory).expect("a directory") {
        let path = item.expect("an item").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            found.push(path);
        }
    }
    found
}

/// Neither a build script's crates nor a program's do.
#[test]
fn a_build_starts_no_program() {
    for name in ["btfhub-build", "btfhub-runtime"] {
        for path in sources(&workspace().join(name).join("src")) {
            let text = fs::read_to_string(&path).expect("a source");
            assert!(!text.contains("process::Command"), "{}", path.display());
            assert!(!text.contains("process::{"), "{}", path.display());
        }
    }
}

/// Each `program::module::test` that SECURITY.md names exists.
#[test]
fn what_is_said_of_security_is_tested() {
    let page = fs::read_to_string(workspace().join("SECURITY.md")).expect("the page");
    let named: Vec<&str> = (page.split('`').filter(|code| code.contains("::")))
        .filter(|code| code.starts_with(|first: char| first.is_lowercase()))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for test in named {
        let (module, function) = test.rsplit_once("::").expect("a path");
        let file = format!("tests/tests/{}.rs", module.replace("::", "/"));
        let text = fs::read_to_string(workspace().join(&file));
        let text = text.unwrap_or_else(|error| panic!("{test}: {file}: {error}"));
        let here = text.contains(&format!("fn {function}("));
        // `cli_test!(name, …)` makes one, too.
        let made = text.contains(&format!("!({function}, "));
        assert!(here || made, "{test}: not in {file}");
    }
}
