//! All output goes through the places that make it safe.

use std::fs;
use std::path::{Path, PathBuf};

use btfhub_tests::project::workspace;

/// What writes bytes to a stream.
const STREAMS: [&str; 2] = [
    "btfhub-build/cargo-btfhub/src/output.rs",
    "btfhub-build/src/cargo/mod.rs",
];

/// The lines of code in a package, with their files.
fn code(package: &str) -> Vec<(PathBuf, String)> {
    fn read(directory: &Path, code: &mut Vec<(PathBuf, String)>) {
        for item in fs::read_dir(directory).expect("a directory") {
            let path = item.expect("an item").path();
            if path.is_dir() {
                read(&path, code);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let lines = text.lines().filter(|line| !line.trim().starts_with("//"));
                code.extend(lines.map(|line| (path.clone(), line.to_owned())));
            }
        }
    }
    let mut code = Vec::new();
    read(&workspace().join(package).join("src"), &mut code);
    assert!(code.len() > 1000, "{package}");
    code
}

#[test]
fn streams_are_written_in_one_place() {
    for package in [
        "btfhub-runtime",
        "btfhub-build",
        "btfhub-build/cargo-btfhub",
    ] {
        for (path, line) in code(package) {
            let is_place = STREAMS.iter().any(|place| path.ends_with(place));
            for word in [
                "print!(",
                "println!(",
                "dbg!(",
                "io::stdout()",
                "io::stderr()",
            ] {
                assert!(
                    is_place || !line.contains(word),
                    "{}: {line}: only {STREAMS:?} print",
                    path.display()
                );
            }
        }
    }
}

/// No last step escapes the runtime's messages, because programs print them.
#[test]
fn the_runtime_shows_no_raw_path() {
    for (path, line) in code("btfhub-runtime") {
        assert!(
            !line.contains(".display()"),
            "{}: {line}: use `printable::shown`",
            path.display()
        );
    }
}
