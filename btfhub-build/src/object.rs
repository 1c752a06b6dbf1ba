//! eBPF ELF → local BTF + CO-RE relocations.
//!
//! The `object` crate reads the ELF file. What relocation and reporting use is kept: the local
//! BTF, the relocation records in the order in which libbpf processes them, the program
//! sections with their functions and instructions, and line info.

mod links;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;

use object::read::Object as _;
use object::read::elf::ElfFile64;
use object::{
    Endianness, ObjectSection as _, ObjectSymbol as _, SectionIndex, SymbolFlags, SymbolIndex,
    SymbolKind,
};

use links::Linker;
pub use links::{DataSection, Extern, ExternKind, Link, MapDef, Target};

use btfhub_runtime::Printable;

use crate::btf::{Btf, BtfError, BtfExt, CoreRelo, Endian, LineInfo, StrOffset};
use crate::error::shown;
use crate::platform;

/// One compiled eBPF object.
#[derive(Clone, Debug)]
pub struct Object {
    name: String,
    btf: Btf,
    has_btf: bool,
    sections: Vec<ProgramSection>,
    records: Vec<Record>,
    data: Vec<DataSection>,
    externs: Vec<Extern>,
    maps: Vec<MapDef>,
    license: String,
}

/// An ELF section with instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSection {
    /// Its name, from which libbpf takes the program type (`fentry/…`).
    pub name: String,
    /// The functions in it, by offset.
    pub functions: Vec<Function>,
    /// The instructions, in the byte order of the object.
    pub code: Vec<u8>,
    /// Where its instructions come from, by offset.
    pub lines: Vec<LineInfo>,
    /// What its instructions refer to, by offset.
    pub links: Vec<Link>,
}

/// A function (a program, or a subprogram that programs call).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The symbol's name.
    pub name: String,
    /// Byte offset in its section.
    pub offset: u64,
    /// Bytes of instructions.
    pub size: u64,
    /// Whether the kernel verifies it by itself, for any arguments, and not with each call: as
    /// libbpf, which takes hidden ones for static (`bpf_object__add_programs`).
    pub is_global: bool,
}

/// A CO-RE relocation record and the section it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index into [`Object::sections`]; `None` for a section that is not there.
    pub section: Option<usize>,
    /// The record.
    pub relo: CoreRelo,
}

/// Why a file is not an eBPF object that BTF can be tailored for. It names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectError {
    name: String,
    kind: ObjectErrorKind,
}

/// The causes behind an [`ObjectError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectErrorKind {
    /// Not an ELF file, or one that contradicts itself.
    NotElf(String),
    /// An ELF file for another machine.
    NotEbpf,
    /// A section that can't be read.
    Section {
        /// Its name.
        name: &'static str,
        /// What is wrong in it.
        source: BtfError,
    },
}

impl Object {
    /// Reads an object; `name` appears in messages and reports.
    ///
    /// # Errors
    /// If `data` is not a 64-bit ELF file for eBPF, or its `.BTF` or `.BTF.ext` is damaged. An
    /// object without these sections uses none of the kernel's types: it has only maps, was
    /// written in Rust, or was compiled without `-g`.
    pub fn parse(name: &str, data: &[u8]) -> Result<Self, ObjectError> {
        Self::read(name, data).map_err(|kind| ObjectError {
            name: name.to_owned(),
            kind,
        })
    }

    fn read(name: &str, data: &[u8]) -> Result<Self, ObjectErrorKind> {
        let not_elf = |error: object::read::Error| ObjectErrorKind::NotElf(error.to_string());
        if !data.starts_with(b"\x7fELF") {
            let what = "it lacks the magic number".to_owned();
            return Err(ObjectErrorKind::NotElf(what));
        }
        let elf = ElfFile64::<Endianness>::parse(data).map_err(not_elf)?;
        if elf.architecture() != object::Architecture::Bpf {
            return Err(ObjectErrorKind::NotEbpf);
        }
        let section = |name: &'static str| {
            let section = elf.section_by_name(name);
            let data = section.map(|section| section.data().map_err(not_elf));
            data.transpose()
        };
        let damaged = |name| move |source| ObjectErrorKind::Section { name, source };
        let btf = section(".BTF")?.map(Btf::parse);
        let btf = btf.transpose().map_err(damaged(".BTF"))?;
        let has_btf = btf.is_some();
        let ext = match section(".BTF.ext")? {
            Some(data) if has_btf => BtfExt::parse(data).map_err(damaged(".BTF.ext"))?,
            // Names are in `.BTF`.
            _ => BtfExt::default(),
        };
        let btf = btf.unwrap_or_else(|| {
            Btf::empty(match elf.endianness() {
                object::Endianness::Little => Endian::Little,
                object::Endianness::Big => Endian::Big,
            })
        });
        let btf = btf.with_pointer_size(8);

        let mut functions: HashMap<SectionIndex, Vec<Function>> = HashMap::new();
        for symbol in elf.symbols() {
            if let (SymbolKind::Text, Some(section)) = (symbol.kind(), symbol.section_index()) {
                functions.entry(section).or_default().push(Function {
                    name: shown(symbol.name_bytes().unwrap_or_default()),
                    offset: symbol.address(),
                    size: symbol.size(),
                    is_global: symbol.is_global() && !is_hidden(symbol.flags()),
                });
            }
        }
        let mut lines: HashMap<&[u8], Vec<LineInfo>> = HashMap::new();
        for group in &ext.lines {
            let of_section = lines.entry(btf.string(group.section)).or_default();
            of_section.extend(&group.records);
        }
        let mut sections = Vec::new();
        let mut by_name: HashMap<&[u8], usize> = HashMap::new();
        let mut indices = HashMap::new();
        let mut code_len = 0;
        for section in elf.sections() {
            if section.kind() != object::SectionKind::Text {
                continue;
            }
            let mut functions = functions.remove(&section.index()).unwrap_or_default();
            functions.sort_by(|a, b| (a.offset, &a.name).cmp(&(b.offset, &b.name)));
            let name = section.name_bytes().map_err(not_elf)?;
            let code = section.data().map_err(not_elf)?;
            // What is copied can't be longer than the file.
            code_len += code.len();
            if code_len > data.len() {
                let what = "its sections overlap".to_owned();
                return Err(ObjectErrorKind::NotElf(what));
            }
            by_name.entry(name).or_insert(sections.len());
            indices.insert(section.index(), sections.len());
            sections.push(ProgramSection {
                name: shown(name),
                functions,
                code: code.to_vec(),
                // Only the first of a name has records.
                lines: in_order(lines.remove(name).unwrap_or_default()),
                links: Vec::new(),
            });
        }
        let (linker, data_sections, externs) = Linker::new(&elf, &btf, indices);
        let copied = data_sections.iter().map(|section| section.bytes.len());
        let mut copied = copied.sum::<usize>();
        for (index, at) in linker.code() {
            let links = linker.links(index);
            copied = copied.saturating_add(links.len().saturating_mul(REL));
            if copied > data.len() {
                let what = "its sections overlap".to_owned();
                return Err(ObjectErrorKind::NotElf(what));
            }
            if let Some(section) = sections.get_mut(at) {
                section.links = links;
            }
        }
        let mut records = Vec::new();
        for group in &ext.core_relos {
            let section = by_name.get(btf.string(group.section)).copied();
            let of_section = group.records.iter();
            records.extend(of_section.map(|&relo| Record { section, relo }));
        }
        Ok(Self {
            name: shown(name.as_bytes()),
            maps: links::maps(&btf),
            license: license(section("license")?.unwrap_or_default()),
            btf,
            has_btf,
            sections,
            records,
            data: data_sections,
            externs,
        })
    }

    /// The name given to [`Object::parse`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has a `.BTF` section, which clang writes with `-g`.
    pub fn has_btf(&self) -> bool {
        self.has_btf
    }

    /// The object's own types; none if it has no `.BTF`.
    pub fn btf(&self) -> &Btf {
        &self.btf
    }

    /// The sections with instructions, in file order.
    pub fn sections(&self) -> &[ProgramSection] {
        &self.sections
    }

    /// The files that its instructions come from, as clang was told of them.
    pub fn source_files(&self) -> BTreeSet<PathBuf> {
        let lines = self.sections.iter().flat_map(|section| &section.lines);
        let names: BTreeSet<StrOffset> = lines.map(|line| line.file).collect();
        let names = names.into_iter().map(|name| self.btf.string(name));
        names.map(platform::path).collect()
    }

    /// The CO-RE relocation records, in the order of `.BTF.ext`.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl Object {
    /// The sections of global data, in file order.
    pub fn data(&self) -> &[DataSection] {
        &self.data
    }

    /// What the loader has to find.
    pub fn externs(&self) -> &[Extern] {
        &self.externs
    }

    /// The maps that it defines.
    pub fn maps(&self) -> &[MapDef] {
        &self.maps
    }

    /// The license that it declares; empty if it declares none.
    pub fn license(&self) -> &str {
        &self.license
    }
}

/// Longer ones are cut (`license` of libbpf's `struct bpf_object`).
const MAX_LICENSE: usize = 63;

/// The string in a `license` section (`bpf_object__init_license`).
fn license(section: &[u8]) -> String {
    let end = section.iter().take(MAX_LICENSE);
    let end = end.take_while(|byte| **byte != 0).count();
    shown(section.get(..end).unwrap_or_default())
}

/// `STV_INTERNAL` and `STV_HIDDEN`.
fn is_hidden(flags: SymbolFlags<SectionIndex, SymbolIndex>) -> bool {
    matches!(flags, SymbolFlags::Elf { st_other, .. } if matches!(st_other.0 & 3, 1 | 2))
}

/// Bytes of an ELF relocation (`Elf64_Rel`).
const REL: usize = 16;

impl ProgramSection {
    /// The function that holds the instruction at byte `offset`.
    pub fn function_at(&self, offset: u32) -> Option<&Function> {
        let offset = u64::from(offset);
        self.functions
            .iter()
            .rev()
            .find(|function| function.offset <= offset && offset - function.offset < function.size)
    }

    /// The line that the instruction at byte `offset` belongs to.
    pub fn line_at(&self, offset: u32) -> Option<&LineInfo> {
        let after = self.lines.partition_point(|line| line.insn_off <= offset);
        self.lines.get(after.checked_sub(1)?)
    }
}

/// By instruction; clang writes them so.
fn in_order(mut lines: Vec<LineInfo>) -> Vec<LineInfo> {
    lines.sort_by_key(|line| line.insn_off);
    lines
}

impl ObjectError {
    /// The name of the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with it.
    pub fn kind(&self) -> &ObjectErrorKind {
        &self.kind
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", Printable(&self.name))?;
        match &self.kind {
            ObjectErrorKind::NotElf(what) => write!(
                f,
                "not a 64-bit ELF file ({what}); name the object that clang wrote for `-target bpf`"
            ),
            ObjectErrorKind::NotEbpf => f.write_str(
                "an ELF file, but not for eBPF; name the object that clang wrote for `-target bpf`",
            ),
            ObjectErrorKind::Section { name, .. } => {
                write!(f, "its {name} section can't be read")
            }
        }
    }
}

impl std::error::Error for ObjectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ObjectErrorKind::Section { source, .. } => Some(source),
            _ => None,
        }
    }
}
