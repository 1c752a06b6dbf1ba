//! Arguments that a program reads from its context and that its hook does not have.

use super::super::age::Age;
use super::super::alternative::EVENT_STRUCT;
use super::super::case::Case;
use super::super::facts::Arguments;
use super::super::reach::{ContextLoad, Level};
use super::super::section::{Hook, SectionDef};
use super::super::target::{function_of, syscall_of};
use super::super::usage::Place;

/// How many words of a function a program sees: the arguments, then the result.
pub(super) fn words_seen(def: &SectionDef, arguments: Arguments) -> u32 {
    let result = def.sees_end() && arguments.has_result;
    arguments.words.saturating_add(u32::from(result))
}

pub(super) fn check(case: &mut Case<'_>) {
    let Some(def) = case.program.def else { return };
    if let Some(context) = def.context() {
        return fields(case, context);
    }
    let Some(target) = &case.program.target else {
        return;
    };
    let (arguments, words, of) = match def.hook {
        Hook::RawTracepoint | Hook::BtfTracepoint => {
            let arguments = case.facts.tracepoint(target);
            let words = arguments.map(|arguments| arguments.count);
            (arguments, words, format!("tracepoint {target}"))
        }
        Hook::Trace => {
            let name = function_of(target);
            let arguments = case.facts.function(name);
            let words = arguments.map(|arguments| words_seen(def, arguments));
            (arguments, words, name.to_owned())
        }
        Hook::Lsm => {
            let name = format!("bpf_lsm_{target}");
            let arguments = case.facts.function(&name);
            let words = arguments.map(|arguments| arguments.words.saturating_add(1));
            (arguments, words, name)
        }
        Hook::Tracepoint => return event(case, target.clone().as_str()),
        Hook::None
        | Hook::Kprobe
        | Hook::KprobeMulti
        | Hook::Ksyscall
        | Hook::UserSpace
        | Hook::Replace
        | Hook::Iter
        | Hook::StructOps => return,
    };
    let (Some(arguments), Some(words)) = (arguments, words) else {
        return;
    };
    let end = i64::from(words) * 8;
    if let Some((load, place, level)) = beyond(case, end) {
        let text = format!(
            "{of} has {words} argument{} here, but the program reads argument {}{}: check which \
             kernel it is (say, by a field that changed with the arguments), or use another \
             program there",
            if words == 1 { "" } else { "s" },
            load.offset / 8 + 1,
            case.at(place)
        );
        case.findings.fails_at(level, "arguments", text);
    }
    if def.hook.is_typed() {
        opaque(case, arguments, &of);
    }
}

/// Arguments whose types the verifier does not let a program read (`btf_ctx_access`).
fn opaque(case: &mut Case<'_>, arguments: Arguments, of: &str) {
    let mut closed = 0;
    if case.is_older_than(Age(6, 13)) {
        closed |= arguments.opaque;
    }
    if case.is_older_than(Age(5, 17)) {
        closed |= arguments.to_numbers;
    }
    let is_closed = |load: &ContextLoad| {
        let word = u32::try_from(load.offset / 8).unwrap_or(u32::MAX);
        closed.checked_shr(word).unwrap_or(0) & 1 != 0
    };
    if let Some((load, place, level)) = most_surely(case, is_closed) {
        let text = format!(
            "argument {} of {of} has a type that programs can't read on this kernel (a pointer \
             to something other than a struct, or a union){}: use kprobe or raw_tp",
            load.offset / 8 + 1,
            case.at(place)
        );
        // Distributions may have backported it.
        (case.findings).fails_at(level.min(Level::Maybe), "arguments", text);
    }
}

/// The fields of a struct that is the argument itself, such as `struct __sk_buff`.
fn fields(case: &mut Case<'_>, context: &str) {
    let Some(bytes) = case.facts.bytes_of(context) else {
        return;
    };
    if let Some((load, place, level)) = beyond(case, bytes.into()) {
        let text = format!(
            "struct {context} has {bytes} bytes here, but the program reads up to {}{}: check \
             bpf_core_field_exists() first",
            load.end(),
            case.at(place)
        );
        case.findings.fails_at(level, "arguments", text);
    }
}

/// What is read behind so many bytes.
fn beyond(case: &Case<'_>, end: i64) -> Option<(ContextLoad, Place, Level)> {
    most_surely(case, |load| load.end() > end)
}

/// One of these loads, where it is most surely reached.
fn most_surely(
    case: &Case<'_>,
    which: impl Fn(&ContextLoad) -> bool,
) -> Option<(ContextLoad, Place, Level)> {
    (case.usage.context.iter())
        .filter(|(load, ..)| which(load))
        .max_by_key(|(_, place, level)| (*level, std::cmp::Reverse(*place)))
        .copied()
}

/// The fields of an event (`trace_event_get_offsets`).
fn event(case: &mut Case<'_>, target: &str) {
    let event = target.split('/').next_back().unwrap_or_default();
    let (bytes, how) = if let Some(call) = syscall_of(target) {
        let bytes = if event.starts_with("sys_exit_") {
            Some(24)
        } else {
            syscall_bytes(case, call)
        };
        (
            bytes,
            "read only arguments that the system call has".to_owned(),
        )
    } else {
        let name = format!("{EVENT_STRUCT}{event}");
        let how = format!("read fields of struct {name} by CO-RE, and ask bpf_core_field_exists()");
        (case.facts.bytes_of(&name), how)
    };
    let Some(bytes) = bytes else { return };
    if let Some((load, place, level)) = beyond(case, bytes.into()) {
        let text = format!(
            "the event {event} has {bytes} bytes here, and the program reads up to {}{}: {how}",
            load.end(),
            case.at(place)
        );
        // The event may be of a class by another name.
        (case.findings).fails_at(level.min(Level::Maybe), "arguments", text);
    }
}

/// How many bytes the event has in which a system call begins: its number, then one word for
/// each argument (`syscall_enter_define_fields`).
fn syscall_bytes(case: &Case<'_>, call: &str) -> Option<u32> {
    let mut functions = ["__se_sys_", "__do_sys_", "SyS_"].iter();
    let arguments = functions.find_map(|prefix| case.facts.function(&format!("{prefix}{call}")))?;
    Some(match arguments.count {
        0 => 12,
        count => count.saturating_mul(8).saturating_add(16),
    })
}
