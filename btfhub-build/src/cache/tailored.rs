//! Results for entries: their tailored BTF and the digest of their outcome.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory;
use super::file::{self, Reader, put_bytes, put_number};
use crate::archive::Digest;
use crate::btf::Btf;
use crate::modules::Modules;
use crate::relo::{self, Outcome, Relocations};
use crate::tailor::Tailored;

const HEAD: &[u8] = b"btfhub tailored 2\n";

/// How the names of files end.
const SUFFIX: &str = ".results";

/// Results not yet written that a killed build may lose.
const UNWRITTEN: usize = 64;

/// More files than this are made one.
const MANY_FILES: usize = 4;

/// For how many sets of relocations results are kept: those used last.
const KEPT_SETS: usize = 16;

/// A tailored BTF and what it resolves to.
#[derive(Clone, Debug)]
pub(crate) struct TailoredBtf {
    pub(crate) btf: Arc<[u8]>,
    pub(crate) outcome: Arc<Outcome>,
}

impl From<Tailored> for TailoredBtf {
    fn from(tailored: Tailored) -> Self {
        Self {
            btf: tailored.btf,
            outcome: tailored.outcome,
        }
    }
}

/// The results for one set of relocations.
#[derive(Debug, Default)]
pub(crate) struct Results {
    directory: Option<PathBuf>,
    /// The files that were read.
    files: Vec<PathBuf>,
    known: Vec<TailoredBtf>,
    /// By the digest of the entry, an index into `known`.
    entries: HashMap<Digest, usize>,
}

/// Takes new results and writes them now and then.
#[derive(Debug)]
pub(crate) struct ResultWriter {
    directory: Option<PathBuf>,
    files: Vec<PathBuf>,
    all: HashMap<Digest, TailoredBtf>,
    fresh: Vec<Digest>,
}

/// Kernels and classes as a file holds them.
#[derive(Debug, Default)]
struct Content {
    btfs: Vec<Arc<[u8]>>,
    /// Entry, index into `btfs`, digest of the outcome.
    entries: Vec<(Digest, usize, Digest)>,
}

impl Results {
    /// The results in a cache directory; without a directory none are known.
    pub(crate) fn open(
        directory: Option<&Path>,
        relocations: &Relocations,
        modules: &Modules,
    ) -> Self {
        let Some(directory) = directory else {
            return Self::default();
        };
        let sets = directory.join("tailored");
        let set = sets.join(key(relocations, modules));
        let mut results = Self {
            directory: Some(set.clone()),
            ..Self::default()
        };
        if !set.is_dir() {
            // One more is about to be.
            directory::forget_old_directories(&sets, SUFFIX, KEPT_SETS - 1);
            return results;
        }
        let mut files: Vec<PathBuf> = (directory::files(&set, SUFFIX).into_iter())
            .map(|(path, _)| path)
            .collect();
        files.sort();
        let mut outcomes: HashMap<Arc<[u8]>, Option<(usize, Digest)>> = HashMap::new();
        for path in files {
            let Some(content) = file::read(&path).as_deref().and_then(parse) else {
                continue;
            };
            results.files.push(path);
            for (entry, class, outcome) in content.entries {
                let Some(btf) = content.btfs.get(class) else {
                    continue;
                };
                let known = (outcomes.entry(Arc::clone(btf)))
                    .or_insert_with(|| results.resolve_again(btf, relocations));
                if let Some((known, _)) = known.filter(|(_, digest)| *digest == outcome) {
                    results.entries.insert(entry, known);
                }
            }
        }
        // The sets that are used are those to keep.
        directory::touch(&set);
        results
    }

    fn resolve_again(
        &mut self,
        btf: &Arc<[u8]>,
        relocations: &Relocations,
    ) -> Option<(usize, Digest)> {
        let outcome = relo::resolve(relocations, &Btf::parse(btf).ok()?).ok()?;
        let digest = digest_of(&outcome);
        self.known.push(TailoredBtf {
            btf: Arc::clone(btf),
            outcome: Arc::new(outcome),
        });
        Some((self.known.len() - 1, digest))
    }

    /// The result for an entry, if known.
    pub(crate) fn get(&self, entry: &Digest) -> Option<&TailoredBtf> {
        self.known.get(*self.entries.get(entry)?)
    }

    /// Takes new results.
    pub(crate) fn writer(&self) -> ResultWriter {
        ResultWriter {
            directory: self.directory.clone(),
            files: self.files.clone(),
            all: HashMap::new(),
            fresh: Vec::new(),
        }
    }
}

impl ResultWriter {
    /// Remembers the result for an entry.
    pub(crate) fn put(&mut self, entry: Digest, known: TailoredBtf) {
        if self.directory.is_none() {
            return;
        }
        self.all.insert(entry, known);
        self.fresh.push(entry);
        if self.fresh.len() >= UNWRITTEN {
            self.write();
        }
    }

    fn write(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        if let (Some(directory), false) = (&self.directory, fresh.is_empty()) {
            let rows = fresh
                .iter()
                .filter_map(|entry| Some((*entry, self.all.get(entry)?)));
            self.files.extend(add_file(directory, serialize(rows)));
        }
    }

    /// Writes what is not yet written, and merges files.
    pub(crate) fn save(mut self, earlier: &Results) {
        self.write();
        let Some(directory) = self.directory.filter(|_| self.files.len() > MANY_FILES) else {
            return;
        };
        let earlier = (earlier.entries.iter())
            .filter_map(|(entry, known)| Some((*entry, earlier.known.get(*known)?)));
        let every = earlier.chain(self.all.iter().map(|(entry, known)| (*entry, known)));
        let written = add_file(&directory, serialize(every));
        for file in self
            .files
            .iter()
            .filter(|file| Some(*file) != written.as_ref())
        {
            if written.is_some() {
                // Another build may have done so already.
                let _ = fs::remove_file(file);
            }
        }
    }
}

/// The name of a set: relocations, the modules that count, and the engine that
/// resolved them.
fn key(relocations: &Relocations, modules: &Modules) -> String {
    directory::key(&[HEAD, &relocations.fingerprint(), &modules.key()])
}

/// Files bear the digest of their content as name: two builds that found the
/// same write the same file.
fn add_file(directory: &Path, content: Vec<u8>) -> Option<PathBuf> {
    let name = blake3::hash(&content).to_hex();
    let path = directory.join(format!("{}{SUFFIX}", name.as_str().get(..32)?));
    file::write(&path, content).then_some(path)
}

fn serialize<'a>(entries: impl Iterator<Item = (Digest, &'a TailoredBtf)>) -> Vec<u8> {
    let by_entry: BTreeMap<Digest, &TailoredBtf> = entries.collect();
    let mut number: HashMap<&Arc<[u8]>, u64> = HashMap::new();
    let mut outcomes: HashMap<&Arc<Outcome>, Digest> = HashMap::new();
    let mut btfs = Vec::new();
    let mut rows = Vec::new();
    for (entry, known) in &by_entry {
        let next = number.len() as u64;
        let class = *number.entry(&known.btf).or_insert_with(|| {
            put_bytes(&mut btfs, &known.btf);
            next
        });
        let outcome = (outcomes.entry(&known.outcome)).or_insert_with(|| digest_of(&known.outcome));
        rows.extend(entry.as_bytes());
        put_number(&mut rows, class);
        rows.extend(outcome.as_bytes());
    }
    let mut content = HEAD.to_vec();
    put_number(&mut content, number.len() as u64);
    content.extend(btfs);
    content.extend(rows);
    content
}

fn parse(content: &[u8]) -> Option<Content> {
    let mut reader = Reader(content.strip_prefix(HEAD)?);
    let mut parsed = Content::default();
    for _ in 0..reader.number()? {
        parsed.btfs.push(reader.bytes()?.into());
    }
    while !reader.0.is_empty() {
        let entry = Digest::from_bytes(reader.array()?);
        let class = usize::try_from(reader.number()?).ok()?;
        let outcome = Digest::from_bytes(reader.array()?);
        parsed.entries.push((entry, class, outcome));
    }
    Some(parsed)
}

/// Equal for equal outcomes, and different for different ones.
fn digest_of(outcome: &Outcome) -> Digest {
    let mut bytes = Vec::new();
    for group in outcome.groups() {
        put_number(&mut bytes, group.relocations.start as u64);
        put_number(&mut bytes, group.relocations.end as u64);
        put_number(&mut bytes, group.candidates.len() as u64);
        for candidate in &group.candidates {
            put_number(&mut bytes, candidate.results.len() as u64);
            for result in &candidate.results {
                match result {
                    None => bytes.push(0),
                    Some(Ok(found)) => {
                        bytes.push(1 + u8::from(found.wrong_load));
                        put_number(&mut bytes, u64::from(found.bit_offset));
                        put_number(&mut bytes, found.value);
                        put_number(&mut bytes, u64::from(found.size));
                    }
                    Some(Err(errno)) => {
                        bytes.push(3);
                        put_bytes(&mut bytes, errno.to_string().as_bytes());
                    }
                }
            }
        }
    }
    Digest::of(&bytes)
}
