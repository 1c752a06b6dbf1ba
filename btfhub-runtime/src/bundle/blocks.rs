//! The classes' section: classes in blocks, so that one class costs no more
//! than decoding two of them.
//!
//! The first block (the *root*) holds every `stride`-th class; each other block
//! holds a run of the classes between. A block goes on where the root ended,
//! with all that was learnt and defined there, so what is common to all kernels
//! is said once. Small bundles have the root alone, with stride 1.

use super::checksum::crc32;
use super::coder::{Coder, Decoder, Meter};
use super::cursor::Cursor;
use super::error::BundleError;
use super::image;
use super::library::{Class, Library};
use super::model::Set;

/// A block as the directory says it.
#[derive(Clone, Copy)]
struct Block<'a> {
    classes: u32,
    bytes: &'a [u8],
    crc: u32,
}

/// The BTF of class number `class`. `section` is the whole section, unchecked.
pub(super) fn read(section: Cursor<'_>, class: u32) -> Result<Vec<u8>, BundleError> {
    let (stride, root, mut others) = directory(section)?;
    let mut library = Library::new();
    let coder = &mut Decoder::new(root.bytes);
    let at_root = class / stride;
    let is_of_root = class % stride == 0 && at_root < root.classes;
    let last = if is_of_root { at_root } else { u32::MAX };
    decode(&section, &mut library, root, last, coder)?;
    if is_of_root {
        return last_image(&section, &library);
    }
    // Those of the root that come before are not counted among the others.
    let mut at = class - root.classes.min(at_root + 1);
    while let Some(block) = others.next()? {
        if at < block.classes {
            let coder = &mut Decoder::new(block.bytes);
            decode(&section, &mut library, block, at, coder)?;
            return last_image(&section, &library);
        }
        at -= block.classes;
    }
    Err(section.malformed("a class that is in no block"))
}

/// The BTF of all `count` classes, each block decoded once.
pub(super) fn read_all(section: Cursor<'_>, count: u32) -> Result<Vec<Vec<u8>>, BundleError> {
    let mut all = Vec::new();
    read_each(section, count, |class, image| all.push((class, image)))?;
    all.sort_unstable_by_key(|(class, _)| *class);
    Ok(all.into_iter().map(|(_, image)| image).collect())
}

/// Gives number and BTF of each of `count` classes, one at a time: those of the
/// root, then the others.
pub(super) fn read_each(
    section: Cursor<'_>,
    count: u32,
    mut give: impl FnMut(u32, Vec<u8>),
) -> Result<(), BundleError> {
    let (stride, root, mut others) = directory(section)?;
    let mut given = 0;
    let mut library = Library::new();
    let mut coder = Decoder::new(root.bytes);
    check(&section, root)?;
    for at in 0..root.classes {
        next(&section, &mut library, &mut coder)?;
        let image = last_image(&section, &library)?;
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
            let image = last_image(&section, &library)?;
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

/// The BTF of the class that was decoded last.
fn last_image(section: &Cursor<'_>, library: &Library) -> Result<Vec<u8>, BundleError> {
    match library.classes.last() {
        Some(Class::Bytes(bytes)) => Ok(bytes.clone()),
        Some(Class::Definitions {
            big_endian,
            members,
        }) => image::emit(library, *big_endian, members)
            .ok_or_else(|| section.malformed("definitions that make no BTF")),
        None => Err(section.malformed("an empty block")),
    }
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

/// The blocks after the root.
struct Others<'a> {
    entries: Cursor<'a>,
    left: u32,
    bytes: Cursor<'a>,
}

impl<'a> Others<'a> {
    fn next(&mut self) -> Result<Option<Block<'a>>, BundleError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let classes = self.entries.varint()?;
        let len = self.entries.length()?;
        let crc = u32::from_le_bytes(self.entries.array()?);
        let bytes = self.bytes.take(len)?;
        Ok(Some(Block {
            classes,
            bytes,
            crc,
        }))
    }
}

/// Stride, root, and the other blocks.
fn directory(section: Cursor<'_>) -> Result<(u32, Block<'_>, Others<'_>), BundleError> {
    let mut entries = section;
    let crc = u32::from_le_bytes(entries.array()?);
    let start = entries;
    let stride = entries.varint()?;
    let left = entries.varint()?;
    // The bytes begin where the directory ends.
    let mut bytes = entries;
    for _ in 0..left {
        bytes.varint()?;
        bytes.varint()?;
        bytes.take(4)?;
    }
    if crc32(&[start.until(&bytes)]) != crc {
        return Err(section.damaged());
    }
    let mut others = Others {
        entries,
        left,
        bytes,
    };
    match others.next()? {
        Some(root) if stride > 0 => Ok((stride, root, others)),
        _ => Err(section.malformed("no blocks")),
    }
}

/// Decodes the first classes of a block, up to number `last` (all of them when
/// it has fewer).
fn decode(
    section: &Cursor<'_>,
    library: &mut Library,
    block: Block<'_>,
    last: u32,
    coder: &mut impl Coder,
) -> Result<(), BundleError> {
    check(section, block)?;
    for _ in 0..block.classes.min(last.saturating_add(1)) {
        next(section, library, coder)?;
    }
    Ok(())
}

fn check(section: &Cursor<'_>, block: Block<'_>) -> Result<(), BundleError> {
    if crc32(&[block.bytes]) != block.crc {
        return Err(section.damaged());
    }
    Ok(())
}

/// Decodes the next class.
fn next(
    section: &Cursor<'_>,
    library: &mut Library,
    coder: &mut impl Coder,
) -> Result<(), BundleError> {
    library.class(coder, None, 0);
    if coder.overrun() {
        return Err(section.malformed(
            "a block that ends in the middle of a class, or takes more than 2^21 steps",
        ));
    }
    Ok(())
}
