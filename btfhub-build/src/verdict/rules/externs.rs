//! Externs: the kernel's variables and functions, its configuration. libbpf resolves all of an
//! object, whichever programs are loaded.

use super::super::age::Age;
use super::super::case::{Case, Findings};
use super::super::facts::{Facts, FunctionList};
use super::super::outcome::Certainty;
use super::super::reach::Level;
use crate::object::{Extern, ExternKind, Object};

/// Those that a program calls: what is missing can be declared `__weak`, not called.
pub(super) fn check(case: &mut Case<'_>) {
    let object = case.object;
    for (number, (place, level)) in &case.found.kfuncs {
        let Some(it) = object.externs().get(*number) else {
            continue;
        };
        let name = &it.name;
        let text = if case.is_older_than(Age(5, 13)) {
            format!(
                "the kernel lets no program call its functions, as {name}{}: ask \
                 bpf_ksym_exists({name}) first",
                case.at(*place)
            )
        } else if it.is_weak
            && case.facts.list == FunctionList::Full
            && case.facts.function(name).is_none()
        {
            format!(
                "the kernel has no function {name}, unless a module brings it{}: ask \
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

/// Those of the object.
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
                "the kernel has no function {name}, unless a module brings it: libbpf refuses the \
                 object; declare it __weak and ask bpf_ksym_exists({name})"
            );
            findings.fails(Certainty::Likely, "kfunc", text);
        }
        ExternKind::Function => {
            let text = format!("the kernel's functions are not known: {name}");
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
            let text = format!("only /proc/kallsyms tells whether there is a {name}");
            findings.unknown("ksym", text);
        }
        ExternKind::Kconfig if name.starts_with("CONFIG_") => {
            let text = format!("the kernel's configuration is not known: {name}");
            findings.unknown("kconfig", text);
        }
        ExternKind::Kconfig | ExternKind::Other => {}
    }
}
