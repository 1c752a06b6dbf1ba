//! What instructions refer to: other functions, maps, global data, and externs that the kernel
//! provides.

use std::collections::HashMap;

use object::read::elf::ElfFile64;
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags,
    RelocationTarget, SectionIndex, SymbolSection,
};

use crate::btf::{Btf, Kind, Type, TypeId, essential_name};
use crate::error::shown;

/// What an instruction refers to (an ELF relocation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Byte offset of the instruction in its section.
    pub offset: u64,
    /// What it refers to.
    pub target: Target,
}

/// The target of a [`Link`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A place in a section with instructions; the instruction's immediate is relative to
    /// `offset`.
    Code {
        /// Index into [`Object::sections`](super::Object::sections).
        section: usize,
        /// Bytes.
        offset: u64,
    },
    /// A place in a section of data; the instruction's immediate is relative to `offset`.
    Data {
        /// Index into [`Object::data`](super::Object::data).
        section: usize,
        /// Bytes.
        offset: u64,
    },
    /// A map.
    Map,
    /// Index into [`Object::externs`](super::Object::externs).
    Extern(usize),
    /// Anything else.
    Other,
}

/// A section of global data, from which libbpf makes a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSection {
    /// Its name.
    pub name: String,
    /// The bytes of a constant section; empty for any other.
    pub bytes: Vec<u8>,
}

impl DataSection {
    /// Whether it is read-only, so that the verifier knows its content.
    pub fn is_constant(&self) -> bool {
        self.name == ".rodata" || self.name.starts_with(".rodata.")
    }
}

/// What an object leaves for the loader to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extern {
    /// Its name.
    pub name: String,
    /// Whether the object loads without it.
    pub is_weak: bool,
    /// Where it is looked for.
    pub kind: ExternKind,
    /// What its type must be compatible with in the kernel: that of a variable, or the prototype
    /// of a function; void if the object's BTF does not describe it.
    pub ty: TypeId,
}

impl Extern {
    /// The name that the kernel is searched for: for a function, without the flavor.
    pub fn kernel_name(&self) -> &str {
        if self.kind != ExternKind::Function {
            return &self.name;
        }
        let len = essential_name(self.name.as_bytes()).len();
        self.name.get(..len).unwrap_or(&self.name)
    }
}

/// Where an [`Extern`] is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternKind {
    /// `.kconfig`: the kernel's configuration, or one of libbpf's own constants.
    Kconfig,
    /// `.ksyms`, with a type: a variable of the kernel's BTF.
    TypedVariable,
    /// `.ksyms`, without a type: any symbol of `/proc/kallsyms`.
    Symbol,
    /// `.ksyms`: a function of the kernel's BTF that programs may call.
    Function,
    /// Not in a section that libbpf knows.
    Other,
}

/// A map of `.maps` or `.struct_ops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDef {
    /// Its name.
    pub name: String,
    /// `enum bpf_map_type`.
    pub map_type: u32,
    /// `map_flags`, such as `BPF_F_MMAPABLE`.
    pub flags: u32,
    /// Whether libbpf creates it unless it is told otherwise: not if it is in `?.struct_ops`.
    pub is_created: bool,
    /// For a map of functions, the kernel's struct.
    pub struct_ops: Option<String>,
}

/// `BPF_MAP_TYPE_STRUCT_OPS`.
const STRUCT_OPS: u32 = 26;
/// `BPF_F_LINK`.
const LINK: u32 = 1 << 13;

/// The externs and the kinds of the data sections, in the order of symbols and sections.
pub(super) struct Linker<'d, 'f> {
    elf: &'f ElfFile64<'d, Endianness>,
    code: HashMap<SectionIndex, usize>,
    data: HashMap<SectionIndex, usize>,
    maps: Vec<SectionIndex>,
    externs: HashMap<String, usize>,
}

impl<'d, 'f> Linker<'d, 'f> {
    /// For sections with instructions as numbered in `code`.
    pub(super) fn new(
        elf: &'f ElfFile64<'d, Endianness>,
        btf: &Btf,
        code: HashMap<SectionIndex, usize>,
    ) -> (Self, Vec<DataSection>, Vec<Extern>) {
        let mut linker = Self {
            elf,
            code,
            data: HashMap::new(),
            maps: Vec::new(),
            externs: HashMap::new(),
        };
        let mut data = Vec::new();
        // What is copied can't be longer than the file.
        let mut left = elf.data().len();
        for section in elf.sections() {
            let name = shown(section.name_bytes().unwrap_or_default());
            if name == ".maps" || name == "maps" {
                linker.maps.push(section.index());
            } else if is_data(&name) {
                linker.data.insert(section.index(), data.len());
                let mut section_data = DataSection {
                    name,
                    bytes: Vec::new(),
                };
                if section_data.is_constant() {
                    let bytes = section.data().unwrap_or_default();
                    left = left.saturating_sub(bytes.len());
                    if left > 0 {
                        section_data.bytes = bytes.to_vec();
                    }
                }
                data.push(section_data);
            }
        }
        let mut kinds = extern_kinds(btf);
        let mut externs = Vec::new();
        for symbol in elf.symbols() {
            if symbol.section() != SymbolSection::Undefined || !symbol.is_global() {
                continue;
            }
            let name = shown(symbol.name_bytes().unwrap_or_default());
            if name.is_empty() || linker.externs.contains_key(&name) {
                continue;
            }
            linker.externs.insert(name.clone(), externs.len());
            let known = kinds.remove(&name);
            let (kind, ty) = known.unwrap_or((ExternKind::Other, TypeId::VOID));
            externs.push(Extern {
                name,
                is_weak: symbol.is_weak(),
                kind,
                ty,
            });
        }
        (linker, data, externs)
    }

    /// The sections with instructions, and their numbers.
    pub(super) fn code(&self) -> Vec<(SectionIndex, usize)> {
        self.code.iter().map(|(index, at)| (*index, *at)).collect()
    }

    /// The links of a section with instructions, by offset.
    pub(super) fn links(&self, section: SectionIndex) -> Vec<Link> {
        let Ok(section) = self.elf.section_by_index(section) else {
            return Vec::new();
        };
        let mut links: Vec<Link> = (section.relocations())
            .filter(|(_, relocation)| {
                // R_BPF_64_64 and R_BPF_64_32; others are for debug information.
                matches!(
                    relocation.flags(),
                    RelocationFlags::Elf {
                        r_type: object::elf::R_BPF_64_64 | object::elf::R_BPF_64_32
                    }
                )
            })
            .map(|(offset, relocation)| Link {
                offset,
                target: self.target(relocation.target()),
            })
            .collect();
        links.sort_by_key(|link| link.offset);
        links
    }

    fn target(&self, target: RelocationTarget) -> Target {
        let RelocationTarget::Symbol(symbol) = target else {
            return Target::Other;
        };
        let Ok(symbol) = self.elf.symbol_by_index(symbol) else {
            return Target::Other;
        };
        let Some(section) = symbol.section_index() else {
            let name = shown(symbol.name_bytes().unwrap_or_default());
            let known = self.externs.get(&name).copied();
            return known.map_or(Target::Other, Target::Extern);
        };
        let offset = symbol.address();
        if let Some(&section) = self.code.get(&section) {
            Target::Code { section, offset }
        } else if let Some(&section) = self.data.get(&section) {
            Target::Data { section, offset }
        } else if self.maps.contains(&section) {
            Target::Map
        } else {
            Target::Other
        }
    }
}

/// The sections from which libbpf makes maps (`bpf_object__elf_collect`).
fn is_data(name: &str) -> bool {
    [".data", ".rodata", ".bss"].iter().any(|prefix| {
        (name.strip_prefix(prefix)).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The kinds and types of externs by name, from the data sections of the object's BTF.
fn extern_kinds(btf: &Btf) -> HashMap<String, (ExternKind, TypeId)> {
    let mut kinds = HashMap::new();
    for (section, variable) in section_members(btf) {
        let kind = match (section.as_str(), variable.kind()) {
            (".kconfig", _) => ExternKind::Kconfig,
            (".ksyms", Kind::Func) => ExternKind::Function,
            (".ksyms", _) => match btf.skip_modifiers(variable.referenced()) {
                Some((id, _)) if id == TypeId::VOID => ExternKind::Symbol,
                _ => ExternKind::TypedVariable,
            },
            _ => continue,
        };
        let name = shown(btf.string(variable.name()));
        kinds.insert(name, (kind, variable.referenced()));
    }
    kinds
}

/// The maps that an object's BTF defines.
pub(super) fn maps(btf: &Btf) -> Vec<MapDef> {
    let mut maps = Vec::new();
    for (section, variable) in section_members(btf) {
        let Some((_, ty)) = btf.skip_modifiers(variable.referenced()) else {
            continue;
        };
        let name = shown(btf.string(variable.name()));
        let (section, is_created) = match section.strip_prefix('?') {
            Some(optional) => (optional, false),
            None => (section.as_str(), true),
        };
        if section == ".struct_ops" || section.starts_with(".struct_ops.") {
            maps.push(MapDef {
                name,
                map_type: STRUCT_OPS,
                // `init_struct_ops_maps`
                flags: if section == ".struct_ops.link" {
                    LINK
                } else {
                    0
                },
                is_created,
                struct_ops: Some(shown(btf.string(ty.name()))),
            });
        } else if section == ".maps" && ty.kind().is_composite() {
            let value = |name: &[u8]| {
                let mut members = ty.members();
                let member = members.find(|member| btf.string(member.name) == name)?;
                integer(btf, member.ty)
            };
            if let Some(map_type) = value(b"type") {
                maps.push(MapDef {
                    name,
                    map_type,
                    flags: value(b"map_flags").unwrap_or(0),
                    is_created,
                    struct_ops: None,
                });
            }
        }
    }
    maps
}

/// `__uint(name, value)`: a pointer to an array with `value` elements.
fn integer(btf: &Btf, ty: TypeId) -> Option<u32> {
    let (_, pointer) = btf.skip_modifiers(ty)?;
    if pointer.kind() != Kind::Ptr {
        return None;
    }
    let (_, array) = btf.skip_modifiers(pointer.referenced())?;
    (array.kind() == Kind::Array).then(|| array.array().nelems)
}

/// The content of the data sections of a BTF, each with its section's name.
fn section_members(btf: &Btf) -> Vec<(String, Type<'_>)> {
    let mut found = Vec::new();
    for ty in btf.ids().filter_map(|id| btf.ty(id)) {
        if ty.kind() == Kind::DataSec {
            let name = shown(btf.string(ty.name()));
            let members = ty.variables().filter_map(|id| btf.ty(id));
            found.extend(members.map(|member| (name.clone(), member)));
        }
    }
    found
}
