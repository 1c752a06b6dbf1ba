//! Collects the results of entries, in whatever order the threads finish them.

use std::collections::HashSet;
use std::sync::Arc;

use super::bad_entry::BadEntry;
use super::kernels::ChosenEntry;
use super::progress::Progress;
use super::questions::Facts;
use crate::archive::Digest;
use crate::cache::{ResultWriter, Results, TailoredBtf};
use crate::classes::{Classes, Classified, Ordered};
use crate::error::Error;

/// The results so far. Entries are known by their index into
/// [`Chosen::entries`](super::kernels::Chosen::entries).
pub(super) struct Collector<'p> {
    /// By entry; `None` for one that has no result yet.
    results: Vec<Option<Result<(Digest, Classified), Error>>>,
    classes: Classes,
    to_cache: ResultWriter,
    /// By entry.
    facts: Vec<Option<Facts>>,
    distinct_facts: HashSet<Facts>,
    decoded: usize,
    done: usize,
    progress: &'p mut dyn FnMut(Progress),
}

/// The results of all entries.
#[derive(Debug)]
pub(super) struct Processed {
    /// The entries that can be used, as indices into
    /// [`Chosen::entries`](super::kernels::Chosen::entries).
    pub(super) kernels: Vec<(usize, Digest)>,
    /// One slot for each of `kernels`.
    pub(super) classes: Ordered,
    pub(super) bad: Vec<BadEntry>,
    /// How many entries were decoded.
    pub(super) decoded: usize,
    /// For each of `kernels`, if requested.
    pub(super) facts: Vec<Option<Facts>>,
}

impl<'p> Collector<'p> {
    /// For so many entries.
    pub(super) fn new(
        entries: usize,
        cache: &Results,
        progress: &'p mut dyn FnMut(Progress),
    ) -> Self {
        let mut results = Vec::new();
        results.resize_with(entries, || None);
        Self {
            results,
            classes: Classes::default(),
            to_cache: cache.writer(),
            facts: vec![None; entries],
            distinct_facts: HashSet::new(),
            decoded: 0,
            done: 0,
            progress,
        }
    }

    /// A result that the cache had.
    pub(super) fn cached(&mut self, at: usize, digest: Digest, tailored: &TailoredBtf) {
        let classified = self.classes.add(tailored);
        self.put(at, Ok((digest, classified)));
    }

    /// The result of an entry that was decoded for it.
    pub(super) fn decoded(&mut self, at: usize, digest: Digest, tailored: &TailoredBtf) {
        self.decoded += 1;
        self.tailored(&[(at, digest)], tailored);
    }

    /// A new result, of one kernel or of several that are equal.
    pub(super) fn tailored(&mut self, kernels: &[(usize, Digest)], tailored: &TailoredBtf) {
        let classified = self.classes.add(tailored);
        for &(at, digest) in kernels {
            self.put(at, Ok((digest, classified)));
            self.to_cache.put(digest, tailored.clone());
        }
    }

    /// An entry that can't be used.
    pub(super) fn failed(&mut self, at: usize, error: Error) {
        self.put(at, Err(error));
    }

    /// What verdicts need to know of a kernel. Equal facts are held once.
    pub(super) fn facts(&mut self, at: usize, facts: Facts) {
        let facts = match self.distinct_facts.get(&facts) {
            Some(same) => Arc::clone(same),
            None => {
                self.distinct_facts.insert(Arc::clone(&facts));
                facts
            }
        };
        if let Some(slot) = self.facts.get_mut(at) {
            *slot = Some(facts);
        }
    }

    /// Those of the entries that have no result yet.
    pub(super) fn left(&self, entries: &[usize]) -> Vec<usize> {
        let is_left = |&at: &usize| self.results.get(at).is_some_and(Option::is_none);
        entries.iter().copied().filter(is_left).collect()
    }

    fn put(&mut self, at: usize, result: Result<(Digest, Classified), Error>) {
        if let Some(slot) = self.results.get_mut(at) {
            *slot = Some(result);
        }
        self.done += 1;
        let (done, total) = (self.done, self.results.len());
        (self.progress)(Progress { done, total });
    }

    /// Writes what the cache does not have yet, and puts the results in the order of the
    /// entries.
    pub(super) fn finish(self, entries: &[ChosenEntry], cache: &Results) -> Processed {
        self.to_cache.save(cache);
        let (mut kernels, mut classified, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        let mut facts = Vec::new();
        let results = self.results.into_iter().zip(self.facts);
        for ((at, chosen), (result, its_facts)) in entries.iter().enumerate().zip(results) {
            match result {
                Some(Ok((digest, of_kernel))) => {
                    kernels.push((at, digest));
                    classified.push(of_kernel);
                    facts.push(its_facts);
                }
                Some(Err(error)) => {
                    let entry = chosen.entry.clone();
                    bad.push(BadEntry { entry, error });
                }
                None => {}
            }
        }
        Processed {
            kernels,
            classes: self.classes.in_order(&classified),
            bad,
            decoded: self.decoded,
            facts,
        }
    }
}
