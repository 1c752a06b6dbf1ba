//! Shared by the selection tests: bundles of made-up classes, real os-release files.

// Not every test file uses all of this.
#![allow(dead_code)]

use btfhub_runtime::bundle::Provenance;
use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::{Arch, KernelId};

/// `debian/11/x86_64` and a release.
pub fn kernel<'a>(directory: &'a str, release: &'a str) -> KernelId<'a> {
    let mut parts = directory.split('/');
    let mut part = || parts.next().expect("distro/version/arch");
    KernelId {
        distro: part(),
        version: part(),
        arch: Arch::new(part()),
        release,
    }
}

/// A bundle of these kernels and their BTF.
pub fn bundle<'a>(kernels: impl IntoIterator<Item = (KernelId<'a>, Vec<u8>)>) -> Vec<u8> {
    let mut writer = Writer::new(Provenance::default());
    for (kernel, btf) in kernels {
        writer.add_kernel(kernel, btf).expect("a sound kernel");
    }
    writer.finish().expect("a sound bundle")
}

/// BTF with one empty struct of `size` bytes; each size is another class.
pub fn btf(size: u32) -> Vec<u8> {
    const NAME: &[u8] = b"\0kernel\0";
    const TYPE_LEN: u32 = 12;
    const STRUCT: u32 = 4 << 24;
    let name_len = u32::try_from(NAME.len()).expect("short");
    let mut btf = vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, TYPE_LEN, TYPE_LEN, name_len, 1, STRUCT, size] {
        btf.extend(u32::to_le_bytes(word));
    }
    btf.extend(NAME);
    btf
}

/// A bundle in which each of these kernels is a class of its own.
pub fn bundle_of(kernels: &[KernelId<'_>]) -> Vec<u8> {
    bundle(
        kernels
            .iter()
            .map(|kernel| (*kernel, kernel.to_string().into_bytes())),
    )
}

/// Real os-release files by name.
pub fn os_releases() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = include_str!("../../../fixtures/os-release.txt");
    all.split("== ")
        .skip(1)
        .map(|section| section.split_once('\n').expect("a name"))
}

/// One of them.
pub fn os_release(name: &str) -> &'static str {
    let mut all = os_releases();
    all.find(|(found, _)| *found == name)
        .expect("a known name")
        .1
}
