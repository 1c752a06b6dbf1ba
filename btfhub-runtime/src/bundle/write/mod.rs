//! Writing a bundle.

mod parse;
mod programs;
mod types;

use core::fmt;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, btree_map};

use super::error::BundleError;
use super::format;
use super::kernels::{self, ClassId, RELEASE_MAX};
use super::programs::Failure;
use super::provenance::Provenance;
use super::read::Bundle;
use crate::printable::Printable;
use crate::{Arch, KernelId};

/// The first eight bytes of a shard of a bundle. Readers of bundles refuse such a file.
/// `btfhub-build`, which writes and joins shards, defines its format.
pub const SHARD_MAGIC: [u8; 8] = format::SHARD_MAGIC;

/// Collects kernels and their tailored BTF, and makes a bundle from them.
///
/// The result does not depend on the order of adding. `'b` is the lifetime of borrowed BTF;
/// owned BTF lives as long as the writer.
#[derive(Debug)]
pub struct Writer<'b> {
    provenance: Provenance,
    /// Each distinct BTF with its number in order of arrival.
    classes: BTreeMap<Cow<'b, [u8]>, usize>,
    kernels: BTreeMap<OwnedKernel, usize>,
    /// Where failures are kept at all, those of the kernels that have any.
    failures: Option<BTreeMap<OwnedKernel, BTreeSet<Failure>>>,
}

static NO_FAILURES: BTreeSet<Failure> = BTreeSet::new();

/// Fields in the order of [`KernelId`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OwnedKernel {
    arch: String,
    release: String,
    distro: String,
    version: String,
}

impl OwnedKernel {
    fn of(kernel: KernelId<'_>) -> Self {
        Self {
            arch: kernel.arch.as_str().to_owned(),
            release: kernel.release.to_owned(),
            distro: kernel.distro.to_owned(),
            version: kernel.version.to_owned(),
        }
    }

    fn id(&self) -> KernelId<'_> {
        KernelId {
            arch: Arch::new(&self.arch),
            release: &self.release,
            distro: &self.distro,
            version: &self.version,
        }
    }
}

/// Why a bundle could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// A kernel was added twice with different BTF.
    Conflict {
        /// The kernel, as `distro/version/arch/release`.
        kernel: String,
    },
    /// A release longer than [`RELEASE_MAX`], or with a zero byte in it; no
    /// `uname -r` is.
    NoRelease {
        /// The kernel, as `distro/version/arch/release`.
        kernel: String,
    },
    /// A failing program belongs to an object that the provenance does not name.
    NoObject {
        /// The object's name.
        object: String,
    },
    /// More than the format's 32-bit numbers can hold, or a BTF that takes a reader more than
    /// 2^21 steps, including the steps for what shares a block with it (about 250 KiB for BTF
    /// that is not canonical); or more than 2^14 failures of programs, or names and reasons
    /// longer than 1,024 bytes.
    TooLarge,
    /// Reading the finished bundle back does not return what was put in. This is a bug in
    /// btfhub; nothing was written.
    Readback {
        /// The kernel whose BTF is different, or `None` if the whole bundle was refused.
        kernel: Option<String>,
        /// The reader's own error.
        source: Option<BundleError>,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { kernel } => write!(
                f,
                "kernel {kernel} was given twice with different BTF: two archives disagree; \
                 leave one of them out"
            ),
            Self::NoRelease { kernel } => write!(
                f,
                "kernel {kernel}: a release that is longer than {RELEASE_MAX} bytes or has a zero \
                 byte can't be a `uname -r`"
            ),
            Self::NoObject { object } => {
                let object = Printable(object);
                write!(f, "{object} is none of the objects that the bundle is for")
            }
            Self::TooLarge => f.write_str(
                "too large for a bundle: more than 4 GiB, or a BTF that takes more than 2^21 \
                 steps to read beside the others, which no tailored one does",
            ),
            Self::Readback {
                kernel: Some(kernel),
                ..
            } => write!(
                f,
                "the finished bundle returns different BTF for {kernel} than was put in: \
                 please report this bug of btfhub"
            ),
            Self::Readback { kernel: None, .. } => f.write_str(
                "the finished bundle can't be read back: please report this bug of btfhub",
            ),
        }
    }
}

impl core::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Readback {
                source: Some(source),
                ..
            } => Some(source),
            _ => None,
        }
    }
}

impl<'b> Writer<'b> {
    /// A bundle without kernels so far.
    pub fn new(provenance: Provenance) -> Self {
        Self {
            provenance,
            classes: BTreeMap::new(),
            kernels: BTreeMap::new(),
            failures: None,
        }
    }

    /// Records which programs fail on a kernel. Once this was called for any kernel, the bundle
    /// records it for all: for the others, that no program is known to fail.
    ///
    /// # Errors
    /// If the provenance does not name the object of one of the failures.
    pub fn add_failures(
        &mut self,
        kernel: KernelId<'_>,
        failures: impl IntoIterator<Item = Failure>,
    ) -> Result<(), WriteError> {
        let all = self.failures.get_or_insert_default();
        let of_kernel = all.entry(OwnedKernel::of(kernel)).or_default();
        for failure in failures {
            let mut objects = self.provenance.objects.iter();
            if !objects.any(|object| object.name == failure.object) {
                let object = failure.object;
                return Err(WriteError::NoObject { object });
            }
            of_kernel.insert(failure);
        }
        Ok(())
    }

    /// Adds a kernel and its canonical tailored BTF, borrowed or owned. Adding the same again
    /// is not an error.
    ///
    /// # Errors
    /// If the kernel was already added with different BTF, or its release is longer than
    /// [`RELEASE_MAX`].
    pub fn add_kernel(
        &mut self,
        kernel: KernelId<'_>,
        btf: impl Into<Cow<'b, [u8]>>,
    ) -> Result<(), WriteError> {
        if !kernels::write::is_representable(kernel.release) {
            return Err(WriteError::NoRelease {
                kernel: kernel.to_string(),
            });
        }
        let next = self.classes.len();
        let class = *self.classes.entry(btf.into()).or_insert(next);
        match self.kernels.entry(OwnedKernel::of(kernel)) {
            btree_map::Entry::Vacant(entry) => {
                entry.insert(class);
            }
            btree_map::Entry::Occupied(entry) if *entry.get() == class => {}
            btree_map::Entry::Occupied(_) => {
                return Err(WriteError::Conflict {
                    kernel: kernel.to_string(),
                });
            }
        }
        Ok(())
    }

    /// The finished bundle, read back through [`Bundle`] and compared.
    ///
    /// # Errors
    /// When it is too large, or (a bug) does not read back.
    pub fn finish(self) -> Result<Vec<u8>, WriteError> {
        self.finish_with(|_, _| ())
    }

    /// Like [`finish`](Self::finish), but also shows what was read back: the BTF that
    /// [`Bundle`] returns for each class of the finished file, in no particular order. A caller
    /// that wants to prove more does not have to decode it again.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_with(self, show: impl FnMut(ClassId, &[u8])) -> Result<Vec<u8>, WriteError> {
        // Classes are numbered in the order of their first kernel.
        let mut by_arrival = vec![&[][..]; self.classes.len()];
        for (btf, arrival) in &self.classes {
            by_arrival[*arrival] = btf;
        }
        let mut ordered: Vec<_> = self.kernels.iter().map(|(k, c)| (k.id(), c)).collect();
        kernels::write::sort(&mut ordered);
        let mut number = BTreeMap::new();
        let mut btfs = Vec::new();
        let mut kernels = Vec::new();
        for (kernel, arrival) in ordered {
            let next = btfs.len();
            let class = *number.entry(*arrival).or_insert(next);
            if class == next {
                btfs.push(by_arrival[*arrival]);
            }
            let class = u32::try_from(class).map_err(|_| WriteError::TooLarge)?;
            kernels.push((kernel, class));
        }
        let failures = self.failures.as_ref().map(|all| {
            let of = |kernel: &KernelId<'_>| all.get(&OwnedKernel::of(*kernel));
            let kernels = kernels.iter().map(|(kernel, _)| of(kernel));
            (kernels.map(|failures| failures.unwrap_or(&NO_FAILURES))).collect::<Vec<_>>()
        });
        let failures = failures.as_deref();
        let out = assemble(&self.provenance, &kernels, &btfs, failures);
        let out = out.ok_or(WriteError::TooLarge)?;
        read_back(&out, &kernels, &btfs, show)?;
        read_failures_back(&out, failures)?;
        Ok(out)
    }
}

fn assemble(
    provenance: &Provenance,
    kernels: &[(KernelId<'_>, u32)],
    btfs: &[&[u8]],
    failures: Option<&[&BTreeSet<Failure>]>,
) -> Option<Vec<u8>> {
    let strings = kernels::write::strings(kernels);
    let mut sections = vec![
        provenance.write()?,
        kernels::write::write(kernels, &strings)?,
        types::write(btfs)?,
    ];
    if let Some(failures) = failures {
        sections.push(programs::write(provenance, failures)?);
    }
    format::assemble(&format::Contents {
        partial: provenance.partial,
        kernels: u32::try_from(kernels.len()).ok()?,
        classes: u32::try_from(btfs.len()).ok()?,
        strings: &strings,
        sections,
    })
}

fn read_failures_back(
    data: &[u8],
    failures: Option<&[&BTreeSet<Failure>]>,
) -> Result<(), WriteError> {
    let refused = |source| WriteError::Readback {
        kernel: None,
        source,
    };
    let bundle = Bundle::parse(data).map_err(|error| refused(Some(error)))?;
    let read = bundle
        .failure_sets()
        .map_err(|error| refused(Some(error)))?;
    let is_same = match (&read, failures) {
        (None, None) => true,
        (Some(read), Some(failures)) => {
            let sets = read.of_kernels.iter().map(|set| read.sets.get(*set));
            let sets = sets.map(|set| {
                let failures = set.into_iter().flatten().map(|at| read.failures.get(*at));
                failures.flatten().collect::<BTreeSet<_>>()
            });
            sets.eq(failures.iter().map(|failures| failures.iter().collect()))
        }
        _ => false,
    };
    is_same.then_some(()).ok_or(refused(None))
}

fn read_back(
    data: &[u8],
    kernels: &[(KernelId<'_>, u32)],
    btfs: &[&[u8]],
    mut show: impl FnMut(ClassId, &[u8]),
) -> Result<(), WriteError> {
    let refused = |source| WriteError::Readback {
        kernel: None,
        source: Some(source),
    };
    let bundle = Bundle::parse(data).map_err(refused)?;
    let mut right = vec![false; btfs.len()];
    let read = bundle.each_btf(|class, btf| {
        let at = usize::try_from(class.0).unwrap_or(usize::MAX);
        if let (Some(right), Some(wanted)) = (right.get_mut(at), btfs.get(at)) {
            *right = btf == *wanted;
        }
        show(class, &btf);
    });
    read.map_err(refused)?;
    // Read one as the running program does.
    if let (Some(last), Some(btf)) = (btfs.len().checked_sub(1), btfs.last()) {
        let class = u32::try_from(last).map_err(|_| WriteError::TooLarge)?;
        if bundle.btf(ClassId(class)).map_err(refused)? != *btf {
            return Err(WriteError::Readback {
                kernel: None,
                source: None,
            });
        }
    }
    let mut read = Vec::new();
    for entry in bundle.kernels() {
        read.push(entry.map_err(refused)?);
    }
    if read.len() != kernels.len() {
        return Err(WriteError::Readback {
            kernel: None,
            source: None,
        });
    }
    for ((kernel, class), entry) in kernels.iter().zip(&read) {
        let same = entry.kernel() == *kernel && entry.class().0 == *class;
        let btf = usize::try_from(*class)
            .ok()
            .and_then(|class| right.get(class));
        if !same || btf != Some(&true) {
            return Err(WriteError::Readback {
                kernel: Some(kernel.to_string()),
                source: None,
            });
        }
    }
    Ok(())
}
