//! The agents on the pages: built from the pages' own text, and run on this kernel with its BTF
//! hidden.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use btfhub_runtime::Host;
use btfhub_tests::live::may_load_programs;
use btfhub_tests::pack;
use btfhub_tests::project::{Project, Said, workspace};
use btfhub_tests::shared::{has_tool, skip};

/// The files that a page shows.
fn files(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(workspace().join("docs").join(page)).expect("a page");
    let mut files = Vec::new();
    for part in text.split("<!-- file: ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```").expect("a name and its block");
        let (_language, code) = rest.split_once('\n').expect("a line");
        let (code, _) = code.split_once("```\n").expect("its end");
        files.push((name.to_owned(), code.to_owned()));
    }
    files
}

/// The agent of a page, whose bundle holds only this kernel.
fn build(page: &str, dir: &Path) -> Option<Project> {
    let host = Host::detect().expect("a host");
    if !has_tool("clang-19") {
        return None;
    }
    if !may_load_programs() {
        skip("loading eBPF programs takes root");
        return None;
    }
    if host.kernel_btf().is_none() {
        skip("this kernel shows no BTF to make an archive of");
        return None;
    }
    let archive = dir.join("archive");
    let btf = fs::read("/sys/kernel/btf/vmlinux").expect("the kernel's BTF");
    let arch = host.arch().expect("an architecture");
    pack::entry(
        &archive,
        &format!("local/1/{arch}/{}", host.release()),
        &btf,
    );

    let files = files(page);
    let manifest = &files.iter().find(|(name, _)| name == "Cargo.toml");
    let (_, manifest) = manifest.expect("a manifest");
    let patch = "[patch.crates-io]\nbtfhub-build.path = BUILD\nbtfhub-runtime.path = RUNTIME\n\
                 btfhub-macros.path = MACROS\n";
    let project = Project::new(&format!("{manifest}\n{patch}"));
    for (name, code) in files.iter().filter(|(name, _)| name != "Cargo.toml") {
        let archive = archive.to_str().expect("UTF-8");
        project.file(name, code.replace("/srv/btfhub-archive", archive));
    }
    let which = Command::new("sh")
        .args(["-c", "command -v clang-19"])
        .output();
    let clang = String::from_utf8(which.expect("sh").stdout).expect("UTF-8");
    fs::create_dir(dir.join("bin")).expect("a directory");
    symlink(clang.trim(), dir.join("bin/clang")).expect("a link");
    let path = std::env::var("PATH").expect("a PATH");
    let built = project
        .command(&["build"])
        .env("PATH", format!("{}:{path}", dir.join("bin").display()))
        .output();
    let said = Said::of(&built.expect("cargo")).ok();
    assert!(!said.stderr.contains("warning"), "{}", said.stderr);
    Some(project)
}

/// Runs it with the kernel's BTF hidden, as the pages say.
fn rehearse(page: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(project) = build(page, dir.path()) else {
        return;
    };
    let program = project.program();
    let hidden = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs none /sys/kernel/btf && exec \"$0\"")
        .arg(&program)
        .output();
    let said = Said::of(&hidden.expect("unshare")).ok();
    assert_eq!(
        said.stdout,
        "of my children, 1 executed a program and 1 ended\n"
    );
    let release = Host::detect().expect("a host").release().to_owned();
    assert!(
        said.stderr.starts_with("BTF of local/1/"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains(&format!("/{release}: the only candidate")),
        "{}",
        said.stderr
    );

    // The operator's variable, with the kernel's BTF in sight.
    let embedded = Command::new(&program)
        .env("BTFHUB_POLICY", "embedded-only")
        .output();
    let said = Said::of(&embedded.expect("the agent")).ok();
    assert_eq!(
        said.stdout,
        "of my children, 1 executed a program and 1 ended\n"
    );
    assert!(
        said.stderr.starts_with("BTF of local/1/"),
        "{}",
        said.stderr
    );
}

#[test]
fn libbpf_skeletons() {
    rehearse("libbpf-skeletons.md");
}

#[test]
fn aya_objects() {
    rehearse("aya-objects.md");
}
