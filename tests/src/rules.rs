//! Our own programs and the kernels made for them, parsed, as a start for mutations.

use std::path::Path;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::tailor;
use object::{Object as _, ObjectSection as _};

/// A program and a kernel that fits it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// For messages.
    pub name: String,
    /// The program's relocations.
    pub relocations: Relocations,
    /// The kernel's BTF file, little-endian with a header of 24 bytes.
    pub kernel: Vec<u8>,
}

/// Each `tests/bpf/<rule>.bpf.o` with each `<rule>.<variant>.btf.o`, and the program for real
/// kernels with what it needs from one.
///
/// # Panics
/// If a file of the project is not what it should be.
#[must_use]
pub fn pairs() -> Vec<Pair> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = if dir.ends_with("fuzz") || dir.ends_with("endian") {
        dir.join("..")
    } else {
        dir.to_path_buf()
    };
    let mut pairs = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(dir.join("bpf"))
        .expect("tests/bpf")
        .map(|item| item.expect("a directory entry").path())
        .collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(kernel) = name.strip_suffix(".btf.o") else {
            continue;
        };
        let rule = kernel.split('.').next().unwrap_or_default();
        let relocations = asked(&path.with_file_name(format!("{rule}.bpf.o")));
        let elf = std::fs::read(&path).expect("an object");
        let elf = object::File::parse(elf.as_slice()).expect("an ELF file");
        let section = elf.section_by_name(".BTF").expect("a .BTF section");
        let btf = Btf::parse(section.data().expect("a section")).expect("BTF");
        pairs.push(Pair {
            name: kernel.to_owned(),
            relocations,
            kernel: btf.to_bytes(),
        });
    }
    let relocations = asked(&dir.join("bpf/kernel.bpf.o"));
    let entry = dir.join("../examples/archive/debian/11/x86_64");
    for item in std::fs::read_dir(entry).expect("the examples' archive") {
        let path = item.expect("a directory entry").path();
        let packed = std::fs::read(&path).expect("an entry");
        let decoded = btfhub_build::archive::decode(&packed, 256 << 20).expect("an entry");
        let full = Btf::from_words(decoded.words, decoded.len).expect("BTF");
        pairs.push(Pair {
            name: path.display().to_string(),
            kernel: tailor(&relocations, &full)
                .expect("a real kernel")
                .btf
                .to_vec(),
            relocations: relocations.clone(),
        });
    }
    pairs
}

fn asked(object: &Path) -> Relocations {
    let elf = std::fs::read(object).expect("a compiled program");
    let object = Object::parse(&object.display().to_string(), &elf).expect("an object");
    Relocations::from_objects([&object])
}
