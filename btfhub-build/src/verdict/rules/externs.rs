//! Externs: the kernel's variables and functions, its configuration. libbpf resolves all of an
//! object, whichever programs are loaded.

use super::super::age::Age;
use super::super::case::Case;
use super::super::facts::FunctionList;
use super::super::outcome::Certainty;
use crate::object::ExternKind;

pub(super) fn check(case: &mut Case<'_>) {
    let object = case.object;
    for (number, it) in object.externs().iter().enumerate() {
        let name = &it.name;
        let is_listed = case.facts.list != FunctionList::None;
        match it.kind {
            ExternKind::Function => {
                let is_there = case.facts.function(name).is_some();
                if case.found.externs.contains(&number) && case.is_older_than(Age(5, 13)) {
                    let text = format!("the kernel lets no program call its functions, as {name}");
                    case.fails(Certainty::Likely, "kfunc", text);
                } else if is_there || it.is_weak {
                } else if case.facts.list == FunctionList::Full {
                    let text = format!(
                        "the kernel has no function {name}, unless a module brings it: libbpf \
                         refuses the object; declare it __weak and ask bpf_ksym_exists({name})"
                    );
                    case.fails(Certainty::Likely, "kfunc", text);
                } else {
                    case.unknown(
                        "kfunc",
                        format!("the kernel's functions are not known: {name}"),
                    );
                }
            }
            ExternKind::TypedVariable if !it.is_weak && !case.facts.has_variable(name) => {
                if is_listed {
                    let text = format!(
                        "the kernel's BTF has no variable {name}: libbpf refuses the object; \
                         declare it __weak"
                    );
                    case.fails(Certainty::Likely, "ksym", text);
                } else {
                    case.unknown(
                        "ksym",
                        format!("the kernel's variables are not known: {name}"),
                    );
                }
            }
            ExternKind::Symbol
                if !it.is_weak
                    && !case.facts.has_variable(name)
                    && case.facts.function(name).is_none() =>
            {
                let text = format!("only /proc/kallsyms tells whether there is a {name}");
                case.unknown("ksym", text);
            }
            ExternKind::Kconfig if !it.is_weak && name.starts_with("CONFIG_") => {
                let text = format!("the kernel's configuration is not known: {name}");
                case.unknown("kconfig", text);
            }
            _ => {}
        }
    }
}
