//! Entries → tailored BTF, several at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use super::generate::{BadEntry, Progress};
use super::kernels::{Chosen, ChosenEntry};
use super::parts::Parts;
use super::{Builder, OnBadEntry};
use crate::archive::{self, Digest, check_digest};
use crate::btf::Btf;
use crate::cache::{Digests, Known, Results};
use crate::classes::{Classes, Ordered, Place};
use crate::error::{Error, ErrorKind};
use crate::queue;
use crate::tailor::Tailor;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) builder: &'a Builder,
    pub(super) tailor: Tailor<'a>,
    pub(super) chosen: &'a Chosen,
    pub(super) digests: &'a Digests,
    pub(super) results: &'a Results,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Worked {
    /// The entries that can be used, as indices into [`Chosen::entries`].
    pub(super) kernels: Vec<(usize, Digest)>,
    /// With a place for each of `kernels`.
    pub(super) classes: Ordered,
    pub(super) bad: Vec<BadEntry>,
    pub(super) decoded: usize,
}

/// What came of one entry.
#[derive(Debug)]
struct Came {
    digest: Digest,
    /// `None`: what the cache knows.
    fresh: Option<Known>,
}

impl Work<'_> {
    /// Works through all entries. What cannot be used is told or left out, as
    /// the policy says; what does not match its pin always fails.
    pub(super) fn run(&self, progress: &mut dyn FnMut(Progress)) -> Result<Worked, Error> {
        let entries = &self.chosen.entries;
        let total = entries.len();
        let mut results: Vec<Option<Result<(Digest, Place), Error>>> = Vec::new();
        results.resize_with(total, || None);
        let mut classes = Classes::default();
        let mut kept = self.results.keep();
        let (mut done, mut decoded) = (0, 0);

        // Kernels of atlases: what is known of them, and parts of the others.
        let in_atlas = |at: usize| entries.get(at).and_then(|entry| entry.in_atlas);
        for at in 0..total {
            let digest = in_atlas(at).map(|kernel| kernel.digest);
            let known = digest.and_then(|digest| Some((digest, self.results.get(&digest)?)));
            if let (Some((digest, known)), Some(slot)) = (known, results.get_mut(at)) {
                *slot = Some(Ok((digest, classes.add(known))));
                done += 1;
            }
        }
        let unknown = |at: usize| results.get(at).is_some_and(Option::is_none);
        let parts = Parts::new(self.chosen, &self.tailor, unknown)?;
        queue::run(
            self.threads(),
            parts.list.len(),
            |at| {
                let part = parts.list.get(at)?;
                Some((part, parts.work(part, &self.tailor)))
            },
            |_, worked| {
                let Some((part, known)) = worked else {
                    return Ok(());
                };
                let known = known?;
                let place = classes.add(&known);
                for &at in &part.kernels {
                    if let (Some(kernel), Some(slot)) = (in_atlas(at), results.get_mut(at)) {
                        *slot = Some(Ok((kernel.digest, place)));
                        kept.put(kernel.digest, known.clone());
                    }
                }
                done += part.kernels.len();
                progress(Progress { done, total });
                Ok::<_, Error>(())
            },
        )?;

        let of_archives: Vec<usize> = (0..total).filter(|&at| in_atlas(at).is_none()).collect();
        queue::run(
            self.threads(),
            of_archives.len(),
            |number| self.one(of_archives.get(number).copied().unwrap_or(total)),
            |number, came| {
                let at = of_archives.get(number).copied().unwrap_or(total);
                let place = came.map(|Came { digest, fresh }| {
                    let place = match (&fresh, self.results.get(&digest)) {
                        (Some(known), _) | (None, Some(known)) => classes.add(known),
                        (None, None) => Place::default(),
                    };
                    if let Some(known) = fresh {
                        decoded += 1;
                        kept.put(digest, known);
                    }
                    (digest, place)
                });
                if let Some(slot) = results.get_mut(at) {
                    *slot = Some(place);
                }
                done += 1;
                progress(Progress { done, total });
                Ok::<_, Error>(())
            },
        )?;
        kept.save(self.results);

        let (mut kernels, mut places, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for ((at, chosen), result) in entries.iter().enumerate().zip(results) {
            match result {
                Some(Ok((digest, place))) => {
                    kernels.push((at, digest));
                    places.push(place);
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
        if !bad.is_empty() && (fail || kernels.is_empty()) {
            return Err(bad_entries(&bad, total));
        }
        Ok(Worked {
            kernels,
            classes: classes.in_order(&places),
            bad,
            decoded,
        })
    }

    /// One entry → what it comes to.
    fn one(&self, at: usize) -> Result<Came, Error> {
        let Some(ChosenEntry { entry, archive, .. }) = self.chosen.entries.get(at) else {
            return Err(Error::new(ErrorKind::Entry, format!("no entry {at}")));
        };
        let bad = || Error::new(ErrorKind::Entry, entry.path().display().to_string());
        let lock = self.chosen.lock(*archive);
        let locked = |digest| lock.map_or(Ok(()), |lock| check_digest(entry, digest, lock));
        let mut read = self
            .digests
            .of(entry.file())
            .map_err(|error| bad().because(error))?;
        locked(read.digest)?;
        if self.results.get(&read.digest).is_some() {
            return Ok(Came {
                digest: read.digest,
                fresh: None,
            });
        }
        if read.bytes.is_none() {
            read = self
                .digests
                .read(entry.file())
                .map_err(|error| bad().because(error))?;
            locked(read.digest)?;
        }
        let compressed = read.bytes.unwrap_or_default();
        let decoded = archive::decode(&compressed, self.builder.entry_limit)
            .map_err(|error| bad().because(error))?;
        drop(compressed);
        let btf =
            Btf::from_words(decoded.words, decoded.len).map_err(|error| bad().because(error))?;
        let tailored = (self.tailor.tailor(&btf)).map_err(|error| bad().because(error))?;
        Ok(Came {
            digest: read.digest,
            fresh: Some(Known {
                btf: tailored.btf.into(),
                outcome: Arc::new(tailored.outcome),
            }),
        })
    }

    fn threads(&self) -> NonZeroUsize {
        (self.builder.jobs)
            .or_else(|| thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN)
    }
}

/// One error that names every bad entry.
fn bad_entries(bad: &[BadEntry], total: usize) -> Error {
    let message = format!(
        "{} of {total} entries of the archive cannot be used:{}",
        bad.len(),
        listed(bad)
    );
    Error::new(ErrorKind::Entry, message).help(
        "repair them (`git checkout` and `git lfs pull` restore files), exclude them, or leave \
         them out with Builder::on_bad_entry(OnBadEntry::Skip)",
    )
}

/// One error that names every entry that is not the one that was locked.
fn not_pinned(bad: &[BadEntry]) -> Error {
    let message = format!("the archive is not what its lock file says:{}", listed(bad));
    Error::new(ErrorKind::Pin, message)
        .help("restore the archive, or renew the lock with `cargo btfhub lock`")
}

fn listed(bad: &[BadEntry]) -> String {
    bad.iter().map(|entry| format!("\n  {entry}")).collect()
}
