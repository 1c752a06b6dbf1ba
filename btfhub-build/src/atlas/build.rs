//! Makes an atlas from entries of archives, and compares an atlas with its archive.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfhub_runtime::KernelId;

use super::collect::{AtlasWriter, SourceEntry, Surveyor};
use super::numbers::KernelNumber;
use super::pack::Effort;
use super::read::Atlas;
use crate::archive::{self, Digest, Entry};
use crate::btf::Btf;
use crate::error::{Error, ErrorKind};
use crate::modules::Modules;
use crate::queue;

/// Makes atlases from entries of archives.
///
/// ```no_run
/// use btfhub_build::archive::Archive;
/// use btfhub_build::atlas::AtlasBuilder;
/// # fn main() -> Result<(), btfhub_build::Error> {
/// let archive = Archive::scan("/srv/btfhub-archive")?;
/// let built = AtlasBuilder::new().build(archive.entries(), |_, _| ())?;
/// println!("{} kernels, {} bytes", built.kernels, built.file.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct AtlasBuilder<'a> {
    base: Option<&'a Atlas>,
    effort: Effort,
    jobs: Option<NonZeroUsize>,
    limit: Option<u64>,
    functions: bool,
}

/// An atlas, and how it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The file.
    pub file: Vec<u8>,
    /// How many kernels it has.
    pub kernels: usize,
    /// How many distinct definitions it has.
    pub definitions: usize,
    /// How many kernels were decoded; the others were taken from the base.
    pub decoded: usize,
    /// How many modules the decoded kernels have in total.
    pub modules: usize,
    /// How many decoded entries hold symbols, which an atlas leaves out.
    pub symbols: usize,
}

impl<'a> AtlasBuilder<'a> {
    /// Makes a builder with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// An older atlas. Entries that it was made from are not decoded again. The result is the
    /// same as without it.
    ///
    /// Default: none.
    #[must_use]
    pub fn base(mut self, base: &'a Atlas) -> Self {
        self.base = Some(base);
        self
    }

    /// How hard to compress.
    ///
    /// Default: [`Effort::Best`].
    #[must_use]
    pub fn effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// How many kernels are decoded at once. The result does not depend on it.
    ///
    /// Default: the processors of this machine.
    #[must_use]
    pub fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// Whether to keep functions and variables. The report's [verdicts](crate::verdict) need
    /// them; relocations never do.
    ///
    /// Default: no.
    #[must_use]
    pub fn functions(mut self, functions: bool) -> Self {
        self.functions = functions;
        self
    }

    /// How many bytes one entry may decompress to.
    ///
    /// Default: 256 MiB, far more than any real one.
    #[must_use]
    pub fn entry_limit(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// Builds an atlas from some entries. `progress` gets the number of finished entries and
    /// the total.
    ///
    /// # Errors
    /// If an entry can't be read, or a kernel occurs twice. The message names the entry.
    pub fn build(
        self,
        entries: &[Entry],
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Built, Error> {
        let jobs = threads(self.jobs);
        let limit = self.limit.unwrap_or(archive::DEFAULT_LIMIT);
        let mut writer = if self.functions {
            AtlasWriter::with_functions()
        } else {
            AtlasWriter::new()
        };
        // A base is of no use if only one of the two has functions.
        let same = |base: &&Atlas| base.has_functions() == self.functions;
        let base = self.base.filter(same);
        let known = match base {
            Some(base) => Some(writer.take_in(base).map_err(base_failed)?),
            None => None,
        };
        let surveyor = writer.surveyor();
        // One thread at a time adds its kernel.
        let shared = std::sync::Mutex::new(writer);
        let (mut done, mut decoded) = (0, 0);
        let (modules, symbols) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut kept = Vec::new();
        queue::run(
            jobs,
            entries.len(),
            |at| {
                let Some(entry) = entries.get(at) else {
                    return Ok(None);
                };
                let compressed = entry.read()?;
                let source = source(entry, &compressed);
                let base = base.and_then(|base| {
                    let kernel = base.kernel(entry.kernel()).ok()?;
                    (base.source(kernel) == Some(&source)).then_some(kernel)
                });
                if base.is_some() {
                    return Ok(base);
                }
                let (btf, has_symbols) = decode(entry, &compressed, limit)?;
                symbols.fetch_add(usize::from(has_symbols), Ordering::Relaxed);
                modules.fetch_add(btf.modules().count(), Ordering::Relaxed);
                drop(compressed);
                let bad = || Error::new(ErrorKind::Entry, entry.path().display().to_string());
                let survey = surveyor.survey(&btf).map_err(|e| bad().because(e))?;
                let mut writer = shared
                    .lock()
                    .map_err(|_| Error::new(ErrorKind::Entry, "another thread failed"))?;
                writer
                    .insert(entry.kernel(), source, &survey)
                    .map_err(|e| bad().because(e))?;
                Ok(None)
            },
            |_, result: Result<Option<KernelNumber>, Error>| {
                match result? {
                    Some(kernel) => kept.push(kernel),
                    None => decoded += 1,
                }
                done += 1;
                progress(done, entries.len());
                Ok::<_, Error>(())
            },
        )?;
        let mut writer = shared
            .into_inner()
            .map_err(|_| Error::new(ErrorKind::Entry, "another thread failed"))?;
        if let (Some(base), Some(known)) = (base, &known) {
            let kept: HashSet<_> = kept.into_iter().collect();
            let wanted = |kernel| kept.contains(&kernel);
            writer.keep(base, known, wanted).map_err(base_failed)?;
        }
        let kernels = writer.kernel_count();
        let (definitions, file) = writer
            .finish(self.effort, jobs.get())
            .map_err(|e| Error::new(ErrorKind::Entry, "the atlas can't be made").because(e))?;
        Ok(Built {
            file,
            kernels,
            definitions,
            decoded,
            modules: modules.into_inner(),
            symbols: symbols.into_inner(),
        })
    }
}

/// How an entry of an archive and its kernel in an atlas differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The atlas has no such kernel.
    Missing,
    /// The atlas was made from another file.
    OtherFile,
    /// The atlas gives other definitions.
    OtherDefinitions,
}

impl Atlas {
    /// Decodes entries again and compares them with the atlas. Calls `found` for each entry,
    /// with the difference if there is one.
    ///
    /// # Errors
    /// If an entry can't be read, or the atlas is damaged.
    pub fn verify(
        &self,
        entries: &[Entry],
        jobs: Option<NonZeroUsize>,
        mut found: impl FnMut(KernelId<'_>, Option<Difference>),
    ) -> Result<(), Error> {
        let writer = if self.has_functions() {
            AtlasWriter::with_functions()
        } else {
            AtlasWriter::new()
        };
        let surveyor = writer.surveyor();
        queue::run(
            threads(jobs),
            entries.len(),
            |at| match entries.get(at) {
                Some(entry) => self.verify_one(entry, surveyor),
                None => Ok(None),
            },
            |at, result: Result<Option<Difference>, Error>| {
                let difference = result?;
                if let Some(entry) = entries.get(at) {
                    found(entry.kernel(), difference);
                }
                Ok(())
            },
        )
    }

    fn verify_one(&self, entry: &Entry, surveyor: Surveyor) -> Result<Option<Difference>, Error> {
        let Ok(kernel) = self.kernel(entry.kernel()) else {
            return Ok(Some(Difference::Missing));
        };
        let compressed = entry.read()?;
        if self.source(kernel) != Some(&source(entry, &compressed)) {
            return Ok(Some(Difference::OtherFile));
        }
        let bad = || Error::new(ErrorKind::Entry, entry.path().display().to_string());
        let (full, _) = decode(entry, &compressed, archive::DEFAULT_LIMIT)?;
        let extracted = self
            .read(kernel, &Modules::All, None)
            .map_err(base_failed)?;
        let full = surveyor.survey(&full).map_err(|e| bad().because(e))?;
        let extracted = surveyor.survey(&extracted).map_err(|e| bad().because(e))?;
        Ok((!full.is_equal(&extracted)).then_some(Difference::OtherDefinitions))
    }
}

fn threads(jobs: Option<NonZeroUsize>) -> NonZeroUsize {
    jobs.or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

fn base_failed(error: super::error::AtlasError) -> Error {
    Error::new(ErrorKind::Archive, "the atlas can't be used").because(error)
}

fn source(entry: &Entry, compressed: &[u8]) -> SourceEntry {
    let parts = entry.path().iter().map(|part| part.to_string_lossy());
    SourceEntry {
        path: parts.collect::<Vec<_>>().join("/"),
        digest: Digest::of(compressed),
    }
}

/// The BTF of a kernel and all its modules, and whether the entry holds symbols.
fn decode(entry: &Entry, compressed: &[u8], limit: u64) -> Result<(Btf, bool), Error> {
    let bad = || Error::new(ErrorKind::Entry, entry.path().display().to_string());
    let decoded = entry.decode(compressed, limit)?;
    let has_symbols = decoded.symbols.is_some();
    let btf = Modules::All.join(decoded, None);
    Ok((btf.map_err(|e| bad().because(e))?, has_symbols))
}
