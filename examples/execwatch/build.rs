//! Takes the checked-in object, or compiles it when BTFHUB_EXAMPLE_CLANG=1, and
//! says where it is.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const SOURCE: &str = "execwatch.bpf.c";
const CHECKED_IN: &str = "execwatch.bpf.o";

fn main() -> Result<(), Box<dyn Error>> {
    let dir = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("src");
    let object = Path::new(&env::var("OUT_DIR")?).join(CHECKED_IN);
    for file in [SOURCE, CHECKED_IN] {
        println!("cargo::rerun-if-changed=src/{file}");
    }
    println!("cargo::rerun-if-env-changed=BTFHUB_EXAMPLE_CLANG");
    if env::var_os("BTFHUB_EXAMPLE_CLANG").is_some_and(|value| value == "1") {
        compile(&dir, &object)?;
    } else {
        fs::copy(dir.join(CHECKED_IN), &object)?;
    }
    println!("cargo::metadata=object={}", object.display());
    println!("cargo::rustc-env=EXECWATCH_OBJECT={}", object.display());
    Ok(())
}

/// The two steps that the source file describes.
fn compile(dir: &Path, object: &PathBuf) -> Result<(), Box<dyn Error>> {
    run(Command::new("clang-19")
        .current_dir(dir)
        .args(["-target", "bpfel", "-mcpu=v2", "-O2", "-g"])
        .args(["-fno-ident", "-fdebug-compilation-dir=."])
        .args(["-Wall", "-Wextra", "-Werror", "-c", SOURCE, "-o"])
        .arg(object))?;
    run(Command::new("llvm-strip-19").arg("-g").arg(object))
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command
        .status()
        .map_err(|e| format!("cannot run {command:?} (Debian: clang-19, llvm-19): {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}
