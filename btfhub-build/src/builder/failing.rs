//! Which programs fail on which kernels, for the bundle.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use btfhub_runtime::bundle::{Failure, When};

use super::collector::Processed;
use super::kernels::Chosen;
use crate::relo::Relocations;
use crate::verdict::{Certainty, Judge, Kernel, KernelBtf, Reason};

/// A bundle takes no longer names of programs.
const NAME_MAX: usize = 1000;
/// How many characters of a reason are kept.
const REASON_MAX: usize = 250;

/// The programs that fail on each processed kernel, with at least this certainty.
pub(super) fn failing(
    judge: &Judge,
    least: Certainty,
    relocations: &Relocations,
    chosen: &Chosen,
    processed: &Processed,
) -> Vec<Arc<[Failure]>> {
    let mut known = HashMap::new();
    let classified = processed.classes.classified.iter();
    let kernels = processed
        .kernels
        .iter()
        .zip(classified)
        .zip(&processed.facts);
    let failing = kernels.map(|(((at, _), classified), facts)| {
        let chosen = chosen.entries.get(*at)?;
        let outcome = processed.classes.outcomes.get(classified.outcome)?;
        let facts = facts.as_ref()?;
        // The agent finds out at run time whether the kernel has its own BTF.
        let kernel = |has| Kernel {
            id: chosen.entry.kernel(),
            own_btf: KernelBtf::Known(has),
        };
        let key = (
            classified.outcome,
            Arc::clone(facts),
            judge.key(&kernel(true), facts),
        );
        let failing = known.entry(key).or_insert_with(|| {
            let left_out = |has| judge.left_out(&kernel(has), facts, relocations, outcome, least);
            Arc::from(failures(judge, &left_out(true), &left_out(false)))
        });
        Some(Arc::clone(failing))
    });
    failing.map(Option::unwrap_or_default).collect()
}

/// What fails with and without the kernel's own BTF. Programs with the same name in objects with
/// the same name can't be distinguished: they count as failing only if all of them fail.
fn failures(judge: &Judge, with: &[Option<Reason>], without: &[Option<Reason>]) -> Vec<Failure> {
    let mut failures: BTreeMap<(&str, &str), Option<(When, &Reason)>> = BTreeMap::new();
    for (program, reasons) in judge.programs().iter().zip(with.iter().zip(without)) {
        let fails = match reasons {
            (Some(reason), Some(_)) => Some((When::Always, reason)),
            (None, Some(reason)) => Some((When::WithoutKernelBtf, reason)),
            (Some(reason), None) => Some((When::WithKernelBtf, reason)),
            (None, None) => None,
        };
        let name = (program.object.as_str(), program.name.as_str());
        (failures.entry(name))
            .and_modify(|known| {
                *known = match (*known, fails) {
                    (Some((When::Always, _)), other) => other,
                    (other, Some((When::Always, _))) => other,
                    (Some((a, reason)), Some((b, _))) if a == b => Some((a, reason)),
                    _ => None,
                }
            })
            .or_insert(fails);
    }
    let failures = failures
        .into_iter()
        .filter_map(|((object, program), fails)| {
            let (when, reason) = fails?;
            (program.len() <= NAME_MAX).then(|| Failure {
                object: object.to_owned(),
                program: program.to_owned(),
                when,
                reason: reason.fact().chars().take(REASON_MAX).collect(),
            })
        });
    failures.collect()
}
