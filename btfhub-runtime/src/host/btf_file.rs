//! BTF in a file: raw, or the `.BTF` section of an ELF file.
//!
//! Only headers are read until the BTF itself is needed: a `vmlinux` with debug information is
//! hundreds of megabytes.

use core::ops::Range;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::root::open_regular;

/// Larger than any kernel's BTF.
const BTF_MAX: u64 = 256 * 1024 * 1024;
/// Larger than the section headers of any kernel, or their names.
const SECTIONS_MAX: u64 = 16 * 1024 * 1024;

/// Checks that the regular file at `path` holds BTF that is complete according to its header.
pub(super) fn check(path: &Path) -> io::Result<()> {
    open(path).map(|_| ())
}

/// The BTF in the regular file at `path`.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, place) = open(path)?;
    read_range(&mut file, place, BTF_MAX)
}

fn open(path: &Path) -> io::Result<(File, Range<u64>)> {
    let mut file = open_regular(path)?;
    let len = file.metadata()?.len();
    let start: [u8; 4] = match read_at(&mut file, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(damaged(format!("{len} bytes are not BTF")));
        }
        start => start?,
    };
    let place = match &start {
        b"\x7fELF" => section(&mut file, len)?,
        _ => 0..len,
    };
    check_header(&mut file, &place)?;
    Ok((file, place))
}

/// The checks that libbpf makes on a header (`btf_parse_hdr`, `btf_parse_str_sec`).
fn check_header(file: &mut File, place: &Range<u64>) -> io::Result<()> {
    const HEADER_LEN: u64 = 24;
    let len = place.end - place.start;
    if len < HEADER_LEN {
        return Err(damaged(format!("{len} bytes are not BTF")));
    }
    let header: [u8; 24] = read_at(file, place.start)?;
    let is_big_endian = match header {
        [0x9f, 0xeb, ..] => false,
        [0xeb, 0x9f, ..] => true,
        _ => {
            return Err(damaged(
                "it does not start with the BTF magic; give raw BTF, as \
                 `pahole --btf_encode_detached` writes it, or an ELF file with a section .BTF"
                    .to_owned(),
            ));
        }
    };
    let header = Fields {
        bytes: &header,
        is_big_endian,
        is_64_bit: true,
    };
    let word = |at| header.number::<4>(at).unwrap_or(u64::MAX);
    let header_len = word(4);
    let types = (word(8), word(12));
    let strings = (word(16), word(20));
    // Sums of three 32-bit numbers.
    let told = header_len + (types.0 + types.1).max(strings.0 + strings.1);
    if told > len {
        return Err(damaged(format!(
            "truncated: it has {len} bytes of BTF, but its header says {told}"
        )));
    }
    let is_sound = header_len >= HEADER_LEN
        && types.0 % 4 == 0
        && types.0 + types.1 <= strings.0
        && types.1 > 0
        && strings.1 > 0;
    if !is_sound {
        return Err(damaged(format!(
            "its header is damaged: {} bytes of types at {}, {} bytes of strings at {}",
            types.1, types.0, strings.1, strings.0
        )));
    }
    let first = place.start + header_len + strings.0;
    let [first, last] = [first, first + strings.1 - 1].map(|at| read_at(file, at));
    if (first?, last?) != ([0], [0]) {
        return Err(damaged(
            "its strings do not begin and end with NUL: damaged, or the BTF of a module".to_owned(),
        ));
    }
    Ok(())
}

/// Where the `.BTF` section is in an ELF file of `len` bytes.
fn section(file: &mut File, len: u64) -> io::Result<Range<u64>> {
    const NOBITS: u64 = 8;
    const COMPRESSED: u64 = 0x800;
    let no_section = || damaged("an ELF file without a section .BTF".to_owned());

    let identity: [u8; 64] = read_at(file, 0)?;
    let header = Fields {
        bytes: &identity,
        is_big_endian: identity[5] == 2,
        is_64_bit: identity[4] == 2,
    };
    let (table, numbers, entry_len) = match header.is_64_bit {
        true => (header.number::<8>(0x28), 0x3a, 64),
        false => (header.number::<4>(0x20), 0x2e, 40),
    };
    let [size, count, names] = [0, 2, 4].map(|at| header.number::<2>(numbers + at));
    let (Some(table), Some(count), Some(names)) = (table, count, names) else {
        return Err(no_section());
    };
    if size != Some(entry_len) {
        return Err(no_section());
    }
    let table = range(table, count * entry_len, len).ok_or_else(no_section)?;
    let table = read_range(file, table, SECTIONS_MAX)?;

    let sections = |at: u64| -> Option<Section> {
        let start = usize::try_from(at * entry_len).ok()?;
        let bytes = table.get(start..)?;
        let fields = Fields { bytes, ..header };
        let [flags, place, size] = match header.is_64_bit {
            true => [8, 24, 32].map(|at| fields.number::<8>(at)),
            false => [8, 16, 20].map(|at| fields.number::<4>(at)),
        };
        Some(Section {
            name: usize::try_from(fields.number::<4>(0)?).ok()?,
            is_stored: fields.number::<4>(4)? != NOBITS && flags? & COMPRESSED == 0,
            place: range(place?, size?, len),
        })
    };
    let names = sections(names).and_then(|section| section.place);
    let names = read_range(file, names.ok_or_else(no_section)?, SECTIONS_MAX)?;
    let named = |section: &Section| {
        let name = names.get(section.name..);
        name.is_some_and(|name| name.starts_with(b".BTF\0"))
    };
    let section = (0..count).filter_map(sections).find(named);
    match section.ok_or_else(no_section)? {
        Section {
            is_stored: true,
            place: Some(place),
            ..
        } => Ok(place),
        _ => Err(damaged(
            "an ELF file whose section .BTF is empty, compressed or cut off".to_owned(),
        )),
    }
}

struct Section {
    /// Offset of its name in the names.
    name: usize,
    /// Whether its bytes are in the file, uncompressed.
    is_stored: bool,
    /// `None` if it reaches beyond the file.
    place: Option<Range<u64>>,
}

/// `len` bytes from `start`, if the file has them.
fn range(start: u64, len: u64, file_len: u64) -> Option<Range<u64>> {
    let end = start.checked_add(len)?;
    (end <= file_len).then_some(start..end)
}

/// The numbers in a header.
#[derive(Clone, Copy)]
struct Fields<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
    is_64_bit: bool,
}

impl Fields<'_> {
    /// The number of `N` bytes at `at`.
    fn number<const N: usize>(&self, at: usize) -> Option<u64> {
        let bytes: &[u8; N] = self.bytes.get(at..)?.first_chunk()?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.is_big_endian {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }
}

fn read_at<const N: usize>(file: &mut File, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_range(file: &mut File, place: Range<u64>, limit: u64) -> io::Result<Vec<u8>> {
    let len = place.end - place.start;
    if len > limit {
        return Err(damaged(format!("{len} bytes, but the limit is {limit}")));
    }
    file.seek(SeekFrom::Start(place.start))?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()) != Ok(len) {
        return Err(damaged(format!("it ends before byte {}", place.end)));
    }
    Ok(bytes)
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
