//! All shards → the bundle.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use btfhub_runtime::bundle::{Failure, Provenance};
use btfhub_runtime::{Bundle, Printable};

use super::file::{List, Row, ShardFile};
use crate::archive;
use crate::classes::{self, Classified, Ordered};
use crate::error::{Error, ErrorKind};
use crate::output;

/// How many missing shards a message names.
const SHOWN: usize = 20;

/// The result of merging shards.
#[derive(Clone, Debug)]
pub struct Merged {
    bundle: Vec<u8>,
    kernels: usize,
    classes: usize,
    bad_entries: Vec<String>,
}

impl Merged {
    /// The bundle, as one build of all kernels writes it.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// How many kernels it has.
    pub fn kernel_count(&self) -> usize {
        self.kernels
    }

    /// How many classes they form.
    pub fn class_count(&self) -> usize {
        self.classes
    }

    /// The entries that the shards left out because they cannot be used, and
    /// why.
    pub fn bad_entries(&self) -> &[String] {
        &self.bad_entries
    }

    /// Writes the bundle to a file: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        output::write(path.as_ref(), &self.bundle)
    }
}

/// Joins the shards of a bundle, given in any order.
///
/// # Errors
/// If one is missing or given twice, or if they are not of one bundle (made for different
/// objects, from different states of the archive, or divided differently). The message names
/// the files.
pub fn merge(shards: &[ShardFile]) -> Result<Merged, Error> {
    let parts = shards
        .iter()
        .map(Part::open)
        .collect::<Result<Vec<_>, _>>()?;
    let provenance = of_one_bundle(&parts)?;
    let parts = all_in_order(parts)?;
    let list = list(&parts)?;

    let mut btfs: Vec<Arc<[u8]>> = Vec::new();
    let mut number: HashMap<&Arc<[u8]>, usize> = HashMap::new();
    let (mut entries, mut classified, mut digests) = (Vec::new(), Vec::new(), Vec::new());
    let mut failures = Vec::new();
    let mut bad_entries = Vec::new();
    for (part, row) in list {
        let digest = match &row.came {
            Ok(digest) => *digest,
            Err(why) => {
                bad_entries.push(why.clone());
                continue;
            }
        };
        let btf = part.btfs.get(&row.entry.kernel().to_string());
        let btf = btf.ok_or_else(|| broken(part.file, "lacks the BTF of a kernel in it"))?;
        let class = *number.entry(btf).or_insert_with(|| {
            btfs.push(Arc::clone(btf));
            btfs.len() - 1
        });
        classified.push(Classified { class, outcome: 0 });
        failures.extend(part.failures.get(&row.entry.kernel().to_string()).cloned());
        digests.push((row.archive, digest));
        entries.push(row.entry.clone());
    }
    if entries.is_empty() {
        let bad = bad_entries.iter().map(|bad| format!("  {bad}"));
        return Err(Error::new(ErrorKind::Entry, "no entry can be used:").lines(bad));
    }
    let used = digests.iter().zip(&entries);
    let used = used.map(|((archive, digest), entry)| (*archive, entry, *digest));
    let pins = parts.first().map(|part| part.file.pins.as_slice());
    let provenance = Provenance {
        pins: archive::lines(pins.unwrap_or_default(), used),
        partial: false,
        ..provenance
    };
    let classes = Ordered {
        btfs,
        classified,
        outcomes: Vec::new(),
        // All shards keep them, or none does.
        failures: (failures.len() == entries.len()).then_some(failures),
    };
    Ok(Merged {
        bundle: classes::bundle(&entries, &classes, provenance)?,
        kernels: entries.len(),
        classes: classes.btfs.len(),
        bad_entries,
    })
}

/// A shard, its bundle read.
struct Part<'a> {
    file: &'a ShardFile,
    provenance: Provenance,
    /// The tailored BTF of each kernel.
    btfs: HashMap<String, Arc<[u8]>>,
    /// The programs that fail on each kernel, where the shard says it.
    failures: HashMap<String, Arc<[Failure]>>,
}

impl<'a> Part<'a> {
    fn open(file: &'a ShardFile) -> Result<Self, Error> {
        let unreadable = |error| broken(file, "holds a bundle that can't be read").because(error);
        let bundle = Bundle::parse(&file.bundle).map_err(unreadable)?;
        let classes = bundle.all_btf().map_err(unreadable)?;
        let classes: Vec<Arc<[u8]>> = classes.into_iter().map(Arc::from).collect();
        let (mut btfs, mut failures) = (HashMap::new(), HashMap::new());
        let sets = bundle.failure_sets().map_err(unreadable)?;
        let of_sets: Vec<Arc<[Failure]>> = (sets.iter().flat_map(|all| &all.sets))
            .map(|set| {
                let all = sets
                    .iter()
                    .flat_map(|all| set.iter().map(|at| all.failures.get(*at)));
                all.flatten().cloned().collect()
            })
            .collect();
        let mut set_of = sets.iter().flat_map(|all| &all.of_kernels);
        for entry in bundle.kernels() {
            let entry = entry.map_err(unreadable)?;
            if let Some(failing) = set_of.next().and_then(|set| of_sets.get(*set)) {
                failures.insert(entry.kernel().to_string(), Arc::clone(failing));
            }
            let class = usize::try_from(entry.class().0).ok();
            if let Some(btf) = class.and_then(|class| classes.get(class)) {
                btfs.insert(entry.kernel().to_string(), Arc::clone(btf));
            }
        }
        Ok(Self {
            file,
            provenance: bundle.provenance().map_err(unreadable)?,
            btfs,
            failures,
        })
    }

    fn objects(&self) -> String {
        let digest = |digest: &[u8]| {
            let digits = digest.iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>()
        };
        let objects = self.provenance.objects.iter();
        let objects = objects.map(|object| {
            format!(
                "{} (SHA-256 {}…)",
                Printable(&object.name),
                digest(&object.sha256_start)
            )
        });
        format!(
            "{}, SHA-256 over all {}",
            objects.collect::<Vec<_>>().join(", "),
            digest(&self.provenance.objects_sha256)
        )
    }

    fn archives(&self) -> String {
        let pins = self.file.pins.iter();
        let pins = pins.map(|pin| pin.as_deref().unwrap_or("without a pin"));
        pins.collect::<Vec<_>>().join(", ")
    }
}

fn broken(file: &ShardFile, what: &str) -> Error {
    Error::new(ErrorKind::Shard, format!("{} {what}", file.name)).help("make this shard again")
}

/// The origin of the bundle, on which all must agree.
fn of_one_bundle(parts: &[Part<'_>]) -> Result<Provenance, Error> {
    same(parts, "their number differs", |part| {
        format!("one of {}", part.file.shard.of())
    })?;
    same(parts, "they were made for other objects", |part| {
        part.objects()
    })?;
    let keeps = |part: &Part<'_>| !part.failures.is_empty();
    let some_keep = parts.iter().any(keeps);
    same(parts, "some keep failing programs", |part| {
        // A shard without kernels fits either.
        let kept = keeps(part) || (part.btfs.is_empty() && some_keep);
        (if kept { "kept" } else { "not kept" }).to_owned()
    })?;
    same(parts, "they were made from other archives", |part| {
        part.archives()
    })?;
    same(parts, "the archive held other kernels", |part| {
        let list = part.file.list;
        format!("{} kernels, list {}", list.count, list.digest)
    })?;
    match parts.first() {
        Some(part) => Ok(part.provenance.clone()),
        None => Err(Error::new(ErrorKind::Config, "no shard was named")),
    }
}

/// An error that says what each of the shards has, if they differ.
fn same(parts: &[Part<'_>], what: &str, of: impl Fn(&Part<'_>) -> String) -> Result<(), Error> {
    let mut files: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for part in parts {
        files.entry(of(part)).or_default().push(&part.file.name);
    }
    if files.len() <= 1 {
        return Ok(());
    }
    let message = format!("the shards are not of one bundle: {what}");
    let files = files
        .iter()
        .map(|(value, files)| format!("  {}: {value}", files.join(", ")));
    Err(Error::new(ErrorKind::Shard, message).lines(files).help(
        "make all shards with one command line, from one state of the archive (--pin says which)",
    ))
}

/// The parts by their numbers, each there once.
fn all_in_order(mut parts: Vec<Part<'_>>) -> Result<Vec<Part<'_>>, Error> {
    parts.sort_by_key(|part| part.file.shard);
    let twice = parts.iter().zip(parts.iter().skip(1));
    let twice = twice
        .filter(|(a, b)| a.file.shard == b.file.shard)
        .map(|(a, b)| {
            format!(
                "{} and {} are both shard {}",
                a.file.name, b.file.name, a.file.shard
            )
        });
    let twice: Vec<String> = twice.collect();
    if !twice.is_empty() {
        return Err(Error::new(ErrorKind::Shard, twice.join("; ")).help("leave one of them out"));
    }
    let of = parts.first().map_or(0, |part| part.file.shard.of());
    let there: Vec<u32> = parts.iter().map(|part| part.file.shard.number()).collect();
    let missing = (1..=of).filter(|number| there.binary_search(number).is_err());
    let some = missing.take(SHOWN).map(|number| number.to_string());
    let some: Vec<String> = some.collect();
    if some.is_empty() {
        return Ok(parts);
    }
    let missing = usize::try_from(of).unwrap_or(usize::MAX) - parts.len();
    let more = match missing - some.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "of {of} shards these are missing: {}{more}",
        some.join(", ")
    );
    Err(Error::new(ErrorKind::Shard, message)
        .help("`cargo btfhub bundle --shard K/N` makes one; the others need not be made again"))
}

/// All kernels as they were divided, each with the part it is in.
fn list<'p, 'a>(parts: &'p [Part<'a>]) -> Result<Vec<(&'p Part<'a>, &'a Row)>, Error> {
    let list = parts.first().map(|part| part.file.list);
    let count = list.map_or(0, |list| list.count);
    if let Some(part) = parts
        .iter()
        .find(|part| part.file.rows.len() != part.file.shard.share(count))
    {
        return Err(broken(part.file, "does not hold its share of the kernels"));
    }
    let mut all = Vec::new();
    for at in 0..count {
        let part = parts.get(at % parts.len());
        let row = part.and_then(|part| Some((part, part.file.rows.get(at / parts.len())?)));
        all.extend(row);
    }
    let divided = all
        .iter()
        .map(|(_, row)| (row.archive, &row.entry, row.size));
    if Some(List::of(divided)) != list {
        let message = "the shards don't add up to the list of kernels that was divided";
        return Err(Error::new(ErrorKind::Shard, message).help("make all shards again"));
    }
    Ok(all)
}
