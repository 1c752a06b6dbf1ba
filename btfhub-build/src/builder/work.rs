//! The chosen entries → tailored BTF, several at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use super::OnBadEntry;
use super::bad_entry::{bad_entries, not_pinned};
use super::collector::{Collector, Processed};
use super::entry::{EntryResult, Found, Work};
use super::from_atlas::{FromAtlas, unusable};
use super::kernels::InAtlas;
use super::progress::Progress;
use crate::atlas::Atlas;
use crate::error::{Error, ErrorKind};
use crate::queue;

/// Kernels to be tailored from atlases, by the number of the atlas. Each comes with its index
/// into [`Chosen::entries`](super::kernels::Chosen::entries).
type ByAtlas = BTreeMap<usize, Vec<(usize, InAtlas)>>;

impl Work<'_> {
    /// Processes all entries. Unusable entries are reported or left out, depending on the
    /// policy; an entry that does not match its pin always fails.
    pub(super) fn run(&self, progress: &mut dyn FnMut(Progress)) -> Result<Processed, Error> {
        let entries = &self.chosen.entries;
        let mut collector = Collector::new(entries.len(), self.results, progress);
        let of_archives = self.of_atlases(&mut collector)?;
        self.of_archives(&of_archives, &mut collector)?;
        let processed = collector.finish(entries, self.results);
        self.judge_bad(processed)
    }

    /// Processes the entries of the build's atlases, and returns the others.
    fn of_atlases(&self, collector: &mut Collector<'_>) -> Result<Vec<usize>, Error> {
        let mut to_tailor = ByAtlas::new();
        let mut others = Vec::new();
        for (at, entry) in self.chosen.entries.iter().enumerate() {
            let Some(kernel) = entry.in_atlas else {
                others.push(at);
                continue;
            };
            match self.results.get(&kernel.digest) {
                Some(tailored) => collector.cached(at, kernel.digest, tailored),
                None => (to_tailor.entry(kernel.atlas).or_default()).push((at, kernel)),
            }
        }
        for (number, kernels) in &to_tailor {
            if let Some(atlas) = self.chosen.atlases.get(*number) {
                self.tailor_from(atlas, kernels, collector)?;
            }
        }
        self.ask_atlases(collector)?;
        Ok(others)
    }

    /// Asks the build's atlases what verdicts need to know of their kernels.
    fn ask_atlases(&self, collector: &mut Collector<'_>) -> Result<(), Error> {
        let Some(questions) = self.questions else {
            return Ok(());
        };
        for (number, atlas) in self.chosen.atlases.iter().enumerate() {
            let facts = questions.judge.facts_of_atlas(atlas).map_err(unusable)?;
            for (at, entry) in self.chosen.entries.iter().enumerate() {
                let kernel = entry.in_atlas.filter(|kernel| kernel.atlas == number);
                if let Some(facts) = kernel.and_then(|kernel| facts.get(kernel.kernel.0)) {
                    collector.facts(at, Arc::clone(facts));
                }
            }
        }
        Ok(())
    }

    /// Processes entries of archives: from the cache's results, from its definitions, and by
    /// decoding, in this order.
    fn of_archives(&self, entries: &[usize], collector: &mut Collector<'_>) -> Result<(), Error> {
        let in_cache = self.look_up_or_decode(entries, true, collector)?;
        for (number, kernels) in &in_cache {
            if let Some(atlas) = self.atlases.atlas(*number) {
                // The cache never fails a build: what it lacks is decoded.
                let _ = self.tailor_from(atlas, kernels, collector);
            }
        }
        let left = collector.left(entries);
        self.look_up_or_decode(&left, false, collector)?;
        Ok(())
    }

    /// Uses what the cache knows of these entries, and decodes the others. Returns those of
    /// which the cache has the definitions, if they are to be used.
    fn look_up_or_decode(
        &self,
        entries: &[usize],
        with_definitions: bool,
        collector: &mut Collector<'_>,
    ) -> Result<ByAtlas, Error> {
        let mut in_cache = ByAtlas::new();
        let mut take = |at, result: Result<EntryResult, Error>| {
            match result {
                Ok(EntryResult {
                    digest,
                    found,
                    facts,
                }) => {
                    if let Some(facts) = facts {
                        collector.facts(at, facts);
                    }
                    match found {
                        Found::Cached(tailored) => collector.cached(at, digest, &tailored),
                        Found::Decoded(tailored) => collector.decoded(at, digest, &tailored),
                        Found::Definitions(kernel) => {
                            (in_cache.entry(kernel.atlas).or_default()).push((at, kernel));
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::Io => {
                    return Err(error.help(
                        "the fault is this machine's, not the entry's, so no setting can skip it",
                    ));
                }
                Err(error) => collector.failed(at, error),
            }
            Ok(())
        };
        // To look an entry up takes less time than to hand it to another thread.
        let mut to_read = Vec::new();
        for &at in entries {
            let Some(chosen) = self.chosen.entries.get(at) else {
                continue;
            };
            match self.known(chosen, with_definitions).transpose() {
                Some(known) => take(at, known)?,
                None => to_read.push((at, chosen)),
            }
        }
        queue::run(
            self.threads(),
            to_read.len(),
            |number| {
                let (at, chosen) = to_read.get(number)?;
                Some((*at, self.entry(chosen, with_definitions)))
            },
            |_, result| result.map_or(Ok(()), |(at, result)| take(at, result)),
        )?;
        Ok(in_cache)
    }

    /// Tailors kernels from the definitions in an atlas.
    fn tailor_from(
        &self,
        atlas: &Atlas,
        kernels: &[(usize, InAtlas)],
        collector: &mut Collector<'_>,
    ) -> Result<(), Error> {
        let from_atlas = FromAtlas::new(atlas, self.tailor, &self.builder.modules, kernels)?;
        queue::run(
            self.threads(),
            from_atlas.equal.len(),
            |number| {
                let equal = from_atlas.equal.get(number)?;
                Some((equal, from_atlas.tailor(equal, self.tailor)))
            },
            |_, result| {
                let Some((equal, tailored)) = result else {
                    return Ok(());
                };
                match tailored? {
                    Ok(tailored) => collector.tailored(&equal.kernels, &tailored),
                    Err(why) => {
                        for &(at, _) in &equal.kernels {
                            collector.failed(at, self.bad(at).because(why.clone()));
                        }
                    }
                }
                Ok(())
            },
        )
    }

    /// Applies the policy for entries that can't be used.
    fn judge_bad(&self, mut processed: Processed) -> Result<Processed, Error> {
        let bad = &mut processed.bad;
        if bad.iter().any(|bad| bad.error.kind() == ErrorKind::Pin) {
            bad.retain(|bad| bad.error.kind() == ErrorKind::Pin);
            return Err(not_pinned(bad));
        }
        let fail = self.builder.on_bad_entry == OnBadEntry::Fail;
        if !bad.is_empty() && fail {
            return Err(bad_entries(bad, self.chosen.entries.len()));
        }
        Ok(processed)
    }

    /// An error of an entry.
    fn bad(&self, at: usize) -> Error {
        let entry = self.chosen.entries.get(at).map(|chosen| &chosen.entry);
        let path = entry.map(|entry| entry.path().display().to_string());
        Error::new(ErrorKind::Entry, path.unwrap_or_default())
    }

    fn threads(&self) -> NonZeroUsize {
        (self.builder.jobs)
            .or_else(|| thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN)
    }
}
