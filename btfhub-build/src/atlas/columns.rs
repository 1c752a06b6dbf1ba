//! The columns of a block. Each stores numbers of one meaning together, which compresses well.
//! `FORMAT.md` describes them.

use super::bytes::{Cursor, put_len};
use super::error::{AtlasError, FilePart};
use crate::btf::Kind;

/// How many columns a block has.
pub(super) const COLUMNS: usize = 8;

/// The columns of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns<T> {
    /// Counts, kinds and sizes.
    pub(super) heads: T,
    /// Steps from one variant to the next.
    pub(super) edits: T,
    /// Names of elements.
    pub(super) names: T,
    pub(super) types: T,
    /// Bit offsets and values.
    pub(super) places: T,
    /// Sizes of bitfields in bits.
    pub(super) bits: T,
    /// Lengths of the names of groups.
    pub(super) lengths: T,
    /// Names of groups.
    pub(super) text: T,
}

impl Columns<Vec<u8>> {
    fn all(&self) -> [&Vec<u8>; COLUMNS] {
        [
            &self.heads,
            &self.edits,
            &self.names,
            &self.types,
            &self.places,
            &self.bits,
            &self.lengths,
            &self.text,
        ]
    }

    /// Bytes in all columns.
    pub(super) fn len(&self) -> usize {
        self.all().iter().map(|column| column.len()).sum()
    }

    /// Returns one byte string: the lengths of the columns, then the columns.
    pub(super) fn join(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len() + 4 * COLUMNS);
        for column in self.all() {
            put_len(&mut out, column.len());
        }
        for column in self.all() {
            out.extend_from_slice(column);
        }
        out
    }
}

impl<'a> Columns<Cursor<'a>> {
    /// Takes a joined block apart.
    pub(super) fn split(joined: &'a [u8], part: FilePart) -> Result<Self, AtlasError> {
        let mut cursor = Cursor::new(joined, part);
        let mut lens = [0; COLUMNS];
        for len in &mut lens {
            *len = cursor.len()?;
        }
        let mut next = {
            let mut lens = lens.into_iter();
            move || -> Result<Cursor<'a>, AtlasError> {
                Ok(Cursor::new(cursor.take(lens.next().unwrap_or(0))?, part))
            }
        };
        Ok(Self {
            heads: next()?,
            edits: next()?,
            names: next()?,
            types: next()?,
            places: next()?,
            bits: next()?,
            lengths: next()?,
            text: next()?,
        })
    }

    fn all(&self) -> [&Cursor<'a>; COLUMNS] {
        [
            &self.heads,
            &self.edits,
            &self.names,
            &self.types,
            &self.places,
            &self.bits,
            &self.lengths,
            &self.text,
        ]
    }

    /// The reading position in each column.
    pub(super) fn positions(&self) -> [usize; COLUMNS] {
        self.all().map(Cursor::position)
    }

    /// Continues at other positions.
    pub(super) fn seek(&mut self, positions: [usize; COLUMNS]) {
        let [heads, edits, names, types, places, bits, lengths, text] = positions;
        self.heads.seek(heads);
        self.edits.seek(edits);
        self.names.seek(names);
        self.types.seek(types);
        self.places.seek(places);
        self.bits.seek(bits);
        self.lengths.seek(lengths);
        self.text.seek(text);
    }

    /// Whether all columns have been read to their ends.
    pub(super) fn is_at_end(&self) -> bool {
        self.all().iter().all(|cursor| cursor.is_at_end())
    }
}

/// The numbers in the column of types, one for each type.
pub(super) mod code {
    use super::Kind;

    pub(in crate::atlas) const VOID: u64 = 0;
    pub(in crate::atlas) const PTR: u64 = 1;
    pub(in crate::atlas) const ARRAY: u64 = 2;
    pub(in crate::atlas) const ARRAY_OWN_INDEX: u64 = 3;
    pub(in crate::atlas) const OTHER: u64 = 4;
    pub(in crate::atlas) const PROTO: u64 = 5;
    /// The first of the kinds in [`INLINE_KINDS`].
    pub(in crate::atlas) const INLINE: u64 = 6;
    /// The number of a reference to group 0; those to other groups follow.
    pub(in crate::atlas) const NAMED: u64 = 13;

    pub(in crate::atlas) const INLINE_KINDS: [Kind; 7] = [
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Enum64,
        Kind::Int,
        Kind::Float,
        Kind::Fwd,
    ];
}

/// Names of elements: [`NEW`], [`EMPTY`], or how far back the string is.
pub(super) mod name {
    /// The next string, used for the first time.
    pub(in crate::atlas) const NEW: u64 = 0;
    /// The empty string.
    pub(in crate::atlas) const EMPTY: u64 = 1;
}

/// Appends a string without the prefix that it shares with the previous one: the length of
/// that prefix, the number of other bytes, and these bytes.
pub(super) fn put_text(lengths: &mut Vec<u8>, text: &mut Vec<u8>, before: &[u8], now: &[u8]) {
    let mut shared = 0;
    while shared < before.len() && shared < now.len() && before[shared] == now[shared] {
        shared += 1;
    }
    put_len(lengths, shared);
    put_len(lengths, now.len() - shared);
    text.extend_from_slice(now.get(shared..).unwrap_or_default());
}

/// Reads what [`put_text`] wrote. `text` is the previous string, and becomes this one.
pub(super) fn take_text(
    lengths: &mut Cursor<'_>,
    bytes: &mut Cursor<'_>,
    text: &mut Vec<u8>,
) -> Result<(), AtlasError> {
    let shared = lengths.len()?;
    let more = lengths.len()?;
    if shared > text.len() {
        return Err(lengths.error("a name shares more bytes than the previous one has"));
    }
    text.truncate(shared);
    text.extend_from_slice(bytes.take(more)?);
    Ok(())
}
