//! Malicious atlases, and malicious kernels that are added to one: as in `hostile`, one function
//! for each entry point.
//!
//! A fuzzer can't usefully change a compressed file with digests. So it changes the *open* form:
//! the expanded sections, and what the index says about them. [`close`] makes a file from it, with
//! matching lengths and digests; [`open`] is the reverse.

use std::io::{Read as _, Write as _};

use btfhub_build::Modules;
use btfhub_build::archive::Digest;
use btfhub_build::atlas::{
    Atlas, AtlasBuilder, AtlasWriter, Effort, KernelNumber, Side, SourceEntry, diff,
};
use btfhub_build::btf::Btf;
use btfhub_build::relo::{Relocations, resolve};
use btfhub_runtime::{Arch, KernelId};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use xz2::read::XzDecoder;
use xz2::stream::{Check, Stream};
use xz2::write::XzEncoder;

use crate::hostile::mutate;

/// An atlas, as a file and as an open form. `asked` are some program's relocations.
pub fn atlas(asked: &Relocations, data: &[u8]) {
    read(asked, data);
    if let Some(file) = close(data) {
        read(asked, &file);
    }
}

/// An atlas in its open form with a section of modules.
pub fn modules(asked: &Relocations, open: &[u8], modules: &[u8]) {
    if let Some(file) = close_with_modules(open, Some(modules)) {
        read(asked, &file);
    }
}

/// Every operation on an atlas: each result is right or an error, and nothing panics.
fn read(asked: &Relocations, file: &[u8]) {
    let Ok(atlas) = Atlas::parse(file.to_vec()) else {
        return;
    };
    let sound = atlas.check().is_ok();
    let kernels = atlas.kernels().len();
    for (kernel, _) in atlas.kernels().take(4) {
        if let Ok(bytes) = atlas.extract(kernel) {
            Btf::parse(&bytes).expect("what is extracted is BTF");
        }
        let _ = atlas.texts(Some(kernel), |_| true);
    }
    assert!(atlas.extract(KernelNumber(kernels)).is_err());
    if let Ok(scope) = atlas.scope_of(asked, &Modules::All) {
        for number in 0..kernels.min(3) {
            if let Ok(bytes) = scope.btf(number) {
                Btf::parse(&bytes).expect("what is asked for is BTF");
            }
            let _ = scope.read(number);
        }
    }
    if atlas.texts(None, |_| true).is_ok() {
        let all = Side {
            atlas: &atlas,
            kernel: None,
        };
        assert_eq!(diff(all, all, |_| true), Ok(Vec::new()));
    }
    let _ = atlas.parts();
    // As the base of another one, into which nothing of it goes.
    let based = AtlasBuilder::new().effort(Effort::Fast).base(&atlas);
    if let Ok(built) = based.build(&[], |_, _| ()) {
        assert!(sound, "a damaged atlas was taken for a base");
        let empty = Atlas::parse(built.file).expect("what was written can be read");
        assert_eq!(empty.kernels().len(), 0);
    }
}

/// An atlas of some kernels' BTF files; those that it can't hold are left out.
///
/// # Panics
/// If one is no BTF.
pub fn small_atlas<'a>(kernels: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut writer = AtlasWriter::new();
    for (number, bytes) in kernels.into_iter().enumerate() {
        let btf = Btf::parse(bytes).expect("BTF");
        if let Ok(survey) = writer.surveyor().survey(&btf) {
            let release = format!("5.10.{number}");
            let added = writer.insert(id(&release), source(bytes), &survey);
            added.expect("what was surveyed");
        }
    }
    writer.finish(Effort::Fast, 1).expect("a small atlas").1
}

fn id(release: &str) -> KernelId<'_> {
    KernelId {
        arch: Arch::new("x86_64"),
        release,
        distro: "made-up",
        version: "1",
    }
}

fn source(bytes: &[u8]) -> SourceEntry {
    SourceEntry {
        path: "made-up.btf".to_owned(),
        digest: Digest::of(bytes),
    }
}

/// A kernel with mutated words that is added to an atlas: relocations resolve the same in the BTF
/// that the atlas returns.
///
/// # Panics
/// If they don't.
pub fn kept(relocations: &Relocations, kernel: &[u8], mutations: &[u8]) {
    let Ok(kernel) = Btf::parse(&mutate(kernel, mutations)) else {
        return;
    };
    kept_by(AtlasWriter::new(), relocations, &kernel);
    kept_by(AtlasWriter::with_functions(), relocations, &kernel);
}

fn kept_by(mut writer: AtlasWriter, relocations: &Relocations, kernel: &Btf) {
    let Ok(survey) = writer.surveyor().survey(kernel) else {
        return;
    };
    if writer.insert(id("1"), source(b""), &survey).is_err() {
        return;
    }
    let (_, file) = writer.finish(Effort::Fast, 1).expect("a small atlas");
    let atlas = Atlas::parse(file).expect("what was written can be read");
    atlas.check().expect("all of it");
    let whole = atlas
        .extract(KernelNumber(0))
        .expect("the kernel that was added");
    let scope = atlas
        .scope_of(relocations, &Modules::All)
        .expect("all of it");
    let part = scope.btf(0).expect("the kernel that was added");
    let Ok(right) = resolve(relocations, kernel) else {
        return;
    };
    for bytes in [whole, part] {
        let btf = Btf::parse(&bytes).expect("what is extracted is BTF");
        assert_eq!(resolve(relocations, &btf).as_ref(), Ok(&right));
    }
}

const HEADER_LEN: usize = 64;
const CODEC_AT: usize = 10;
const MODULES_AT: usize = 12;
const DIGEST_AT: usize = 32;

/// The open form of an atlas.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn open(file: &[u8]) -> Vec<u8> {
    open_with_modules(file).0
}

/// The same, and the section of modules.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn open_with_modules(file: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let number = |at: usize| {
        let bytes = file[at..at + 8].try_into().expect("eight bytes");
        usize::try_from(u64::from_le_bytes(bytes)).expect("a length")
    };
    let mut at = HEADER_LEN + number(16);
    let codec = match file[CODEC_AT] {
        2 => Codec::Deflate,
        _ => Codec::Xz,
    };
    let index = expand(codec, &file[HEADER_LEN..at]);
    let mut index = index.as_slice();
    let mut section = |index: &mut &[u8]| {
        let len = usize::try_from(varint(index).expect("a length")).expect("a length");
        varint(index).expect("a length");
        take(index, 16).expect("a digest");
        at += len;
        expand(codec, &file[at - len..at])
    };
    let mut out = Vec::new();
    put(&mut out, varint(&mut index).expect("how many kernels"));
    put_bytes(&mut out, &section(&mut index));
    let modules = (file[MODULES_AT] == 1).then(|| section(&mut index));
    for _ in 0..varint(&mut index).expect("how many blocks") {
        for _ in 0..4 {
            put(&mut out, varint(&mut index).expect("a number"));
        }
        let len = varint(&mut index).expect("a length");
        put_bytes(&mut out, take(&mut index, len).expect("a name"));
        put_bytes(&mut out, &section(&mut index));
        put_bytes(&mut out, &section(&mut index));
    }
    (out, modules)
}

/// How a file is packed, by the number in its header.
#[derive(Clone, Copy, Debug)]
pub enum Codec {
    /// As `cargo btfhub atlas build` does.
    Xz = 1,
    /// With `--fast`.
    Deflate = 2,
}

/// The file for an open form. `None` if that ends too early.
#[must_use]
pub fn close(open: &[u8]) -> Option<Vec<u8>> {
    close_with_modules(open, None)
}

/// The same with a section of modules.
#[must_use]
pub fn close_with_modules(open: &[u8], modules: Option<&[u8]>) -> Option<Vec<u8>> {
    assemble(open, modules, Codec::Deflate, |raw| {
        (pack(Codec::Deflate, raw), raw.len() as u64)
    })
}

/// The same with sections from `packing`: their bytes, and the length for the index.
#[must_use]
pub fn close_packing(
    open: &[u8],
    codec: Codec,
    packing: impl Fn(&[u8]) -> (Vec<u8>, u64),
) -> Option<Vec<u8>> {
    assemble(open, None, codec, packing)
}

fn assemble(
    mut open: &[u8],
    modules: Option<&[u8]>,
    codec: Codec,
    packing: impl Fn(&[u8]) -> (Vec<u8>, u64),
) -> Option<Vec<u8>> {
    let open = &mut open;
    let mut index = Vec::new();
    let mut sections = Vec::new();
    let mut section = |index: &mut Vec<u8>, raw: &[u8]| {
        let (packed, len) = packing(raw);
        put(index, packed.len() as u64);
        put(index, len);
        index.extend_from_slice(Digest::of(&packed).as_bytes().first_chunk::<16>()?);
        sections.extend_from_slice(&packed);
        Some(())
    };
    put(&mut index, varint(open)?);
    section(&mut index, take_bytes(open)?)?;
    if let Some(modules) = modules {
        section(&mut index, modules)?;
    }
    let mut blocks = Vec::new();
    let mut count = 0;
    while !open.is_empty() {
        count += 1;
        for _ in 0..4 {
            put(&mut blocks, varint(open)?);
        }
        put_bytes(&mut blocks, take_bytes(open)?);
        section(&mut blocks, take_bytes(open)?)?;
        section(&mut blocks, take_bytes(open)?)?;
    }
    put(&mut index, count);
    index.append(&mut blocks);
    let packed = pack(codec, &index);
    let mut file = Vec::new();
    file.extend(*b"BTFATL\x1a\n");
    let has_modules = u8::from(modules.is_some());
    file.extend([1, 0, codec as u8, 0, has_modules, 0, 0, 0]);
    file.extend((packed.len() as u64).to_le_bytes());
    file.extend((index.len() as u64).to_le_bytes());
    file.extend(packed);
    let digest = Digest::of(&file);
    file.splice(DIGEST_AT..DIGEST_AT, *digest.as_bytes());
    file.extend(sections);
    Some(file)
}

/// A block in the open form: groups, definitions, strings and kind of the first
/// group, which has this name; columns and text.
#[must_use]
pub fn block(counts: [u64; 4], name: &[u8], columns: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = numbers(counts);
    for bytes in [name, columns, text] {
        put_bytes(&mut out, bytes);
    }
    out
}

/// Numbers in the format's encoding.
pub fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for number in numbers {
        put(&mut out, number);
    }
    out
}

fn expand(codec: Codec, packed: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    let read = match codec {
        Codec::Xz => XzDecoder::new(packed).read_to_end(&mut raw),
        Codec::Deflate => DeflateDecoder::new(packed).read_to_end(&mut raw),
    };
    read.expect("a section");
    raw
}

/// A section of a file.
///
/// # Panics
/// If memory runs out.
#[must_use]
pub fn pack(codec: Codec, raw: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Xz => {
            let stream = Stream::new_easy_encoder(0, Check::None).expect("liblzma");
            let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
            encoder.write_all(raw).expect("memory");
            encoder.finish().expect("memory")
        }
        Codec::Deflate => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(raw).expect("memory");
            encoder.finish().expect("memory")
        }
    }
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some(taken)
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = varint(bytes)?;
    take(bytes, len)
}
