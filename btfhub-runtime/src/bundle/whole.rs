//! Operations on a whole bundle: every class, and where the bytes go.

use super::classes::Class;
use super::error::{BundleError, Kind, Part};
use super::kernels::ClassId;
use super::programs::{Failure, Programs};
use super::read::Bundle;
use super::rebuild::rebuild;
use super::types::{Columns, Definitions};

/// How many bytes a part of the file takes. With feature `write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartSize {
    /// What the part holds: the header, or a section.
    pub name: &'static str,
    /// Its length in the file.
    pub bytes: usize,
}

/// The programs that fail on the kernels of a bundle. With feature `write`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureSets {
    /// Each failure once.
    pub failures: Vec<Failure>,
    /// Each distinct set once: indices into `failures`, ascending.
    pub sets: Vec<Vec<usize>>,
    /// For each kernel, in the order of [`Bundle::kernels`], an index into `sets`.
    pub of_kernels: Vec<usize>,
}

/// More than the BTF of all classes takes: a few bytes may say a class once more.
const ALL_MAX: usize = 1 << 30;

impl Bundle<'_> {
    /// The tailored BTF of all classes, in their order; much faster than calling
    /// [`btf`](Self::btf) for each. With feature `write`.
    ///
    /// # Errors
    /// If a part is damaged, or if the total exceeds 1 GiB.
    pub fn all_btf(&self) -> Result<Vec<Vec<u8>>, BundleError> {
        let mut all = Vec::new();
        self.each_btf(|_, btf| all.push(btf))?;
        Ok(all)
    }

    /// Passes the tailored BTF of each class on, one at a time, in their order.
    pub(super) fn each_btf(
        &self,
        mut give: impl FnMut(ClassId, Vec<u8>),
    ) -> Result<(), BundleError> {
        let Some(header) = self.header()? else {
            return Ok(());
        };
        let content = header.inflate(Part::Types)?;
        each_class(&content, header.classes, &mut |class, btf| {
            give(ClassId(class), btf)
        })
        .ok_or(BundleError(Kind::Malformed(Part::Types)))
    }

    /// The programs that fail on its kernels; none where it does not say. With feature `write`.
    ///
    /// # Errors
    /// When that part is damaged.
    pub fn failure_sets(&self) -> Result<Option<FailureSets>, BundleError> {
        let Some(header) = self.header()?.filter(|header| header.has_programs) else {
            return Ok(None);
        };
        let content = header.inflate(Part::Programs)?;
        let provenance = self.provenance()?;
        let objects: Vec<&str> = (provenance.objects.iter())
            .map(|object| object.name.as_str())
            .collect();
        let sets =
            Programs::read(&content, &objects).and_then(|programs| programs.all(header.kernels));
        let malformed = BundleError(Kind::Malformed(Part::Programs));
        sets.map(Some).ok_or(malformed)
    }

    /// Where the bytes go. Nothing for [`Bundle::EMPTY`]. With feature `write`.
    ///
    /// # Errors
    /// If the header is damaged.
    pub fn sizes(&self) -> Result<Vec<PartSize>, BundleError> {
        let Some(header) = self.header()? else {
            return Ok(Vec::new());
        };
        let part = |name, bytes: usize| PartSize { name, bytes };
        let mut sizes = vec![part("header", header.len)];
        for (section, bytes) in header.section_sizes() {
            let name = match section {
                Part::Provenance => "provenance",
                Part::Kernels => "kernels",
                Part::Types => "types",
                Part::Programs if header.has_programs => "programs",
                Part::Programs | Part::Header => continue,
            };
            sizes.push(part(name, bytes));
        }
        Ok(sizes)
    }
}

impl Programs<'_> {
    /// The whole section, which must cover exactly this many kernels.
    fn all(&self, kernels: u32) -> Option<FailureSets> {
        let failures = (0..self.failure_count()).map(|at| self.failure(at));
        let failures: Vec<Failure> = failures.collect::<Option<_>>()?;
        let mut sets = Vec::new();
        self.each_set(&mut |_, set| {
            let is_known = set.last().is_none_or(|last| *last < failures.len());
            sets.push(set.to_vec());
            is_known.then_some(())
        })?;
        let of_kernels = self.sets_of(kernels)?;
        let is_known = of_kernels.iter().all(|set| *set < sets.len());
        is_known.then_some(FailureSets {
            failures,
            sets,
            of_kernels,
        })
    }
}

/// Passes on number and BTF of each of the `count` classes in a types section.
pub(super) fn each_class(
    content: &[u8],
    count: u32,
    give: &mut dyn FnMut(u32, Vec<u8>),
) -> Option<()> {
    let columns = Columns::read(content)?;
    let definitions = Definitions::read(columns, None)?;
    let mut left = ALL_MAX;
    columns.classes.each(count, &mut |class, form| {
        let btf = match form {
            Class::Bytes(bytes) => bytes.to_vec(),
            Class::Definitions {
                big_endian,
                members,
            } => rebuild(&definitions, *big_endian, members)?,
        };
        // Making it takes time for all names and types, even if it has few of them.
        left = left.checked_sub(btf.len() + definitions.size() / 8)?;
        give(class, btf);
        Some(())
    })
}
