//! Arguments that a program reads from its context and that its hook does not have.

use super::super::case::Case;
use super::super::facts::Arguments;
use super::super::section::{Hook, SectionDef};
use super::super::target::function_of;

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
        Hook::None
        | Hook::Kprobe
        | Hook::KprobeMulti
        | Hook::Ksyscall
        | Hook::UserSpace
        | Hook::Tracepoint
        | Hook::Replace
        | Hook::Iter
        | Hook::StructOps => return,
    };
    let Some(words) = words else { return };
    let end = i64::from(words) * 8;
    let beyond = (case.usage.context.iter())
        .filter(|(load, ..)| load.end() > end)
        .max_by_key(|(_, place, level)| (*level, std::cmp::Reverse(*place)));
    if let Some(&(load, place, level)) = beyond {
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
