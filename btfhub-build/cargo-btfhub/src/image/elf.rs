//! Kernels that are ELF files: vmlinux.

use std::cell::Cell;
use std::ops::Range;
use std::path::Path;

use btfhub_build::btf::Btf;
use object::elf;
use object::read::ReadRef;
use object::read::elf::ElfFile;
use object::{Architecture, Endianness, FileKind, Object, ObjectKind, ObjectSection};

use super::codec::DENSEST;
use super::{KernelImage, banner_release, pahole};
use crate::failure::{Context, Failure};

/// How many bytes are read from a file: its tables, BTF and strings. In the largest kernels they
/// take 100 MB; the gigabytes of DWARF are not read.
const MOST_READ: u64 = 256 << 20;

/// How much of the kernel's constants is searched for the banner; all of them take some 20 MB.
const MOST_RODATA: u64 = 64 << 20;

/// The kernel in an ELF file. `path` is where `data` comes from, for `pahole`.
pub(super) fn read<'data, R: ReadRef<'data>>(data: R, path: &Path) -> Result<KernelImage, Failure> {
    let left = Cell::new(MOST_READ);
    let bounded = Bounded { data, left: &left };
    let sections = sections(bounded).map_err(|error| match left.get() {
        0 => Failure::new(format!(
            "{}: the tables and sections of this ELF file are longer than {} MiB",
            path.display(),
            MOST_READ >> 20
        )),
        _ => Failure::new(format!("{}: damaged ELF file: {error}", path.display())),
    })?;
    if sections.is_relocatable {
        return Err(Failure::new(format!(
            "{}: a kernel module or another object file; only the linked vmlinux has the kernel's \
             own types",
            path.display()
        )));
    }
    let (btf, found) = match sections.btf {
        Some(btf) => {
            Btf::parse(&btf).map_err(|error| {
                Failure::new(format!("{}: section .BTF: {error}", path.display()))
            })?;
            (btf, "section .BTF of an ELF file".to_owned())
        }
        None if sections.has_dwarf => {
            let of = "DWARF of an ELF file";
            if let Some(why) = sections.unfit_for_pahole() {
                return Err(Failure::new(format!("{}: {of} {why}", path.display())));
            }
            let (btf, version) =
                pahole::encode(path).context(|| format!("{}: {of}", path.display()))?;
            (btf, format!("{of}, encoded by pahole {version}"))
        }
        None => {
            return Err(Failure::new(format!(
                "{}: an ELF file with neither a .BTF section nor DWARF; take the unstripped \
                 vmlinux (package linux-image-*-dbg, kernel-debuginfo)",
                path.display()
            )));
        }
    };
    Ok(KernelImage {
        btf,
        found,
        arch: sections.arch,
        release: sections.release,
    })
}

/// Like [`read`], for an unpacked image: only BTF.
pub(super) fn with_btf(data: &[u8]) -> Option<KernelImage> {
    let sections = sections(data).ok()?;
    let btf = sections.btf.filter(|_| !sections.is_relocatable)?;
    Btf::parse(&btf).ok()?;
    Some(KernelImage {
        btf,
        found: "section .BTF of an ELF file".into(),
        arch: sections.arch,
        release: sections.release,
    })
}

/// Data from which only a limited number of bytes is read, whatever lengths a file claims.
struct Bounded<'b, R> {
    data: R,
    left: &'b Cell<u64>,
}

impl<R: Copy> Clone for Bounded<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Copy> Copy for Bounded<'_, R> {}

impl<'data, R: ReadRef<'data>> ReadRef<'data> for Bounded<'_, R> {
    fn len(self) -> Result<u64, ()> {
        self.data.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'data [u8], ()> {
        let left = self.left.get().checked_sub(size);
        self.left.set(left.unwrap_or(0));
        left.ok_or(())?;
        self.data.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'data [u8], ()> {
        let end = range.start.saturating_add(self.left.get());
        let found = self
            .data
            .read_bytes_at_until(range.start..range.end.min(end), delimiter)?;
        self.left
            .set(self.left.get().saturating_sub(found.len() as u64));
        Ok(found)
    }
}

struct Sections {
    btf: Option<Vec<u8>>,
    has_dwarf: bool,
    is_dwz: bool,
    /// Bytes of all DWARF, as it is in the file and as it unpacks.
    packed_dwarf: u64,
    unpacked_dwarf: u64,
    is_relocatable: bool,
    arch: Option<String>,
    release: Option<String>,
}

impl Sections {
    /// Why pahole, which looks at more than we do, is not given this file.
    fn unfit_for_pahole(&self) -> Option<&'static str> {
        if self.is_dwz {
            // It would open any file that is named there, and leave its types out.
            Some(
                "of which dwz moved a part to another file (.gnu_debugaltlink); take the image that \
                 has all of it",
            )
        } else if self.unpacked_dwarf > self.packed_dwarf.saturating_mul(DENSEST) {
            Some("that unpacks to more than any kernel's: damaged, or made to use up memory")
        } else {
            None
        }
    }
}

fn sections<'data, R: ReadRef<'data>>(data: R) -> object::read::Result<Sections> {
    match FileKind::parse(data)? {
        FileKind::Elf32 => of(
            &ElfFile::<elf::FileHeader32<Endianness>, R>::parse(data)?,
            data,
        ),
        _ => of(
            &ElfFile::<elf::FileHeader64<Endianness>, R>::parse(data)?,
            data,
        ),
    }
}

fn of<'data>(
    file: &impl Object<'data>,
    data: impl ReadRef<'data>,
) -> object::read::Result<Sections> {
    let named = |name| file.section_by_name(name);
    let btf = named(".BTF").map(|section| section.data()).transpose()?;
    let btf = btf.filter(|btf| !btf.is_empty());
    let rodata = named(".rodata").and_then(|section| section.file_range());
    let rodata = rodata.map(|(at, size)| data.read_bytes_at(at, size.min(MOST_RODATA)));
    let is_dwarf = |name: &str| name.starts_with(".debug_") || name.starts_with(".zdebug_");
    let dwarf = (file.sections()).filter(|section| section.name().is_ok_and(is_dwarf));
    let (mut packed_dwarf, mut unpacked_dwarf) = (0u64, 0u64);
    for section in dwarf {
        let range = section.compressed_file_range();
        let (packed, unpacked) = range.map_or((0, u64::MAX), |range| {
            (range.compressed_size, range.uncompressed_size)
        });
        packed_dwarf = packed_dwarf.saturating_add(packed);
        unpacked_dwarf = unpacked_dwarf.saturating_add(unpacked);
    }
    Ok(Sections {
        btf: btf.map(<[u8]>::to_vec),
        has_dwarf: named(".debug_info").is_some() || named(".zdebug_info").is_some(),
        is_dwz: named(".gnu_debugaltlink").is_some(),
        packed_dwarf,
        unpacked_dwarf,
        is_relocatable: file.kind() == ObjectKind::Relocatable,
        arch: arch(file.architecture(), file.is_little_endian()).map(str::to_owned),
        release: rodata.and_then(|rodata| banner_release(rodata.ok()?)),
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
