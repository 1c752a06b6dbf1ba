//! Which of the things that programs need one kernel has, according to its BTF.

mod arguments;
mod atlas;
mod numbers;
mod probes;
mod stored;

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};

use super::alternative::EVENT_STRUCT;
use crate::btf::{Btf, Kind, NameFilter, Type, TypeId};
use crate::relo::compat_shape;
use crate::symbols::Symbols;

pub(super) use arguments::Arguments;
use numbers::Numbers;
use probes::Probes;

/// The names that programs need from a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Functions.
    pub(super) functions: BTreeSet<String>,
    /// Tracepoints.
    pub(super) tracepoints: BTreeSet<String>,
    /// Structs.
    pub(super) structs: BTreeSet<String>,
    /// Variables.
    pub(super) variables: BTreeSet<String>,
    /// Functions and variables whose types must be compatible with what an object declares.
    pub(super) declared: BTreeSet<String>,
    /// Prefixes of functions that are usually in modules.
    pub(super) families: BTreeSet<String>,
}

/// Which of the wanted things a kernel has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    /// Numbers of helpers.
    pub(super) helpers: Numbers,
    pub(super) map_types: Numbers,
    pub(super) program_types: Numbers,
    pub(super) attach_types: Numbers,
    /// Sorted by name.
    functions: Vec<(String, Arguments)>,
    tracepoints: Vec<(String, Arguments)>,
    /// With their bytes; those of an event without what varies (`__data`).
    structs: Vec<(String, u32)>,
    variables: Vec<String>,
    /// Functions and variables, with the outlines of their types.
    declared: Vec<(String, Option<String>)>,
    families: Vec<String>,
    /// How many of the kernel's functions its BTF lists.
    pub(super) list: FunctionList,
    /// Whether its BTF lists tracepoints (`btf_trace_*`, from about Linux 5.5 on).
    pub(super) lists_tracepoints: bool,
    /// What some functions show about the kernel.
    pub(super) signs: Signs,
    /// Whether maps can hold global data (`map_direct_value_addr` of struct bpf_map_ops, Linux
    /// 5.2), if that struct is in the BTF.
    pub(super) has_global_data: Option<bool>,
    /// Whether programs may sleep (`sleepable` of struct bpf_prog_aux or bpf_prog, Linux 5.10),
    /// if these structs are in the BTF.
    pub(super) has_sleepable: Option<bool>,
    /// What the kernel's symbols show, if they are known.
    pub(super) probes: Option<Probes>,
}

/// How many of a kernel's functions its BTF lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FunctionList {
    /// None.
    None,
    /// Only global ones.
    Externals,
    /// Static ones too; some that can't be traced are missing.
    Full,
}

/// What the presence of some functions shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Signs {
    /// The kernel provides /sys/kernel/btf/vmlinux.
    pub(super) shows_btf: bool,
    /// The kernel reads its own BTF.
    pub(super) reads_btf: bool,
    /// Functions can call a trampoline.
    pub(super) has_direct_calls: bool,
    /// System calls take their arguments in a struct.
    pub(super) wraps_syscalls: bool,
}

/// Static functions that no kernel inlines, because it takes their addresses.
const STATIC_FUNCTIONS: [&str; 4] = ["pipe_read", "eventfd_write", "pipe_write", "sock_ioctl"];
/// The functions that [`Signs`] come from.
const SIGN_FUNCTIONS: [&str; 9] = [
    "btf_vmlinux_init",
    "btf_vmlinux_read",
    "btf_sysfs_vmlinux_mmap",
    "btf_parse_vmlinux",
    "register_ftrace_direct",
    "__x64_sys_bpf",
    "__arm64_sys_bpf",
    "__s390x_sys_bpf",
    "__riscv_sys_bpf",
];
/// Enums whose values matter.
const ENUMS: [&str; 4] = [
    "bpf_func_id",
    "bpf_map_type",
    "bpf_prog_type",
    "bpf_attach_type",
];
/// Structs whose members matter.
const STRUCTS: [&str; 3] = ["bpf_map_ops", "bpf_prog_aux", "bpf_prog"];

impl Facts {
    /// Collects what is wanted in one pass over the types.
    pub(super) fn of(btf: &Btf, symbols: Option<&Symbols>, wanted: &Wanted) -> Self {
        let mut facts = Self {
            helpers: Numbers::default(),
            map_types: Numbers::default(),
            program_types: Numbers::default(),
            attach_types: Numbers::default(),
            functions: Vec::new(),
            tracepoints: Vec::new(),
            structs: Vec::new(),
            variables: Vec::new(),
            declared: Vec::new(),
            families: Vec::new(),
            list: FunctionList::None,
            lists_tracepoints: false,
            signs: Signs::default(),
            has_global_data: None,
            has_sleepable: None,
            probes: None,
        };
        // By name, whether it is wanted (true) or only a sign (false). Most functions are neither.
        let mut functions: HashMap<&[u8], bool> = HashMap::new();
        functions.extend(
            SIGN_FUNCTIONS
                .iter()
                .chain(&STATIC_FUNCTIONS)
                .map(|n| (n.as_bytes(), false)),
        );
        if symbols.is_some() {
            functions.extend(probes::SIGN_FUNCTIONS.iter().map(|n| (n.as_bytes(), false)));
        }
        functions.extend(wanted.functions.iter().map(|n| (n.as_bytes(), true)));
        let mut told: BTreeSet<&[u8]> = BTreeSet::new();
        let mut families: BTreeSet<&str> = BTreeSet::new();
        for id in relevant(btf, wanted, functions.keys().copied()) {
            let Some(ty) = btf.ty(id) else { continue };
            match ty.kind() {
                Kind::Func => {
                    let name = btf.string(ty.name());
                    if let Some(is_wanted) = functions.get(name) {
                        facts.sign(name);
                        told.insert(name);
                        let proto = btf.ty(ty.referenced()).filter(|_| *is_wanted);
                        let arguments = proto.and_then(|proto| Arguments::of(btf, proto, 0));
                        let name = String::from_utf8_lossy(name);
                        facts.declare(btf, ty, &name, wanted);
                        facts
                            .functions
                            .extend(arguments.map(|it| (name.into_owned(), it)));
                    }
                    for family in &wanted.families {
                        if name.starts_with(family.as_bytes()) {
                            families.insert(family);
                        }
                    }
                }
                Kind::Typedef => facts.typedef(btf, ty, wanted),
                Kind::Enum | Kind::Enum64 => facts.enumeration(btf, ty),
                Kind::Struct => facts.structure(btf, ty, wanted),
                Kind::Var => {
                    let name = String::from_utf8_lossy(btf.string(ty.name()));
                    if wanted.variables.contains(name.as_ref()) {
                        facts.declare(btf, ty, &name, wanted);
                        facts.variables.push(name.into_owned());
                    }
                }
                Kind::Void
                | Kind::Int
                | Kind::Ptr
                | Kind::Array
                | Kind::Union
                | Kind::Fwd
                | Kind::Volatile
                | Kind::Const
                | Kind::Restrict
                | Kind::FuncProto
                | Kind::DataSec
                | Kind::Float
                | Kind::DeclTag
                | Kind::TypeTag
                | Kind::Unknown(_) => {}
            }
        }
        let mut kinds = btf.ids_of_kernel().filter_map(|id| btf.ty(id));
        if facts.list == FunctionList::None && kinds.any(|ty| ty.kind() == Kind::Func) {
            facts.list = FunctionList::Externals;
        }
        facts.families = families.into_iter().map(str::to_owned).collect();
        facts.functions.sort_by(|a, b| {
            // Of several with one name, the one with the most arguments.
            (a.0.cmp(&b.0)).then(b.1.words.cmp(&a.1.words))
        });
        facts.functions.dedup_by(|a, b| a.0 == b.0);
        facts
            .tracepoints
            .sort_by(|a, b| (a.0.cmp(&b.0)).then(b.1.count.cmp(&a.1.count)));
        facts.tracepoints.dedup_by(|a, b| a.0 == b.0);
        facts.structs.sort_unstable();
        facts.structs.dedup();
        facts.variables.sort_unstable();
        facts.variables.dedup();
        facts.declared.sort_unstable();
        facts.declared.dedup();
        let has = |name: &str| told.contains(name.as_bytes());
        facts.probes = symbols.map(|symbols| Probes::of(symbols, &wanted.functions, has));
        facts
    }

    /// Notes the type of a function or variable that an object declares.
    fn declare(&mut self, btf: &Btf, ty: Type<'_>, name: &str, wanted: &Wanted) {
        if wanted.declared.contains(name) {
            let shape = compat_shape(btf, ty.referenced());
            let outline = shape.and_then(|shape| shape.outline());
            self.declared.push((name.to_owned(), outline));
        }
    }

    fn sign(&mut self, name: &[u8]) {
        match name {
            b"btf_vmlinux_init" | b"btf_vmlinux_read" | b"btf_sysfs_vmlinux_mmap" => {
                self.signs.shows_btf = true;
            }
            b"btf_parse_vmlinux" => self.signs.reads_btf = true,
            b"register_ftrace_direct" => self.signs.has_direct_calls = true,
            b"__x64_sys_bpf" | b"__arm64_sys_bpf" | b"__s390x_sys_bpf" | b"__riscv_sys_bpf" => {
                self.signs.wraps_syscalls = true;
            }
            _ if STATIC_FUNCTIONS
                .iter()
                .any(|known| known.as_bytes() == name) =>
            {
                self.list = FunctionList::Full;
            }
            _ => {}
        }
    }

    fn typedef(&mut self, btf: &Btf, ty: Type<'_>, wanted: &Wanted) {
        let Some(name) = btf.string(ty.name()).strip_prefix(TRACEPOINT.as_bytes()) else {
            return;
        };
        self.lists_tracepoints = true;
        let name = String::from_utf8_lossy(name);
        if !wanted.tracepoints.contains(name.as_ref()) {
            return;
        }
        let proto = (btf.skip_modifiers(ty.referenced()))
            .filter(|(_, pointer)| pointer.kind() == Kind::Ptr)
            .and_then(|(_, pointer)| btf.skip_modifiers(pointer.referenced()));
        // The program does not see the first parameter.
        let arguments = proto.and_then(|(_, proto)| Arguments::of(btf, proto, 1));
        let name = name.into_owned();
        (self.tracepoints).extend(arguments.map(|arguments| (name, arguments)));
    }

    fn enumeration(&mut self, btf: &Btf, ty: Type<'_>) {
        let numbers = match btf.string(ty.name()) {
            b"bpf_func_id" => &mut self.helpers,
            b"bpf_map_type" => &mut self.map_types,
            b"bpf_prog_type" => &mut self.program_types,
            b"bpf_attach_type" => &mut self.attach_types,
            _ => return,
        };
        for enumerator in ty.enumerators() {
            // `__BPF_FUNC_MAX_ID` and the like are only counts.
            if !btf.string(enumerator.name).starts_with(b"__") {
                numbers.insert(enumerator.value);
            }
        }
    }

    fn structure(&mut self, btf: &Btf, ty: Type<'_>, wanted: &Wanted) {
        let name = btf.string(ty.name());
        let has = |member: &[u8]| (ty.members()).any(|its| btf.string(its.name) == member);
        let (known, member) = match name {
            b"bpf_map_ops" => (&mut self.has_global_data, &b"map_direct_value_addr"[..]),
            b"bpf_prog_aux" | b"bpf_prog" => (&mut self.has_sleepable, &b"sleepable"[..]),
            _ => (&mut None, &[][..]),
        };
        if !member.is_empty() {
            *known = Some(known.unwrap_or(false) || has(member));
        }
        if !wanted.structs.is_empty() {
            let name = String::from_utf8_lossy(name);
            if wanted.structs.contains(name.as_ref()) {
                let varies = (ty.members()).find(|its| btf.string(its.name) == b"__data");
                let end = varies.map_or(ty.size(), |its| its.bit_offset / 8);
                self.structs.push((name.into_owned(), end));
            }
        }
    }

    /// A wanted function.
    pub(super) fn function(&self, name: &str) -> Option<Arguments> {
        let at = (self
            .functions
            .binary_search_by(|known| known.0.as_str().cmp(name)))
        .ok()?;
        self.functions.get(at).map(|found| found.1)
    }

    /// A wanted tracepoint.
    pub(super) fn tracepoint(&self, name: &str) -> Option<Arguments> {
        let at = (self
            .tracepoints
            .binary_search_by(|known| known.0.as_str().cmp(name)))
        .ok()?;
        self.tracepoints.get(at).map(|found| found.1)
    }

    /// Whether there is a wanted tracepoint: by its typedef or, if the BTF does not list these,
    /// by its struct.
    pub(super) fn has_tracepoint(&self, name: &str) -> bool {
        let has_struct = || self.has_struct(&format!("{EVENT_STRUCT}{name}"));
        self.tracepoint(name).is_some() || (!self.lists_tracepoints && has_struct())
    }

    /// Whether there is a wanted struct.
    pub(super) fn has_struct(&self, name: &str) -> bool {
        self.structs.iter().any(|(known, _)| known == name)
    }

    /// The bytes of a wanted struct of which there is one; of an event, those before what varies.
    pub(super) fn bytes_of(&self, name: &str) -> Option<u32> {
        let mut its = self.structs.iter().filter(|(known, _)| known == name);
        let (_, first) = its.next()?;
        its.next().is_none().then_some(*first)
    }

    /// Whether a wanted function or variable has a type that is compatible with `outline`;
    /// `None` if the kernel lacks it.
    pub(super) fn is_compatible(&self, name: &str, outline: Option<&str>) -> Option<bool> {
        let first = self
            .declared
            .partition_point(|(known, _)| known.as_str() < name);
        let its = self.declared.iter().skip(first);
        its.take_while(|(known, _)| known == name)
            .map(|(_, its)| its.is_some() && its.as_deref() == outline)
            .reduce(|one, other| one || other)
    }

    /// Whether there is a wanted variable.
    pub(super) fn has_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|known| known == name)
    }

    /// Whether there is any function of a wanted family.
    pub(super) fn has_family(&self, name: &str) -> bool {
        self.families.iter().any(|known| known == name)
    }
}

/// The types that may matter. Only the kernel's own: whether a module is loaded is not known.
/// The first letters of their names rule out most types.
fn relevant<'a>(
    btf: &Btf,
    wanted: &'a Wanted,
    functions: impl Iterator<Item = &'a [u8]>,
) -> Vec<TypeId> {
    let mut filter = NameFilter::default();
    let structs = wanted.structs.iter().map(String::as_str).chain(STRUCTS);
    let names = structs.chain(wanted.variables.iter().map(String::as_str));
    let names = names.chain(ENUMS).chain([TRACEPOINT]).map(str::as_bytes);
    for name in names.chain(functions) {
        filter.insert(name);
    }
    for family in &wanted.families {
        filter.insert_beginning(family.as_bytes());
    }
    let mut found = Vec::new();
    btf.find_named(KINDS, &filter, &mut found);
    if let Some(end) = btf.first_of_modules() {
        found.retain(|id| *id < end);
    }
    found
}

/// The prefix of the typedefs of tracepoints.
const TRACEPOINT: &str = "btf_trace_";
/// Kinds of types that matter.
const KINDS: u32 = 1 << Kind::Func.number()
    | 1 << Kind::Typedef.number()
    | 1 << Kind::Enum.number()
    | 1 << Kind::Enum64.number()
    | 1 << Kind::Struct.number()
    | 1 << Kind::Var.number();
