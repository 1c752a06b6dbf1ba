//! Externs: variables, functions and configuration of the kernel. libbpf resolves all externs of
//! an object, whichever programs are loaded.

use super::super::age::Age;
use super::super::case::{Case, Findings};
use super::super::facts::{Facts, FunctionList};
use super::super::outcome::Certainty;
use super::super::reach::Level;
use crate::object::{Extern, ExternKind, Object};

/// The kernel functions that a program calls: a missing one may be declared `__weak`, but not
/// called.
pub(super) fn check(case: &mut Case<'_>) {
    let object = case.object;
    for (number, (place, level)) in &case.usage.kfuncs {
        let Some(it) = object.externs().get(*number) else {
            continue;
        };
        let name = &it.name;
        let text = if case.is_older_than(Age(5, 13)) {
            format!(
                "programs can't call the kernel's functions ({name}) before Linux 5.13{}: check \
                 bpf_ksym_exists({name}) first",
                case.at(*place)
            )
        } else if it.is_weak
            && case.facts.list == FunctionList::Full
            && case.facts.function(name).is_none()
        {
            format!(
                "the kernel has no function {name}, unless a module has it{}: check \
                 bpf_ksym_exists({name}) first",
                case.at(*place)
            )
        } else {
            continue;
        };
        // Whether a module has it is not known.
        let level = (*level).min(Level::Maybe);
        case.findings.fails_at(level, "kfunc", text);
    }
}

/// Those whose address a program takes, as `bpf_ksym_exists()` does, even in code that is never
/// reached (`check_pseudo_btf_id`).
pub(super) fn check_addresses(case: &mut Case<'_>) {
    if !case.is_older_than(Age(6, 4)) {
        return;
    }
    let object = case.object;
    for (number, place) in &case.usage.addresses {
        let it = (object.externs().get(*number)).filter(|it| it.kind == ExternKind::Function);
        if let Some(it) = it.filter(|it| case.facts.function(&it.name).is_some()) {
            let text = format!(
                "the kernel has {}, but before Linux 6.4 a program can't take the address of a kernel \
                 function{}: check LINUX_KERNEL_VERSION instead of bpf_ksym_exists()",
                it.name,
                case.at(*place)
            );
            case.findings.fails(Certainty::Likely, "kfunc", text);
        }
    }
}

/// Constants that libbpf itself provides (`bpf_object__resolve_externs`).
const OF_LIBBPF: [&str; 3] = [
    "LINUX_KERNEL_VERSION",
    "LINUX_HAS_BPF_COOKIE",
    "LINUX_HAS_SYSCALL_WRAPPER",
];

/// All externs of an object.
pub(super) fn check_all(object: &Object, facts: &Facts, findings: &mut Findings) {
    for it in object.externs().iter().filter(|it| !it.is_weak) {
        check_one(it, facts, findings);
    }
}

fn check_one(it: &Extern, facts: &Facts, findings: &mut Findings) {
    let name = &it.name;
    let is_function = facts.function(name).is_some();
    match it.kind {
        ExternKind::Function if is_function => {}
        ExternKind::Function if facts.list == FunctionList::Full => {
            let text = format!(
                "the kernel has no function {name}, unless a module has it: libbpf refuses the \
                 object; declare it __weak and check bpf_ksym_exists({name})"
            );
            findings.fails(Certainty::Likely, "kfunc", text);
        }
        ExternKind::Function => {
            let text = format!("the kernel's BTF does not list all functions: {name}");
            findings.unknown("kfunc", text);
        }
        ExternKind::TypedVariable if facts.has_variable(name) => {}
        ExternKind::TypedVariable if facts.list == FunctionList::None => {
            let text = format!("the kernel's variables are not known: {name}");
            findings.unknown("ksym", text);
        }
        ExternKind::TypedVariable => {
            let text = format!(
                "the kernel's BTF has no variable {name}: libbpf refuses the object; declare it \
                 __weak"
            );
            findings.fails(Certainty::Likely, "ksym", text);
        }
        ExternKind::Symbol if facts.has_variable(name) || is_function => {}
        ExternKind::Symbol => {
            let text = format!("only /proc/kallsyms shows whether the kernel has {name}");
            findings.unknown("ksym", text);
        }
        ExternKind::Kconfig if name.starts_with("CONFIG_") => {
            let text = format!("the kernel's configuration is not known: {name}");
            findings.unknown("kconfig", text);
        }
        ExternKind::Kconfig if !OF_LIBBPF.contains(&name.as_str()) => {
            let text = format!("libbpf knows no constant {name} and refuses the object");
            findings.fails(Certainty::Proven, "kconfig", text);
        }
        ExternKind::Kconfig | ExternKind::Other => {}
    }
}
