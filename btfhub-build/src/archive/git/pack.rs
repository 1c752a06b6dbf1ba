//! One pack: `gitformat-pack(5)`, with an index of version 2.
//!
//! Nothing here is trusted: the store hashes everything that is read. So the only requirement
//! is that a damaged or malicious pack stays within the limits on time and memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::object::{Flaw, Kind, LARGEST_OBJECT, Object, ObjectId, Work};
use crate::input::{Links, RegularFile};

/// Longer chains of deltas git does not write.
const LONGEST_CHAIN: usize = 4096;

/// What a step of a chain counts as, whatever its size: it takes some small reads.
const STEP: usize = 4096;

/// What looking into an index counts as: five hundred objects can be looked for in a thousand
/// packs.
const LOOK: usize = 2048;

/// The magic and version of an index.
const INDEX_HEAD: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];

/// Where the ids begin in an index: after its head and 256 counts.
const IDS: usize = 8 + 256 * 4;

/// A pack. Only a summary is kept in memory: a repository may have hundreds of packs.
#[derive(Debug)]
pub(super) struct Pack {
    index: PathBuf,
    /// How many objects have ids that begin with at most this byte.
    counts: Vec<u32>,
}

/// A pack and its index, open.
struct Open<'a> {
    counts: &'a [u32],
    index: File,
    pack: File,
    work: &'a Work,
}

/// The header of an object in a pack.
struct Head {
    kind: u8,
    size: usize,
    /// Where the next part is: the base of the delta, or the object's bytes.
    at: u64,
}

impl Pack {
    /// The pack for an index; `None` if the index is not of version 2.
    pub(super) fn at(index: PathBuf) -> Result<Option<Self>, Flaw> {
        let file = RegularFile::open(&index, Links::Follow)?.file;
        let mut head = [0; IDS];
        read_at(&file, 0, &mut head)?;
        let Some(counts) = head.strip_prefix(&INDEX_HEAD) else {
            return Ok(None);
        };
        let counts = (counts.chunks(4)).filter_map(|count| count.try_into().ok());
        Ok(Some(Self {
            index,
            counts: counts.map(u32::from_be_bytes).collect(),
        }))
    }

    /// Where its index is.
    pub(super) fn path(&self) -> &Path {
        &self.index
    }

    /// The object of an id, if it is in here.
    pub(super) fn read(&self, id: ObjectId, work: &Work) -> Result<Option<Object>, Flaw> {
        if among(&self.counts, id).is_empty() {
            return Ok(None);
        }
        work.take(LOOK)?;
        let pack = self.index.with_extension("pack");
        let open = Open {
            counts: &self.counts,
            index: RegularFile::open(&self.index, Links::Follow)?.file,
            pack: RegularFile::open(&pack, Links::Follow)?.file,
            work,
        };
        open.read(id)
    }
}

/// Which of the ids in an index begin as this one does.
fn among(counts: &[u32], id: ObjectId) -> Range<u64> {
    let first = id.as_bytes().first().map_or(0, |first| usize::from(*first));
    let count = |first: usize| counts.get(first).copied().map_or(0, u64::from);
    first.checked_sub(1).map_or(0, count)..count(first)
}

impl Open<'_> {
    fn read(&self, id: ObjectId) -> Result<Option<Object>, Flaw> {
        let Some(mut at) = self.find(id)? else {
            return Ok(None);
        };
        // Deltas are unwound from the outermost inwards, and applied backwards.
        let mut deltas = Vec::new();
        let mut left = LARGEST_OBJECT;
        let (kind, mut bytes) = loop {
            self.work.take(STEP)?;
            let head = self.head(at)?;
            left = left.checked_sub(head.size).ok_or(Flaw::TooLarge)?;
            let base = match head.kind {
                1 => Err(Kind::Commit),
                2 => Err(Kind::Tree),
                3 => Err(Kind::Blob),
                4 => Err(Kind::Tag),
                6 => {
                    let (distance, behind) = self.distance(head.at)?;
                    let base = at.checked_sub(distance).ok_or(Flaw::Damaged)?;
                    Ok((base, behind))
                }
                7 => {
                    let mut base = [0; 32];
                    let base = base.get_mut(..id.as_bytes().len()).ok_or(Flaw::Damaged)?;
                    read_at(&self.pack, head.at, base)?;
                    let behind = head.at.saturating_add(base.len() as u64);
                    let base = ObjectId::from_bytes(base).ok_or(Flaw::Damaged)?;
                    Ok((self.find(base)?.ok_or(Flaw::Damaged)?, behind))
                }
                _ => return Err(Flaw::Damaged),
            };
            match base {
                Err(kind) => break (kind, self.inflate(head.at, head.size)?),
                Ok((base, behind)) => {
                    deltas.push(self.inflate(behind, head.size)?);
                    at = base;
                }
            }
            if deltas.len() > LONGEST_CHAIN {
                return Err(Flaw::Damaged);
            }
        };
        for delta in deltas.iter().rev() {
            bytes = apply(&bytes, delta, self.work)?;
        }
        Ok(Some(Object { kind, bytes }))
    }

    /// Where the object with this id is in the pack.
    fn find(&self, id: ObjectId) -> Result<Option<u64>, Flaw> {
        let wanted = id.as_bytes();
        let Range {
            start: mut low,
            end: mut high,
        } = among(self.counts, id);
        let all = self.counts.last().copied().map_or(0, u64::from);
        let len = wanted.len() as u64;
        let mut found = [0; 32];
        let found = found.get_mut(..wanted.len()).ok_or(Flaw::Damaged)?;
        while low < high {
            let middle = low.midpoint(high);
            read_at(&self.index, IDS as u64 + middle * len, found)?;
            match (*found).cmp(wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    // The ids are followed by as many checksums, then the offsets.
                    let offsets = IDS as u64 + all * (len + 4);
                    let mut offset = [0; 4];
                    read_at(&self.index, offsets + middle * 4, &mut offset)?;
                    let offset = u32::from_be_bytes(offset);
                    let Some(large) = offset.checked_sub(1 << 31) else {
                        return Ok(Some(offset.into()));
                    };
                    let mut offset = [0; 8];
                    let at = offsets + all * 4 + u64::from(large) * 8;
                    read_at(&self.index, at, &mut offset)?;
                    return Ok(Some(u64::from_be_bytes(offset)));
                }
            }
        }
        Ok(None)
    }

    /// Kind and length: three bits of kind and four of length, then seven at a
    /// time, the lowest first.
    fn head(&self, at: u64) -> Result<Head, Flaw> {
        let bytes = self.some_at(at)?;
        let mut bytes = bytes.iter().zip(1..);
        let (first, mut len) = bytes.next().ok_or(Flaw::Damaged)?;
        let mut size = u64::from(first & 15);
        let mut more = first & 0x80 != 0;
        let mut shift = 4;
        while more {
            let (byte, next) = bytes.next().ok_or(Flaw::Damaged)?;
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            more = byte & 0x80 != 0;
            len = next;
        }
        Ok(Head {
            kind: (first >> 4) & 7,
            size: usize::try_from(size).map_err(|_| Flaw::TooLarge)?,
            at: at.saturating_add(len),
        })
    }

    /// How far before a delta its base is, and where the delta continues: seven bits at a time,
    /// the highest first, each with one added.
    fn distance(&self, at: u64) -> Result<(u64, u64), Flaw> {
        let bytes = self.some_at(at)?;
        let mut distance = 0u64;
        for (byte, len) in bytes.iter().zip(1..) {
            distance |= u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok((distance, at.saturating_add(len)));
            }
            distance = (distance.checked_add(1))
                .and_then(|distance| distance.checked_mul(128))
                .ok_or(Flaw::Damaged)?;
        }
        Err(Flaw::Damaged)
    }

    /// A few bytes, as many as there are; more than any number that fits 63 bits takes.
    fn some_at(&self, at: u64) -> Result<Vec<u8>, Flaw> {
        Ok(bytes_at(&self.pack, at, 9)?)
    }

    /// Inflates the data at a place; the result must have `size` bytes.
    fn inflate(&self, at: u64, size: usize) -> Result<Vec<u8>, Flaw> {
        self.work.take(size)?;
        // Data that does not compress grows, but by less than this with any compressor.
        let most = (size as u64).saturating_add(size as u64 / 4 + 128);
        let compressed = bytes_at(&self.pack, at, most)?;
        let bytes = decompress_to_vec_zlib_with_limit(&compressed, size);
        (bytes.ok().filter(|bytes| bytes.len() == size)).ok_or(Flaw::Damaged)
    }
}

fn read_at(mut file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

fn bytes_at(mut file: &File, at: u64, most: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes an object of its base and a delta.
fn apply(base: &[u8], delta: &[u8], work: &Work) -> Result<Vec<u8>, Flaw> {
    let mut delta = delta;
    let base_len = length(&mut delta)?;
    let len = length(&mut delta)?;
    if base_len != base.len() {
        return Err(Flaw::Damaged);
    }
    if len > LARGEST_OBJECT {
        return Err(Flaw::TooLarge);
    }
    work.take(len)?;
    let mut bytes = Vec::new();
    while let Some((op, rest)) = delta.split_first() {
        delta = rest;
        let piece = if op & 0x80 == 0 {
            // The next so many bytes of the delta itself.
            let (piece, rest) = (delta.split_at_checked(usize::from(*op)))
                .filter(|(piece, _)| !piece.is_empty())
                .ok_or(Flaw::Damaged)?;
            delta = rest;
            piece
        } else {
            // A piece of the base: the bits say which bytes of its offset and length follow.
            let mut numbers = [0; 7];
            for (bit, number) in numbers.iter_mut().enumerate() {
                if op >> bit & 1 != 0 {
                    let (byte, rest) = delta.split_first().ok_or(Flaw::Damaged)?;
                    (*number, delta) = (usize::from(*byte), rest);
                }
            }
            let [a, b, c, d, e, f, g] = numbers;
            let from = a | b << 8 | c << 16 | d << 24;
            let len = match e | f << 8 | g << 16 {
                0 => 0x10000,
                len => len,
            };
            let piece = from.checked_add(len).and_then(|to| base.get(from..to));
            piece.ok_or(Flaw::Damaged)?
        };
        if bytes.len() + piece.len() > len {
            return Err(Flaw::Damaged);
        }
        bytes.extend_from_slice(piece);
    }
    if bytes.len() == len {
        Ok(bytes)
    } else {
        Err(Flaw::Damaged)
    }
}

/// Seven bits at a time, the lowest first.
fn length(delta: &mut &[u8]) -> Result<usize, Flaw> {
    let mut len = 0u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = delta.split_first().ok_or(Flaw::Damaged)?;
        *delta = rest;
        len |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(len).map_err(|_| Flaw::TooLarge);
        }
    }
    Err(Flaw::Damaged)
}
