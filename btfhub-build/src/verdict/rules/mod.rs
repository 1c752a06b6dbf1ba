//! The rules: each compares one thing that programs do with what a kernel has.

mod arguments;
mod attach;
mod externs;
mod helper;
mod instead;
mod instruction;
mod kernel_btf;
mod license;
mod map;
mod pointer;
mod program_type;
mod relocation;
mod sleepable;
mod symbol;
mod trampoline;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::age::Age;
use super::case::{Case, Findings};
use super::externs::Presence;
use super::facts::Facts;
use super::outcome::{Outcome, Reason, Verdict};
use crate::object::Object;

/// What the rules examine: the reason given if none of them finds a problem.
const CHECKED: &str = "checked: relocations, helpers, the license, map and program types, \
     externs, instructions, the attach target and the arguments that it reads there; not checked: \
     the verifier's own reasoning, the configuration, privileges";

/// How many reasons per rule are listed that concern all programs of an object.
const MAX_REASONS: usize = 4;

/// What concerns all programs of an object.
pub(super) fn of_object(
    object: &Object,
    presence: &[Presence],
    facts: &Facts,
    age: Option<Age>,
) -> Findings {
    let mut all = Findings::default();
    map::check_all(object, facts, age, &mut all);
    externs::check_all(object, presence, &mut all);
    let mut told = Findings::default();
    let mut counts: BTreeMap<(&'static str, Outcome), usize> = BTreeMap::new();
    for (outcome, reason) in all.0 {
        let count = counts.entry((reason.rule, outcome)).or_default();
        *count += 1;
        if *count <= MAX_REASONS {
            told.0.push((outcome, reason));
        }
    }
    for ((rule, outcome), count) in counts {
        if let Some(more @ 1..) = count.checked_sub(MAX_REASONS) {
            let text = format!("and {more} more like these");
            told.0.push((outcome, Reason { rule, text }));
        }
    }
    told
}

/// The verdict of all rules; `of_object` is what concerns all programs of the object.
pub(super) fn verdict(mut case: Case<'_>, of_object: &Findings) -> Verdict {
    relocation::check(&mut case);
    program_type::check(&mut case);
    case.findings.0.extend(of_object.0.iter().cloned());
    map::check(&mut case);
    externs::check(&mut case);
    externs::check_addresses(&mut case);
    kernel_btf::check(&mut case);
    helper::check(&mut case);
    license::check(&mut case);
    pointer::check(&mut case);
    instruction::check(&mut case);
    sleepable::check(&mut case);
    attach::check(&mut case);
    trampoline::check(&mut case);
    arguments::check(&mut case);
    let mut findings = case.findings.0;
    // The most certain first.
    findings.sort_by_key(|(outcome, _)| Reverse(*outcome));
    let outcome = (findings.iter().map(|(outcome, _)| *outcome))
        .max()
        .unwrap_or(Outcome::Runs);
    let checked = (outcome == Outcome::Runs).then(|| Reason {
        rule: "checked",
        text: CHECKED.to_owned(),
    });
    // If something fails, what is unknown does not matter.
    let of_outcome = (findings.into_iter()).filter(|(of, _)| of.name() == outcome.name());
    let reasons = checked
        .into_iter()
        .chain(of_outcome.map(|(_, reason)| reason));
    Verdict {
        outcome,
        reasons: reasons.collect(),
    }
}
