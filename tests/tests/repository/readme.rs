//! The README, followed to the letter.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use btfhub_tests::project::{Project, workspace};

fn readme() -> String {
    fs::read_to_string(workspace().join("README.md")).expect("README.md")
}

/// The code block below the comment `<!-- name -->`.
fn block(name: &str) -> String {
    let readme = readme();
    let (_, after) = readme
        .split_once(&format!("<!-- {name} -->\n```"))
        .unwrap_or_else(|| panic!("README.md has no block {name}"));
    let (_language, after) = after.split_once('\n').expect("a line");
    let (code, _) = after.split_once("```\n").expect("its end");
    code.to_owned()
}

/// "In your own crate", for one loader: the lines for Cargo.toml, build.rs and main.rs, and an
/// eBPF object at the path that they name.
fn follow(loader: &str, dependency: &str) {
    let manifest = block("Cargo.toml").replace(
        "[dependencies]\n",
        &format!("[dependencies]\n{dependency}\n"),
    );
    let patch = "[patch.crates-io]\nbtfhub-build.path = BUILD\nbtfhub-runtime.path = RUNTIME\n\
                 btfhub-macros.path = MACROS\n";
    let project = Project::new(&format!("{manifest}\n{patch}"));
    let archive = workspace().join("examples/archive");
    let build = block("build.rs");
    let build = build.replace("/srv/btfhub-archive", archive.to_str().expect("UTF-8"));
    let object = workspace().join("examples/execwatch/src/execwatch.bpf.o");
    project
        .file("build.rs", build)
        .file("src/main.rs", block(loader))
        .file("src/probe.bpf.o", fs::read(object).expect("the object"));
    let said = project.cargo(&["build"]).ok();
    assert!(!said.stderr.contains("warning"), "{}", said.stderr);
}

#[test]
fn own_crate_with_libbpf_rs() {
    follow("libbpf-rs", "libbpf-rs = \"0.27\"");
}

#[test]
fn own_crate_with_aya() {
    follow("aya", "aya = \"0.14\"");
}

/// The README's test command exists.
#[test]
fn test_command_is_there() {
    let command = block("tests");
    let mode = fs::metadata(workspace().join(command.trim()))
        .expect("the command")
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111, "it can be run");
}

/// The crates' READMEs show only code that is tested here.
#[test]
fn the_crates_show_the_same_code() {
    let readme = readme();
    for package in ["btfhub-build", "btfhub-runtime"] {
        let text = fs::read_to_string(workspace().join(package).join("README.md")).unwrap();
        let blocks: Vec<_> = text.split("```").skip(1).step_by(2).collect();
        assert!(!blocks.is_empty(), "{package}");
        for block in blocks {
            let (_language, code) = block.split_once('\n').expect("a line");
            assert!(
                readme.contains(code),
                "{package}: not in README.md:\n{code}"
            );
        }
    }
}
