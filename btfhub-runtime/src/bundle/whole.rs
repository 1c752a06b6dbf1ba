//! What needs all of a bundle: every class, and where the bytes go.

use super::blocks::{Block, check, decode, directory, last_image, next};
use super::coder::Decoder;
use super::cursor::Cursor;
use super::error::BundleError;
use super::index::ClassId;
use super::library::Library;
use super::meter::Meter;
use super::model::Set;
use super::read::Bundle;

/// How many bytes a part of the file takes. With feature `write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartSize {
    /// What the part holds.
    pub name: &'static str,
    /// Its length in the file.
    pub bytes: usize,
}

impl Bundle<'_> {
    /// The tailored BTF of all classes, in their order: much faster than one
    /// [`btf`](Self::btf) for each. With feature `write`.
    ///
    /// # Errors
    /// When a part is damaged, or all together are more than 1 GiB.
    pub fn all_btf(&self) -> Result<Vec<Vec<u8>>, BundleError> {
        match self.header()? {
            Some(header) if header.classes > 0 => {
                read_all(header.class_blocks.unchecked(), header.classes)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Gives the tailored BTF of each class, one at a time, in no certain order.
    pub(super) fn each_btf(
        &self,
        mut give: impl FnMut(ClassId, Vec<u8>),
    ) -> Result<(), BundleError> {
        match self.header()? {
            Some(header) if header.classes > 0 => read_each(
                header.class_blocks.unchecked(),
                header.classes,
                ALL_MAX,
                |class, btf| give(ClassId(class), btf),
            ),
            _ => Ok(()),
        }
    }

    /// Where the bytes go; decodes all of it to know. Nothing for
    /// [`Bundle::EMPTY`]. With feature `write`.
    ///
    /// # Errors
    /// When a part is damaged.
    pub fn sizes(&self) -> Result<Vec<PartSize>, BundleError> {
        let Some(header) = self.header()? else {
            return Ok(Vec::new());
        };
        let spent = match header.classes {
            0 => Spent {
                directory: header.class_blocks.bytes.len(),
                ..Spent::default()
            },
            _ => spent(header.class_blocks.unchecked())?,
        };
        let part = |name, bytes: usize| PartSize { name, bytes };
        Ok(vec![
            part("header", header.provenance.at),
            part("provenance", header.provenance.bytes.len()),
            part("index", header.index.bytes.len()),
            part("block directory", spent.directory),
            part("names", spent.names),
            part("definitions", spent.definitions),
            part("classes", spent.classes),
            part("classes kept as bytes", spent.bytes),
        ])
    }
}

/// More than the BTF of all classes takes. A few bits may say a class once more.
const ALL_MAX: usize = 1 << 30;

/// The BTF of all `count` classes, each block decoded once.
fn read_all(section: Cursor<'_>, count: u32) -> Result<Vec<Vec<u8>>, BundleError> {
    let mut all = Vec::new();
    let keep = |class, image| all.push((class, image));
    read_each(section, count, ALL_MAX, keep)?;
    all.sort_unstable_by_key(|(class, _)| *class);
    Ok(all.into_iter().map(|(_, image)| image).collect())
}

/// Gives number and BTF of each of `count` classes, one at a time: those of the
/// root, then the others. No more than `most` bytes in all.
fn read_each(
    section: Cursor<'_>,
    count: u32,
    most: usize,
    mut give: impl FnMut(u32, Vec<u8>),
) -> Result<(), BundleError> {
    let mut left = most;
    let mut last_image = |library: &Library| {
        let image = last_image(&section, library)?;
        left = (left.checked_sub(image.len()))
            .ok_or_else(|| section.malformed("more BTF than any bundle holds"))?;
        Ok::<_, BundleError>(image)
    };
    let (stride, root, mut others) = directory(section)?;
    let mut given = 0;
    let mut library = Library::new();
    let mut coder = Decoder::new(root.bytes);
    check(&section, root)?;
    for at in 0..root.classes {
        next(&section, &mut library, &mut coder)?;
        let image = last_image(&library)?;
        if let Some(class) = at.checked_mul(stride).filter(|class| *class < count) {
            give(class, image);
            given += 1;
        }
    }
    let of_root = |class: u32| class % stride == 0 && class / stride < root.classes;
    let mut class = 0;
    while let Some(block) = others.next()? {
        let mut library = library.clone();
        let mut coder = Decoder::new(block.bytes);
        check(&section, block)?;
        for _ in 0..block.classes {
            next(&section, &mut library, &mut coder)?;
            let image = last_image(&library)?;
            while class < count && of_root(class) {
                class += 1;
            }
            if class < count {
                give(class, image);
                given += 1;
                class += 1;
            }
        }
    }
    if given != count {
        return Err(section.malformed("a class that is in no block"));
    }
    Ok(())
}

/// What the section's bytes are spent on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// The blocks' directory, and what rounding leaves.
    pub(super) directory: usize,
    /// Names, each once.
    pub(super) names: usize,
    /// Definitions of types, each once.
    pub(super) definitions: usize,
    /// Which class has which definitions.
    pub(super) classes: usize,
    /// Classes that are kept as bytes.
    pub(super) bytes: usize,
}

/// Adds up what the section's bytes are spent on: decodes all of it.
pub(super) fn spent(section: Cursor<'_>) -> Result<Spent, BundleError> {
    let total = section.rest().len();
    let (_, root, mut others) = directory(section)?;
    let mut library = Library::new();
    let mut spent = [0; Set::COUNT];
    meter(&section, &mut library, root, &mut spent)?;
    while let Some(block) = others.next()? {
        meter(&section, &mut library.clone(), block, &mut spent)?;
    }
    let sum = |sets: &[Set]| {
        let sum: u64 = (sets.iter())
            .filter_map(|set| spent.get(*set as usize))
            .sum();
        usize::try_from(sum / (8 * 256)).unwrap_or(usize::MAX)
    };
    let mut out = Spent {
        directory: 0,
        names: sum(&[Set::Char, Set::Guess, Set::Name]),
        definitions: sum(&[
            Set::Symbol,
            Set::Type,
            Set::Field,
            Set::Item,
            Set::Shift,
            Set::Value,
        ]),
        classes: sum(&[Set::Class, Set::Variant]),
        bytes: sum(&[Set::Bytes]),
    };
    let coded = out.names + out.definitions + out.classes + out.bytes;
    out.directory = total.saturating_sub(coded);
    Ok(out)
}

fn meter(
    section: &Cursor<'_>,
    library: &mut Library,
    block: Block<'_>,
    spent: &mut [u64; Set::COUNT],
) -> Result<(), BundleError> {
    let mut meter = Meter::new(block.bytes);
    decode(section, library, block, u32::MAX, &mut meter)?;
    for (sum, set) in spent.iter_mut().zip(meter.spent()) {
        *sum += set;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test panics
mod tests {
    use super::{Cursor, read_each};
    use crate::bundle::checksum::crc32;
    use crate::bundle::error::Part;
    use crate::bundle::plan;

    /// A BTF of one forward declaration.
    fn forward() -> Vec<u8> {
        let words = [0x0001_eb9f, 24, 0, 12, 12, 3, 1, 7 << 24, 0u32];
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        bytes.chain(*b"\0s\0").collect()
    }

    #[test]
    fn a_class_said_again_and_again_is_counted_each_time() {
        let btf = forward();
        let section = plan::write(&vec![&btf[..]; 200]).unwrap();
        assert!(section.len() < 100, "{}", section.len());
        let read = |most| {
            let mut given = 0;
            let section = Cursor::new(&section, Part::Classes, 0);
            read_each(section, 200, most, |_, image| given += image.len()).map(|()| given)
        };
        assert_eq!(read(200 * btf.len()).unwrap(), 200 * btf.len());
        let error = read(200 * btf.len() - 1).unwrap_err().to_string();
        assert!(error.contains("more BTF than"), "{error}");
    }

    #[test]
    fn a_block_without_classes_is_refused() {
        let btf = forward();
        let section = plan::write(&[&btf[..]]).unwrap();
        // Checksum; stride, how many blocks; of the one its classes, length, checksum.
        let (directory, bytes) = section[4..].split_at(8);
        let mut two = directory.to_vec();
        two[1] = 2;
        // The checksum of nothing is 0.
        two.extend([0; 6]);
        let mut more = crc32(&[&two]).to_le_bytes().to_vec();
        more.extend(two);
        more.extend(bytes);
        let read = |section: &[u8]| {
            let section = Cursor::new(section, Part::Classes, 0);
            read_each(section, 1, btf.len(), |_, _| ())
        };
        assert!(read(&section).is_ok());
        let error = read(&more).unwrap_err().to_string();
        assert!(error.contains("a block without classes"), "{error}");
    }
}
