//! Externs: variables, functions and configuration of the kernel. libbpf resolves all externs of
//! an object, whichever programs are loaded.

use super::super::age::Age;
use super::super::case::{Case, Findings};
use super::super::externs::Presence;
use super::super::outcome::Certainty;
use super::super::reach::Level;
use crate::object::{Extern, ExternKind, Object};

/// The kernel functions that a program calls: a missing one may be declared `__weak`, but not
/// called.
pub(super) fn check(case: &mut Case<'_>) {
    for (number, (place, level)) in &case.usage.kfuncs {
        // If it is reached only with other constants, it may exist then.
        let Some((it, presence)) = extern_of(case, *number).filter(|_| *level > Level::IfChanged)
        else {
            continue;
        };
        let name = &it.name;
        // Whether a module has it is not known.
        let likely = (*level).min(Level::Maybe);
        let (level, what) = if case.is_older_than(Age(5, 13)) {
            let what =
                format!("programs can't call the kernel's functions ({name}) before Linux 5.13");
            (likely, what)
        } else {
            match presence {
                Presence::Missing if it.is_weak => {
                    let what = format!("the kernel has no function {name}, unless a module has it");
                    (likely, what)
                }
                Presence::Differs if it.is_weak => {
                    let what = format!("the kernel's function {name} has another prototype");
                    (*level, what)
                }
                _ => continue,
            }
        };
        let at = case.at(*place);
        let text = format!("{what}{at}: check bpf_ksym_exists({name}) first");
        case.findings.fails_at(level, "kfunc", text);
    }
}

fn extern_of<'a>(case: &Case<'a>, number: usize) -> Option<(&'a Extern, Presence)> {
    let it = case.object.externs().get(number)?;
    Some((it, *case.presence.get(number)?))
}

/// Those whose address a program takes, as `bpf_ksym_exists()` does, even in code that is never
/// reached (`check_pseudo_btf_id`).
pub(super) fn check_addresses(case: &mut Case<'_>) {
    if !case.is_older_than(Age(6, 4)) {
        return;
    }
    for (number, place) in &case.usage.addresses {
        let Some((it, Presence::Fits)) = extern_of(case, *number) else {
            continue;
        };
        if it.kind == ExternKind::Function {
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
pub(super) fn check_all(object: &Object, presence: &[Presence], findings: &mut Findings) {
    for (it, presence) in object.externs().iter().zip(presence) {
        // A weak function that differs counts as missing.
        let differs = *presence == Presence::Differs && it.kind == ExternKind::TypedVariable;
        if !it.is_weak || differs || it.kind == ExternKind::Other {
            check_one(it, *presence, findings);
        }
    }
}

fn check_one(it: &Extern, presence: Presence, findings: &mut Findings) {
    let name = &it.name;
    match (it.kind, presence) {
        (ExternKind::Kconfig, _) if name.starts_with("CONFIG_") => {
            let text = format!("the kernel's configuration is not known: {name}");
            findings.unknown("kconfig", text);
        }
        (ExternKind::Kconfig, _) if !OF_LIBBPF.contains(&name.as_str()) => {
            let text = format!("libbpf knows no constant {name} and refuses the object");
            findings.fails(Certainty::Proven, "kconfig", text);
        }
        (ExternKind::Other, _) => {
            // `bpf_object__collect_externs`
            let text = format!(
                "libbpf finds no type of the extern {name} in .ksyms or .kconfig and refuses the \
                 object: declare it with __ksym or __kconfig, and compile with -g"
            );
            findings.fails(Certainty::Proven, "extern", text);
        }
        (ExternKind::Function, Presence::Missing) => {
            let text = format!(
                "the kernel has no function {name}, unless a module has it: libbpf refuses the \
                 object; declare it __weak and check bpf_ksym_exists({name})"
            );
            findings.fails(Certainty::Likely, "kfunc", text);
        }
        (ExternKind::Function, Presence::Differs) => {
            let text = format!(
                "the kernel's function {name} has another prototype: libbpf refuses the object; \
                 declare it __weak, under a second name ({name}___other) with the other prototype"
            );
            findings.fails(Certainty::Proven, "kfunc", text);
        }
        (ExternKind::Function, Presence::Unknown) => {
            let text = format!("the kernel's BTF does not list all functions: {name}");
            findings.unknown("kfunc", text);
        }
        (ExternKind::TypedVariable, Presence::Missing) => {
            let text = format!(
                "the kernel's BTF has no variable {name}: libbpf refuses the object; declare it \
                 __weak"
            );
            findings.fails(Certainty::Likely, "ksym", text);
        }
        (ExternKind::TypedVariable, Presence::Differs) => {
            let text =
                format!("the kernel's variable {name} has another type: libbpf refuses the object");
            findings.fails(Certainty::Proven, "ksym", text);
        }
        (ExternKind::TypedVariable, Presence::Unknown) => {
            let text = format!("the kernel's variables are not known: {name}");
            findings.unknown("ksym", text);
        }
        (ExternKind::Symbol, Presence::Unknown) => {
            let text = format!("only /proc/kallsyms shows whether the kernel has {name}");
            findings.unknown("ksym", text);
        }
        _ => {}
    }
}
