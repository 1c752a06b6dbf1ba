//! eBPF objects around hand-made BTF.

use std::collections::HashMap;

use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use crate::btf_builder::BtfBuilder;
use crate::oracle::records::LocalObject;

/// A relocation to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relo {
    /// The number of its program; each program has its own section.
    pub program: usize,
    /// Root type.
    pub type_id: u32,
    /// Access string.
    pub access: String,
    /// `enum bpf_core_relo_kind`.
    pub kind: u32,
}

/// An eBPF object with these relocations. Each is for a load of a constant, into which any result
/// can be patched.
///
/// # Panics
/// On more than the format can hold.
#[must_use]
pub fn object(local: &BtfBuilder, relos: &[Relo], big_endian: bool) -> Vec<u8> {
    let mut local = local.clone();
    let names = raw_tracepoints(relos);
    let (elf, records) = programs(relos, &names, big_endian, |text| local.string(text));
    finished(elf, &local.finish(), &records, big_endian)
}

/// Like [`object()`], with programs in sections with these names.
///
/// # Panics
/// On more than the format can hold.
#[must_use]
pub fn object_of_sections(
    local: &BtfBuilder,
    relos: &[Relo],
    sections: &[&str],
    big_endian: bool,
) -> Vec<u8> {
    let mut local = local.clone();
    let (elf, records) = programs(relos, sections, big_endian, |text| local.string(text));
    finished(elf, &local.finish(), &records, big_endian)
}

/// Functions with their instructions, one after the other in a section with this name.
pub type Section<'a> = (&'a str, &'a [(String, Vec<[u8; 8]>)]);

/// An object with these sections and no relocations.
///
/// # Panics
/// Never, by design.
#[must_use]
pub fn object_of_code(local: &BtfBuilder, sections: &[Section<'_>]) -> Vec<u8> {
    let mut elf = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    for (name, functions) in sections {
        let section = elf.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Text);
        for (name, insns) in *functions {
            let code = insns.concat();
            let value = elf.append_section_data(section, &code, 8);
            elf.add_symbol(Symbol {
                name: name.as_bytes().to_vec(),
                value,
                size: code.len() as u64,
                kind: SymbolKind::Text,
                scope: SymbolScope::Dynamic,
                weak: false,
                section: SymbolSection::Section(section),
                flags: SymbolFlags::None,
            });
        }
    }
    let license = elf.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    elf.append_section_data(license, b"GPL\0", 1);
    finished(elf, &local.finish(), &[], false)
}

/// An object with a program in a section with this name, and without BTF.
///
/// # Panics
/// Never, by design.
#[must_use]
pub fn object_without_btf(section: &str) -> Vec<u8> {
    let (elf, _) = programs(&[], &[section], false, |_| 0);
    elf.write().expect("an ELF file")
}

/// The same with a kernel's BTF, whose types become the object's own. It must have the machine's
/// byte order, and its strings at the end of the file.
///
/// # Panics
/// On more than the format can hold, or on any other layout of the file.
#[must_use]
pub fn object_of_kernel(kernel: &[u8], relos: &[Relo]) -> Vec<u8> {
    let word = |at: usize| {
        let raw = kernel.get(at..at + 4).and_then(|b| b.try_into().ok());
        u32::from_le_bytes(raw.expect("a header"))
    };
    assert_eq!(word(0) & 0xffff, 0xeb9f, "a little-endian BTF");
    let strings = word(20);
    let end = word(4) + word(16) + strings;
    assert_eq!(end as usize, kernel.len(), "strings at the end");
    let mut added = Vec::new();
    let mut known = HashMap::new();
    let (elf, records) = programs(relos, &raw_tracepoints(relos), false, |text| {
        *known.entry(text.to_owned()).or_insert_with(|| {
            let at = strings + u32::try_from(added.len()).expect("few");
            added.extend(text.as_bytes());
            added.push(0);
            at
        })
    });
    let mut local = kernel.to_vec();
    let len = strings + u32::try_from(added.len()).expect("few");
    local[20..24].copy_from_slice(&len.to_le_bytes());
    local.extend(added);
    finished(elf, &local, &records, false)
}

/// A section for each program.
fn raw_tracepoints(relos: &[Relo]) -> Vec<String> {
    let programs = relos.iter().map(|r| r.program + 1).max().unwrap_or(1);
    (0..programs).map(|p| format!("raw_tp/p{p}")).collect()
}

/// The programs of an object in their sections, and its records, whose strings `string` adds.
fn programs(
    relos: &[Relo],
    sections: &[impl AsRef<str>],
    big_endian: bool,
    mut string: impl FnMut(&str) -> u32,
) -> (Object<'static>, Vec<u8>) {
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
    for (program, name) in sections.iter().map(AsRef::as_ref).enumerate() {
        let mine: Vec<&Relo> = relos.iter().filter(|r| r.program == program).collect();
        let mut code = Vec::new();
        let mut of_section = Vec::new();
        for relo in &mine {
            let at = u32::try_from(code.len()).expect("short code");
            code.extend([0x18, 0, 0, 0, 0, 0, 0, 0]); // r0 = 0 ll, lower half
            code.extend([0; 8]);
            let access = string(&relo.access);
            for value in [at, relo.type_id, access, relo.kind] {
                of_section.extend(word(value));
            }
        }
        code.extend([0x95, 0, 0, 0, 0, 0, 0, 0]); // exit
        if !mine.is_empty() {
            records.extend(word(string(name)));
            records.extend(word(u32::try_from(mine.len()).expect("few")));
            records.extend(of_section);
        }
        let section = elf.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Text);
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

    (elf, records)
}

fn finished(mut elf: Object<'_>, local: &[u8], records: &[u8], big_endian: bool) -> Vec<u8> {
    let ext = ext_section(records, big_endian);
    let section = elf.add_section(Vec::new(), b".BTF".to_vec(), SectionKind::Other);
    elf.append_section_data(section, local, 4);
    let section = elf.add_section(Vec::new(), b".BTF.ext".to_vec(), SectionKind::Other);
    elf.append_section_data(section, &ext, 4);
    elf.write().expect("an ELF file")
}

/// A `.BTF.ext` with these CO-RE records, and empty tables of functions and lines.
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

/// A little-endian object with a single record of another object, and the code of its section as
/// one program, to test each record with a loader that refuses whole objects. `None` if the BTF
/// does not name the section.
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
