//! What trampolines (fentry, fexit, fmod_ret, LSM) can do on each architecture.

use super::super::age::Age;
use super::super::case::Case;
use super::super::facts::FunctionList;
use super::super::outcome::Certainty;
use super::super::section::Hook;
use super::super::target::function_of;
use super::instead;

pub(super) fn check(case: &mut Case<'_>) {
    let Some(def) = case.program.def else { return };
    if !matches!(def.hook, Hook::Trace | Hook::Lsm) {
        return;
    }
    let is_listed = case.facts.list == FunctionList::Full;
    let arch = case.kernel.id.arch.as_str();
    // arm64 has them from Linux 6.4 on.
    if arch == "arm64" && !case.facts.signs.has_direct_calls {
        let is_old = case.is_older_than(Age(6, 4));
        if is_listed || is_old {
            let text = format!(
                "functions can't call a trampoline (arm64 before Linux 6.4){}",
                instead::probe(case)
            );
            return case.findings.fails(Certainty::Likely, "trampoline", text);
        }
        let text = "it is not known whether functions can call a trampoline".to_owned();
        return case.findings.unknown("trampoline", text);
    }
    let target = case
        .program
        .target
        .as_deref()
        .filter(|_| def.hook == Hook::Trace);
    let Some(target) = target.map(function_of) else {
        return;
    };
    let words = case.facts.function(target).map(|arguments| arguments.words);
    let Some(words) = words.filter(|words| *words > 6) else {
        return;
    };
    if arch == "x86_64" && case.is_older_than(Age(6, 6)) {
        let text = format!(
            "{target} takes {words} words of arguments, but x86 trampolines take at most 6 before \
             Linux 6.6{}",
            instead::probe(case)
        );
        case.findings.fails(Certainty::Likely, "trampoline", text);
    }
}
