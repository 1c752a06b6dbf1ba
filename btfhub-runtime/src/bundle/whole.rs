//! What needs all of a bundle: every class, and where the bytes go.

use super::classes::Class;
use super::error::{BundleError, Kind, Part};
use super::image;
use super::kernels::ClassId;
use super::read::Bundle;
use super::types::{Columns, Library};

/// How many bytes a part of the file takes. With feature `write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartSize {
    /// What the part holds: the header, or a section.
    pub name: &'static str,
    /// Its length in the file.
    pub bytes: usize,
}

/// More than the BTF of all classes takes: a few bytes may say a class once more.
const ALL_MAX: usize = 1 << 30;

impl Bundle<'_> {
    /// The tailored BTF of all classes, in their order: much faster than one
    /// [`btf`](Self::btf) for each. With feature `write`.
    ///
    /// # Errors
    /// When a part is damaged, or all together are more than 1 GiB.
    pub fn all_btf(&self) -> Result<Vec<Vec<u8>>, BundleError> {
        let mut all = Vec::new();
        self.each_btf(|_, btf| all.push(btf))?;
        Ok(all)
    }

    /// Gives the tailored BTF of each class, one at a time, in their order.
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

    /// Where the bytes go. Nothing for [`Bundle::EMPTY`]. With feature `write`.
    ///
    /// # Errors
    /// When the header is damaged.
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
                Part::Header => continue,
            };
            sizes.push(part(name, bytes));
        }
        Ok(sizes)
    }
}

/// Gives number and BTF of each of `count` classes of a types' section.
pub(super) fn each_class(
    content: &[u8],
    count: u32,
    give: &mut dyn FnMut(u32, Vec<u8>),
) -> Option<()> {
    let columns = Columns::read(content)?;
    let library = Library::read(columns, None)?;
    let mut left = ALL_MAX;
    columns.classes.each(count, &mut |class, form| {
        let btf = match form {
            Class::Bytes(bytes) => bytes.to_vec(),
            Class::Definitions {
                big_endian,
                members,
            } => image::emit(&library, *big_endian, members)?,
        };
        // Making it takes time for all names and types, even if it has few of them.
        left = left.checked_sub(btf.len() + library.size() / 8)?;
        give(class, btf);
        Some(())
    })
}
