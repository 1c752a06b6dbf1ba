//! Kernels that are ELF files: vmlinux.

use std::path::Path;

use btfhub_build::btf::Btf;
use object::elf;
use object::read::elf::ElfFile;
use object::{Architecture, Endianness, FileKind, Object, ObjectSection};

use super::{KernelImage, banner_release, pahole};
use crate::failure::Failure;

/// The kernel in an ELF file, `None` when it is no ELF file. `path` is where `data`
/// comes from, for `pahole`.
pub(super) fn read(data: &[u8], path: &Path) -> Result<Option<KernelImage>, Failure> {
    let Ok(kind @ (FileKind::Elf32 | FileKind::Elf64)) = FileKind::parse(data) else {
        return Ok(None);
    };
    let sections = sections(data, kind)
        .map_err(|error| Failure::new(format!("{}: damaged ELF file: {error}", path.display())))?;
    let btf = match &sections.btf {
        Some(btf) => {
            Btf::parse(btf).map_err(|error| {
                Failure::new(format!(
                    "{}: section .BTF: {error}; is this a kernel module? Only vmlinux has the \
                     kernel's own types",
                    path.display()
                ))
            })?;
            (btf.clone(), "section .BTF of an ELF file".to_owned())
        }
        None if sections.has_dwarf => {
            let (btf, version) = pahole::encode(path)?;
            (
                btf,
                format!("DWARF of an ELF file, encoded by pahole {version}"),
            )
        }
        None => {
            return Err(Failure::new(format!(
                "{}: an ELF file with neither a .BTF section nor DWARF; take the unstripped \
                 vmlinux (package linux-image-*-dbg, kernel-debuginfo)",
                path.display()
            )));
        }
    };
    Ok(Some(KernelImage {
        btf: btf.0,
        found: btf.1,
        arch: sections.arch,
        release: sections.release,
    }))
}

/// As [`read`], for an unpacked image: BTF or nothing.
pub(super) fn with_btf(data: &[u8]) -> Option<KernelImage> {
    let kind = FileKind::parse(data).ok()?;
    let sections = sections(data, kind).ok()?;
    let btf = sections.btf?;
    Btf::parse(&btf).ok()?;
    Some(KernelImage {
        btf,
        found: "section .BTF of an ELF file".into(),
        arch: sections.arch,
        release: sections.release,
    })
}

struct Sections {
    btf: Option<Vec<u8>>,
    has_dwarf: bool,
    arch: Option<String>,
    release: Option<String>,
}

fn sections(data: &[u8], kind: FileKind) -> object::read::Result<Sections> {
    match kind {
        FileKind::Elf32 => of(
            &ElfFile::<elf::FileHeader32<Endianness>>::parse(data)?,
            data,
        ),
        _ => of(
            &ElfFile::<elf::FileHeader64<Endianness>>::parse(data)?,
            data,
        ),
    }
}

fn of<'data>(file: &impl Object<'data>, data: &[u8]) -> object::read::Result<Sections> {
    let named = |name| file.section_by_name(name);
    let btf = match named(".BTF") {
        Some(section) => Some(section.data()?.to_vec()).filter(|btf| !btf.is_empty()),
        None => None,
    };
    Ok(Sections {
        btf,
        has_dwarf: named(".debug_info").is_some() || named(".zdebug_info").is_some(),
        arch: arch(file.architecture(), file.is_little_endian()).map(str::to_owned),
        release: banner_release(data),
    })
}

fn arch(architecture: Architecture, little: bool) -> Option<&'static str> {
    Some(match architecture {
        Architecture::X86_64 | Architecture::X86_64_X32 => "x86_64",
        Architecture::I386 => "i386",
        Architecture::Aarch64 => "arm64",
        Architecture::Arm => "arm",
        Architecture::Riscv64 => "riscv64",
        Architecture::S390x => "s390x",
        Architecture::PowerPc64 if little => "ppc64el",
        Architecture::PowerPc64 => "ppc64",
        Architecture::LoongArch64 => "loongarch64",
        _ => return None,
    })
}
