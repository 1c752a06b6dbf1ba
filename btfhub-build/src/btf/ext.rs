//! `.BTF.ext`: what an object says about its instructions. CO-RE relocations and line info are
//! read; function info does not matter for relocation.

use super::error::{BtfError, BtfErrorKind};
use super::header::{Endian, MAGIC};
use super::{StrOffset, TypeId};

/// `struct bpf_core_relo`, one CO-RE relocation record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CoreRelo {
    /// Byte offset of the instruction in its section.
    pub insn_off: u32,
    /// The local type that the access begins with.
    pub type_id: TypeId,
    /// The access string, `0:1:2`.
    pub access_str: StrOffset,
    /// `enum bpf_core_relo_kind`, unchecked.
    pub kind: u32,
}

/// `struct bpf_line_info`: where an instruction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// Byte offset of the first instruction of the line in its section.
    pub insn_off: u32,
    /// The source file.
    pub file: StrOffset,
    /// The text of the line.
    pub line: StrOffset,
    /// Line number in the upper 22 bits, column in the lower 10.
    pub line_col: u32,
}

/// The records of one ELF section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionRecords<T> {
    /// The section's name.
    pub section: StrOffset,
    /// Its records in file order.
    pub records: Vec<T>,
}

/// What `.BTF.ext` holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BtfExt {
    /// CO-RE relocations by section.
    pub core_relos: Vec<SectionRecords<CoreRelo>>,
    /// Line info by section.
    pub lines: Vec<SectionRecords<LineInfo>>,
}

/// `offsetofend(struct btf_ext_header, line_info_len)`.
const MIN_HEADER: u32 = 24;
/// The header with `core_relo_off` and `core_relo_len`.
const CORE_RELO_HEADER: u32 = 32;
/// Both records that are read begin with four words.
const RECORD_WORDS: usize = 4;

impl BtfExt {
    /// Reads a `.BTF.ext` section as libbpf's `btf_ext__new` does.
    ///
    /// # Errors
    /// If the section contradicts itself; the error has the offset in the section.
    pub fn parse(data: &[u8]) -> Result<Self, BtfError> {
        let magic = data.first_chunk::<2>().ok_or_else(|| truncated(8, data))?;
        let endian = if Endian::Little.u16(*magic) == MAGIC {
            Endian::Little
        } else if Endian::Big.u16(*magic) == MAGIC {
            Endian::Big
        } else {
            let magic = Endian::Little.u16(*magic);
            return Err(BtfError::new(0, BtfErrorKind::Magic(magic)));
        };
        let reader = Reader { data, endian };
        let header_len = reader.word(4)?;
        if header_len < MIN_HEADER {
            return Err(ext_error(4, "its header has less than 24 bytes"));
        }
        if data.get(2) != Some(&1) {
            return Err(ext_error(2, "its version is not 1"));
        }
        if data.get(3) != Some(&0) {
            return Err(ext_error(3, "its flags are unknown"));
        }
        let core_relos = if header_len >= CORE_RELO_HEADER {
            reader.section(header_len, 24)?
        } else {
            Vec::new()
        };
        let lines = reader.section(header_len, 16)?;
        Ok(Self {
            core_relos: map_records(core_relos, |[insn_off, type_id, access, kind]| CoreRelo {
                insn_off,
                type_id: TypeId(type_id),
                access_str: StrOffset(access),
                kind,
            }),
            lines: map_records(lines, |[insn_off, file, line, line_col]| LineInfo {
                insn_off,
                file: StrOffset(file),
                line: StrOffset(line),
                line_col,
            }),
        })
    }
}

fn map_records<T>(
    sections: Vec<SectionRecords<[u32; RECORD_WORDS]>>,
    record: impl Fn([u32; RECORD_WORDS]) -> T,
) -> Vec<SectionRecords<T>> {
    sections
        .into_iter()
        .map(|section| SectionRecords {
            section: section.section,
            records: section.records.into_iter().map(&record).collect(),
        })
        .collect()
}

struct Reader<'a> {
    data: &'a [u8],
    endian: Endian,
}

impl Reader<'_> {
    fn word(&self, offset: u32) -> Result<u32, BtfError> {
        self.word_at(u64::from(offset))
    }

    fn word_at(&self, offset: u64) -> Result<u32, BtfError> {
        usize::try_from(offset)
            .ok()
            .and_then(|offset| self.data.get(offset..))
            .and_then(<[u8]>::first_chunk::<4>)
            .map(|bytes| self.endian.u32(*bytes))
            .ok_or_else(|| truncated(offset.saturating_add(4), self.data))
    }

    /// libbpf's `btf_ext_parse_sec_info`: a record size, then blocks of (section name, count,
    /// records). `field` is the position in the header of the section's offset and length.
    fn section(
        &self,
        header_len: u32,
        field: u32,
    ) -> Result<Vec<SectionRecords<[u32; RECORD_WORDS]>>, BtfError> {
        let offset = self.word(field)?;
        let len = self.word(field + 4)?;
        if len == 0 {
            return Ok(Vec::new());
        }
        if offset % 4 != 0 {
            return Err(ext_error(field, "a section is not aligned to 4 bytes"));
        }
        let start = u64::from(header_len) + u64::from(offset);
        let end = start + u64::from(len);
        if end > self.data.len() as u64 {
            return Err(truncated(end, self.data));
        }
        let record_size = u64::from(self.word_at(start)?);
        if record_size < 4 * RECORD_WORDS as u64 || record_size % 4 != 0 {
            return Err(BtfError::new(
                start,
                BtfErrorKind::Ext("invalid record size"),
            ));
        }
        let mut at = start + 4;
        let mut sections = Vec::new();
        while at < end {
            if end - at < 8 {
                return Err(BtfError::new(
                    at,
                    BtfErrorKind::Ext("a section header is cut off"),
                ));
            }
            let section = StrOffset(self.word_at(at)?);
            let count = self.word_at(at + 4)?;
            at += 8;
            let bytes = u64::from(count) * record_size;
            if count == 0 || bytes > end - at {
                return Err(BtfError::new(
                    at - 4,
                    BtfErrorKind::Ext("invalid number of records"),
                ));
            }
            let mut records = Vec::new();
            for _ in 0..count {
                let mut record = [0; RECORD_WORDS];
                for (word, value) in (0u64..).zip(&mut record) {
                    *value = self.word_at(at + 4 * word)?;
                }
                records.push(record);
                at += record_size;
            }
            sections.push(SectionRecords { section, records });
        }
        Ok(sections)
    }
}

fn ext_error(offset: u32, what: &'static str) -> BtfError {
    BtfError::new(u64::from(offset), BtfErrorKind::Ext(what))
}

fn truncated(need: u64, data: &[u8]) -> BtfError {
    BtfError::new(
        data.len() as u64,
        BtfErrorKind::Truncated {
            need,
            have: data.len() as u64,
        },
    )
}
