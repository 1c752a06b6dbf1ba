//! Programs that may sleep: which kinds, and since which kernel.

use super::super::age::Age;
use super::super::case::Case;
use super::super::outcome::Certainty;
use super::super::section::Hook;

pub(super) fn check(case: &mut Case<'_>) {
    let Some(def) = case.program.def.filter(|def| def.sleepable) else {
        return;
    };
    if case.facts.has_sleepable == Some(false) {
        let text = "the kernel has no sleepable programs (since Linux 5.10)".to_owned();
        return case.findings.fails(Certainty::Proven, "sleepable", text);
    }
    let since = match def.hook {
        Hook::UserSpace => Age(6, 0),
        Hook::StructOps => Age(6, 8),
        Hook::None
        | Hook::Kprobe
        | Hook::KprobeMulti
        | Hook::Ksyscall
        | Hook::Tracepoint
        | Hook::RawTracepoint
        | Hook::BtfTracepoint
        | Hook::Trace
        | Hook::Replace
        | Hook::Lsm
        | Hook::Iter => return,
    };
    if case.is_older_than(since) {
        let text = format!(
            "programs of this kind may not sleep before Linux {}.{}",
            since.0, since.1
        );
        case.findings.fails(Certainty::Likely, "sleepable", text);
    }
}
