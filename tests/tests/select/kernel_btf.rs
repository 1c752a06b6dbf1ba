//! BTF in files: the kernel's own, on disk, and the operator's. libbpf decides whether it is
//! complete.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use crate::selecting::{btf, bundle, kernel};
use btfhub_runtime::{Bundle, Error, Host, Policy, Selection, select};
use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionFlags, SectionKind};
use tempfile::TempDir;

const RELEASE: &str = "4.18.0-147.0.3.el8_1.x86_64";
const KERNELS: &str = "sys/kernel/btf/vmlinux";

/// The root directory of a host with this release.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().expect("a directory"));
        root.file("proc/sys/kernel/osrelease", RELEASE);
        root.file("proc/sys/kernel/arch", "x86_64");
        root
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("directories");
        path
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(path), content).expect("a file");
        self
    }

    fn host(&self) -> Host {
        Host::detect_under(self.0.path())
    }
}

/// A bundle that serves [`RELEASE`] with `btf(9)`.
fn data() -> Vec<u8> {
    bundle([(kernel("rhel/8/x86_64", RELEASE), btf(9))])
}

fn selected<'a>(data: &'a [u8], host: &Host, policy: Policy) -> Result<Selection<'a>, Error> {
    let bundle = Bundle::parse(data).expect("a sound bundle");
    select(&bundle, host, policy)
}

/// Whether libbpf can read a file's BTF when it looks for it by itself.
fn libbpf_reads(path: &Path) -> bool {
    let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: a path, and no base; the result is freed even if it is an error.
    unsafe {
        let btf = libbpf_sys::btf__parse(path.as_ptr(), std::ptr::null_mut());
        let failed = libbpf_sys::libbpf_get_error(btf.cast()) != 0 || btf.is_null();
        if !failed {
            libbpf_sys::btf__free(btf);
        }
        !failed
    }
}

/// A BTF header with these lengths, and `left` bytes after it.
fn header([type_off, type_len, str_off, str_len]: [u32; 4], left: usize) -> Vec<u8> {
    let mut header = vec![0x9f, 0xeb, 1, 0];
    for word in [24, type_off, type_len, str_off, str_len] {
        header.extend(u32::to_le_bytes(word));
    }
    header.resize(header.len() + left, 0);
    header
}

fn swapped(btf: &[u8]) -> Vec<u8> {
    let mut swapped = vec![btf[1], btf[0], btf[2], btf[3]];
    let words = |bytes: &[u8]| -> Vec<u8> {
        let swap = |word: &[u8]| word.iter().rev().copied().collect::<Vec<_>>();
        bytes.chunks(4).flat_map(swap).collect()
    };
    swapped.extend(words(&btf[4..36]));
    swapped.extend(&btf[36..]);
    swapped
}

/// The kernel's own BTF is preferred only if it is complete; otherwise the selection or the error
/// says what is wrong with it.
#[test]
fn damaged_kernel_btf() {
    let whole = btf(3);
    let mut damaged: Vec<(Vec<u8>, &str)> = (0..whole.len())
        .map(|len| (whole[..len].to_vec(), "bytes"))
        .collect();
    let mut no_nul = whole.clone();
    *no_nul.last_mut().expect("a string") = b'x';
    let mut modules = whole.clone();
    modules[36] = b'x';
    damaged.extend([
        (header([0, 12, 12, 8], 0), "truncated: it has 24 bytes"),
        (header([0, 0, 0, 0], 0), "its header is damaged"),
        (header([0, 0, 0, 1], 1), "its header is damaged"),
        (header([0, 12, 4, 8], 20), "its header is damaged"),
        (header([2, 12, 16, 4], 20), "its header is damaged"),
        (header([u32::MAX; 4], 20), "truncated"),
        (no_nul, "NUL"),
        (modules, "NUL"),
        (b"\x9f\xeb".to_vec(), "2 bytes are not BTF"),
        (b"neither ELF nor BTF at all".to_vec(), "the BTF magic"),
        (vec![0; 100], "the BTF magic"),
    ]);
    let data = data();
    for (content, why) in damaged {
        let root = Root::new();
        root.file(KERNELS, &content);
        let host = root.host();
        let about = format!("{content:x?}");
        // libbpf accepts BTF without any type, but no kernel has that.
        let is_empty = content == header([0, 0, 0, 1], 1);
        assert_eq!(libbpf_reads(&root.path(KERNELS)), is_empty, "{about}");
        for policy in [Policy::default(), Policy::PREFER_EMBEDDED] {
            let selection = selected(&data, &host, policy).expect("the entry");
            assert_eq!(selection.bytes().expect("sound"), btf(9), "{about}");
            let told = selection.to_string();
            assert!(told.contains("btf/vmlinux can't be used: "), "{told}");
            assert!(told.contains(why), "{told}");
            let error = select(&Bundle::EMPTY, &host, policy).expect_err("nothing");
            assert!(matches!(error, Error::NotFound(_)));
            assert!(error.to_string().contains(why), "{error}");
            let full = format!("{error:#}");
            assert!(!full.contains("BTF: none"), "{full}");
        }
        let given = Host::new(RELEASE, "x86_64").with_operator_btf(root.path(KERNELS));
        let error = given.expect_err("no operator's either").to_string();
        assert!(
            error.starts_with("the BTF file ") && error.contains(why),
            "{error}"
        );
    }

    for sound in [whole.clone(), swapped(&whole), with_layout(&whole)] {
        let root = Root::new();
        root.file(KERNELS, &sound);
        let host = root.host();
        assert!(libbpf_reads(&root.path(KERNELS)), "{sound:x?}");
        let selection = selected(&data, &host, Policy::default()).expect("its own");
        assert!(selection.is_kernels_own());
        assert_eq!(selection.to_file().expect("nothing to do").path(), None);
        let embedded = selected(&data, &host, Policy::PREFER_EMBEDDED).expect("the entry");
        assert_eq!(embedded.bytes().expect("sound"), btf(9));
        let empty = select(&Bundle::EMPTY, &host, Policy::PREFER_EMBEDDED);
        assert!(empty.expect("its own").is_kernels_own());
        assert!(select(&Bundle::EMPTY, &host, Policy::EMBEDDED_ONLY).is_err());
        assert!(host.with_operator_btf(root.path(KERNELS)).is_ok());
    }

    // Nothing, or not a regular file.
    let root = Root::new();
    let told = format!(
        "{:#}",
        select(&Bundle::EMPTY, &root.host(), Policy::default()).unwrap_err()
    );
    assert!(told.contains("the kernel's own BTF: none"), "{told}");
    let made = Command::new("mkfifo").arg(root.path(KERNELS)).status();
    assert!(made.expect("mkfifo").success());
    let told = select(&Bundle::EMPTY, &root.host(), Policy::default()).unwrap_err();
    assert!(told.to_string().contains("not a regular file"), "{told}");
}

/// With the longer header of newer tools.
fn with_layout(btf: &[u8]) -> Vec<u8> {
    let mut longer = btf[..24].to_vec();
    longer[4] = 32;
    longer.extend([0; 8]);
    longer.extend(&btf[24..]);
    longer
}

/// The paths where libbpf looks, in its order.
fn disk() -> [String; 7] {
    [
        "boot/vmlinux-R",
        "lib/modules/R/vmlinux-R",
        "lib/modules/R/build/vmlinux",
        "usr/lib/modules/R/kernel/vmlinux",
        "usr/lib/debug/boot/vmlinux-R",
        "usr/lib/debug/boot/vmlinux-R.debug",
        "usr/lib/debug/lib/modules/R/vmlinux",
    ]
    .map(|path| path.replace('R', RELEASE))
}

/// An ELF file with `btf` in a section, between others.
fn elf(btf: &[u8], (arch, endian): (Architecture, Endianness), section: &str) -> Vec<u8> {
    let mut elf = Object::new(BinaryFormat::Elf, arch, endian);
    for name in [".text", section, ".BTF.ext", ".data"] {
        let id = elf.add_section(Vec::new(), name.into(), SectionKind::Other);
        let content = if name == section {
            btf
        } else {
            &b"BTF.BTF"[..]
        };
        elf.append_section_data(id, content, 8);
    }
    elf.write().expect("an ELF file")
}

const X86: (Architecture, Endianness) = (Architecture::X86_64, Endianness::Little);

#[test]
fn on_disk() {
    let data = data();
    let x86_32 = (Architecture::I386, Endianness::Little);
    let s390x = (Architecture::S390x, Endianness::Big);
    for place in disk() {
        for content in [
            btf(3),
            elf(&btf(3), X86, ".BTF"),
            elf(&btf(3), x86_32, ".BTF"),
            elf(&btf(3), s390x, ".BTF"),
        ] {
            let root = Root::new();
            root.file(&place, content);
            let host = root.host();
            let path = root.path(&place);
            assert!(libbpf_reads(&path), "{place}");
            assert_eq!(host.disk_btf(), Some(&*path));
            for policy in [Policy::PREFER_KERNEL, Policy::PREFER_EMBEDDED] {
                let selection = select(&Bundle::EMPTY, &host, policy).expect("on disk");
                assert_eq!(selection.bytes().expect("readable"), btf(3), "{place}");
                let file = selection.to_file().expect("as it is");
                assert_eq!(file.path(), Some(&*path));
                assert!(!selection.is_kernels_own());
                assert_eq!(
                    selection.to_string(),
                    format!(
                        "BTF of this release on disk, {}: neither the kernel nor the bundle \
                         has any",
                        path.display()
                    )
                );
                // Only if the bundle has nothing.
                let selection = selected(&data, &host, policy).expect("the entry");
                assert_eq!(selection.bytes().expect("sound"), btf(9));
            }
            assert!(select(&Bundle::EMPTY, &host, Policy::EMBEDDED_ONLY).is_err());
            root.file(KERNELS, btf(4));
            let own = select(&Bundle::EMPTY, &root.host(), Policy::PREFER_EMBEDDED);
            assert!(own.expect("the kernel's").is_kernels_own());
        }
    }

    // With all of them, the first usable one.
    let root = Root::new();
    for (size, place) in (1..).zip(disk()) {
        root.file(&place, btf(size));
    }
    for (size, place) in (1..).zip(disk()) {
        let found = select(&Bundle::EMPTY, &root.host(), Policy::default()).expect("on disk");
        assert_eq!(found.bytes().expect("readable"), btf(size), "{place}");
        root.file(&place, "damaged, and not BTF at all");
    }
    let error = select(&Bundle::EMPTY, &root.host(), Policy::default()).expect_err("none");
    for place in disk() {
        let path = root.path(&place);
        let told = format!("{} can't be used: it does not start", path.display());
        assert!(error.to_string().contains(&told), "{error}");
    }
}

/// BTF on disk is used if the bundle is ambiguous, and it goes before an inference.
#[test]
fn on_disk_before_errors_and_inference() {
    let root = Root::new();
    root.file(&disk()[0], btf(3));
    let two = ["rhel/8/x86_64", "ol/8/x86_64"].map(|directory| kernel(directory, RELEASE));
    let ambiguous = bundle(
        two.iter()
            .zip(1..)
            .map(|(kernel, size)| (*kernel, btf(size))),
    );
    let around = ["4.18.0-147.0.2.el8_1.x86_64", "4.18.0-147.0.4.el8_1.x86_64"];
    let bracketed = bundle(around.map(|release| (kernel("rhel/8/x86_64", release), btf(5))));
    for data in [ambiguous, bracketed] {
        let policy = Policy::default().bracketed(true);
        let selection = selected(&data, &root.host(), policy).expect("on disk");
        assert_eq!(selection.bytes().expect("readable"), btf(3));
    }
}

/// Files that exist but can't be used: never taken, never waited for, and the reason is reported.
#[test]
fn unusable_on_disk() {
    let good = elf(&btf(3), X86, ".BTF");
    let with_section = |flags: u64, is_bss: bool| {
        let mut elf = Object::new(BinaryFormat::Elf, X86.0, X86.1);
        let kind = match is_bss {
            true => SectionKind::UninitializedData,
            false => SectionKind::Other,
        };
        let id = elf.add_section(Vec::new(), ".BTF".into(), kind);
        match is_bss {
            true => _ = elf.append_section_bss(id, 100, 8),
            false => _ = elf.append_section_data(id, &btf(3), 8),
        }
        if flags != 0 {
            elf.section_mut(id).flags = SectionFlags::Elf {
                sh_type: object::elf::SHT_PROGBITS,
                sh_flags: object::elf::SectionFlags(flags),
            };
        }
        elf.write().expect("an ELF file")
    };
    let mut cases: Vec<(Vec<u8>, &str)> = vec![
        (elf(&btf(3), X86, ".BTFX"), "without a section .BTF"),
        (
            elf(&btf(3)[..30], X86, ".BTF"),
            "truncated: it has 30 bytes",
        ),
        (elf(b"", X86, ".BTF"), "0 bytes are not BTF"),
        (with_section(0, true), "empty, compressed or cut off"),
        (with_section(0x800, false), "empty, compressed or cut off"),
        (b"\x7fELF".to_vec(), ""),
    ];
    for len in 0..good.len() {
        cases.push((good[..len].to_vec(), ""));
    }
    for (content, why) in cases {
        let root = Root::new();
        root.file(&disk()[1], &content);
        let error = select(&Bundle::EMPTY, &root.host(), Policy::default());
        let error = error.expect_err("none").to_string();
        assert!(
            error.contains("can't be used: ") && error.contains(why),
            "{error}"
        );
    }
    // Every byte of the headers changed: refused, or the same BTF.
    let root = Root::new();
    let place = &disk()[0];
    for at in 0..good.len() {
        for byte in [0x00, 0x7f, 0xff] {
            let mut damaged = good.clone();
            damaged[at] = byte;
            root.file(place, &damaged);
            if let Ok(selection) = select(&Bundle::EMPTY, &root.host(), Policy::default()) {
                assert!(selection.bytes().is_ok(), "{at}");
            }
        }
    }
    let root = Root::new();
    fs::create_dir_all(root.path(&disk()[0])).expect("a directory");
    let made = Command::new("mkfifo").arg(root.path(&disk()[1])).status();
    assert!(made.expect("mkfifo").success());
    root.file(&disk()[2], btf(3));
    let host = root.host();
    assert_eq!(host.disk_btf(), Some(&*root.path(&disk()[2])));
}

/// No release leads to reading any other file.
#[test]
fn odd_releases_on_disk() {
    for release in ["", "..", ".", "../../x", "/x", "x/../x", "\u{1b}[2J"] {
        let root = Root::new();
        root.file("proc/sys/kernel/osrelease", release);
        root.file("boot/x", btf(3));
        root.file("x", btf(3));
        root.file("lib/modules/vmlinux", btf(3));
        assert_eq!(root.host().disk_btf(), None, "{release:?}");
    }
}
