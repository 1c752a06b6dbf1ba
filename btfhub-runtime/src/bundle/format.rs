//! The header, and the sections after it.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::cursor::Cursor;
use super::error::{BundleError, Kind, Part};

/// The first eight bytes. The control characters detect transfers that rewrite line ends or
/// strip the eighth bit.
pub(super) const MAGIC: [u8; 8] = *b"BTFHUB\x1a\n";
/// The first eight bytes of a shard, which `cargo btfhub bundle --shard` writes. Known here so
/// that the error can say what the file is.
pub(super) const SHARD_MAGIC: [u8; 8] = *b"BTFHUB\x1aS";
/// The version of the format this crate reads and writes.
pub(super) const VERSION: u16 = 2;
/// Flag: a development build's bundle, with only some of the kernels.
const FLAG_PARTIAL: u16 = 1;
/// Flag: there is a section of the programs that fail.
const FLAG_PROGRAMS: u16 = 2;
const FLAGS_AT: usize = 10;

/// Where the digest is; it covers everything before and after it.
pub(super) const DIGEST_AT: usize = 16;
/// The first byte after the digest.
pub(super) const DIGEST_END: usize = DIGEST_AT + 32;
/// The shortest header: four numbers and a checksum after the digest.
const HEADER_MIN: usize = DIGEST_END + 4 + 4;

/// The largest inflated section: far larger than any real one. It limits what a forged file can
/// make a reader allocate.
pub(super) const SECTION_MAX: usize = 4 << 20;

/// The sections, in the order of the file. The last one may be absent.
pub(super) const SECTIONS: [Part; 4] =
    [Part::Provenance, Part::Kernels, Part::Types, Part::Programs];

/// The header's fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) partial: bool,
    /// Whether it has the last section.
    pub(super) has_programs: bool,
    pub(super) kernels: u32,
    pub(super) classes: u32,
    pub(super) strings: Strings<'a>,
    sections: [Section<'a>; SECTIONS.len()],
    /// Bytes of the header itself.
    #[cfg(feature = "write")]
    pub(super) len: usize,
}

/// Names of architectures, distributions and versions; entries borrow them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strings<'a> {
    count: u32,
    all: Cursor<'a>,
}

/// A section in the file.
#[derive(Clone, Copy, Debug)]
struct Section<'a> {
    /// Its offset.
    at: usize,
    deflated: &'a [u8],
    /// Bytes once inflated.
    len: usize,
}

impl<'a> Strings<'a> {
    fn read(from: &mut Cursor<'a>) -> Option<Self> {
        let count = from.varint()?;
        let strings = Self { count, all: *from };
        for _ in 0..count {
            from.text()?;
        }
        Some(strings)
    }

    pub(super) fn get(&self, number: u32) -> Option<&'a str> {
        let mut from = self.all;
        for _ in 0..number.min(self.count) {
            from.text()?;
        }
        if number < self.count {
            from.text()
        } else {
            None
        }
    }
}

impl<'a> Header<'a> {
    /// Reads and checks the header; `data` is the whole file.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, BundleError> {
        check_start(data).map_err(BundleError)?;
        let (header, fits) =
            Self::fields(data).ok_or(BundleError(Kind::Malformed(Part::Header)))?;
        match fits {
            true => Ok(header),
            false => Err(BundleError(Kind::Header)),
        }
    }

    /// The fields, and whether their checksum matches.
    fn fields(data: &'a [u8]) -> Option<(Self, bool)> {
        let mut from = Cursor::new(data);
        let start = from.take(DIGEST_AT)?;
        from.take(DIGEST_END - DIGEST_AT)?;
        let before = from;
        let flags = u16::from_le_bytes(*start.get(FLAGS_AT..)?.first_chunk()?);
        let (kernels, classes) = (from.varint()?, from.varint()?);
        let has_programs = flags & FLAG_PROGRAMS != 0;
        let mut lengths = [(0, 0); SECTIONS.len()];
        for length in (lengths.iter_mut()).take(SECTIONS.len() - usize::from(!has_programs)) {
            *length = (from.length()?, from.length()?);
        }
        let strings = Strings::read(&mut from)?;
        let checksum = adler32(start, before.until(&from)?);
        let fits = from.array()? == checksum.to_le_bytes();
        let len = data.len() - from.rest().len();
        let mut at = len;
        let sections = lengths.map(|(deflated, len)| {
            let section = Section {
                at,
                deflated: from.take(deflated)?,
                len,
            };
            at += deflated;
            Some(section)
        });
        from.end()?;
        let [provenance, of_kernels, types, programs] = sections;
        let header = Self {
            partial: flags & FLAG_PARTIAL != 0,
            has_programs,
            kernels,
            classes,
            strings,
            sections: [provenance?, of_kernels?, types?, programs?],
            #[cfg(feature = "write")]
            len,
        };
        (flags & !(FLAG_PARTIAL | FLAG_PROGRAMS) == 0 || !fits).then_some((header, fits))
    }

    /// The content of a section, checked by its own checksum.
    // Not inlined: every section goes through it.
    #[inline(never)]
    pub(super) fn inflate(&self, part: Part) -> Result<Vec<u8>, BundleError> {
        let malformed = BundleError(Kind::Malformed(part));
        let section = self.sections.get(part as usize).ok_or(malformed)?;
        if section.len > SECTION_MAX {
            return Err(malformed);
        }
        let mut content = vec![0; section.len];
        let (status, read, written) = decompress(
            &mut DecompressorOxide::new(),
            section.deflated,
            &mut content,
            0,
            TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        );
        let whole = (section.deflated.len(), section.len);
        match status {
            TINFLStatus::Done if (read, written) == whole => Ok(content),
            _ => Err(BundleError(Kind::Section {
                part,
                offset: section.at,
            })),
        }
    }

    /// How many bytes each section takes in the file.
    #[cfg(feature = "write")]
    pub(super) fn section_sizes(&self) -> [(Part, usize); SECTIONS.len()] {
        let mut sizes = SECTIONS.map(|part| (part, 0));
        for ((_, size), section) in sizes.iter_mut().zip(&self.sections) {
            *size = section.deflated.len();
        }
        sizes
    }
}

/// Adler-32 (RFC 1950), as in the sections, over two runs of bytes.
fn adler32(first: &[u8], second: &[u8]) -> u32 {
    let mut adler = adler2::Adler32::new();
    adler.write_slice(first);
    adler.write_slice(second);
    adler.checksum()
}

/// Little-endian, at a constant offset inside the fixed part of the header.
const fn u32_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// `starts_with` for constant evaluation; `data` must not be shorter.
const fn begins_with(data: &[u8], magic: [u8; 8]) -> bool {
    let mut i = 0;
    while i < magic.len() {
        if data[i] != magic[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// What can be checked in constant evaluation: magic, version, length.
pub(super) const fn check_start(data: &[u8]) -> Result<(), Kind> {
    if data.len() < HEADER_MIN {
        return Err(Kind::Short { len: data.len() });
    }
    if !begins_with(data, MAGIC) {
        return Err(if begins_with(data, SHARD_MAGIC) {
            Kind::Shard
        } else {
            Kind::Foreign
        });
    }
    let version = u16::from_le_bytes([data[8], data[9]]);
    if version != VERSION {
        return Err(Kind::Version {
            found: version,
            known: VERSION,
        });
    }
    let header = u32_at(data, 12);
    #[allow(clippy::cast_possible_truncation)] // compared in both directions
    if header as u64 != data.len() as u64 {
        return Err(Kind::Length {
            header,
            data: data.len(),
        });
    }
    Ok(())
}

/// The parts of a file, before they are deflated.
#[cfg(feature = "write")]
pub(super) struct Contents<'w> {
    pub(super) partial: bool,
    pub(super) kernels: u32,
    pub(super) classes: u32,
    pub(super) strings: &'w [&'w str],
    /// In the order of [`SECTIONS`], all or all but the last.
    pub(super) sections: Vec<Vec<u8>>,
}

/// The whole file. `None` if it is larger than the format allows.
#[cfg(feature = "write")]
pub(super) fn assemble(contents: &Contents<'_>) -> Option<Vec<u8>> {
    use super::cursor::{put_bytes, put_varint};
    use miniz_oxide::deflate::compress_to_vec_zlib;
    /// zlib's highest level: higher ones gain less than one byte in a thousand.
    const LEVEL: u8 = 9;
    let mut rest = Vec::new();
    put_varint(&mut rest, contents.kernels);
    put_varint(&mut rest, contents.classes);
    let mut deflated = Vec::new();
    for section in &contents.sections {
        if section.len() > SECTION_MAX {
            return None;
        }
        let before = deflated.len();
        deflated.extend(compress_to_vec_zlib(section, LEVEL));
        put_varint(&mut rest, u32::try_from(deflated.len() - before).ok()?);
        put_varint(&mut rest, u32::try_from(section.len()).ok()?);
    }
    put_varint(&mut rest, u32::try_from(contents.strings.len()).ok()?);
    for text in contents.strings {
        put_bytes(&mut rest, text.as_bytes())?;
    }
    let total = DIGEST_END + rest.len() + 4 + deflated.len();
    let mut start = MAGIC.to_vec();
    start.extend(VERSION.to_le_bytes());
    let has_programs = contents.sections.len() == SECTIONS.len();
    let flags = (if contents.partial { FLAG_PARTIAL } else { 0 })
        | (if has_programs { FLAG_PROGRAMS } else { 0 });
    start.extend(flags.to_le_bytes());
    start.extend(u32::try_from(total).ok()?.to_le_bytes());
    rest.extend(adler32(&start, &rest).to_le_bytes());
    rest.extend(deflated);
    let digest = super::digest::sha256(&[&start, &rest]);
    Some([&start[..], &digest, &rest].concat())
}
