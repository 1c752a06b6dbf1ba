//! The BTF of a kernel in any form: raw, in an ELF file, in an archive entry, in a compressed
//! boot image, or still as DWARF.

mod codec;
mod elf;
mod module;
mod pahole;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use btfhub_build::btf::{Btf, BtfError, Kind};
use memchr::memmem;

use crate::failure::Failure;
use crate::files;
use codec::{BUDGET, Budget, CODECS};
pub(crate) use module::{Module, Modules};

/// Longer than any boot image, including an initramfs in it. From ELF files, only the needed
/// parts are read, however long they are.
const LONGEST_IMAGE: u64 = 512 << 20;
/// The header's magic in either byte order, followed by version 1 and flags 0.
const BTF_MAGICS: [[u8; 4]; 2] = [[0x9f, 0xeb, 1, 0], [0xeb, 0x9f, 1, 0]];

/// With fewer types, BTF inside an image is a module's, an eBPF program's or an accident.
const FEWEST_TYPES: u32 = 1000;

/// A kernel's BTF, and what else its file says about the kernel.
#[derive(Debug)]
pub(crate) struct KernelImage {
    pub(crate) btf: Vec<u8>,
    /// How it was found, for the user.
    pub(crate) found: String,
    /// In the archive's spelling.
    pub(crate) arch: Option<String>,
    /// From the kernel's own banner, or from the name of an entry's member.
    pub(crate) release: Option<String>,
}

impl KernelImage {
    /// Reads the kernel in `file`.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        // A vmlinux has gigabytes of DWARF, which is not read here.
        if let Some(mut elf) = elf_file(file) {
            return elf::read(&object::ReadCache::new(&mut elf), file);
        }
        let data = files::read(file, LONGEST_IMAGE)?;
        if data.is_empty() {
            return Err(Failure::new(format!("{}: empty file", file.display())));
        }
        let mut search = Search::default();
        let found = search.look(&data).or_else(|| search.compressed(&data));
        found.ok_or_else(|| search.failure(file))
    }
}

/// An open ELF file; `None` if it is anything else, or a file without random access.
fn elf_file(path: &Path) -> Option<File> {
    // The beginning of a pipe can be read only once.
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut file = File::open(path).ok().filter(|_| is_file)?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).ok()?;
    (magic == object::elf::ELFMAG).then_some(file)
}

/// BTF counts as a kernel's if it defines `struct task_struct`: every Linux does, in every
/// configuration, user programs never do, and modules get it from their kernel.
pub(crate) fn is_kernel(btf: &Btf) -> bool {
    btf.ids().filter_map(|id| btf.ty(id)).any(|ty| {
        ty.kind() == Kind::Struct && ty.vlen() > 0 && btf.string(ty.name()) == b"task_struct"
    })
}

/// A search through one image, and what it found besides the kernel.
#[derive(Debug, Default)]
struct Search {
    budget: Budget,
    /// The error of the first BTF that could not be read.
    complaint: Option<BtfError>,
}

impl Search {
    /// The BTF in data that is not compressed.
    fn look(&mut self, data: &[u8]) -> Option<KernelImage> {
        if data.starts_with(&object::elf::ELFMAG) {
            return elf::with_btf(data);
        }
        if BTF_MAGICS.iter().any(|magic| data.starts_with(&magic[..2])) {
            return self.raw(data);
        }
        self.member(data).or_else(|| self.embedded(data))
    }

    /// All of it is BTF.
    fn raw(&mut self, data: &[u8]) -> Option<KernelImage> {
        match Btf::parse(data) {
            Ok(_) => Some(KernelImage {
                btf: data.to_vec(),
                found: "raw BTF".into(),
                arch: None,
                release: None,
            }),
            Err(error) => {
                self.complaint.get_or_insert(error);
                None
            }
        }
    }

    /// A tar, as entries of an archive hold it.
    fn member(&mut self, data: &[u8]) -> Option<KernelImage> {
        if data.get(257..262) != Some(b"ustar") {
            return None;
        }
        let mut tar = tar::Archive::new(data);
        for member in tar.entries().ok()? {
            let mut member = member.ok()?;
            if !member.header().entry_type().is_file() {
                continue;
            }
            let path = member.path().ok()?.into_owned();
            let mut btf = Vec::new();
            member.read_to_end(&mut btf).ok()?;
            if let Some(image) = self.raw(&btf) {
                return Some(KernelImage {
                    found: "an archive entry".into(),
                    release: path.file_name().and_then(release_of_name),
                    ..image
                });
            }
        }
        None
    }

    /// Tries what every magic number in the file could begin, as the kernel's
    /// scripts/extract-vmlinux does.
    fn compressed(&mut self, data: &[u8]) -> Option<KernelImage> {
        let mut hits = CODECS.map(|codec| {
            let mut found = memmem::find_iter(data, codec.magic);
            (found.next(), codec, found)
        });
        while !self.budget.is_spent() {
            let (next, codec, found) =
                (hits.iter_mut()).min_by_key(|(next, ..)| next.unwrap_or(usize::MAX))?;
            let at = std::mem::replace(next, found.next())?;
            let unpacked = (codec.unpack)(data.get(at..)?, &self.budget);
            let Some(unpacked) = unpacked else {
                continue;
            };
            let name = codec.name;
            if let Some(mut image) = self.look(&unpacked) {
                if image.found != "an archive entry" {
                    image.found = format!("{} in {name} at offset {at}", image.found);
                }
                image.arch = image.arch.or_else(|| boot_arch(data).map(str::to_owned));
                return Some(image);
            }
        }
        None
    }

    /// Finds BTF somewhere in a flat image: the Image of arm64 and riscv has no sections.
    fn embedded(&mut self, data: &[u8]) -> Option<KernelImage> {
        for magic in &BTF_MAGICS {
            for at in memmem::find_iter(data, magic) {
                let tail = data.get(at..)?;
                let len = btf_len(tail, *magic == BTF_MAGICS[0]);
                let Some(btf) = len.and_then(|len| tail.get(..len)) else {
                    continue;
                };
                if !self.budget.spend(btf.len()) {
                    return None;
                }
                let whole = Btf::parse(btf)
                    .is_ok_and(|btf| btf.type_count() > FEWEST_TYPES && is_kernel(&btf));
                if whole {
                    return Some(KernelImage {
                        btf: btf.to_vec(),
                        found: format!("BTF at offset {at} of a flat image"),
                        arch: boot_arch(data).map(str::to_owned),
                        release: banner_release(data),
                    });
                }
            }
        }
        None
    }

    /// Why nothing was found.
    fn failure(self, file: &Path) -> Failure {
        let file = file.display();
        if let Some(error) = self.complaint {
            return Failure::new(format!("{file}: BTF that cannot be used: {error}"));
        }
        if self.budget.is_spent() {
            return Failure::new(format!(
                "{file}: no kernel found in the first {} MiB of what its parts unpack to",
                BUDGET >> 20
            ));
        }
        let named = CODECS.map(|codec| codec.name);
        Failure::new(format!(
            "{file}: no BTF found: it is not BTF, not ELF, and nothing in it unpacks ({}) to a kernel \
             with BTF; was the kernel built with CONFIG_DEBUG_INFO_BTF? A vmlinux with DWARF \
             (package linux-image-*-dbg, kernel-debuginfo) works too",
            named.join(", ")
        ))
    }
}

/// The bytes of the BTF at the start of `data`, whose header says where types and strings end.
fn btf_len(data: &[u8], little: bool) -> Option<usize> {
    let word = |at: usize| {
        let bytes = *data.get(at..)?.first_chunk::<4>()?;
        Some(if little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    };
    let header = u64::from(word(4)?);
    let types = u64::from(word(8)?) + u64::from(word(12)?);
    let strings = u64::from(word(16)?) + u64::from(word(20)?);
    usize::try_from(header + types.max(strings)).ok()
}

/// The architecture by the boot protocol's own mark: "HdrS" at 0x202 (x86), "ARM\x64" at
/// 56 (arm64), "RSC\x05" at 56 (riscv).
fn boot_arch(data: &[u8]) -> Option<&'static str> {
    if data.get(0x202..0x206) == Some(b"HdrS") {
        // XLF_KERNEL_64 of xloadflags, since protocol 2.12.
        return Some(match data.get(0x236) {
            Some(flags) if flags & 1 == 0 => "i386",
            _ => "x86_64",
        });
    }
    match data.get(56..60)? {
        b"ARM\x64" => Some("arm64"),
        b"RSC\x05" => Some("riscv64"),
        _ => None,
    }
}

/// `Linux version <release> (…`, the kernel's linux_banner.
fn banner_release(data: &[u8]) -> Option<String> {
    const BANNER: &[u8] = b"Linux version ";
    memmem::find_iter(data, BANNER).find_map(|at| {
        let rest = data.get(at + BANNER.len()..)?;
        let end = rest.iter().take(65).position(|&byte| byte == b' ')?;
        let release = std::str::from_utf8(rest.get(..end)?).ok()?;
        // Not the format string "%s" next to it.
        (release.starts_with(|first: char| first.is_ascii_digit())).then(|| release.to_owned())
    })
}

/// The release in a file's name, without the usual prefixes and suffixes of kernels, debug files
/// and BTF: `vmlinux-5.3.18-24.102-default.debug.xz`.
pub(crate) fn release_of_name(name: &OsStr) -> Option<String> {
    /// Before the release, with `-`, `_` or `.` between them.
    const BEFORE: [&str; 13] = [
        "vmlinuz",
        "vmlinux",
        "bzImage",
        "zImage",
        "uImage",
        "Image",
        "kernel",
        "linux-image",
        "unsigned",
        "btf",
        "gz",
        "xz",
        "zst",
    ];
    const SUFFIXES: [&str; 20] = [
        ".btf", ".tar", ".debug", ".dbg", ".vmlinux", ".vmlinuz", ".elf", ".efi", ".xz", ".gz",
        ".zst", ".bz2", ".lz4", ".lzma", "-vmlinux", "_vmlinux", "-btf", "_btf", "-dbg", "-dbgsym",
    ];
    fn shorter(name: &str) -> Option<&str> {
        let mut before = BEFORE.iter().filter_map(|word| name.strip_prefix(word));
        let mut suffixes = SUFFIXES.iter();
        (before.find_map(|rest| rest.strip_prefix(['-', '_', '.'])))
            .or_else(|| suffixes.find_map(|suffix| name.strip_suffix(suffix)))
    }
    let mut name = name.to_str()?;
    while let Some(rest) = shorter(name) {
        name = rest;
    }
    (name.starts_with(|first: char| first.is_ascii_digit())).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{banner_release, release_of_name};

    #[test]
    fn release_of_the_banner() {
        let data = b"\0Linux version %s\0\0Linux version 6.1.0-47-amd64 (debian-kernel@) ";
        assert_eq!(banner_release(data).as_deref(), Some("6.1.0-47-amd64"));
        assert_eq!(banner_release(b"Linux version 6.1.0-47-amd64"), None);
    }

    #[test]
    fn releases_of_names() {
        let release = "5.3.18-24.102-default";
        for name in [
            "R",
            "R.btf",
            "R.btf.xz",
            "R.btf.gz",
            "R.btf.tar.xz",
            "R.vmlinux",
            "R.vmlinux.btf",
            "R.vmlinux.zst",
            "vmlinux-R",
            "vmlinux-R.debug",
            "vmlinux-R.debug.xz",
            "vmlinux-R.btf",
            "vmlinux-R.btf.tar.xz",
            "vmlinux-R.gz",
            "vmlinuz-R",
            "vmlinuz-R.efi",
            "Image-R.gz",
            "kernel-R.btf.zst",
            "R.debug",
            "vmlinux.btf-R",
            "vmlinux_R",
            "btf-R",
            "Image.gz-R",
            "R-vmlinux.btf",
            "R_vmlinux.btf",
            "linux-image-R.btf",
            "linux-image-unsigned-R-dbgsym",
            "linux-image-R-dbg",
        ] {
            let name = name.replace('R', release);
            assert_eq!(
                release_of_name(name.as_ref()).as_deref(),
                Some(release),
                "{name}"
            );
        }
        for name in [
            "vmlinux",
            "vmlinux.btf",
            "vmlinuz-linux",
            ".debug",
            "kernel.btf",
            "",
        ] {
            assert_eq!(release_of_name(name.as_ref()), None, "{name}");
        }
    }
}
