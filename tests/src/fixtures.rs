//! Our own programs and the kernels made for them: `tests/bpf`.
//!
//! `<rule>.bpf.c` holds programs that exercise one rule of the relocation
//! algorithm. `<rule>.btf.c` holds the types of several made-up kernels for
//! them; its first line names the variants, and `V_<variant>` is defined for
//! each. Both are also committed in compiled form, as `<rule>.bpf.o` and
//! `<rule>.<variant>.btf.o`; the BTF of the latter stands in for a kernel.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::objects::own_dir;

/// One file to compile, and the path of the result.
#[derive(Debug, Clone)]
pub struct Unit {
    source: String,
    define: Option<String>,
    /// File name of the compiled object.
    pub object: String,
}

/// Everything in `tests/bpf` that is compiled.
///
/// # Panics
/// If a source can't be read or does not name its variants.
#[must_use]
pub fn units() -> Vec<Unit> {
    let mut units = Vec::new();
    for item in std::fs::read_dir(own_dir()).expect("tests/bpf") {
        let path = item.expect("a directory entry").path();
        let source = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(rule) = source.strip_suffix(".bpf.c") {
            units.push(Unit {
                source: source.to_string(),
                define: None,
                object: format!("{rule}.bpf.o"),
            });
        } else if let Some(rule) = source.strip_suffix(".btf.c") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let first = text.lines().next().unwrap_or_default();
            let variants = first
                .strip_prefix("/* variants: ")
                .and_then(|rest| rest.strip_suffix(" */"))
                .unwrap_or_else(|| panic!("{source}: the first line names no variants"));
            units.extend(variants.split(' ').map(|variant| Unit {
                source: source.to_string(),
                define: Some(format!("-DV_{variant}")),
                object: format!("{rule}.{variant}.btf.o"),
            }));
        }
    }
    units.sort_by(|a, b| a.object.cmp(&b.object));
    units
}

impl Unit {
    /// Compiles it with clang-19 for a target (`bpf` or `bpfeb`) into `dir`,
    /// without anything that depends on the machine, and returns the object.
    ///
    /// # Panics
    /// If clang or llvm-strip fail.
    #[must_use]
    pub fn compile(&self, target: &str, dir: &Path) -> PathBuf {
        let object = dir.join(&self.object);
        run(Command::new("clang-19")
            .current_dir(own_dir())
            .args(["-g", "-O2", "-mcpu=v3", "-Wall", "-Werror", "-target"])
            .arg(target)
            .args(["-fno-ident", "-fdebug-compilation-dir=."])
            .args(&self.define)
            .args(["-c", &self.source, "-o"])
            .arg(&object));
        // DWARF names the compiler's build; BTF does not.
        run(Command::new("llvm-strip-19").arg("-g").arg(&object));
        object
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("a tool of LLVM 19 runs");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
