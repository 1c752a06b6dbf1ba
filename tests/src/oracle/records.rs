//! The CO-RE relocation records of an eBPF object.
//!
//! Independent of btfhub-build's reader on purpose: two readers that agree on real objects are
//! worth more than one.

use object::{Object as _, ObjectSection as _};

/// One `struct bpf_core_relo`, its section and access string looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Name of the ELF section that holds the relocated instruction.
    pub section: String,
    /// Offset of the instruction in that section, in bytes.
    pub insn_off: u32,
    /// Root type, an id of the object's own BTF.
    pub type_id: u32,
    /// The offset of the access string in the BTF's string section.
    pub access_off: u32,
    /// The access string itself.
    pub access: String,
    /// `enum bpf_core_relo_kind`.
    pub kind: u32,
}

/// An eBPF object and its relocation records.
#[derive(Debug, Clone)]
pub struct LocalObject {
    /// For messages.
    pub name: String,
    /// The `.BTF` section.
    pub btf: Vec<u8>,
    /// In the order of `.BTF.ext`, which is the order libbpf resolves them in.
    pub records: Vec<Record>,
    /// The code, by section, to patch instructions in.
    pub code: Vec<(String, Vec<u8>)>,
}

impl LocalObject {
    /// Reads an ELF file; an object without BTF has no records.
    ///
    /// # Errors
    /// A sentence about what is wrong with the file.
    pub fn parse(name: &str, elf: &[u8]) -> Result<Self, String> {
        let file = object::File::parse(elf).map_err(|e| format!("{name}: {e}"))?;
        let section = |wanted: &str| {
            file.section_by_name(wanted)
                .and_then(|s| s.data().ok())
                .unwrap_or_default()
                .to_vec()
        };
        let code = file
            .sections()
            .filter(|s| s.kind() == object::SectionKind::Text)
            .filter_map(|s| Some((s.name().ok()?.to_owned(), s.data().ok()?.to_vec())))
            .collect();
        let btf = section(".BTF");
        let ext = section(".BTF.ext");
        let records = if ext.is_empty() {
            Vec::new()
        } else {
            read_ext(&btf, &ext).map_err(|e| format!("{name}: {e}"))?
        };
        Ok(Self {
            name: name.to_owned(),
            btf,
            records,
            code,
        })
    }
}

/// A section, in the byte order given by its magic number.
struct Words<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Words<'a> {
    fn new(bytes: &'a [u8], what: &str) -> Result<Self, String> {
        match bytes.get(..2) {
            Some([0x9f, 0xeb]) => Ok(Self { bytes, big: false }),
            Some([0xeb, 0x9f]) => Ok(Self { bytes, big: true }),
            _ => Err(format!("{what}: no BTF magic")),
        }
    }

    fn u32(&self, at: usize) -> Result<u32, String> {
        let raw: [u8; 4] = self
            .bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .ok_or_else(|| format!("nothing at offset {at}"))?;
        Ok(if self.big {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        })
    }
}

fn read_ext(btf: &[u8], ext: &[u8]) -> Result<Vec<Record>, String> {
    let btf = Words::new(btf, ".BTF")?;
    let strings = btf.u32(4)? as usize + btf.u32(16)? as usize;
    let string = |off: u32| -> Result<String, String> {
        let tail = btf
            .bytes
            .get(strings + off as usize..)
            .ok_or("string out of range")?;
        let end = tail.iter().position(|b| *b == 0).ok_or("endless string")?;
        Ok(String::from_utf8_lossy(&tail[..end]).into_owned())
    };

    let ext = Words::new(ext, ".BTF.ext")?;
    let header = ext.u32(4)? as usize;
    if header < 32 {
        return Ok(Vec::new()); // written before CO-RE
    }
    let (start, len) = (header + ext.u32(24)? as usize, ext.u32(28)? as usize);
    if len == 0 {
        return Ok(Vec::new());
    }
    let record_size = ext.u32(start)? as usize;
    let (mut at, end) = (start + 4, start + len);
    let mut records = Vec::new();
    while at < end {
        let section = string(ext.u32(at)?)?;
        let count = ext.u32(at + 4)?;
        at += 8;
        for _ in 0..count {
            let access_off = ext.u32(at + 8)?;
            records.push(Record {
                section: section.clone(),
                insn_off: ext.u32(at)?,
                type_id: ext.u32(at + 4)?,
                access_off,
                access: string(access_off)?,
                kind: ext.u32(at + 12)?,
            });
            at += record_size;
        }
    }
    Ok(records)
}
