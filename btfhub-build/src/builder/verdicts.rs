//! Which programs run on which kernels of a build.

use std::collections::HashMap;
use std::sync::Arc;

use btfhub_runtime::KernelId;

use super::collector::Processed;
use super::kernels::Chosen;
use super::objects::Loaded;
use crate::relo::Relocations;
use crate::support::Support;
use crate::verdict::{Judge, Judged};

/// The verdicts on the kernels of a build, each distinct list once.
#[derive(Debug)]
pub(super) struct Verdicts<'a> {
    /// The kernels, with indices into `judged`.
    pub(super) kernels: Vec<(KernelId<'a>, usize)>,
    pub(super) judged: Vec<Judged>,
}

impl<'a> Verdicts<'a> {
    /// Judges the programs on the processed kernels.
    pub(super) fn new(
        judge: &Judge,
        relocations: &Relocations,
        chosen: &'a Chosen,
        processed: &Processed,
    ) -> Self {
        let mut verdicts = Self {
            kernels: Vec::new(),
            judged: Vec::new(),
        };
        let mut known = HashMap::new();
        let classified = processed.classes.classified.iter();
        for (((at, _), classified), facts) in processed
            .kernels
            .iter()
            .zip(classified)
            .zip(&processed.facts)
        {
            let (Some(chosen), Some(outcome), Some(facts)) = (
                chosen.entries.get(*at),
                processed.classes.outcomes.get(classified.outcome),
                facts,
            ) else {
                continue;
            };
            let id = chosen.entry.kernel();
            let kernel = judge.kernel(id);
            let key = (
                classified.outcome,
                Arc::clone(facts),
                judge.key(&kernel, facts),
            );
            let its = *known.entry(key).or_insert_with(|| {
                let judged = judge.judge(&kernel, facts, relocations, outcome);
                verdicts.judged.push(judged);
                verdicts.judged.len() - 1
            });
            verdicts.kernels.push((id, its));
        }
        verdicts
    }

    /// As one table.
    pub(super) fn support(&self, objects: &[Loaded], judge: &Judge) -> Support {
        let objects = objects.iter().map(|loaded| loaded.object.name().to_owned());
        let kernels = self.kernels.iter().copied();
        Support::of(objects.collect(), judge.programs(), &self.judged, kernels)
    }
}
