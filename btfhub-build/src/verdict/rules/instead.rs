//! What a program could use instead. Offers only what the kernel has.

use super::super::alternative::{event_structs, functions, newer_syscall};
use super::super::alternative::{security_function, syscall_functions};
use super::super::case::Case;
use super::super::section::Hook;
use super::super::target::{function_of, syscall_in};
use super::arguments::words_seen;

/// The most that are offered.
const MAX: usize = 3;
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
const RAW_TRACEPOINT: u32 = 17;

/// `; it has __vfs_open`, or nothing.
pub(super) fn of_function(case: &Case<'_>, name: &str) -> String {
    let names = match syscall_in(name) {
        Some(call) => syscall_functions(call, case.kernel.id.arch.as_str()),
        None => functions(name),
    };
    let usable = names.into_iter().filter(|other| is_usable(case, other));
    offer("it has", usable.filter(|other| other != name))
}

/// `; it has sys_enter_openat` for an event of a system call, or nothing.
pub(super) fn of_syscall_event(case: &Case<'_>, name: &str, event: &str) -> String {
    let newer = newer_syscall(name).filter(|newer| {
        let functions = syscall_functions(newer, case.kernel.id.arch.as_str());
        functions
            .iter()
            .any(|name| case.facts.function(name).is_some())
    });
    let event = event.strip_suffix(name).zip(newer);
    let event = event.map(|(prefix, newer)| format!("{prefix}{newer}"));
    offer("it has", event.into_iter())
}

/// `; the kernel has trace_event_raw_sched_process_template` for a struct of an event, or nothing.
pub(super) fn of_struct(case: &Case<'_>, name: &str) -> String {
    let has = |name: &String| case.facts.has_struct(name);
    offer(
        "the kernel has",
        event_structs(name).into_iter().filter(has),
    )
}

/// `; kprobe/vfs_open works here` for a program of another kind, or nothing.
pub(super) fn probe(case: &Case<'_>) -> String {
    probe_of(case).map_or_else(String::new, |probe| format!("; {probe} works here"))
}

fn probe_of(case: &Case<'_>) -> Option<String> {
    let def = case.program.def?;
    let target = case.program.target.as_deref()?;
    match def.hook {
        Hook::BtfTracepoint => {
            let has_type = case.facts.program_types.has(RAW_TRACEPOINT) == Some(true);
            let is_there = has_type && case.facts.has_tracepoint(target);
            is_there.then(|| format!("raw_tp/{target}"))
        }
        Hook::Trace if def.changes_result() => None,
        Hook::Trace => {
            let name = function_of(target);
            let kind = if def.sees_end() {
                "kretprobe"
            } else {
                "kprobe"
            };
            is_usable(case, name).then(|| format!("{kind}/{name}"))
        }
        Hook::Lsm => {
            let name = security_function(target);
            is_usable(case, &name).then(|| format!("kprobe/{name}, which can't deny anything,"))
        }
        Hook::None
        | Hook::Kprobe
        | Hook::KprobeMulti
        | Hook::Ksyscall
        | Hook::UserSpace
        | Hook::Tracepoint
        | Hook::RawTracepoint
        | Hook::Replace
        | Hook::Iter
        | Hook::StructOps => None,
    }
}

/// Whether the program could attach to a function and would find the arguments that it reads.
fn is_usable(case: &Case<'_>, name: &str) -> bool {
    let Some(arguments) = case.facts.function(name) else {
        return false;
    };
    let can_be_traced = (case.facts.probes.as_ref()).is_none_or(|probes| {
        let symbol = probes.get(name);
        symbol.is_some_and(|symbol| symbol.is_traceable && symbol.count == 1)
    });
    let traced = case.program.def.filter(|def| def.hook == Hook::Trace);
    let has_arguments = traced.is_none_or(|def| {
        let end = i64::from(words_seen(def, arguments)) * 8;
        (case.usage.context.iter()).all(|(load, ..)| load.end() <= end)
    });
    can_be_traced && has_arguments
}

fn offer(what: &str, names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.take(MAX).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; {what} {}", names.join(", "))
}
