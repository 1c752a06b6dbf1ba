//! Programs that may sleep: which kinds, since which kernel, and what only they may call.

use super::super::age::Age;
use super::super::case::Case;
use super::super::outcome::Certainty;
use super::super::section::Hook;
use super::super::uapi;

/// Helpers that may sleep (`might_sleep`): `bpf_copy_from_user`, `bpf_ima_inode_hash`,
/// `bpf_copy_from_user_task`, `bpf_ima_file_hash`.
const SLEEP: [u32; 4] = [148, 161, 191, 193];

pub(super) fn check(case: &mut Case<'_>) {
    may_sleep(case);
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

/// Calls that may sleep, in a program that may not.
fn may_sleep(case: &mut Case<'_>) {
    let sleeps = case.program.def.is_none_or(|def| def.sleepable);
    let mut helpers = case.usage.helpers.iter();
    let Some((helper, (place, level))) =
        helpers.find(|(helper, _)| !sleeps && SLEEP.contains(helper))
    else {
        return;
    };
    let text = format!(
        "{} may sleep, and the program may not{}: use a section for programs that may \
         (such as fentry.s)",
        uapi::helper(*helper),
        case.at(*place)
    );
    case.findings.fails_at(*level, "sleepable", text);
}
