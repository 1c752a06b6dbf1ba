//! Two bundles of the same kernels: with their modules, and without.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use btfhub_build::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let object = PathBuf::from(std::env::var("OUT_DIR")?).join("reader.bpf.o");
    let compiled = Command::new("clang-19")
        .args([
            "-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Werror",
        ])
        .args(["-c", "reader.bpf.c", "-o"])
        .arg(&object)
        .status()?;
    if !compiled.success() {
        return Err(format!("clang-19: {compiled}").into());
    }
    for name in ["modules", "kernel"] {
        let archive = format!("archives/{name}");
        Builder::new()
            .archive(archive)
            .object(&object)
            .build(name)?;
    }
    Ok(())
}
