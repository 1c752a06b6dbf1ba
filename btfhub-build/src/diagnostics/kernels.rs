//! What there is to say about relocations on the kernels of a report.

use std::collections::{BTreeMap, BTreeSet};

use super::{Diagnostic, Lint, listed};
use crate::error::count;
use crate::report::{Effect, Finding, Kernel, Report, in_groups};

/// This many kernels are named individually.
const FEW: usize = 3;

pub(crate) fn of_kernels(report: &Report) -> Vec<Diagnostic> {
    let (failing, rest): (Vec<_>, Vec<_>) =
        (report.findings().into_iter()).partition(|finding| finding.verdict.effect.fails());
    let wrong: Vec<_> = (rest.into_iter())
        .filter(|finding| finding.verdict.effect == Effect::WrongValue)
        .collect();
    let mut found = Vec::new();
    if !failing.is_empty() {
        let terms = worst(&failing);
        found.push(Diagnostic {
            lint: Lint::FailingRelocations,
            message: format!(
                "programs cannot be loaded on {}: {} there: {}; `cargo btfhub report` says why",
                on(report, &failing),
                count(
                    terms.len(),
                    "relocation finds nothing or is refused",
                    "relocations find nothing or are refused"
                ),
                listed(terms, 3),
            ),
        });
    }
    if !wrong.is_empty() {
        found.push(Diagnostic {
            lint: Lint::TruncatedEnumerators,
            message: format!(
                "programs get a wrong number on {}, where a pahole before 1.24 wrote the BTF and \
                 kept 32 bits of each enumerator: {}; use the constant itself if it never changed, \
                 or choose by LINUX_KERNEL_VERSION",
                on(report, &wrong),
                listed(worst(&wrong), 3),
            ),
        });
    }
    found
}

/// Terms with the number of their kernels, the most first.
fn worst(findings: &[Finding<'_>]) -> Vec<String> {
    let mut terms: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        *terms.entry(&finding.row.term).or_default() += finding.kernels.len();
    }
    let mut terms: Vec<(&str, usize)> = terms.into_iter().collect();
    terms.sort_by_key(|(_, kernels)| std::cmp::Reverse(*kernels));
    (terms.into_iter())
        .map(|(term, kernels)| format!("`{term}` ({kernels})"))
        .collect()
}

/// `2 of 8 kernels (debian/11/…, debian/12/…)`: by name if they are few.
fn on(report: &Report, findings: &[Finding<'_>]) -> String {
    let names: BTreeSet<String> = (findings.iter())
        .flat_map(|finding| &finding.kernels)
        .map(ToString::to_string)
        .collect();
    let affected: Vec<&Kernel> = (report.kernels.iter())
        .filter(|kernel| names.contains(&kernel.to_string()))
        .collect();
    let names = if affected.len() <= FEW {
        affected.iter().map(ToString::to_string).collect()
    } else {
        in_groups(&affected)
    };
    format!(
        "{} of {} ({})",
        affected.len(),
        count(report.kernels.len(), "kernel", "kernels"),
        listed(names, FEW)
    )
}
