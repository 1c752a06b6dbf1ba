//! Bundles with made-up content: taken apart as the format's document says, and put together again
//! with matching lengths, checksums and digest.
//!
//! The *open* form is flags, kernels, classes, the lengths of the sections, the strings, and then
//! the inflated sections, so that mutations reach the content.

use std::io::{Read as _, Write as _};

use sha2::{Digest as _, Sha256};

/// Provenance, kernels, types; and programs, if a flag says so.
pub const SECTIONS: usize = 4;
const FLAG_PROGRAMS: u8 = 2;
const START: usize = 16;
const DIGEST_END: usize = 48;

/// The parts of a bundle, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub flags: [u8; 2],
    pub kernels: u32,
    pub classes: u32,
    /// Their number, then each preceded by its length.
    pub strings: Vec<u8>,
    /// The last one exists only if the flag is set.
    pub sections: [Vec<u8>; SECTIONS],
}

impl Parts {
    /// # Panics
    /// If it is no bundle.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let mut rest = &file[DIGEST_END..];
        let mut number = || varint(&mut rest).expect("a number");
        let (kernels, classes) = (number(), number());
        let count = count([file[10], file[11]]);
        let lengths = [0, 1, 2, 3].map(|at| (at < count).then(|| (number(), number()).0));
        let strings = strings(&mut rest).expect("strings").to_vec();
        rest = &rest[4..];
        let sections = lengths.map(|len| {
            let mut content = Vec::new();
            let Some(len) = len else { return content };
            let (section, behind) = rest.split_at(len as usize);
            rest = behind;
            flate2::read::ZlibDecoder::new(section)
                .read_to_end(&mut content)
                .expect("a zlib stream");
            content
        });
        assert!(rest.is_empty(), "bytes behind the last section");
        Self {
            flags: [file[10], file[11]],
            kernels,
            classes,
            strings,
            sections,
        }
    }

    /// The file, with right checksums.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        let lengths = [0, 1, 2, 3].map(|section| self.sections[section].len());
        self.file_saying(lengths)
    }

    /// The same, but the header says these inflated lengths of the sections.
    #[must_use]
    pub fn file_saying(&self, lengths: [usize; SECTIONS]) -> Vec<u8> {
        let mut rest = Vec::new();
        put(&mut rest, self.kernels);
        put(&mut rest, self.classes);
        let mut deflated = Vec::new();
        for (section, len) in self.sections.iter().zip(lengths).take(count(self.flags)) {
            let level = flate2::Compression::new(1);
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(section).expect("memory");
            let bytes = encoder.finish().expect("memory");
            put(&mut rest, bytes.len() as u32);
            put(&mut rest, len as u32);
            deflated.extend(bytes);
        }
        rest.extend(&self.strings);
        let mut file = b"BTFHUB\x1a\n\x02\0".to_vec();
        file.extend(self.flags);
        let total = DIGEST_END + rest.len() + 4 + deflated.len();
        file.extend((total as u32).to_le_bytes());
        rest.extend(adler32(&[&file, &rest]).to_le_bytes());
        file.extend([0; DIGEST_END - START]);
        file.extend(rest);
        file.extend(deflated);
        seal(&file)
    }
}

/// How many sections a bundle with these flags has.
fn count(flags: [u8; 2]) -> usize {
    SECTIONS - usize::from(flags[0] & FLAG_PROGRAMS == 0)
}

/// The open form of a bundle.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn open(file: &[u8]) -> Vec<u8> {
    let parts = Parts::of(file);
    let mut out = parts.flags.to_vec();
    put(&mut out, parts.kernels);
    put(&mut out, parts.classes);
    for section in parts.sections.iter().take(count(parts.flags)) {
        put(&mut out, section.len() as u32);
    }
    out.extend(&parts.strings);
    out.extend(parts.sections.concat());
    out
}

/// The bundle for an open form. `None` if that ends too early.
#[must_use]
pub fn close(open: &[u8]) -> Option<Vec<u8>> {
    let (flags, mut rest) = open.split_first_chunk()?;
    let (kernels, classes) = (varint(&mut rest)?, varint(&mut rest)?);
    let mut lengths = [0; SECTIONS];
    for length in lengths.iter_mut().take(count(*flags)) {
        *length = varint(&mut rest)? as usize;
    }
    let strings = strings(&mut rest)?.to_vec();
    let sections = lengths.map(|len| {
        let (section, behind) = rest.split_at(len.min(rest.len()));
        rest = behind;
        section.to_vec()
    });
    let parts = Parts {
        flags: *flags,
        kernels,
        classes,
        strings,
        sections,
    };
    Some(parts.file())
}

/// The file with matching length and digest, whatever else is in it.
///
/// # Panics
/// If it is shorter than a header.
#[must_use]
pub fn seal(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let total = u32::try_from(file.len()).expect("a length").to_le_bytes();
    file[12..START].copy_from_slice(&total);
    let digest = Sha256::new()
        .chain_update(&file[..START])
        .chain_update(&file[DIGEST_END..])
        .finalize();
    file[START..DIGEST_END].copy_from_slice(&digest);
    file
}

/// Strings with their number, as in the file.
fn strings<'f>(rest: &mut &'f [u8]) -> Option<&'f [u8]> {
    let all = *rest;
    for _ in 0..varint(rest)? {
        let len = varint(rest)? as usize;
        *rest = rest.get(len..)?;
    }
    all.get(..all.len() - rest.len())
}

/// A number with seven bits per byte, lowest first.
pub fn varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}

/// Appends such a number.
pub fn put(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Adler-32, independent of the code under test.
fn adler32(parts: &[&[u8]]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in parts.iter().copied().flatten() {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}
