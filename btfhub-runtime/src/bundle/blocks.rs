//! The classes' section: classes in blocks, so that one class costs no more
//! than decoding two of them.
//!
//! The first block (the *root*) holds every `stride`-th class; each other block
//! holds a run of the classes between. A block goes on where the root ended,
//! with all that was learnt and defined there, so what is common to all kernels
//! is said once. Small bundles have the root alone, with stride 1.

use super::checksum::crc32;
use super::coder::{Coder, Decoder};
use super::cursor::Cursor;
use super::error::BundleError;
use super::image;
use super::library::{Class, Library};

/// A block as the directory says it.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) classes: u32,
    pub(super) bytes: &'a [u8],
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

/// The BTF of the class that was decoded last.
pub(super) fn last_image(section: &Cursor<'_>, library: &Library) -> Result<Vec<u8>, BundleError> {
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

/// The blocks after the root.
pub(super) struct Others<'a> {
    entries: Cursor<'a>,
    left: u32,
    bytes: Cursor<'a>,
}

impl<'a> Others<'a> {
    pub(super) fn next(&mut self) -> Result<Option<Block<'a>>, BundleError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let classes = self.entries.varint()?;
        let len = self.entries.length()?;
        let crc = u32::from_le_bytes(self.entries.array()?);
        let bytes = self.bytes.take(len)?;
        // Each takes a copy of what the root taught.
        if classes == 0 {
            return Err(self.entries.malformed("a block without classes"));
        }
        Ok(Some(Block {
            classes,
            bytes,
            crc,
        }))
    }
}

/// Stride, root, and the other blocks.
pub(super) fn directory(section: Cursor<'_>) -> Result<(u32, Block<'_>, Others<'_>), BundleError> {
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
pub(super) fn decode(
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

pub(super) fn check(section: &Cursor<'_>, block: Block<'_>) -> Result<(), BundleError> {
    if crc32(&[block.bytes]) != block.crc {
        return Err(section.damaged());
    }
    Ok(())
}

/// Decodes the next class.
pub(super) fn next(
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
