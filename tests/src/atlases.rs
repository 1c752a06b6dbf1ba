//! Atlases of handmade kernels.

use btfhub_build::archive::Digest;
use btfhub_build::atlas::{Atlas, AtlasWriter, Effort, SourceEntry};
use btfhub_build::btf::Btf;
use btfhub_runtime::{Arch, KernelId};

/// A kernel with this release.
#[must_use]
pub fn id(release: &str) -> KernelId<'_> {
    KernelId {
        arch: Arch::new("x86_64"),
        release,
        distro: "made-up",
        version: "1",
    }
}

/// An atlas of handmade BTF, by release.
///
/// # Panics
/// If what was written can't be read, or a kernel is refused.
#[must_use]
pub fn atlas_of(kernels: &[(&str, &[u8])]) -> Atlas {
    let atlas = atlas_of_sane(kernels);
    assert_eq!(atlas.kernels().len(), kernels.len(), "sane types");
    atlas
}

/// An atlas of those kernels that it doesn't refuse.
///
/// # Panics
/// If what was written can't be read.
#[must_use]
pub fn atlas_of_sane(kernels: &[(&str, &[u8])]) -> Atlas {
    let mut writer = AtlasWriter::new();
    for (release, bytes) in kernels {
        let btf = Btf::parse(bytes).expect("a BTF");
        let Ok(survey) = writer.surveyor().survey(&btf) else {
            continue;
        };
        let source = SourceEntry {
            path: format!("{release}.btf"),
            digest: Digest::of(bytes),
        };
        writer
            .insert(id(release), source, &survey)
            .expect("the same types");
    }
    let (_, file) = writer.finish(Effort::Best, 1).expect("an atlas");
    Atlas::parse(file).expect("what was written can be read")
}
