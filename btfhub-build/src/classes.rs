//! Kernels → classes → a bundle, and the proof that it gives every kernel what
//! its full BTF gives.

use std::cell::OnceCell;
use std::sync::Arc;

use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{Failure, Provenance};
use btfhub_runtime::{Bundle, ClassId, KernelId};
use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use crate::archive::Entry;
use crate::btf::Btf;
use crate::cache::TailoredBtf;
use crate::error::{Error, ErrorKind, shown};
use crate::relo::{self, Outcome, Relocations};
use crate::tailor::Tailor;

/// Distinct tailored BTFs and distinct outcomes, numbered as they arrive.
///
/// Kernels arrive in the order in which the threads finish them, so these numbers are only
/// valid within one run; [`Classes::in_order`] renumbers.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    btfs: HashMap<Arc<[u8]>, usize>,
    outcomes: HashMap<Arc<Outcome>, usize>,
}

/// The class and the outcome of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Classified {
    pub(crate) class: usize,
    pub(crate) outcome: usize,
}

/// Classes and outcomes in the order of the first kernel that has them.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pub(crate) btfs: Vec<Arc<[u8]>>,
    pub(crate) outcomes: Vec<Arc<Outcome>>,
    /// One for each kernel.
    pub(crate) classified: Vec<Classified>,
    /// The programs that fail on each kernel, where the bundle is to say it.
    pub(crate) failures: Option<Vec<Arc<[Failure]>>>,
}

impl Classes {
    /// Adds the result for one kernel; equal results are kept once.
    pub(crate) fn add(&mut self, tailored: &TailoredBtf) -> Classified {
        let next = self.btfs.len();
        let btf = Arc::clone(&tailored.btf);
        let class = *self.btfs.entry(btf).or_insert(next);
        let next = self.outcomes.len();
        let outcome = Arc::clone(&tailored.outcome);
        let outcome = *self.outcomes.entry(outcome).or_insert(next);
        Classified { class, outcome }
    }

    /// Renumbers by the kernels in their order.
    pub(crate) fn in_order(self, kernels: &[Classified]) -> Ordered {
        fn renumber<T>(
            values: HashMap<T, usize>,
            used: impl Iterator<Item = usize>,
        ) -> (Vec<T>, HashMap<usize, usize>) {
            let mut by_number: HashMap<usize, T> = values
                .into_iter()
                .map(|(value, number)| (number, value))
                .collect();
            let mut ordered = Vec::new();
            let mut renumbered = HashMap::new();
            for number in used {
                if let Some(value) = by_number.remove(&number) {
                    renumbered.insert(number, ordered.len());
                    ordered.push(value);
                }
            }
            (ordered, renumbered)
        }
        let (btfs, class) = renumber(self.btfs, kernels.iter().map(|kernel| kernel.class));
        let (outcomes, outcome) =
            renumber(self.outcomes, kernels.iter().map(|kernel| kernel.outcome));
        let renumbered = kernels.iter().filter_map(|kernel| {
            Some(Classified {
                class: *class.get(&kernel.class)?,
                outcome: *outcome.get(&kernel.outcome)?,
            })
        });
        Ordered {
            classified: renumbered.collect(),
            btfs,
            outcomes,
            failures: None,
        }
    }
}

/// Makes the bundle of these kernels, and proves it.
///
/// # Errors
/// As [`bundle`], and if the proof fails.
pub(crate) fn proven(
    entries: &[Entry],
    classes: &Ordered,
    provenance: Provenance,
    tailor: &Tailor<'_>,
) -> Result<Vec<u8>, Error> {
    let mut proof = Proof::new(classes, tailor);
    let bundle = write(entries, classes, provenance, |class, btf| {
        proof.class(class, btf);
    })?;
    proof.finish(&bundle, entries)?;
    Ok(bundle)
}

/// The bundle of these kernels.
///
/// # Errors
/// When two entries of one archive give one kernel different BTF.
pub(crate) fn bundle(
    entries: &[Entry],
    classes: &Ordered,
    provenance: Provenance,
) -> Result<Vec<u8>, Error> {
    write(entries, classes, provenance, |_, _| ())
}

/// Writes the bundle, showing each class as the finished file gives it.
fn write(
    entries: &[Entry],
    classes: &Ordered,
    provenance: Provenance,
    show: impl FnMut(ClassId, &[u8]),
) -> Result<Vec<u8>, Error> {
    let kernels = || entries.iter().zip(&classes.classified);
    for ((first, a), (second, b)) in kernels().zip(kernels().skip(1)) {
        if first.kernel() == second.kernel() && a.class != b.class {
            let message = format!(
                "{} and {} name the same kernel, but their BTF differs where your objects look",
                first.path().display(),
                second.path().display()
            );
            return Err(Error::new(ErrorKind::Entry, message)
                .help("remove the one that is wrong, or exclude that kernel"));
        }
    }
    let failed = |error| Error::new(ErrorKind::Io, "cannot write the bundle").because(error);
    let mut writer = Writer::new(provenance);
    for (entry, classified) in kernels() {
        if let Some(btf) = classes.btfs.get(classified.class) {
            writer.add_kernel(entry.kernel(), &**btf).map_err(failed)?;
        }
    }
    for (entry, failures) in entries.iter().zip(classes.failures.iter().flatten()) {
        let failures = failures.iter().cloned();
        (writer.add_failures(entry.kernel(), failures)).map_err(failed)?;
    }
    writer.finish_with(show).map_err(failed)
}

/// Proves that a finished bundle gives the same results for every kernel as its full BTF.
/// Resolves the relocations again on what the runtime crate reads for each class, and compares
/// the outcome for every kernel that it finds there.
#[derive(Debug)]
struct Proof<'a> {
    classes: &'a Ordered,
    tailor: &'a Tailor<'a>,
    /// The outcomes of the full BTFs, so that equal ones are held once.
    outcomes: OnceCell<HashSet<Arc<Outcome>>>,
    /// How the relocations resolve with the bundle's classes.
    again: HashMap<ClassId, Result<Arc<Outcome>, String>>,
}

impl<'a> Proof<'a> {
    /// For kernels of these classes.
    fn new(classes: &'a Ordered, tailor: &'a Tailor<'a>) -> Self {
        Self {
            outcomes: OnceCell::new(),
            again: HashMap::new(),
            classes,
            tailor,
        }
    }

    /// Adds what the bundle returns for a class.
    fn class(&mut self, class: ClassId, btf: &[u8]) {
        // The same bytes may have been resolved in this run already.
        let again = match self.tailor.resolved(btf) {
            Some(outcome) => Ok(outcome),
            None => self.resolve(btf),
        };
        self.again.insert(class, again);
    }

    fn resolve(&self, btf: &[u8]) -> Result<Arc<Outcome>, String> {
        let btf = Btf::parse(btf).map_err(|error| error.to_string())?;
        let outcome = relo::resolve(self.tailor.relocations(), &btf);
        let outcome = outcome.map_err(|error| error.to_string())?;
        let known = || self.classes.outcomes.iter().cloned().collect();
        let same = self.outcomes.get_or_init(known).get(&outcome).cloned();
        Ok(same.unwrap_or_else(|| outcome.into()))
    }

    /// Looks up every kernel in the bundle, all of whose classes were added. Kernels that share
    /// class and outcome are proven together.
    ///
    /// # Errors
    /// A difference, which is a bug; the bundle must not be shipped.
    fn finish(&self, bundle: &[u8], entries: &[Entry]) -> Result<(), Error> {
        let wrong = |kernel: KernelId<'_>, why: &str| {
            Error::new(
                ErrorKind::Proof,
                format!("the finished bundle fails its proof for {kernel}: {why}"),
            )
            .help("this is a bug of btfhub; please report it with the kernel and your object")
        };
        let unreadable = |error| {
            Error::new(ErrorKind::Proof, "the finished bundle cannot be read back").because(error)
        };
        let parsed = Bundle::parse(bundle).map_err(unreadable)?;
        let mut class_of: HashMap<String, ClassId> = HashMap::new();
        for entry in parsed.kernels() {
            let entry = entry.map_err(unreadable)?;
            class_of.insert(entry.kernel().to_string(), entry.class());
        }
        let mut proven: HashSet<(ClassId, usize)> = HashSet::new();
        for (entry, classified) in entries.iter().zip(&self.classes.classified) {
            let kernel = entry.kernel();
            let class = *class_of
                .get(&kernel.to_string())
                .ok_or_else(|| wrong(kernel, "it is not there"))?;
            if !proven.insert((class, classified.outcome)) {
                continue;
            }
            let again = match self.again.get(&class) {
                Some(Ok(outcome)) => outcome,
                Some(Err(error)) => return Err(wrong(kernel, error)),
                None => return Err(wrong(kernel, "its class is not there")),
            };
            let full = self.classes.outcomes.get(classified.outcome);
            if full.is_none_or(|full| !Arc::ptr_eq(full, again) && full != again) {
                let relocations = self.tailor.relocations();
                let full = full.map(AsRef::as_ref);
                return Err(wrong(kernel, &difference(full, again, relocations)));
            }
        }
        Ok(())
    }
}

/// Names the first relocation that two outcomes disagree on.
fn difference(full: Option<&Outcome>, again: &Outcome, relocations: &Relocations) -> String {
    let groups = full.map(Outcome::groups).unwrap_or_default().iter();
    let differs = (groups.zip(again.groups())).find(|(full, again)| full != again);
    let relocation = differs.and_then(|(full, _)| relocations.list().get(full.relocations.start));
    match relocation {
        Some(relocation) => format!(
            "relocations of `{}` resolve differently",
            shown(&relocation.root.name)
        ),
        None => "relocations resolve differently".to_owned(),
    }
}
