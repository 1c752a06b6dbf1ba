//! Which programs to leave out of their objects, so that the others load.

use super::judge::{Facts, Judge};
use super::kernel::Kernel;
use super::outcome::{Certainty, Outcome, Reason};
use super::patched::{ObjectAnalysis, Resolved};
use crate::relo::{self, Relocations};

impl Judge {
    /// For each of the [`programs`](Self::programs), why to leave it out on a kernel, if so.
    /// Either it fails by itself, with at least the certainty `least`; or it fails because of
    /// the programs before it that are loaded by default, which is proven. libbpf relocates
    /// the remaining programs exactly as it would each by itself.
    pub fn left_out(
        &self,
        kernel: &Kernel<'_>,
        facts: &Facts,
        relocations: &Relocations,
        outcome: &relo::Outcome,
        least: Certainty,
    ) -> Vec<Option<Reason>> {
        let judged = self.judge(kernel, facts, relocations, outcome);
        let why = judged
            .programs
            .into_iter()
            .map(|verdict| match verdict.outcome {
                Outcome::Fails(certainty) if certainty >= least => {
                    verdict.reasons.into_iter().next()
                }
                Outcome::Fails(_) | Outcome::Unknown | Outcome::Runs => None,
            });
        let mut left_out: Vec<Option<Reason>> = why.collect();
        let resolved = Resolved::new(relocations, outcome);
        let mut rest = left_out.as_mut_slice();
        for part in &self.objects {
            let count = part.code.programs.len().min(rest.len());
            let (own, others) = rest.split_at_mut(count);
            part.leave_out(&resolved, own);
            rest = others;
        }
        left_out
    }
}

impl ObjectAnalysis {
    /// Leaves out more programs, until the remaining ones don't affect each other.
    fn leave_out(&self, resolved: &Resolved<'_>, left_out: &mut [Option<Reason>]) {
        if !self.shares_candidates(resolved) {
            return;
        }
        let programs = &self.code.programs;
        for _ in programs {
            let is_loaded = |function: usize| {
                let mut of_function = programs.iter().zip(left_out.iter());
                of_function.all(|(program, left_out)| {
                    program.function != function || (program.is_loaded && left_out.is_none())
                })
            };
            let mut at_odds = self.at_odds(resolved, is_loaded).into_iter();
            // A function of `.text` can't be left out.
            let next = at_odds.find_map(|(function, reason)| {
                let number = programs.iter().position(|it| it.function == function)?;
                Some((number, reason))
            });
            let Some((number, reason)) = next else {
                return;
            };
            if let Some(slot) = left_out.get_mut(number) {
                *slot = Some(reason);
            }
        }
    }
}
