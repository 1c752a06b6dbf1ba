//! Arguments that a program reads from its context and that its hook does not have.

use super::super::case::Case;
use super::super::facts::Arguments;
use super::super::reach::{ContextLoad, Level};
use super::super::section::{Hook, SectionDef};
use super::super::target::function_of;
use super::super::usage::Place;

/// How many words of a function a program sees: the arguments, then the result.
pub(super) fn words_seen(def: &SectionDef, arguments: Arguments) -> u32 {
    let result = def.sees_end() && arguments.has_result;
    arguments.words.saturating_add(u32::from(result))
}

pub(super) fn check(case: &mut Case<'_>) {
    let (Some(def), Some(target)) = (case.program.def, &case.program.target) else {
        return;
    };
    let (words, of) = match def.hook {
        Hook::RawTracepoint | Hook::BtfTracepoint => (
            case.facts.tracepoint(target),
            format!("tracepoint {target}"),
        ),
        Hook::Trace => {
            let name = function_of(target);
            let arguments = case.facts.function(name);
            let words = arguments.map(|arguments| words_seen(def, arguments));
            (words, name.to_owned())
        }
        Hook::Lsm => {
            let name = format!("bpf_lsm_{target}");
            let words = case.facts.function(&name);
            (
                words.map(|arguments| arguments.words.saturating_add(1)),
                name,
            )
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
    let Some(words) = words else { return };
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
}

/// What is read behind so many bytes, where that is most surely reached.
fn beyond(case: &Case<'_>, end: i64) -> Option<(ContextLoad, Place, Level)> {
    (case.usage.context.iter())
        .filter(|(load, ..)| load.end() > end)
        .max_by_key(|(_, place, level)| (*level, std::cmp::Reverse(*place)))
        .copied()
}

/// The fields of an event (`trace_event_get_offsets`).
fn event(case: &mut Case<'_>, target: &str) {
    let event = target.split('/').next_back().unwrap_or_default();
    let Some(bytes) = case.facts.event_bytes(event) else {
        return;
    };
    if let Some((load, place, level)) = beyond(case, bytes.into()) {
        let text = format!(
            "the event {event} has {bytes} bytes here, and the program reads up to {}{}: read \
             fields of struct trace_event_raw_{event} by CO-RE, and ask bpf_core_field_exists()",
            load.end(),
            case.at(place)
        );
        // The event may be of a class by another name.
        (case.findings).fails_at(level.min(Level::Maybe), "arguments", text);
    }
}
