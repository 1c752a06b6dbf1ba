//! Entries → tailored BTF, several at a time.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use super::bad_entry::{BadEntry, bad_entries, not_pinned};
use super::kernels::{Chosen, ChosenEntry, InAtlas};
use super::parts::{Parts, unusable};
use super::progress::Progress;
use super::questions::{Facts, Questions};
use super::{Builder, OnBadEntry};
use crate::archive::Digest;
use crate::atlas::Atlas;
use crate::cache::{Atlases, Digests, Keep, Kept, Known, Results};
use crate::classes::{Classes, Ordered, Place};
use crate::error::{Error, ErrorKind};
use crate::queue;
use crate::symbols::Symbols;
use crate::tailor::Tailor;

/// The state that the threads share.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) builder: &'a Builder,
    pub(super) tailor: &'a Tailor<'a>,
    pub(super) chosen: &'a Chosen,
    pub(super) digests: &'a Digests,
    pub(super) results: &'a Results,
    pub(super) atlases: &'a Atlases,
    pub(super) questions: Option<&'a Questions<'a>>,
}

/// The result.
#[derive(Debug)]
pub(super) struct Worked {
    /// The entries that can be used, as indices into [`Chosen::entries`].
    pub(super) kernels: Vec<(usize, Digest)>,
    /// One slot for each of `kernels`.
    pub(super) classes: Ordered,
    pub(super) bad: Vec<BadEntry>,
    pub(super) decoded: usize,
    /// For each of `kernels`, if requested.
    pub(super) facts: Vec<Option<Facts>>,
}

/// Kernels to be taken from atlases, by atlas: each an index into [`Chosen::entries`], and its
/// place.
type ByAtlas = BTreeMap<usize, Vec<(usize, InAtlas)>>;

/// The result for one entry of an archive.
#[derive(Debug)]
enum Came {
    /// What was known about it.
    Known(Digest, Known),
    /// The result of decoding and tailoring.
    Fresh(Digest, Known),
    /// Its definitions are in an atlas of the cache.
    Kept(InAtlas),
}

/// Which file an entry is.
struct Identified {
    digest: Digest,
    bytes: Option<Vec<u8>>,
}

/// The results of all entries so far.
struct Collected<'p> {
    /// By entry.
    places: Vec<Option<Result<(Digest, Place), Error>>>,
    classes: Classes,
    keep: Keep,
    /// By entry.
    facts: Vec<Option<Facts>>,
    distinct_facts: HashSet<Facts>,
    decoded: usize,
    done: usize,
    progress: &'p mut dyn FnMut(Progress),
}

impl Collected<'_> {
    fn put(&mut self, at: usize, place: Result<(Digest, Place), Error>) {
        if let Some(slot) = self.places.get_mut(at) {
            *slot = Some(place);
        }
        self.done += 1;
        let (done, total) = (self.done, self.places.len());
        (self.progress)(Progress { done, total });
    }

    /// What a kernel has of what was asked.
    fn answered(&mut self, at: usize, facts: Facts) {
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

    fn known(&mut self, at: usize, digest: Digest, known: &Known) {
        let place = self.classes.add(known);
        self.put(at, Ok((digest, place)));
    }

    /// The result for some kernels together.
    fn fresh(&mut self, kernels: &[(usize, Digest)], known: &Known) {
        let place = self.classes.add(known);
        for &(at, digest) in kernels {
            self.put(at, Ok((digest, place)));
            self.keep.put(digest, known.clone());
        }
    }

    /// The entries that have no result yet.
    fn left(&self, entries: &[usize]) -> Vec<usize> {
        let is_left = |&at: &usize| self.places.get(at).is_some_and(Option::is_none);
        entries.iter().copied().filter(is_left).collect()
    }
}

impl Work<'_> {
    /// Processes all entries. Unusable entries are reported or left out, depending on the
    /// policy; an entry that does not match its pin always fails.
    pub(super) fn run(&self, progress: &mut dyn FnMut(Progress)) -> Result<Worked, Error> {
        let entries = &self.chosen.entries;
        let mut came = Collected {
            places: Vec::new(),
            classes: Classes::default(),
            keep: self.results.keep(),
            facts: vec![None; entries.len()],
            distinct_facts: HashSet::new(),
            decoded: 0,
            done: 0,
            progress,
        };
        came.places.resize_with(entries.len(), || None);

        let mut of_atlases = ByAtlas::new();
        let mut of_archives = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let Some(kernel) = entry.in_atlas else {
                of_archives.push(at);
                continue;
            };
            match self.results.get(&kernel.digest) {
                Some(known) => came.known(at, kernel.digest, known),
                None => of_atlases
                    .entry(kernel.atlas)
                    .or_default()
                    .push((at, kernel)),
            }
        }
        for (number, kernels) in &of_atlases {
            if let Some(atlas) = self.chosen.atlases.get(*number) {
                self.of_atlas(atlas, kernels, &mut came)?;
            }
        }
        self.ask_atlases(&mut came)?;

        let kept = self.of_archives(&of_archives, true, &mut came)?;
        for (number, kernels) in &kept {
            if let Some(atlas) = self.atlases.atlas(*number) {
                // The cache never fails a build: what it lacks is decoded.
                let _ = self.of_atlas(atlas, kernels, &mut came);
            }
        }
        let left = came.left(&of_archives);
        let _none = self.of_archives(&left, false, &mut came)?;

        came.keep.save(self.results);
        let (mut kernels, mut places, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        let mut facts = Vec::new();
        let results = came.places.into_iter().zip(came.facts);
        for ((at, chosen), (result, its_facts)) in entries.iter().enumerate().zip(results) {
            match result {
                Some(Ok((digest, place))) => {
                    kernels.push((at, digest));
                    places.push(place);
                    facts.push(its_facts);
                }
                Some(Err(error)) => {
                    let entry = chosen.entry.clone();
                    bad.push(BadEntry { entry, error });
                }
                None => {}
            }
        }
        if bad.iter().any(|bad| bad.error.kind() == ErrorKind::Pin) {
            bad.retain(|bad| bad.error.kind() == ErrorKind::Pin);
            return Err(not_pinned(&bad));
        }
        let fail = self.builder.on_bad_entry == OnBadEntry::Fail;
        if !bad.is_empty() && fail {
            return Err(bad_entries(&bad, entries.len()));
        }
        Ok(Worked {
            kernels,
            classes: came.classes.in_order(&places),
            bad,
            decoded: came.decoded,
            facts,
        })
    }

    /// Asks the atlases of the build for what the kernels that are taken of them have.
    fn ask_atlases(&self, came: &mut Collected<'_>) -> Result<(), Error> {
        let Some(questions) = self.questions else {
            return Ok(());
        };
        for (number, atlas) in self.chosen.atlases.iter().enumerate() {
            let facts = questions.judge.facts_of_atlas(atlas).map_err(unusable)?;
            for (at, entry) in self.chosen.entries.iter().enumerate() {
                let kernel = entry.in_atlas.filter(|kernel| kernel.atlas == number);
                if let Some(facts) = kernel.and_then(|kernel| facts.get(kernel.kernel)) {
                    came.answered(at, Arc::clone(facts));
                }
            }
        }
        Ok(())
    }

    /// Tailors kernels from the atlas that holds them.
    fn of_atlas(
        &self,
        atlas: &Atlas,
        kernels: &[(usize, InAtlas)],
        came: &mut Collected<'_>,
    ) -> Result<(), Error> {
        let parts = Parts::new(atlas, self.tailor, &self.builder.modules, kernels)?;
        queue::run(
            self.threads(),
            parts.list.len(),
            |number| {
                let part = parts.list.get(number)?;
                Some((part, parts.work(part, self.tailor)))
            },
            |_, worked| {
                let Some((part, known)) = worked else {
                    return Ok(());
                };
                match known? {
                    Ok(known) => came.fresh(&part.kernels, &known),
                    Err(why) => {
                        for &(at, _) in &part.kernels {
                            came.put(at, Err(self.bad(at).because(why.clone())));
                        }
                    }
                }
                Ok(())
            },
        )
    }

    /// An error of an entry.
    fn bad(&self, at: usize) -> Error {
        let entry = self.chosen.entries.get(at).map(|chosen| &chosen.entry);
        let path = entry.map(|entry| entry.path().display().to_string());
        Error::new(ErrorKind::Entry, path.unwrap_or_default())
    }

    /// Uses what is known about entries of archives, and decodes the others, except those that
    /// are `in_atlases` of the cache, which it returns.
    fn of_archives(
        &self,
        entries: &[usize],
        in_atlases: bool,
        came: &mut Collected<'_>,
    ) -> Result<ByAtlas, Error> {
        let mut kept = ByAtlas::new();
        queue::run(
            self.threads(),
            entries.len(),
            |number| {
                let at = entries.get(number).copied();
                let chosen = at.and_then(|at| self.chosen.entries.get(at));
                at.zip(chosen)
                    .map(|(at, chosen)| (at, self.one(chosen, in_atlases)))
            },
            |_, one| {
                match one {
                    Some((at, Ok((found, facts)))) => {
                        facts.into_iter().for_each(|facts| came.answered(at, facts));
                        match found {
                            Came::Known(digest, known) => came.known(at, digest, &known),
                            Came::Fresh(digest, known) => {
                                came.decoded += 1;
                                came.fresh(&[(at, digest)], &known);
                            }
                            Came::Kept(kernel) => {
                                kept.entry(kernel.atlas).or_default().push((at, kernel));
                            }
                        }
                    }
                    Some((_, Err(error))) if error.kind() == ErrorKind::Io => {
                        return Err(error.help(
                            "the fault is this machine's, not the entry's, so no setting can skip it",
                        ));
                    }
                    Some((at, Err(error))) => came.put(at, Err(error)),
                    None => {}
                }
                Ok(())
            },
        )?;
        Ok(kept)
    }

    /// One entry of an archive, and what it has of what is asked.
    fn one(&self, chosen: &ChosenEntry, in_atlases: bool) -> Result<(Came, Option<Facts>), Error> {
        let entry = &chosen.entry;
        let bad = || Error::new(ErrorKind::Entry, entry.path().display().to_string());
        let read = self.identify(chosen)?;
        let digest = read.digest;
        let facts = self.questions.and_then(|asked| asked.known.get(&digest));
        // The atlases of the cache hold no functions.
        if self.questions.is_none() || facts.is_some() {
            if let Some(known) = self.results.get(&digest) {
                return Ok((Came::Known(digest, known.clone()), facts));
            }
            if let Some(Kept { atlas, kernel }) = self.atlases.find(&digest).filter(|_| in_atlases)
            {
                let kernel = InAtlas {
                    atlas,
                    kernel,
                    digest,
                };
                return Ok((Came::Kept(kernel), facts));
            }
        }
        let (digest, compressed) = match read.bytes {
            Some(bytes) => (digest, bytes),
            None => self.read(chosen)?,
        };
        let decoded = entry.decode(&compressed, self.builder.entry_limit)?;
        drop(compressed);
        // Of modules only those were joined that these relocations need, and an atlas holds no
        // symbols.
        let fits_atlas = decoded.modules.is_empty() && decoded.symbols.is_none();
        let symbols = match self.questions {
            Some(_) => Symbols::of(&decoded).map_err(|error| bad().because(error))?,
            None => None,
        };
        let joined = (self.builder.modules).join(decoded, Some(self.tailor.relocations()));
        let btf = joined.map_err(|error| bad().because(error))?;
        let tailored = (self.tailor.tailor(&btf)).map_err(|error| bad().because(error))?;
        if fits_atlas {
            self.atlases.add(entry.kernel(), digest, &btf);
        }
        let facts = self.questions.map(|asked| {
            let facts = Arc::new(asked.judge.facts(&btf, symbols.as_ref()));
            asked.known.put(digest, Arc::clone(&facts));
            facts
        });
        let known = Known {
            btf: tailored.btf,
            outcome: tailored.outcome,
        };
        Ok((Came::Fresh(digest, known), facts))
    }

    /// The digest of an entry, as its pin demands, with its bytes if they had to be read for
    /// that.
    fn identify(&self, chosen: &ChosenEntry) -> Result<Identified, Error> {
        let pinned = self.chosen.pinned(chosen.archive);
        let blob = pinned.and_then(|pinned| pinned.blob(&chosen.entry));
        let known = match blob {
            // The content of a blob never changes.
            Some(blob) => self.digests.of_blob(blob),
            None => self.digests.of(&chosen.entry)?,
        };
        match known {
            Some(digest) => {
                pinned.map_or(Ok(()), |pinned| pinned.check_digest(&chosen.entry, digest))?;
                Ok(Identified {
                    digest,
                    bytes: None,
                })
            }
            None => {
                let (digest, bytes) = self.read(chosen)?;
                let bytes = Some(bytes);
                Ok(Identified { digest, bytes })
            }
        }
    }

    /// The bytes of an entry as its pin demands them, and their digest.
    fn read(&self, chosen: &ChosenEntry) -> Result<(Digest, Vec<u8>), Error> {
        let entry = &chosen.entry;
        let (digest, bytes) = self.digests.read(entry)?;
        if let Some(pinned) = self.chosen.pinned(chosen.archive) {
            pinned.check(entry, &bytes, digest)?;
            if let Some(blob) = pinned.blob(entry) {
                self.digests.put_blob(blob, digest);
            }
        }
        Ok((digest, bytes))
    }

    fn threads(&self) -> NonZeroUsize {
        (self.builder.jobs)
            .or_else(|| thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN)
    }
}
