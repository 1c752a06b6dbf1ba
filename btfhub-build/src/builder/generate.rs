//! The stages, in order: objects → relocations; archives → entries; entries →
//! tailored BTF, in parallel; classes; the bundle; its proof.

use std::path::Path;
use std::sync::Arc;

use btfhub_runtime::KernelId;
use btfhub_runtime::bundle::Provenance;

use super::bad_entry::{BadEntry, bad_entries};
use super::collector::Processed;
use super::entry::Work;
use super::kernels::Chosen;
use super::objects::Loaded;
use super::progress::Progress;
use super::questions::Questions;
use super::verdicts::Verdicts;
use super::{Builder, failing, kernels, objects};
use crate::archive::{self, Archive, Entry};
use crate::cache::{Atlases, Digests, Facts, Results};
use crate::classes;
use crate::diagnostics::Loader;
use crate::error::Error;
use crate::object::Object;
use crate::output;
use crate::relo::{Outcome, Relocations};
use crate::support::Support;
use crate::tailor::Tailor;
use crate::verdict::Judge;

/// The result of a build.
#[derive(Debug)]
pub struct Generated {
    bundle: Vec<u8>,
    objects: Vec<Loaded>,
    relocations: Relocations,
    archives: Vec<Archive>,
    kernels: Vec<Kernel>,
    outcomes: Vec<Arc<Outcome>>,
    classes: Vec<Arc<[u8]>>,
    bad_entries: Vec<BadEntry>,
    decoded: usize,
    kernels_in_all: usize,
    support: Option<Support>,
    loader: Option<Loader>,
}

/// A kernel in a bundle.
#[derive(Clone, Debug)]
pub struct Kernel {
    entry: Entry,
    class: usize,
    outcome: usize,
}

impl Kernel {
    /// Identifies the kernel.
    pub fn id(&self) -> KernelId<'_> {
        self.entry.kernel()
    }

    /// The archive entry that it comes from.
    #[doc(hidden)]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The number of its class, counted from 0 in the order of [`Generated::kernels`]. Kernels
    /// with equal numbers share one tailored BTF.
    pub fn class(&self) -> usize {
        self.class
    }
}

impl Generated {
    /// The bundle, a file image for `btfhub_runtime::Bundle::parse`.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// The objects, in the order of their paths.
    #[doc(hidden)]
    pub fn objects(&self) -> impl ExactSizeIterator<Item = &Object> {
        self.objects.iter().map(|loaded| &loaded.object)
    }

    /// The files of [`objects`](Self::objects).
    pub fn object_files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.objects.iter().map(|loaded| loaded.file.as_path())
    }

    /// The objects with their files.
    pub(crate) fn loaded(&self) -> &[Loaded] {
        &self.objects
    }

    /// The distinct relocations of all objects.
    #[doc(hidden)]
    pub fn relocations(&self) -> &Relocations {
        &self.relocations
    }

    /// The archives as they were scanned.
    #[doc(hidden)]
    pub fn archives(&self) -> &[Archive] {
        &self.archives
    }

    /// The kernels, ordered by (arch, release, distro, version).
    pub fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// How the relocations resolve in one of the [`kernels`](Self::kernels).
    #[doc(hidden)]
    pub fn outcome(&self, kernel: &Kernel) -> Option<&Outcome> {
        self.outcomes.get(kernel.outcome).map(AsRef::as_ref)
    }

    /// How many classes the kernels form.
    pub fn class_count(&self) -> usize {
        self.classes.len()
    }

    /// The tailored BTF of each class.
    pub(crate) fn classes(&self) -> &[Arc<[u8]>] {
        &self.classes
    }

    /// The entries that were left out because they cannot be used. There are none unless the
    /// policy is [`OnBadEntry::Skip`](super::OnBadEntry::Skip).
    pub fn bad_entries(&self) -> &[BadEntry] {
        &self.bad_entries
    }

    /// How many entries were decoded: those for which the cache had neither results for these
    /// relocations nor the definitions.
    pub fn decoded_entries(&self) -> usize {
        self.decoded
    }

    /// Which programs run on which kernels, if [`Builder::verdicts`](super::Builder::verdicts)
    /// or something else asked for it; always `None` for a partial bundle.
    pub fn support(&self) -> Option<&Support> {
        self.support.as_ref()
    }

    /// The loader that loads the objects, if known.
    pub(super) fn loader(&self) -> Option<Loader> {
        self.loader
    }

    /// In a partial bundle: how many kernels a complete one would have.
    pub(crate) fn kernels_in_all(&self) -> usize {
        self.kernels_in_all
    }

    /// Writes the bundle to a file, whole or not at all. Does nothing if the file already has
    /// the same content.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        output::write(path.as_ref(), &self.bundle)
    }
}

impl Builder {
    /// Builds the bundle in memory. Ignores the environment.
    ///
    /// # Errors
    /// If an archive, an entry or an object cannot be used, or if the settings make no sense.
    /// The message names the file.
    pub fn generate(&self) -> Result<Generated, Error> {
        self.generate_with(|_| ())
    }

    /// Like [`generate`](Self::generate), but reports progress after every kernel.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn generate_with(&self, mut progress: impl FnMut(Progress)) -> Result<Generated, Error> {
        let objects = objects::load(&self.objects)?;
        let relocations = Relocations::from_objects(objects.iter().map(|loaded| &loaded.object));
        let tailor = self.tailor(&relocations);
        let judge = self.judge(&objects, &relocations)?;
        let chosen = kernels::choose(self)?;
        let mut processed = self.work(&tailor, &chosen, judge.as_ref(), &mut progress)?;
        if processed.kernels.is_empty() {
            return Err(bad_entries(&processed.bad, chosen.entries.len()));
        }
        let support = judge.as_ref().filter(|_| self.wants_support());
        let support = support.map(|judge| {
            Verdicts::new(judge, &relocations, &chosen, &processed).support(&objects, judge)
        });
        self.keep_failing(judge.as_ref(), &relocations, &chosen, &mut processed);
        let Processed {
            kernels,
            classes,
            bad,
            decoded,
            ..
        } = processed;
        let entries = chosen.used(&kernels);
        let used = kernels.iter().zip(&entries);
        let used = used.filter_map(|((at, digest), entry)| {
            Some((chosen.entries.get(*at)?.archive, entry, *digest))
        });
        let pins = archive::lines(&chosen.pins(), used);
        let provenance = self.provenance(&objects, &relocations, pins);
        let bundle = classes::proven(&entries, &classes, provenance, &tailor)?;
        let kernels = (entries.into_iter().zip(&classes.classified))
            .map(|(entry, classified)| Kernel {
                entry,
                class: classified.class,
                outcome: classified.outcome,
            })
            .collect();
        Ok(Generated {
            bundle,
            objects,
            relocations,
            kernels,
            classes: classes.btfs,
            outcomes: classes.outcomes,
            bad_entries: bad,
            decoded,
            kernels_in_all: chosen.in_all,
            support,
            loader: self.loader,
            archives: chosen.into_archives(),
        })
    }

    /// Has the bundle say which programs fail, where that is asked for.
    pub(super) fn keep_failing(
        &self,
        judge: Option<&Judge>,
        relocations: &Relocations,
        chosen: &Chosen,
        processed: &mut Processed,
    ) {
        let failing = judge.zip(self.failing);
        let failing = failing
            .map(|(judge, least)| failing::failing(judge, least, relocations, chosen, processed));
        processed.classes.failures = failing;
    }

    /// What tailors kernels for these relocations.
    pub(super) fn tailor<'r>(&self, relocations: &'r Relocations) -> Tailor<'r> {
        let tailor = Tailor::new(relocations);
        if self.modules.are_in_order() {
            tailor
        } else {
            tailor.for_modules_in_any_order()
        }
    }

    /// Processes the chosen entries with the cache, then saves the cache.
    pub(super) fn work(
        &self,
        tailor: &Tailor<'_>,
        chosen: &Chosen,
        judge: Option<&Judge>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Processed, Error> {
        let cache = self.cache_dir.as_deref();
        let results = Results::open(cache, tailor.relocations(), &self.modules);
        let digests = Digests::open(cache);
        let atlases = Atlases::open(cache);
        let questions = judge.map(|judge| Questions {
            judge,
            known: Facts::open(cache, judge),
        });
        let work = Work {
            builder: self,
            tailor,
            chosen,
            digests: &digests,
            results: &results,
            atlases: &atlases,
            questions: questions.as_ref(),
        };
        let processed = work.run(progress);
        digests.save();
        atlases.save();
        if let Some(questions) = &questions {
            questions.known.save();
        }
        processed
    }

    pub(super) fn provenance(
        &self,
        objects: &[Loaded],
        relocations: &Relocations,
        pins: Vec<String>,
    ) -> Provenance {
        let objects = objects.iter();
        let objects = objects.map(|loaded| (loaded.object.name(), loaded.sha256));
        Provenance {
            pins,
            relocations: relocations.fingerprint(),
            tool: TOOL.to_owned(),
            partial: self.partial,
            ..Provenance::default()
        }
        .with_objects(&objects.collect::<Vec<_>>())
    }

    /// A bundle without kernels, for these objects.
    pub(crate) fn empty_bundle(&self, objects: &[Loaded]) -> Result<Vec<u8>, Error> {
        let relocations = Relocations::from_objects(objects.iter().map(|loaded| &loaded.object));
        let provenance = self.provenance(objects, &relocations, Vec::new());
        classes::bundle(&[], &classes::Ordered::default(), provenance)
    }
}

/// The name and version of this tool, as the bundle records it.
const TOOL: &str = concat!("btfhub-build ", env!("CARGO_PKG_VERSION"));
