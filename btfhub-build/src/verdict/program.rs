//! The programs of objects: their functions, and what these call and refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::alternative;
use super::facts::Wanted;
use super::module::family;
use super::reach::{back_edge, insns};
use super::section::{Hook, SectionDef, section_def};
use super::target::{function_of, probed, syscall_names, syscall_of};
use crate::error::shown;
use crate::insn::{INSN, Insn};
use crate::object::{ExternKind, Object, Target};

/// An eBPF program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Program {
    /// The object's name.
    pub object: String,
    /// The function.
    pub name: String,
    /// The ELF section, from which libbpf takes its type and target.
    pub section: String,
}

/// What a program needs from a kernel, according to its object.
#[derive(Debug)]
pub(super) struct Needs {
    /// Its entry in [`Code::functions`].
    pub(super) function: usize,
    /// Whether libbpf loads it by default.
    pub(super) is_loaded: bool,
    /// What libbpf derives from the section; `None` if it does not know the section.
    pub(super) def: Option<&'static SectionDef>,
    /// What it attaches to, if the section or the user says so.
    pub(super) target: Option<String>,
    /// Whether its instructions were read: a malicious object may claim that thousands of
    /// functions share the same ones.
    pub(super) is_read: bool,
}

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) section: usize,
    /// Byte offset in its section.
    pub(super) start: u64,
    /// Whether the kernel verifies it by itself.
    pub(super) is_global: bool,
    pub(super) insns: Vec<Insn>,
    /// What each instruction refers to.
    pub(super) refers: BTreeMap<usize, Refers>,
    /// Instructions that have a relocation record, with its number; sorted by record.
    pub(super) records: Vec<(usize, usize)>,
    /// An instruction that closes a loop.
    pub(super) repeats: Option<usize>,
}

/// What an instruction refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refers {
    /// It calls one of [`Code::functions`].
    Call(usize),
    /// It takes the address of one.
    Function(usize),
    /// Global data.
    Data(usize, u64),
    /// An extern.
    Extern(usize),
    /// A map, or something unknown.
    Other,
}

/// The functions of an object.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) functions: Vec<Function>,
    pub(super) programs: Vec<Needs>,
}

const CALL: u8 = crate::insn::CALL;
/// `BPF_PROG_TYPE_LIRC_MODE2`, and what a kernel has that was built with it.
pub(super) const LIRC_MODE2: u32 = 20;
pub(super) const LIRC_FUNCTION: &str = "lirc_mode2_func_proto";
/// How many instructions are followed in all programs of an object, called functions included:
/// far more than any agent has.
const MAX_FOLLOWED: usize = 4_000_000;
/// `BPF_COMPLEXITY_LIMIT_INSNS`: no kernel takes a longer program.
pub(super) const MAX_INSNS: usize = 1_000_000;

impl Code {
    /// The functions of one object; adds its programs to `names`.
    pub(super) fn of(object: &Object, names: &mut Vec<Program>) -> Self {
        let mut functions = Vec::new();
        let mut programs = Vec::new();
        // Functions don't overlap: more than twice the section's bytes is malicious.
        let sections = object.sections().iter();
        let mut left: usize = sections.map(|section| 2 * section.code.len()).sum();
        for (number, section) in object.sections().iter().enumerate() {
            for function in &section.functions {
                let start = usize::try_from(function.offset).unwrap_or(usize::MAX);
                let size = usize::try_from(function.size).unwrap_or(usize::MAX);
                let end = start.saturating_add(size).min(section.code.len());
                let code = section.code.get(start..end).unwrap_or(&[]);
                if code.len() < INSN {
                    continue;
                }
                let rest = left.checked_sub(code.len());
                let is_read = code.len() / INSN <= MAX_INSNS && rest.is_some();
                let code = if is_read { code } else { &[] };
                left = rest.unwrap_or(0);
                let loaded = section.name.strip_prefix('?');
                let name = loaded.unwrap_or(&section.name);
                if section.name != ".text" {
                    let def = section_def(name);
                    programs.push(Needs {
                        function: functions.len(),
                        is_loaded: loaded.is_none(),
                        def: def.map(|(def, _)| def),
                        target: def.and_then(|(_, target)| target).map(str::to_owned),
                        is_read,
                    });
                    names.push(Program {
                        object: object.name().to_owned(),
                        name: function.name.clone(),
                        section: section.name.clone(),
                    });
                }
                let insns = insns(code, object.btf().endian());
                functions.push(Function {
                    name: function.name.clone(),
                    section: number,
                    start: function.offset,
                    is_global: function.is_global,
                    repeats: back_edge(&insns),
                    insns,
                    refers: BTreeMap::new(),
                    records: Vec::new(),
                });
            }
        }
        let mut code = Self {
            functions,
            programs,
        };
        code.link(object);
        code
    }

    /// Finds what instructions refer to, and which function each record belongs to.
    fn link(&mut self, object: &Object) {
        let by_place: BTreeMap<(usize, u64), usize> = (self.functions.iter().enumerate())
            .map(|(number, function)| ((function.section, function.start), number))
            .collect();
        let holding = |section: usize, offset: u64| {
            let (&(of, start), &number) = by_place.range(..=(section, offset)).next_back()?;
            (of == section).then_some((number, start))
        };
        let mut linked: Vec<BTreeMap<usize, Refers>> = Vec::new();
        for function in &self.functions {
            let mut refers = BTreeMap::new();
            let index = |offset: u64| {
                let within = offset.checked_sub(function.start)?;
                let at = usize::try_from(within).ok()? / INSN;
                (at < function.insns.len()).then_some(at)
            };
            let links = (object.sections().get(function.section)).map_or(&[][..], |s| &s.links);
            let first = links.partition_point(|link| link.offset < function.start);
            for link in links.get(first..).unwrap_or_default() {
                let Some((at, insn)) =
                    index(link.offset).and_then(|at| Some((at, *function.insns.get(at)?)))
                else {
                    break;
                };
                let to = match link.target {
                    Target::Code { section, offset } => {
                        let is_call = insn.code == CALL;
                        let by = if is_call {
                            (i64::from(insn.imm) + 1) * 8
                        } else {
                            i64::from(insn.imm)
                        };
                        let to = (offset.checked_add_signed(by))
                            .and_then(|offset| by_place.get(&(section, offset)));
                        match to {
                            Some(&to) if is_call => Refers::Call(to),
                            Some(&to) => Refers::Function(to),
                            None => Refers::Other,
                        }
                    }
                    Target::Data { section, offset } => {
                        let offset = offset.checked_add_signed(insn.imm.into());
                        offset.map_or(Refers::Other, |offset| Refers::Data(section, offset))
                    }
                    Target::Extern(number) => Refers::Extern(number),
                    Target::Map | Target::Other => Refers::Other,
                };
                refers.insert(at, to);
            }
            // Calls within a section have no ELF relocation.
            for (at, insn) in function.insns.iter().enumerate() {
                if insn.is_call_of_program() && !refers.contains_key(&at) {
                    let to = i64::try_from(at).ok().and_then(|at| {
                        let slots = at.checked_add(1)?.checked_add(insn.imm.into())?;
                        function.start.checked_add_signed(slots.checked_mul(8)?)
                    });
                    let to = to.and_then(|offset| by_place.get(&(function.section, offset)));
                    refers.insert(at, to.map_or(Refers::Other, |&to| Refers::Call(to)));
                }
            }
            linked.push(refers);
        }
        for (function, refers) in self.functions.iter_mut().zip(linked) {
            function.refers = refers;
        }
        for (number, record) in object.records().iter().enumerate() {
            let offset = u64::from(record.relo.insn_off);
            let found = record.section.and_then(|section| holding(section, offset));
            let Some((function, start)) = found else {
                continue;
            };
            if let Some(function) = self.functions.get_mut(function) {
                let at = usize::try_from(offset - start).unwrap_or(usize::MAX) / INSN;
                if at < function.insns.len() {
                    function.records.push((at, number));
                }
            }
        }
    }

    /// The functions that libbpf combines into each program, its own first
    /// (`bpf_object__relocate_calls`), and whether to follow it: not if the object's programs
    /// are too large in total.
    pub(super) fn parts(&self, is_program: &[bool]) -> (Vec<Vec<usize>>, Vec<bool>) {
        let of_text = self.functions.iter().zip(is_program);
        let of_text = of_text.filter(|(_, is_program)| !**is_program);
        let records_of_text: usize = of_text.map(|(function, _)| function.records.len()).sum();
        let mut left = MAX_FOLLOWED;
        let of_programs = self.programs.iter().map(|program| {
            let parts = self.parts_of(program, &mut left);
            left = left.saturating_sub(records_of_text);
            if left > 0 {
                (parts, true)
            } else {
                (vec![program.function], false)
            }
        });
        of_programs.unzip()
    }

    fn parts_of(&self, program: &Needs, left: &mut usize) -> Vec<usize> {
        let mut parts = vec![program.function];
        let mut seen: BTreeSet<usize> = parts.iter().copied().collect();
        let mut next = 0;
        while let Some(function) = parts.get(next).and_then(|&at| self.functions.get(at)) {
            next += 1;
            *left = left.saturating_sub(function.insns.len());
            if *left == 0 {
                break;
            }
            for refers in function.refers.values() {
                if let Refers::Call(to) | Refers::Function(to) = refers {
                    if seen.insert(*to) {
                        parts.push(*to);
                    }
                }
            }
        }
        parts
    }

    /// Adds the names that its programs need from a kernel.
    pub(super) fn want(&self, object: &Object, wanted: &mut Wanted) {
        for program in &self.programs {
            if program
                .def
                .is_some_and(|def| def.program_type == LIRC_MODE2)
            {
                wanted.functions.insert(LIRC_FUNCTION.to_owned());
            }
            let Some(def) = program.def else { continue };
            (wanted.structs).extend(def.context().map(str::to_owned));
            if let Some(target) = &program.target {
                want_target(def.hook, target, wanted);
            }
        }
        for it in object.externs() {
            let name = it.kernel_name();
            match it.kind {
                ExternKind::Function => {
                    wanted.functions.insert(name.to_owned());
                    wanted.declared.insert(name.to_owned());
                }
                ExternKind::TypedVariable => {
                    wanted.variables.insert(name.to_owned());
                    wanted.declared.insert(name.to_owned());
                }
                ExternKind::Symbol => {
                    wanted.variables.insert(name.to_owned());
                    wanted.functions.insert(name.to_owned());
                }
                ExternKind::Kconfig | ExternKind::Other => {}
            }
        }
        for record in object.records() {
            let root = object.btf().ty(record.relo.type_id);
            let name = root.map_or(&[][..], |ty| object.btf().string(ty.name()));
            if name.starts_with(alternative::EVENT_STRUCT.as_bytes()) {
                let structs = alternative::event_structs(&String::from_utf8_lossy(name));
                wanted.structs.extend(structs);
            }
        }
        for map in object.maps() {
            if let Some(name) = &map.struct_ops {
                // Without the flavor, as in `tcp_congestion_ops___new`.
                let name = name.split("___").next().unwrap_or(name);
                wanted.structs.insert(name.to_owned());
                wanted.structs.insert(format!("bpf_struct_ops_{name}"));
            }
        }
    }
}

fn want_target(hook: Hook, target: &str, wanted: &mut Wanted) {
    match hook {
        Hook::Kprobe | Hook::Trace => {
            let name = if hook == Hook::Kprobe {
                probed(target).0
            } else {
                function_of(target)
            };
            wanted.functions.insert(name.to_owned());
            wanted.functions.extend(alternative::functions(name));
            wanted.families.extend(family(name).map(str::to_owned));
        }
        Hook::Ksyscall => wanted.functions.extend(syscall_names(target)),
        Hook::Tracepoint => {
            if let Some(name) = syscall_of(target) {
                let newer = alternative::newer_syscall(name);
                wanted.functions.extend(syscall_names(name));
                wanted
                    .functions
                    .extend(newer.into_iter().flat_map(syscall_names));
            }
            if let Some((_, event)) = target.split_once('/') {
                want_event(event, wanted);
                wanted.families.extend(family(event).map(str::to_owned));
            }
        }
        Hook::RawTracepoint | Hook::BtfTracepoint => {
            want_event(target, wanted);
            wanted.families.extend(family(target).map(str::to_owned));
        }
        Hook::Lsm => {
            wanted.functions.insert(format!("bpf_lsm_{target}"));
            wanted
                .functions
                .insert(alternative::security_function(target));
        }
        Hook::Iter => {
            wanted.functions.insert(format!("bpf_iter_{target}"));
        }
        Hook::None | Hook::KprobeMulti | Hook::UserSpace | Hook::Replace | Hook::StructOps => {}
    }
}

fn want_event(name: &str, wanted: &mut Wanted) {
    wanted.tracepoints.insert(name.to_owned());
    (wanted.structs).insert(format!("{}{name}", alternative::EVENT_STRUCT));
}

/// The source line of an instruction, such as `probe.bpf.c:12`.
pub(super) fn line(object: &Object, function: &Function, at: usize) -> Option<String> {
    let section = object.sections().get(function.section)?;
    let offset = function
        .start
        .checked_add(u64::try_from(at).ok()?.checked_mul(8)?)?;
    let info = section.line_at(u32::try_from(offset).ok()?)?;
    let file = shown(object.btf().string(info.file));
    let name = file.rsplit('/').next().unwrap_or_default();
    // 0: the compiler knew none.
    let line = info.line_col >> 10;
    (line > 0).then(|| format!("{name}:{line}"))
}
