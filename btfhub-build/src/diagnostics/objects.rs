//! What there is to say about the objects, one line for all that a lint finds.

use std::collections::{BTreeMap, BTreeSet};

use super::{Diagnostic, Lint, Loader, listed};
use crate::btf::{Btf, Kind, TypeId};
use crate::object::Object;
use crate::relo::ReloKind;

/// Sections whose programs libbpf attaches through the kernel's own BTF: those with
/// `SEC_ATTACH_BTF` in its table `section_defs`, except `freplace`, which uses another
/// program's BTF. `.s` after the name means sleepable.
const BY_KERNEL_BTF: [&str; 8] = [
    "fentry",
    "fexit",
    "fmod_ret",
    "fsession",
    "iter",
    "lsm",
    "lsm_cgroup",
    "tp_btf",
];

pub(crate) fn of_objects(objects: &[&Object], loader: Option<Loader>) -> Vec<Diagnostic> {
    let mut found = without_relocations(objects);
    let asking = |kind: ReloKind| {
        let asks = |object: &&&Object| {
            let mut records = object.records().iter();
            records.any(|record| ReloKind::from_number(record.relo.kind) == Some(kind))
        };
        names(objects.iter().filter(asks))
    };
    let mut say = |lint, message| found.push(Diagnostic { lint, message });
    if let Some(names) = asking(ReloKind::TypeIdTarget) {
        say(
            Lint::TypeIdTarget,
            format!(
                "bpf_core_type_id_kernel() in {names}: with an embedded BTF it gives that BTF's \
                 ids, which mean nothing to the kernel; don't pass them to it there \
                 (bpf_snprintf_btf and the like)"
            ),
        );
    }
    if let Some(names) = asking(ReloKind::TypeMatches) {
        say(
            Lint::AyaTypeMatches,
            format!(
                "bpf_core_type_matches() in {names}: aya refuses such an object; ask \
                 bpf_core_type_exists() and bpf_core_field_exists() instead, or load it with libbpf"
            ),
        );
    }
    found.extend(kernel_btf(objects, loader));
    found
}

/// Objects that use none of a kernel's types, by reason.
fn without_relocations(objects: &[&Object]) -> Vec<Diagnostic> {
    let any_btf = objects.iter().any(|object| object.has_btf());
    let mut reasons: BTreeMap<Reason, Vec<&&Object>> = BTreeMap::new();
    for object in objects.iter().filter(|object| object.records().is_empty()) {
        reasons
            .entry(Reason::of(object, any_btf))
            .or_default()
            .push(object);
    }
    (reasons.into_iter())
        .filter_map(|(reason, objects)| {
            let names = names(objects)?;
            let (lint, why) = match reason {
                Reason::NoPrograms => (Lint::NoRelocations, "it holds no program"),
                Reason::Rust => (
                    Lint::NoRelocations,
                    "the Rust compiler writes none today; a program that reads kernel structs \
                     reads them as they were when its bindings were generated",
                ),
                Reason::NoBtf => (
                    Lint::NoRelocations,
                    "there is no .BTF section, which is usual for Rust; clang writes one with -g",
                ),
                Reason::NoneAsked => (
                    Lint::NoRelocations,
                    "BPF_CORE_READ() and __attribute__((preserve_access_index)) make some",
                ),
                Reason::BtfElsewhere => (
                    Lint::MissingBtf,
                    "there is no .BTF section, though other objects have one. If this is C, it \
                     was compiled without -g or stripped, and reads kernel structs at the offsets \
                     of the header it was compiled with, on every kernel",
                ),
            };
            Some(Diagnostic {
                lint,
                message: format!("no CO-RE relocations in {names}: {why}"),
            })
        })
        .collect()
}

/// Why an object has no relocations, as far as it can be seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    NoPrograms,
    Rust,
    NoBtf,
    NoneAsked,
    BtfElsewhere,
}

impl Reason {
    fn of(object: &Object, any_btf: bool) -> Self {
        let is_rust =
            |file: &std::path::Path| file.extension().is_some_and(|suffix| suffix == "rs");
        if object
            .sections()
            .iter()
            .all(|section| section.code.is_empty())
        {
            Self::NoPrograms
        } else if object.source_files().iter().any(|file| is_rust(file)) {
            Self::Rust
        } else if object.has_btf() {
            Self::NoneAsked
        } else if any_btf {
            Self::BtfElsewhere
        } else {
            Self::NoBtf
        }
    }
}

/// What makes libbpf use the running kernel's own BTF (`obj_needs_vmlinux_btf`), apart from
/// relocations.
fn kernel_btf(objects: &[&Object], loader: Option<Loader>) -> Option<Diagnostic> {
    let mut needs: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for object in objects {
        for need in needs_kernel_btf(object) {
            needs.entry(need).or_default().insert(object.name());
        }
    }
    // Variants of one object need the same.
    let mut groups: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
    for (need, objects) in &needs {
        groups.entry(objects.clone()).or_default().push(need);
    }
    let groups = groups.into_iter().map(|(names, needs)| {
        let needs = listed(needs, 8);
        match objects.len() {
            1 => needs,
            _ => format!("{needs} ({})", listed(names, 2)),
        }
    });
    let how = match loader {
        Some(Loader::Libbpf) => " (set_autoload(false))",
        Some(Loader::Aya) => " (skip their load())",
        None => "",
    };
    (!needs.is_empty()).then(|| Diagnostic {
        lint: Lint::NeedsKernelBtf,
        message: format!(
            "the running kernel's own BTF is needed, regardless of what is embedded, by {}; on kernels \
             without it don't load these{how}, or use kprobes and raw tracepoints there",
            listed(groups, 4)
        ),
    })
}

fn needs_kernel_btf(object: &Object) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    for section in object.sections() {
        // A question mark keeps a program from being loaded by default.
        let name = section.name.trim_start_matches('?');
        let kind = name.split('/').next().unwrap_or(name);
        let kind = kind.strip_suffix(".s").unwrap_or(kind);
        if BY_KERNEL_BTF.contains(&kind) || kind == "struct_ops" {
            needs.insert(name.to_owned());
        }
    }
    let btf = object.btf();
    for id in btf.ids() {
        let Some(section) = btf.ty(id).filter(|ty| ty.kind() == Kind::DataSec) else {
            continue;
        };
        if btf.string(section.name()) == b".ksyms" {
            needs.extend(section.variables().filter_map(|id| typed_ksym(btf, id)));
        }
    }
    needs
}

/// A symbol of the kernel that is looked for by its type: a kfunc, or a
/// variable that is not `void`.
fn typed_ksym(btf: &Btf, id: TypeId) -> Option<String> {
    let ty = btf.ty(id)?;
    let name = crate::error::shown(btf.string(ty.name()));
    match ty.kind() {
        Kind::Func => Some(format!("kfunc {name}")),
        Kind::Var => {
            let (target, _) = btf.skip_modifiers(ty.referenced())?;
            (target != TypeId::VOID).then(|| format!("typed ksym {name}"))
        }
        _ => None,
    }
}

/// The objects' names, sorted, each once; `None` without objects.
fn names<'o>(objects: impl IntoIterator<Item = &'o &'o Object>) -> Option<String> {
    let names: BTreeSet<&str> = objects.into_iter().map(|object| object.name()).collect();
    (!names.is_empty()).then(|| listed(names, 3))
}
