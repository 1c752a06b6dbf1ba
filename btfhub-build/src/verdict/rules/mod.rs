//! The rules: each holds one thing that programs do against what a kernel has.

mod arguments;
mod attach;
mod externs;
mod helper;
mod instruction;
mod kernel_btf;
mod map;
mod program_type;
mod relocation;
mod sleepable;
mod trampoline;

use super::case::Case;
use super::outcome::{Outcome, Reason, Verdict};

/// What the rules look at, for a program against which none has anything.
const CHECKED: &str = "checked: relocations, helpers, map and program types, externs, instructions, \
     what it attaches to and the arguments that it reads there; not: the verifier's own \
     reasoning, configuration, privileges";

/// What all rules say.
pub(super) fn verdict(mut case: Case<'_>) -> Verdict {
    relocation::check(&mut case);
    program_type::check(&mut case);
    map::check(&mut case);
    externs::check(&mut case);
    kernel_btf::check(&mut case);
    helper::check(&mut case);
    instruction::check(&mut case);
    sleepable::check(&mut case);
    attach::check(&mut case);
    trampoline::check(&mut case);
    arguments::check(&mut case);
    let outcome = (case.findings.iter().map(|(outcome, _)| *outcome))
        .max()
        .unwrap_or(Outcome::Runs);
    let mut reasons: Vec<Reason> = (case.findings.into_iter())
        // Beside a failure what is unknown does not matter.
        .filter(|(of, _)| of.name() == outcome.name())
        .map(|(_, reason)| reason)
        .collect();
    if reasons.is_empty() {
        reasons.push(Reason {
            rule: "checked",
            text: CHECKED.to_owned(),
        });
    }
    Verdict { outcome, reasons }
}
