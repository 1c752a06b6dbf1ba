//! Programs that fail on some of the kernels.
//!
//! Kernels share sets of failures, and failures share programs and reasons.

use super::cursor::Cursor;
use super::error::{BundleError, Kind, Part};
use super::read::Bundle;
use crate::KernelId;

/// Most programs, most reasons, and most failures, of one kernel or of all.
pub(super) const COUNT_MAX: u32 = 1 << 14;
/// Most sets.
pub(super) const SETS_MAX: u32 = 1 << 16;
/// The longest name of a program, and the longest reason, in bytes.
pub(super) const TEXT_MAX: usize = 1024;

/// A program that fails on a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The object's name, one of [`Provenance::objects`](super::Provenance::objects).
    pub object: String,
    /// The program's function.
    pub program: String,
    /// Whether it depends on BTF of the running kernel's own.
    pub when: When,
    /// Why, in some words.
    pub reason: String,
}

/// On which machines with this kernel a program fails. fentry, tp_btf, LSM and others need the
/// running kernel's own BTF, regardless of what their relocations use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// On all.
    Always,
    /// Where the kernel shows no BTF of its own.
    WithoutKernelBtf,
    /// Where it shows some.
    WithKernelBtf,
}

impl When {
    /// In the order of their numbers in the file.
    pub(super) const ALL: [Self; 3] = [Self::Always, Self::WithoutKernelBtf, Self::WithKernelBtf];
}

impl Bundle<'_> {
    /// Whether it says which programs fail on its kernels.
    ///
    /// # Errors
    /// When the header is damaged.
    pub fn knows_failures(&self) -> Result<bool, BundleError> {
        Ok(self.header()?.is_some_and(|header| header.has_programs))
    }

    /// The programs that fail on a kernel, by object and name; none where the bundle does not
    /// hold the kernel, or does not say.
    ///
    /// # Errors
    /// When that part is damaged.
    pub fn failures(&self, kernel: &KernelId<'_>) -> Result<Option<Vec<Failure>>, BundleError> {
        let Some(header) = self.header()?.filter(|header| header.has_programs) else {
            return Ok(None);
        };
        let mut number = None;
        for (entry, at) in self.kernels().zip(0..) {
            if entry?.kernel() == *kernel {
                number = Some(at);
            }
        }
        let Some(number) = number else {
            return Ok(None);
        };
        let content = header.inflate(Part::Programs)?;
        let provenance = self.provenance()?;
        let objects: Vec<&str> = (provenance.objects.iter())
            .map(|object| object.name.as_str())
            .collect();
        let failures = Programs::read(&content, &objects).and_then(|programs| {
            let set = programs.set_of(number)?;
            let mut found = None;
            programs.each_set(&mut |at, failures| {
                if at == set {
                    found = failures.iter().map(|at| programs.failure(*at)).collect();
                }
                Some(())
            })?;
            found
        });
        let malformed = BundleError(Kind::Malformed(Part::Programs));
        failures.map(Some).ok_or(malformed)
    }
}

/// The section, read.
pub(super) struct Programs<'c> {
    objects: &'c [&'c str],
    /// With the numbers of their objects.
    programs: Vec<(usize, &'c str)>,
    reasons: Vec<&'c str>,
    /// Program, condition, reason.
    failures: Vec<(usize, When, usize)>,
    /// By kernel, in the order of the kernels' section.
    of_kernels: Cursor<'c>,
    sets: Cursor<'c>,
    set_count: u32,
}

impl<'c> Programs<'c> {
    pub(super) fn read(content: &'c [u8], objects: &'c [&'c str]) -> Option<Self> {
        let mut from = Cursor::new(content);
        let mut programs = Vec::new();
        for _ in 0..from.varint_up_to(COUNT_MAX)? {
            programs.push((from.length()?, from.text_up_to(TEXT_MAX)?));
        }
        let mut reasons = Vec::new();
        for _ in 0..from.varint_up_to(COUNT_MAX)? {
            reasons.push(from.text_up_to(TEXT_MAX)?);
        }
        let (mut failures, mut failure) = (Vec::new(), 0usize);
        for _ in 0..from.varint_up_to(COUNT_MAX)? {
            failure = from.length()?.checked_add(failure)?;
            let when = *When::ALL.get(failure % When::ALL.len())?;
            failures.push((failure / When::ALL.len(), when, from.length()?));
        }
        let of_kernels = from.column()?;
        let set_count = from.varint_up_to(SETS_MAX)?;
        Some(Self {
            objects,
            programs,
            reasons,
            failures,
            of_kernels,
            sets: from,
            set_count,
        })
    }

    /// The number of a kernel's set.
    fn set_of(&self, kernel: u32) -> Option<u32> {
        let mut column = self.of_kernels;
        column.skip(kernel)?;
        column.varint()
    }

    /// The numbers of the sets of all kernels.
    #[cfg(feature = "write")]
    pub(super) fn sets_of(&self, kernels: u32) -> Option<Vec<usize>> {
        let mut column = self.of_kernels;
        let sets = (0..kernels).map(|_| column.length()).collect();
        column.end()?;
        sets
    }

    #[cfg(feature = "write")]
    pub(super) fn failure_count(&self) -> usize {
        self.failures.len()
    }

    /// Gives each set: the numbers of its failures, ascending.
    pub(super) fn each_set(&self, give: &mut dyn FnMut(u32, &[usize]) -> Option<()>) -> Option<()> {
        let mut from = self.sets;
        let mut set = Vec::new();
        for number in 0..self.set_count {
            set.clear();
            let mut next = 0usize;
            for _ in 0..from.varint_up_to(COUNT_MAX)? {
                let failure = next.checked_add(from.length()?)?;
                set.push(failure);
                next = failure.checked_add(1)?;
            }
            give(number, &set)?;
        }
        from.end()
    }

    pub(super) fn failure(&self, number: usize) -> Option<Failure> {
        let (program, when, reason) = *self.failures.get(number)?;
        let (object, program) = *self.programs.get(program)?;
        Some(Failure {
            object: (*self.objects.get(object)?).to_owned(),
            program: program.to_owned(),
            when,
            reason: (*self.reasons.get(reason)?).to_owned(),
        })
    }
}
