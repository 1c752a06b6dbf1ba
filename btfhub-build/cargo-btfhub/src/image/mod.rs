//! The BTF of a kernel in whatever form one has it: raw, in an ELF file, in a compressed
//! boot image, or still as DWARF.

mod codec;
mod elf;
mod pahole;

use std::path::Path;

use btfhub_build::btf::Btf;

use crate::failure::Failure;
use crate::files;
use codec::{CODECS, Codec};

/// Longer than any image: a debug kernel's vmlinux with its DWARF has some 1.5 GB.
const LONGEST_IMAGE: u64 = 4 << 30;
/// The header's magic in either byte order, version 1 and flags 0 behind it.
const BTF_MAGICS: [[u8; 4]; 2] = [[0x9f, 0xeb, 1, 0], [0xeb, 0x9f, 1, 0]];

/// A kernel's BTF, and what else its file says about the kernel.
#[derive(Debug)]
pub(crate) struct KernelImage {
    pub(crate) btf: Vec<u8>,
    /// How it was found, for the user.
    pub(crate) found: String,
    /// In the archive's spelling.
    pub(crate) arch: Option<String>,
    /// From the kernel's own banner.
    pub(crate) release: Option<String>,
}

impl KernelImage {
    /// Reads the kernel in `file`.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let data = files::read(file, LONGEST_IMAGE)?;
        if data.is_empty() {
            return Err(Failure::new(format!("{}: empty file", file.display())));
        }
        if let Some(image) = raw(&data).or_else(|| entry(&data)) {
            return Ok(image);
        }
        if let Some(image) = elf::read(&data, file)? {
            return Ok(image);
        }
        if let Some(image) = compressed(&data) {
            return Ok(image);
        }
        if let Some(image) = embedded(&data) {
            return Ok(image);
        }
        let named: Vec<_> = CODECS.iter().map(|codec| codec.name).collect();
        Err(Failure::new(format!(
            "{}: no BTF found: it is not BTF, not ELF, and nothing in it unpacks ({}) to a kernel \
             with BTF; was the kernel built with CONFIG_DEBUG_INFO_BTF? A vmlinux with DWARF \
             (package linux-image-*-dbg, kernel-debuginfo) does as well",
            file.display(),
            named.join(", ")
        )))
    }
}

/// The whole file is BTF.
fn raw(data: &[u8]) -> Option<KernelImage> {
    Btf::parse(data).ok()?;
    Some(KernelImage {
        btf: data.to_vec(),
        found: "raw BTF".into(),
        arch: None,
        release: None,
    })
}

/// The file is an entry of an archive already.
fn entry(data: &[u8]) -> Option<KernelImage> {
    let tar = codec::unxz(data)?;
    let mut archive = tar::Archive::new(tar.as_slice());
    for member in archive.entries().ok()? {
        let mut member = member.ok()?;
        if !member.header().entry_type().is_file() {
            continue;
        }
        let release = (member.path().ok())
            .and_then(|path| Some(path.file_name()?.to_str()?.strip_suffix(".btf")?.to_owned()));
        let mut btf = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut btf).ok()?;
        if Btf::parse(&btf).is_ok() {
            return Some(KernelImage {
                btf,
                found: "an archive entry".into(),
                arch: None,
                release,
            });
        }
    }
    None
}

/// Tries what every magic number in the file could begin, as the kernel's
/// scripts/extract-vmlinux does.
fn compressed(data: &[u8]) -> Option<KernelImage> {
    let mut starts: Vec<(usize, &Codec)> = (CODECS.iter())
        .flat_map(|codec| find_all(data, codec.magic).map(move |at| (at, codec)))
        .collect();
    starts.sort_unstable_by_key(|(at, _)| *at);
    for (at, codec) in starts {
        let Some(unpacked) = data.get(at..).and_then(codec.unpack) else {
            continue;
        };
        let found = elf::with_btf(&unpacked)
            .or_else(|| raw(&unpacked))
            .or_else(|| embedded(&unpacked));
        if let Some(mut image) = found {
            image.found = format!("{} in {} at offset {at}", image.found, codec.name);
            image.arch = image.arch.or_else(|| boot_arch(data).map(str::to_owned));
            return Some(image);
        }
    }
    None
}

/// BTF somewhere in a flat image: arm64's and riscv's Image have no sections left.
fn embedded(data: &[u8]) -> Option<KernelImage> {
    BTF_MAGICS.iter().find_map(|magic| {
        find_all(data, magic).find_map(|at| {
            let tail = data.get(at..)?;
            let len = btf_len(tail, *magic == BTF_MAGICS[0])?;
            let btf = tail.get(..len)?;
            // A handful of types would be a module's or an accident.
            (Btf::parse(btf).ok()?.type_count() > 1000).then(|| KernelImage {
                btf: btf.to_vec(),
                found: format!("BTF at offset {at} of a flat image"),
                arch: boot_arch(data).map(str::to_owned),
                release: banner_release(data),
            })
        })
    })
}

/// Bytes of the BTF that begins `data`: its header says where types and strings end.
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
    find_all(data, BANNER).find_map(|at| {
        let rest = data.get(at + BANNER.len()..)?;
        let end = rest.iter().take(65).position(|&byte| byte == b' ')?;
        let release = std::str::from_utf8(rest.get(..end)?).ok()?;
        // Not the format string "%s" that stands beside it.
        (release.starts_with(|first: char| first.is_ascii_digit())).then(|| release.to_owned())
    })
}

fn find_all<'a>(data: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = needle.first().copied();
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = data.get(from..)?;
            let at = from + rest.iter().position(|&byte| Some(byte) == first)?;
            from = at + 1;
            if data.get(at..).is_some_and(|rest| rest.starts_with(needle)) {
                return Some(at);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{banner_release, find_all};

    #[test]
    fn finds_overlapping_and_last() {
        let at: Vec<_> = find_all(b"aaxaa", b"aa").collect();
        assert_eq!(at, [0, 3]);
        assert_eq!(find_all(b"", b"aa").count(), 0);
        assert_eq!(find_all(b"a", b"aa").count(), 0);
    }

    #[test]
    fn release_of_the_banner() {
        let data = b"\0Linux version %s\0\0Linux version 6.1.0-47-amd64 (debian-kernel@) ";
        assert_eq!(banner_release(data).as_deref(), Some("6.1.0-47-amd64"));
        assert_eq!(banner_release(b"Linux version 6.1.0-47-amd64"), None);
    }
}
