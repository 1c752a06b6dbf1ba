//! One entry of an archive → its tailored BTF: identify, look into the cache, read, decode,
//! join modules, tailor.

use std::sync::Arc;

use super::Builder;
use super::kernels::{Chosen, ChosenEntry, InAtlas};
use super::questions::{Facts, Questions};
use crate::archive::{Decoded, Digest};
use crate::btf::Btf;
use crate::cache::{Atlases, Digests, Location, Results, TailoredBtf};
use crate::error::{Error, ErrorKind};
use crate::symbols::Symbols;
use crate::tailor::Tailor;

/// What an entry is processed with; the threads share it.
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

/// The result for an entry.
#[derive(Debug)]
pub(super) struct EntryResult {
    pub(super) digest: Digest,
    pub(super) found: Found,
    /// What verdicts need to know of the kernel, if they are requested and it is known.
    pub(super) facts: Option<Facts>,
}

/// Where the result is from.
#[derive(Debug)]
pub(super) enum Found {
    /// The cache had it.
    Cached(TailoredBtf),
    /// The cache has the definitions, which are yet to be tailored.
    Definitions(InAtlas),
    /// The entry was decoded.
    Decoded(TailoredBtf),
}

impl Work<'_> {
    /// What the cache has for an entry, as far as that is known without reading it. Definitions
    /// in the cache are used only `with_definitions`.
    pub(super) fn known(
        &self,
        chosen: &ChosenEntry,
        with_definitions: bool,
    ) -> Result<Option<EntryResult>, Error> {
        let digest = self.identify(chosen)?;
        Ok(digest.and_then(|digest| self.in_cache(digest, with_definitions)))
    }

    /// Reads an entry, and decodes it if the cache has nothing for it.
    pub(super) fn entry(
        &self,
        chosen: &ChosenEntry,
        with_definitions: bool,
    ) -> Result<EntryResult, Error> {
        let (digest, bytes) = self.read(chosen)?;
        if let Some(known) = self.in_cache(digest, with_definitions) {
            return Ok(known);
        }
        let decoded = chosen.entry.decode(&bytes, self.builder.entry_limit)?;
        drop(bytes);
        self.decoded(chosen, digest, decoded)
    }

    /// The digest of an entry, as its pin demands, if it is known.
    fn identify(&self, chosen: &ChosenEntry) -> Result<Option<Digest>, Error> {
        let pinned = self.chosen.pinned(chosen.archive);
        let blob = pinned.and_then(|pinned| pinned.blob(&chosen.entry));
        let known = match blob {
            // The content of a blob never changes.
            Some(blob) => self.digests.of_blob(blob),
            None => self.digests.of(&chosen.entry)?,
        };
        if let (Some(digest), Some(pinned)) = (known, pinned) {
            pinned.check_digest(&chosen.entry, digest)?;
        }
        Ok(known)
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

    fn in_cache(&self, digest: Digest, with_definitions: bool) -> Option<EntryResult> {
        let facts = self.questions.and_then(|asked| asked.known.get(&digest));
        // The atlases of the cache hold no functions, which facts are of.
        if self.questions.is_some() && facts.is_none() {
            return None;
        }
        let found = match self.results.get(&digest) {
            Some(tailored) => Found::Cached(tailored.clone()),
            None => {
                let Location { atlas, kernel } =
                    (self.atlases.find(&digest)).filter(|_| with_definitions)?;
                Found::Definitions(InAtlas {
                    atlas,
                    kernel,
                    digest,
                })
            }
        };
        Some(EntryResult {
            digest,
            found,
            facts,
        })
    }

    fn decoded(
        &self,
        chosen: &ChosenEntry,
        digest: Digest,
        decoded: Decoded,
    ) -> Result<EntryResult, Error> {
        let entry = &chosen.entry;
        let bad = || Error::new(ErrorKind::Entry, entry.path().display().to_string());
        // Of modules only those are joined that these relocations need, and an atlas holds no
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
        Ok(EntryResult {
            digest,
            found: Found::Decoded(tailored.into()),
            facts: self.ask(digest, &btf, symbols.as_ref()),
        })
    }

    /// Finds the facts of a decoded kernel, and remembers them.
    fn ask(&self, digest: Digest, btf: &Btf, symbols: Option<&Symbols>) -> Option<Facts> {
        let asked = self.questions?;
        let facts = Arc::new(asked.judge.facts(btf, symbols));
        asked.known.put(digest, Arc::clone(&facts));
        Some(facts)
    }
}
