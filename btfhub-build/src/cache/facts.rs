//! Which of the things that programs need the entries' kernels have.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::directory;
use super::file::{self, Reader, put_bytes, put_number};
use crate::archive::Digest;
use crate::verdict;

const HEAD: &[u8] = b"btfhub facts 3\n";

/// Facts not yet written that a killed build may lose.
const UNWRITTEN: usize = 256;

/// For how many sets of questions facts are kept: those used last.
const KEPT_SETS: usize = 16;

/// The facts of entries, for one set of questions, in one file: a few hundred bytes for each
/// distinct answer.
#[derive(Debug)]
pub(crate) struct Facts {
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<Digest, Arc<verdict::Facts>>,
    unwritten: usize,
}

impl Facts {
    /// The facts in a cache directory that `judge` needs; without a directory none are known.
    pub(crate) fn open(directory: Option<&Path>, judge: &verdict::Judge) -> Self {
        let key = directory::key(&[HEAD, &judge.facts_key()]);
        let file = directory.map(|directory| directory.join("facts").join(key));
        let entries = (file.as_deref().and_then(file::read))
            .and_then(|content| parse(&content))
            .unwrap_or_default();
        Self {
            file,
            known: Mutex::new(Known {
                entries,
                unwritten: 0,
            }),
        }
    }

    /// The facts about an entry, if known.
    pub(crate) fn get(&self, entry: &Digest) -> Option<Arc<verdict::Facts>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entries.get(entry).cloned()
    }

    /// Remembers the facts about an entry.
    pub(crate) fn put(&self, entry: Digest, facts: Arc<verdict::Facts>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entries.insert(entry, facts);
        known.unwritten += 1;
        if known.unwritten >= UNWRITTEN {
            self.write(&mut known);
        }
    }

    /// Writes what is not yet written.
    pub(crate) fn save(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.unwritten > 0 {
            self.write(&mut known);
        }
    }

    /// Two builds at once may each write what the other lacks; that is read again later.
    fn write(&self, known: &mut Known) {
        known.unwritten = 0;
        if let Some(file) = &self.file {
            if file::write(file, serialize(&known.entries)) {
                file.parent()
                    .into_iter()
                    .for_each(|sets| directory::forget_old_files(sets, "", KEPT_SETS));
            }
        }
    }
}

fn serialize(entries: &HashMap<Digest, Arc<verdict::Facts>>) -> Vec<u8> {
    let by_entry: BTreeMap<_, _> = entries.iter().collect();
    let mut numbers: HashMap<&Arc<verdict::Facts>, u64> = HashMap::new();
    let (mut distinct, mut rows) = (Vec::new(), Vec::new());
    for (entry, facts) in by_entry {
        let next = numbers.len() as u64;
        let number = *numbers.entry(facts).or_insert_with(|| {
            put_bytes(&mut distinct, &facts.to_bytes());
            next
        });
        rows.extend(entry.as_bytes());
        put_number(&mut rows, number);
    }
    let mut content = HEAD.to_vec();
    put_number(&mut content, numbers.len() as u64);
    content.extend(distinct);
    content.extend(rows);
    content
}

fn parse(content: &[u8]) -> Option<HashMap<Digest, Arc<verdict::Facts>>> {
    let mut reader = Reader(content.strip_prefix(HEAD)?);
    let mut distinct = Vec::new();
    for _ in 0..reader.number()? {
        distinct.push(Arc::new(verdict::Facts::from_bytes(reader.bytes()?)?));
    }
    let mut entries = HashMap::new();
    while !reader.0.is_empty() {
        let entry = Digest::from_bytes(reader.array()?);
        let number = usize::try_from(reader.number()?).ok()?;
        entries.insert(entry, Arc::clone(distinct.get(number)?));
    }
    Some(entries)
}
