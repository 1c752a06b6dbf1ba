//! eBPF objects to test the engine with: our own, those of Debian's libbpf-tools, and the kernel's
//! CO-RE selftests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shared::{has_tool, preparing, scratch, skip};

/// An object file and a name for messages.
#[derive(Debug, Clone)]
pub struct ObjectFile {
    /// Where it comes from.
    pub name: String,
    /// The ELF file.
    pub elf: Vec<u8>,
}

/// The directory of our own programs, one for each relocation rule.
#[must_use]
pub fn own_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf")
}

/// All compiled objects in a directory whose names have this ending, sorted.
///
/// # Panics
/// If the directory can't be read.
#[must_use]
pub fn objects_in(dir: &Path, suffix: &str) -> Vec<ObjectFile> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("a directory of objects")
        .map(|item| item.expect("a directory entry").path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| ObjectFile {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into(),
            elf: std::fs::read(&path).expect("an object"),
        })
        .collect()
}

/// The objects in the read-only data of the binaries in Debian's package libbpf-tools.
///
/// # Panics
/// If the package is needed but absent.
#[must_use]
pub fn libbpf_tools() -> Vec<ObjectFile> {
    let list = Command::new("dpkg").args(["-L", "libbpf-tools"]).output();
    let Some(list) = list.ok().filter(|out| out.status.success()) else {
        skip("the Debian package libbpf-tools is not installed");
        return Vec::new();
    };
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let files = list.lines().map(Path::new);
    of_files(files.filter(|path| path.parent().is_some_and(|dir| dir.ends_with("sbin"))))
}

/// The objects inside the libbpf-tools binaries in `dir`.
///
/// # Panics
/// If the directory can't be read.
#[must_use]
pub fn carved(dir: &Path) -> Vec<ObjectFile> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    of_files(files.iter().map(PathBuf::as_path))
}

fn of_files<'p>(files: impl Iterator<Item = &'p Path>) -> Vec<ObjectFile> {
    let mut objects = Vec::new();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let binary = std::fs::read(path).unwrap_or_default();
        let found = carve(&binary).into_iter().enumerate();
        objects.extend(found.map(|(i, elf)| ObjectFile {
            name: format!("libbpf-tools/{name}#{i}"),
            elf: elf.to_vec(),
        }));
    }
    objects
}

/// The little-endian ELF64 files for machine BPF inside a binary, whose section header tables are
/// at their ends.
fn carve(binary: &[u8]) -> Vec<&[u8]> {
    const MAGIC: &[u8] = b"\x7fELF\x02\x01\x01";
    const EM_BPF: u16 = 247;
    let word = |at: usize| -> Option<u16> {
        Some(u16::from_le_bytes(binary.get(at..at + 2)?.try_into().ok()?))
    };
    let mut found = Vec::new();
    let mut next = 1; // what stands at the start is the binary itself
    while let Some(at) = binary
        .get(next..)
        .and_then(|rest| rest.iter().position(|byte| *byte == MAGIC[0]))
        .map(|offset| next + offset)
    {
        next = at + 1;
        if !binary[at..].starts_with(MAGIC) || word(at + 18) != Some(EM_BPF) {
            continue;
        }
        let table = binary.get(at + 40..at + 48).and_then(|b| b.try_into().ok());
        let (Some(table), Some(size), Some(count)) = (table, word(at + 58), word(at + 60)) else {
            continue;
        };
        let len = usize::try_from(u64::from_le_bytes(table)).unwrap_or(usize::MAX);
        let len = len.saturating_add(usize::from(size) * usize::from(count));
        found.extend(binary.get(at..at.saturating_add(len)));
    }
    found
}

/// What a source without a license gets.
const LICENSE: &str = r#"char LICENSE[] __attribute__((section("license"), used)) = "GPL";"#;

/// An object compiled from this C source; says why if there is no compiler.
///
/// # Panics
/// If clang fails.
#[must_use]
pub fn compiled(source: &str) -> Option<Vec<u8>> {
    if !has_tool("clang-19") {
        return None;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (from, to) = (dir.path().join("made.bpf.c"), dir.path().join("made.bpf.o"));
    let license = if source.contains("\"license\"") {
        ""
    } else {
        LICENSE
    };
    std::fs::write(&from, format!("{source}\n{license}\n")).expect("the source");
    let output = Command::new("clang-19")
        .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-w", "-c"])
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .output()
        .expect("clang runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(std::fs::read(&to).expect("the object"))
}

/// The kernel's own CO-RE selftests, compiled.
#[derive(Debug, Default)]
pub struct Selftests {
    /// `test_core_reloc_*`: the programs.
    pub programs: Vec<ObjectFile>,
    /// `btf__core_reloc_*`: objects whose BTF stands in for a kernel.
    pub targets: Vec<ObjectFile>,
}

/// Extracts the CO-RE selftests from Debian's linux-source-6.1 and compiles them, once per target
/// directory.
///
/// # Panics
/// If something required is missing, or a program does not compile.
#[must_use]
pub fn selftests() -> Selftests {
    let source = Path::new("/usr/src/linux-source-6.1.tar.xz");
    if !source.exists() {
        skip("the Debian package linux-source-6.1 is not installed");
        return Selftests::default();
    }
    if !has_tool("clang-19") {
        return Selftests::default();
    }
    let dir = scratch("selftests-6.1");
    let done = dir.join("complete");
    let preparing = preparing();
    if !done.exists() {
        // Made elsewhere and renamed, because tests run in parallel.
        let work = scratch(&format!("selftests-6.1.{}", std::process::id()));
        compile_selftests(source, &work);
        std::fs::write(work.join("complete"), "").expect("a stamp");
        let _ = std::fs::remove_dir_all(&dir);
        if std::fs::rename(&work, &dir).is_err() {
            let _ = std::fs::remove_dir_all(&work); // another process was first
        }
        assert!(done.exists(), "the selftests were not prepared");
    }
    drop(preparing);
    let mut all = objects_in(&dir, ".o");
    for object in &mut all {
        object.name = format!("selftests/{}", object.name);
    }
    let (targets, programs) = all
        .into_iter()
        .partition(|o| o.name.contains("btf__core_reloc"));
    Selftests { programs, targets }
}

fn compile_selftests(source: &Path, work: &Path) {
    const TREE: &str = "linux-source-6.1/tools/testing/selftests/bpf";
    let status = Command::new("tar")
        .arg("xf")
        .arg(source)
        .arg("-C")
        .arg(work)
        .arg("--wildcards")
        .arg(format!("{TREE}/progs/*core_reloc*"))
        .status()
        .expect("tar runs");
    assert!(status.success(), "linux-source-6.1 can't be unpacked");

    let headers = work.join("include/bpf");
    std::fs::create_dir_all(&headers).expect("a directory for headers");
    for (name, text) in libbpf_sys::API_HEADERS {
        std::fs::write(headers.join(name), text).expect("a header");
    }
    let programs = work.join(TREE).join("progs");
    for item in std::fs::read_dir(&programs).expect("the selftests") {
        let path = item.expect("a directory entry").path();
        let name = path.file_stem().unwrap_or_default().to_owned();
        // Needs a vmlinux.h from a kernel with the test module.
        let wanted = path.extension().is_some_and(|e| e == "c") && name != "test_core_reloc_module";
        if !wanted {
            continue;
        }
        let output = Command::new("clang-19")
            .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-ffreestanding"])
            .arg("-D__TARGET_ARCH_x86")
            .arg("-I")
            .arg(work.join("include"))
            .arg("-idirafter")
            .arg(format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH))
            .arg("-c")
            .arg(&path)
            .arg("-o")
            .arg(work.join(&name).with_extension("o"))
            .output()
            .expect("clang runs");
        assert!(
            output.status.success(),
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
