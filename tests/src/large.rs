//! A large eBPF object: about six hundred distinct relocations, each used about sixty times, as in
//! real agents.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use btfhub_build::btf::{Btf, Kind};

use crate::objects::ObjectFile;
use crate::shared::{has_tool, preparing, scratch};

/// Distinct fields.
const FIELDS: usize = 600;
/// Programs, each of which reads every field.
const PROGRAMS: usize = 56;

/// Compiles the object with fields of this kernel, once per target directory.
///
/// # Panics
/// If clang fails.
#[must_use]
pub fn object(kernel: &Btf) -> Option<ObjectFile> {
    if !has_tool("clang-19") {
        return None;
    }
    let dir = scratch("large");
    let (source, elf) = (dir.join("large.bpf.c"), dir.join("large.bpf.o"));
    let text = program(kernel);
    let _preparing = preparing();
    if std::fs::read_to_string(&source).ok().as_ref() != Some(&text) || !elf.exists() {
        let unfinished = dir.join(format!("large.{}.c", std::process::id()));
        std::fs::write(&unfinished, &text).expect("the source");
        let status = Command::new("clang-19")
            .args(["-g", "-O2", "-target", "bpf", "-w", "-c"])
            .arg(&unfinished)
            .arg("-o")
            .arg(&elf)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "clang-19");
        std::fs::rename(&unfinished, &source).expect("the source in its place");
    }
    Some(ObjectFile {
        name: "large.bpf.o".into(),
        elf: std::fs::read(&elf).expect("the object"),
    })
}

/// The C source: as many structs as needed, with members that have different offsets in most
/// kernels.
fn program(kernel: &Btf) -> String {
    let mut structs: BTreeMap<String, Vec<(String, &str)>> = BTreeMap::new();
    for id in kernel.ids() {
        let Some(ty) = kernel.ty(id) else { continue };
        let name = String::from_utf8_lossy(kernel.string(ty.name())).into_owned();
        if ty.kind() != Kind::Struct || name.is_empty() || name.contains("___") {
            continue;
        }
        let mut members = Vec::new();
        for member in ty.members().filter(|member| member.bitfield_size == 0) {
            let Some((_, of)) = kernel.skip_modifiers(member.ty) else {
                continue;
            };
            let c = match (of.kind(), of.size(), of.int().is_signed()) {
                (Kind::Ptr, ..) => "void *",
                (Kind::Int, 2, _) => "unsigned short ",
                (Kind::Int, 4, false) => "unsigned ",
                (Kind::Int, 4, true) => "int ",
                (Kind::Int, 8, false) => "unsigned long ",
                (Kind::Int, 8, true) => "long ",
                _ => continue,
            };
            let member = String::from_utf8_lossy(kernel.string(member.name)).into_owned();
            if !member.is_empty() && members.len() < 4 {
                members.push((member, c));
            }
        }
        if members.len() >= 2 {
            structs.insert(name, members);
        }
    }
    // Spread over the alphabet.
    let step = (structs.len() / (FIELDS / 3)).max(1);
    let mut source = String::from(
        "#define PROGRAM(n) \\\n__attribute__((section(\"raw_tp/\" #n), used)) \
         unsigned long program_##n(void *p) { unsigned long sum = 0; READ(p) return sum; }\n",
    );
    let mut reads = String::from("#define READ(p)");
    let mut fields = 0;
    for (name, members) in structs.into_iter().step_by(step) {
        if fields >= FIELDS {
            break;
        }
        let _ = writeln!(source, "struct {name} {{");
        for (member, c) in members {
            let _ = writeln!(source, "\t{c}{member};");
            let _ = write!(
                reads,
                " \\\n\tsum ^= (unsigned long)((volatile struct {name} *)p)->{member};"
            );
            fields += 1;
        }
        let _ = writeln!(source, "}} __attribute__((preserve_access_index));");
    }
    source.push_str(&reads);
    source.push('\n');
    for number in 0..PROGRAMS {
        let _ = writeln!(source, "PROGRAM({number})");
    }
    source
}
