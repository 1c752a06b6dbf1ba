//! The header and the index of the file. `FORMAT.md`, which is part of the module's
//! documentation, describes the whole format.

use super::bytes::{Cursor, put, put_len};
use super::definition::GROUP_KINDS;
use super::error::{AtlasError, Cause, FilePart};
use super::pack::{DEFLATE, Effort, MAX_RAW, STORED, Section, XZ, expand, pack};
use crate::archive::Digest;

/// The first eight bytes. The control characters reveal a transfer that rewrote line ends.
pub(super) const MAGIC: [u8; 8] = *b"BTFATL\x1a\n";
/// The version of the format.
pub(super) const VERSION: u16 = 1;
const DIGEST_AT: usize = 32;
/// Length of the header.
pub(super) const HEADER_LEN: usize = 64;

/// A block in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockEntry {
    /// How many groups it has.
    pub(super) groups: u32,
    /// How many definitions it has.
    pub(super) definitions: u32,
    /// How many strings are first used in it.
    pub(super) strings: u32,
    /// The kind of its first group, as an index into [`GROUP_KINDS`].
    pub(super) kind: usize,
    /// The name of its first group.
    pub(super) name: Vec<u8>,
    pub(super) columns: Section,
    pub(super) text: Section,
}

/// The index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// Whether functions and variables are among the definitions.
    pub(super) functions: bool,
    pub(super) kernels: Section,
    pub(super) kernel_count: u32,
    /// `None` if no kernel has modules.
    pub(super) modules: Option<Section>,
    pub(super) blocks: Vec<BlockEntry>,
}

impl Index {
    /// Makes the file: header, index, and the sections in the order of the index.
    pub(super) fn assemble(
        mut self,
        sections: &[Vec<u8>],
        effort: Effort,
    ) -> Result<Vec<u8>, AtlasError> {
        let mut raw = Vec::new();
        put(&mut raw, u64::from(self.kernel_count));
        put_section(&mut raw, &self.kernels);
        if let Some(modules) = &self.modules {
            put_section(&mut raw, modules);
        }
        put_len(&mut raw, self.blocks.len());
        for block in &mut self.blocks {
            for count in [block.groups, block.definitions, block.strings] {
                put(&mut raw, u64::from(count));
            }
            put_len(&mut raw, block.kind);
            put_len(&mut raw, block.name.len());
            raw.extend_from_slice(&block.name);
            put_section(&mut raw, &block.columns);
            put_section(&mut raw, &block.text);
        }
        let codec = match effort {
            Effort::Stored => STORED,
            Effort::Fast => DEFLATE,
            Effort::Best => XZ,
        };
        let index = pack(&raw, effort)?;
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        let flags = [self.functions, self.modules.is_some()].map(u8::from);
        out.push(codec);
        out.extend(flags);
        out.extend([0; 3]);
        out.extend((index.len() as u64).to_le_bytes());
        out.extend((raw.len() as u64).to_le_bytes());
        out.extend([0; 32]);
        out.extend(index);
        let digest = file_digest(&out, out.len());
        out.splice(DIGEST_AT..HEADER_LEN, *digest.as_bytes());
        for section in sections {
            out.extend_from_slice(section);
        }
        Ok(out)
    }

    /// Reads and checks header and index. Also returns the file's digest.
    pub(super) fn read(file: &[u8]) -> Result<(Self, Digest), AtlasError> {
        let Some(header) = file.first_chunk::<HEADER_LEN>() else {
            return Err(AtlasError(if file.starts_with(&MAGIC) {
                Cause::Short {
                    need: HEADER_LEN as u64,
                    have: file.len() as u64,
                }
            } else {
                Cause::Foreign
            }));
        };
        let mut cursor = Cursor::new(header, FilePart::Header);
        if cursor.array::<8>()? != MAGIC {
            return Err(AtlasError(Cause::Foreign));
        }
        let version = u16::from_le_bytes(cursor.array()?);
        if version != VERSION {
            return Err(AtlasError(Cause::Version {
                found: version,
                known: VERSION,
            }));
        }
        let [codec, functions, has_modules, zeros @ ..] = cursor.array::<6>()?;
        if !matches!(codec, STORED | XZ | DEFLATE) {
            return Err(AtlasError(Cause::Codec {
                found: codec,
                known: STORED..=DEFLATE,
            }));
        }
        if functions > 1 || has_modules > 1 || zeros != [0; 3] {
            return Err(cursor.error("an unknown flag is set"));
        }
        let packed = u64::from_le_bytes(cursor.array()?);
        let raw = u64::from_le_bytes(cursor.array()?);
        let found = Digest::from_bytes(cursor.array()?);
        let start = HEADER_LEN as u64;
        let short = AtlasError(Cause::Short {
            need: start.saturating_add(packed),
            have: file.len() as u64,
        });
        let end = usize::try_from(start.saturating_add(packed)).ok();
        let Some(end) = end.filter(|&end| end <= file.len()) else {
            return Err(short);
        };
        if file_digest(file, end) != found {
            return Err(AtlasError(Cause::Digest(FilePart::Index)));
        }
        let section = Section {
            start,
            packed,
            raw,
            digest: super::pack::digest(file.get(HEADER_LEN..end).unwrap_or_default()),
        };
        let raw = expand(file, &section, FilePart::Index)?;
        let mut cursor = Cursor::new(&raw, FilePart::Index);
        let mut start = end as u64;
        let kernel_count = cursor.u32()?;
        let kernels = take_section(&mut cursor, &mut start)?;
        let modules = match has_modules {
            0 => None,
            _ => Some(take_section(&mut cursor, &mut start)?),
        };
        let count = cursor.len()?;
        let mut blocks = Vec::new();
        for _ in 0..count {
            let (groups, definitions, strings) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
            let kind = cursor.len()?;
            if kind >= GROUP_KINDS.len() {
                return Err(cursor.error("an unknown kind"));
            }
            let name = cursor.len()?;
            let name = cursor.take(name)?.to_vec();
            let columns = take_section(&mut cursor, &mut start)?;
            let text = take_section(&mut cursor, &mut start)?;
            blocks.push(BlockEntry {
                groups,
                definitions,
                strings,
                kind,
                name,
                columns,
                text,
            });
        }
        if !cursor.is_at_end() {
            return Err(cursor.error("data after its end"));
        }
        let sections = || {
            let blocks = blocks.iter();
            let blocks = blocks.flat_map(|block| [&block.columns, &block.text]);
            blocks.chain([&kernels]).chain(&modules)
        };
        let raw = sections().fold(0, |raw: u64, section| raw.saturating_add(section.raw));
        if raw > MAX_RAW {
            return Err(cursor.error("its sections claim to expand to more than 1 GiB"));
        }
        if !sections().all(|it| it.is_possible(codec)) {
            return Err(cursor.error("a section claims to expand too much"));
        }
        // Each group, definition and string takes at least one byte. The counts are checked
        // here because memory is allocated for them before they are read.
        if blocks.iter().any(|block| {
            u64::from(block.groups.max(block.definitions)) > block.columns.raw
                || u64::from(block.strings) > block.text.raw
        }) {
            return Err(cursor.error("its counts exceed what its sections can hold"));
        }
        if !blocks.is_sorted_by(|a, b| (a.kind, &a.name) < (b.kind, &b.name)) {
            return Err(cursor.error("the blocks are not sorted"));
        }
        if start != file.len() as u64 {
            return Err(AtlasError(Cause::Short {
                need: start,
                have: file.len() as u64,
            }));
        }
        let index = Self {
            functions: functions != 0,
            kernels,
            kernel_count,
            modules,
            blocks,
        };
        Ok((index, found))
    }
}

/// BLAKE3 of header and index, without the digest itself. The index has the digests of
/// everything after it.
fn file_digest(file: &[u8], end: usize) -> Digest {
    let mut bytes = file.get(..DIGEST_AT).unwrap_or_default().to_vec();
    bytes.extend_from_slice(file.get(HEADER_LEN..end).unwrap_or_default());
    Digest::of(&bytes)
}

fn put_section(out: &mut Vec<u8>, section: &Section) {
    put(out, section.packed);
    put(out, section.raw);
    out.extend(section.digest);
}

fn take_section(cursor: &mut Cursor<'_>, start: &mut u64) -> Result<Section, AtlasError> {
    let section = Section {
        start: *start,
        packed: cursor.varint()?,
        raw: cursor.varint()?,
        digest: cursor.array()?,
    };
    *start = start
        .checked_add(section.packed)
        .ok_or_else(|| cursor.error("a section ends beyond 2^64 bytes"))?;
    Ok(section)
}
