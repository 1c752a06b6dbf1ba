//! The example agents: the checked-in object, and what they print.

use std::fs;
use std::path::PathBuf;

use btfhub_tests::agents;
use btfhub_tests::project::{Said, workspace};
use btfhub_tests::shared::has_tool;

/// Whoever changes the source has to commit what clang makes of it.
#[test]
fn checked_in_object_is_what_clang_makes_of_the_source() {
    if !has_tool("clang-19") || !has_tool("llvm-strip-19") {
        return;
    }
    let build = agents::cargo(&[
        "build",
        "-p",
        "execwatch",
        "--message-format=json-render-diagnostics",
    ])
    .env("BTFHUB_EXAMPLE_CLANG", "1")
    .output();
    let said = Said::of(&build.expect("cargo")).ok();
    let out_dir = said
        .stdout
        .lines()
        .filter(|line| line.contains("\"build-script-executed\"") && line.contains("execwatch"))
        .find_map(|line| Some(line.split_once("\"out_dir\":\"")?.1.split_once('"')?.0))
        .map(PathBuf::from)
        .expect("the build script's directory");
    let compiled = fs::read(out_dir.join("execwatch.bpf.o")).expect("the compiled object");
    let checked_in = workspace().join("examples/execwatch/src/execwatch.bpf.o");
    assert!(
        compiled == fs::read(checked_in).expect("the checked-in object"),
        "execwatch.bpf.o is not what clang-19 makes of execwatch.bpf.c: \
         copy {} over it",
        out_dir.join("execwatch.bpf.o").display()
    );
}
