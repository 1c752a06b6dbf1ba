//! eBPF objects around hand-made BTF.

use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use crate::btf_builder::BtfBuilder;

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

    let mut ext = Vec::new();
    let magic: u16 = 0xeb9f;
    ext.extend(if big_endian {
        magic.to_be_bytes()
    } else {
        magic.to_le_bytes()
    });
    ext.extend([1, 0]);
    let records_len = u32::try_from(records.len() + 4).expect("few");
    // No function and line information, an empty table of each.
    for value in [32, 0, 4, 4, 4, 8, records_len, 8, 16, 16] {
        ext.extend(word(value));
    }
    ext.extend(records);

    let section = elf.add_section(Vec::new(), b".BTF".to_vec(), SectionKind::Other);
    elf.append_section_data(section, &local.finish(), 4);
    let section = elf.add_section(Vec::new(), b".BTF.ext".to_vec(), SectionKind::Other);
    elf.append_section_data(section, &ext, 4);
    elf.write().expect("an ELF file")
}
