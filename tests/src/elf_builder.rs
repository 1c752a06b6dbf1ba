//! eBPF objects around hand-made BTF.

use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use crate::btf_builder::BtfBuilder;
use crate::oracle::records::LocalObject;

/// One relocation to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relo {
    /// Which of the object's programs it stands in; each has a section of its own.
    pub program: usize,
    /// Root type.
    pub type_id: u32,
    /// Access string.
    pub access: String,
    /// `enum bpf_core_relo_kind`.
    pub kind: u32,
}

/// An eBPF object with these relocations. Each is on a load of a constant that
/// any result can be patched into.
///
/// # Panics
/// On more than the format can hold.
#[must_use]
pub fn object(local: &BtfBuilder, relos: &[Relo], big_endian: bool) -> Vec<u8> {
    let mut local = local.clone();
    let programs = relos.iter().map(|r| r.program + 1).max().unwrap_or(1);
    let word = |value: u32| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };

    let endian = if big_endian {
        Endianness::Big
    } else {
        Endianness::Little
    };
    let mut elf = Object::new(BinaryFormat::Elf, Architecture::Bpf, endian);
    let mut records = Vec::new();
    for program in 0..programs {
        let name = format!("raw_tp/p{program}");
        let mine: Vec<&Relo> = relos.iter().filter(|r| r.program == program).collect();
        let mut code = Vec::new();
        let mut of_section = Vec::new();
        for relo in &mine {
            let at = u32::try_from(code.len()).expect("short code");
            code.extend([0x18, 0, 0, 0, 0, 0, 0, 0]); // r0 = 0 ll, lower half
            code.extend([0; 8]);
            let access = local.string(&relo.access);
            for value in [at, relo.type_id, access, relo.kind] {
                of_section.extend(word(value));
            }
        }
        code.extend([0x95, 0, 0, 0, 0, 0, 0, 0]); // exit
        if !mine.is_empty() {
            records.extend(word(local.string(&name)));
            records.extend(word(u32::try_from(mine.len()).expect("few")));
            records.extend(of_section);
        }
        let section = elf.add_section(Vec::new(), name.into_bytes(), SectionKind::Text);
        let size = code.len() as u64;
        elf.append_section_data(section, &code, 8);
        elf.add_symbol(Symbol {
            name: format!("p{program}").into_bytes(),
            value: 0,
            size,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
    }

    let ext = ext_section(&records, big_endian);

    let section = elf.add_section(Vec::new(), b".BTF".to_vec(), SectionKind::Other);
    elf.append_section_data(section, &local.finish(), 4);
    let section = elf.add_section(Vec::new(), b".BTF.ext".to_vec(), SectionKind::Other);
    elf.append_section_data(section, &ext, 4);
    elf.write().expect("an ELF file")
}

/// A `.BTF.ext` with these CO-RE records, and an empty table of functions and
/// of lines.
fn ext_section(records: &[u8], big_endian: bool) -> Vec<u8> {
    let word = |value: u32| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let magic: u16 = 0xeb9f;
    let mut ext = Vec::new();
    ext.extend(if big_endian {
        magic.to_be_bytes()
    } else {
        magic.to_le_bytes()
    });
    ext.extend([1, 0]);
    let records_len = u32::try_from(records.len() + 4).expect("few");
    for value in [32, 0, 4, 4, 4, 8, records_len, 8, 16, 16] {
        ext.extend(word(value));
    }
    ext.extend(records);
    ext
}

/// A little-endian object with one of another's records, and the code of its
/// section as one program: what a loader that refuses a whole object makes of
/// each record. `None` where the BTF does not name the section.
///
/// # Panics
/// On more than the format can hold.
#[must_use]
pub fn single_record(local: &LocalObject, index: usize) -> Option<Vec<u8>> {
    let record = &local.records[index];
    let code = &local
        .code
        .iter()
        .find(|(name, _)| *name == record.section)?
        .1;
    let header = |at: usize| -> Option<usize> {
        let raw = local.btf.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(raw)).ok()
    };
    let strings = local.btf.get(header(4)? + header(16)?..)?;
    let mut name = vec![0];
    name.extend(record.section.as_bytes());
    name.push(0);
    let at = strings.windows(name.len()).position(|w| w == name)? + 1;

    let mut records = Vec::new();
    let section_name = u32::try_from(at).ok()?;
    for value in [
        section_name,
        1,
        record.insn_off,
        record.type_id,
        record.access_off,
        record.kind,
    ] {
        records.extend(value.to_le_bytes());
    }
    let mut elf = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let section = elf.add_section(
        Vec::new(),
        record.section.clone().into_bytes(),
        SectionKind::Text,
    );
    elf.append_section_data(section, code, 8);
    elf.add_symbol(Symbol {
        name: b"program".to_vec(),
        value: 0,
        size: code.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
    let section = elf.add_section(Vec::new(), b".BTF".to_vec(), SectionKind::Other);
    elf.append_section_data(section, &local.btf, 4);
    let section = elf.add_section(Vec::new(), b".BTF.ext".to_vec(), SectionKind::Other);
    elf.append_section_data(section, &ext_section(&records, false), 4);
    Some(elf.write().expect("an ELF file"))
}
