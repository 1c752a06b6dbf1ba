//! Makes archive entries, good and bad ones.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use tar::{EntryType, Header};

/// A tar member: its name, kind and content.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The name, written unchanged, however wrong.
    pub name: &'a str,
    /// The type that it claims.
    pub kind: EntryType,
    /// Its content.
    pub bytes: &'a [u8],
}

impl<'a> Member<'a> {
    /// A regular file.
    #[must_use]
    pub fn file(name: &'a str, bytes: &'a [u8]) -> Self {
        let kind = EntryType::Regular;
        Self { name, kind, bytes }
    }
}

/// A tar with these members, without any checks.
///
/// # Panics
/// If a name does not fit a header.
#[must_use]
pub fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    for member in members {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..member.name.len()].copy_from_slice(member.name.as_bytes());
        header.set_entry_type(member.kind);
        header.set_mode(0o644);
        header.set_size(member.bytes.len() as u64);
        if matches!(member.kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("elsewhere").expect("a short name");
        }
        if member.kind == EntryType::GNUSparse {
            let gnu = header.as_gnu_mut().expect("a GNU header");
            gnu.set_real_size(member.bytes.len() as u64);
        }
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(member.bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Compresses as the archive's scripts do.
///
/// # Panics
/// If liblzma fails.
#[must_use]
pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("xz");
    encoder.finish().expect("xz")
}

/// Writes a file and the directories above it.
///
/// # Panics
/// If it can't be written.
pub fn write(root: &Path, path: impl AsRef<Path>, bytes: &[u8]) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().expect("a file below the root")).expect("directories");
    fs::write(file, bytes).expect("a written file");
}

/// Writes one well-formed entry, `<distro>/<version>/<arch>/<release>` plus the suffix.
///
/// # Panics
/// If it can't be written.
pub fn entry(root: &Path, kernel: &str, btf: &[u8]) {
    let member = format!("{}.btf", kernel.rsplit('/').next().unwrap_or(kernel));
    let packed = xz(&tar(&[Member::file(&member, btf)]));
    write(root, format!("{kernel}.btf.tar.xz"), &packed);
}
