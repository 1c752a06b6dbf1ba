//! Verdicts on objects with all programs that libbpf loads by default.

use std::collections::BTreeSet;

use super::outcome::{Certainty, Outcome, Reason, Verdict};
use super::patched::{ObjectAnalysis, Resolved};
use super::reach::Change;

/// How many reasons of this kind are listed.
const MAX_REASONS: usize = 100;

impl ObjectAnalysis {
    /// The verdict on the object with all programs that libbpf loads by default.
    pub(super) fn together(&self, resolved: &Resolved<'_>, own: &[Verdict]) -> Verdict {
        let loaded = self.code.programs.iter().zip(own);
        let loaded = loaded.filter(|(program, _)| program.is_loaded);
        let mut worst = Outcome::Runs;
        let mut reasons = Vec::new();
        for (program, verdict) in loaded {
            let name = (self.code.functions.get(program.function)).map_or("", |f| &f.name);
            if verdict.outcome != Outcome::Runs && verdict.outcome >= worst {
                worst = verdict.outcome;
                reasons.extend(verdict.reasons.iter().map(|reason| {
                    let text = format!("{name}: {}", reason.text);
                    let rule = reason.rule;
                    (verdict.outcome, Reason { rule, text })
                }));
            }
        }
        if self.shares_candidates(resolved) {
            let left_out: BTreeSet<usize> = (self.code.programs.iter())
                .filter(|program| !program.is_loaded)
                .map(|program| program.function)
                .collect();
            for (function, reason) in self.at_odds(resolved, |owner| !left_out.contains(&owner)) {
                let outcome = Outcome::Fails(Certainty::Proven);
                worst = worst.max(outcome);
                let name = (self.code.functions.get(function)).map_or("", |f| &f.name);
                let text = format!("{name}: {}", reason.text);
                reasons.push((outcome, Reason { text, ..reason }));
            }
        }
        let mut reasons: Vec<Reason> = (reasons.into_iter())
            .filter(|(outcome, _)| outcome.name() == worst.name())
            .map(|(_, reason)| reason)
            .collect();
        if reasons.is_empty() {
            let text = "all its programs are expected to load and attach".to_owned();
            reasons.push(Reason {
                rule: "checked",
                text,
            });
        }
        Verdict {
            outcome: worst,
            reasons,
        }
    }

    /// Relocations that fail because of earlier programs if these functions are loaded, each with
    /// its function.
    pub(super) fn at_odds(
        &self,
        resolved: &Resolved<'_>,
        is_loaded: impl Fn(usize) -> bool,
    ) -> Vec<(usize, Reason)> {
        let loaded = (0..self.code.functions.len()).filter(|function| is_loaded(*function));
        let mut records: Vec<usize> = loaded
            .flat_map(|function| self.shared_records(resolved, function))
            .collect();
        records.sort_unstable();
        let mut reasons: Vec<(usize, Reason)> = Vec::new();
        for (record, resolution) in self.in_order(resolved, &records) {
            if self.alone(resolved, record).as_ref() == Some(&resolution) {
                continue;
            }
            let owner = self.owners.get(record).copied().flatten();
            let function = owner.and_then(|owner| Some((owner, self.code.functions.get(owner)?)));
            let Some((owner, function)) = function else {
                continue;
            };
            let insn = (function.records).binary_search_by_key(&record, |(_, record)| *record);
            let insn = insn.ok().and_then(|found| function.records.get(found));
            let fails = insn.is_some_and(|(insn, _)| {
                !matches!(
                    self.change(resolved.relocations, function, *insn, record, &resolution),
                    Ok(None | Some(Change::Value(_)))
                )
            });
            if fails && reasons.len() < MAX_REASONS {
                let text = format!(
                    "{} finds its type only if {} is loaded without the programs before it: \
                     libbpf drops candidates that an earlier relocation does not fit; use two \
                     flavors of the type",
                    self.asked(resolved.relocations, record),
                    function.name
                );
                let reason = Reason {
                    rule: "relocation",
                    text,
                };
                if !reasons.contains(&(owner, reason.clone())) {
                    reasons.push((owner, reason));
                }
            }
        }
        reasons
    }
}
