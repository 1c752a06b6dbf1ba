//! Bytes → [`Btf`].
//!
//! The type section is read as native 32-bit words in one buffer, which is the
//! decoded file itself: nothing is copied but the index of types. Plain loops
//! over `[u32]` are on purpose: build scripts run unoptimised by default, and
//! indexing a slice is what costs nothing there.

use std::sync::{Arc, OnceLock};

use super::check::Highest;
use super::error::{BtfError, BtfErrorKind};
use super::header::{Endian, Header};
use super::join::Module;
use super::kind::{
    BASE_WORDS, ELEMENT_WORDS, FIXED_WORDS, KIND_MASK, KNOWN_KINDS, LISTED_KINDS, VLEN_MASK,
};
use super::strings::{check_strings, until_nul};
use super::types::Type;
use super::{StrOffset, TypeId};

/// A BTF that passed the checks of libbpf's `btf__new` (`btf_sanity_check`).
#[derive(Clone, Debug)]
pub struct Btf {
    /// The file; the words of the type section are in native byte order.
    pub(super) words: Vec<u32>,
    /// Bytes of `words` that belong to the string section.
    pub(super) strings: std::ops::Range<usize>,
    /// End of the type section, in words.
    pub(super) types_end: usize,
    /// The word at which each type begins.
    pub(super) index: Vec<u32>,
    /// The types with a name whose kinds are in [`LISTED_KINDS`], as places in
    /// `index`.
    pub(super) listed: Vec<u32>,
    /// The layout section, or its base's: the sizes of kinds unknown here.
    layout: Vec<u8>,
    endian: Endian,
    /// What this BTF is split from.
    pub(super) base: Option<Arc<Btf>>,
    pub(super) first_id: u32,
    pub(super) first_string: u32,
    pub(super) pointer_size: OnceLock<Option<u32>>,
    /// The modules that own the last types, in their order.
    pub(super) modules: Vec<Module>,
}

/// The result of one walk over the type section.
struct Indexed {
    index: Vec<u32>,
    listed: Vec<u32>,
    highest: Highest,
}

impl Btf {
    /// Reads a BTF file of either byte order.
    ///
    /// # Errors
    /// Everything that libbpf 1.7.0 refuses, and anything that contradicts a layout section.
    /// Unlike libbpf 1.7.0, a kind that the layout section describes is skipped (as in libbpf
    /// 1.8).
    pub fn parse(data: &[u8]) -> Result<Self, BtfError> {
        Self::from_words(to_words(data), data.len())
    }

    /// A BTF without types, for an object that has none.
    pub(crate) fn empty(endian: Endian) -> Self {
        Self {
            // The empty string.
            words: vec![0],
            strings: 0..1,
            types_end: 0,
            index: Vec::new(),
            listed: Vec::new(),
            layout: Vec::new(),
            endian,
            base: None,
            first_id: 1,
            first_string: 0,
            pointer_size: OnceLock::new(),
            modules: Vec::new(),
        }
    }

    /// The same for a file that is already in a buffer of words: its `len`
    /// bytes are used without a copy.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn from_words(words: Vec<u32>, len: usize) -> Result<Self, BtfError> {
        Self::read(words, len, None)
    }

    /// Reads a module's BTF, whose ids and strings continue where `base` ends.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn parse_split(data: &[u8], base: Arc<Btf>) -> Result<Self, BtfError> {
        Self::read(to_words(data), data.len(), Some(base))
    }

    fn read(mut words: Vec<u32>, len: usize, base: Option<Arc<Btf>>) -> Result<Self, BtfError> {
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let data = bytes.get(..len).unwrap_or(bytes);
        let header = Header::parse(data)?;
        check_strings(
            data.get(header.strings.clone()).unwrap_or_default(),
            header.strings.start,
            base.is_some(),
        )?;
        let mut layout = data.get(header.layout.clone()).unwrap_or_default().to_vec();
        // A module may leave it to its kernel (`btf_type_size_unknown`).
        if let (true, Some(base)) = (layout.is_empty(), &base) {
            layout.clone_from(&base.layout);
        }

        let Header {
            endian,
            types,
            mut strings,
            ..
        } = header;
        let file_offset = types.start as u64;
        let mut start = types.start / 4;
        let mut end = types.end / 4;
        if types.start % 4 != 0 {
            // The header length is not a multiple of 4: move both sections.
            let moved = data.get(types.start..strings.end).unwrap_or_default();
            words = to_words(moved);
            strings = strings.start - types.start..strings.end - types.start;
            start = 0;
            end = (types.end - types.start) / 4;
        }
        if endian != Endian::NATIVE {
            for word in words.get_mut(start..end).unwrap_or_default() {
                *word = word.swap_bytes();
            }
        }
        let (first_id, first_string) = base.as_ref().map_or((1, 0), |base| {
            (base.type_count(), base.first_string + base.strings_len())
        });

        let mut btf = Self {
            words,
            strings,
            types_end: end,
            index: Vec::new(),
            listed: Vec::new(),
            layout,
            endian,
            base,
            first_id,
            first_string,
            pointer_size: OnceLock::new(),
            modules: Vec::new(),
        };
        let indexed = btf.index_types(start, types.len(), file_offset)?;
        let Indexed { highest, .. } = indexed;
        (btf.index, btf.listed) = (indexed.index, indexed.listed);
        if !highest.are_sound(&btf) {
            btf.check(file_offset, start)?;
        }
        Ok(btf)
    }

    /// libbpf's `btf_parse_type_sec`: where each record begins. What the records refer to is
    /// examined in the same pass, so that each word is fetched from memory only once.
    fn index_types(
        &self,
        start: usize,
        byte_len: usize,
        file_offset: u64,
    ) -> Result<Indexed, BtfError> {
        let words: &[u32] = self.words.get(..self.types_end).unwrap_or_default();
        let end = words.len();
        let error = |pos: usize, kind| {
            let offset = file_offset + 4 * (pos.saturating_sub(start)) as u64;
            BtfError::new(offset, kind)
        };
        let mut index = vec![0u32; end.saturating_sub(start) / BASE_WORDS];
        let slots: &mut [u32] = &mut index;
        let mut listed = Vec::new();
        let mut count = 0;
        let mut pos = start;
        let mut highest = Highest::default();
        while pos + BASE_WORDS <= end {
            let info = words[pos + 1];
            let kind = ((info >> 24) & KIND_MASK) as usize;
            let vlen = (info & VLEN_MASK) as usize;
            let id = || {
                self.first_id
                    .saturating_add(u32::try_from(count).unwrap_or(u32::MAX))
            };
            let body = if kind < KNOWN_KINDS && kind != 0 {
                FIXED_WORDS[kind] + ELEMENT_WORDS[kind] * vlen
            } else {
                match self.layout.get(kind * 4..kind * 4 + 2) {
                    Some(&[info_size, element_size])
                        if kind != 0 && info_size % 4 == 0 && element_size % 4 == 0 =>
                    {
                        usize::from(info_size) / 4 + usize::from(element_size) / 4 * vlen
                    }
                    _ => {
                        // Seven bits.
                        #[allow(clippy::cast_possible_truncation)]
                        let kind = kind as u8;
                        return Err(error(pos, BtfErrorKind::UnknownKind { id: id(), kind }));
                    }
                }
            };
            let next = pos + BASE_WORDS + body;
            if next > end {
                return Err(error(pos, BtfErrorKind::TypeOverrun { id: id() }));
            }
            let record = &words[pos..next];
            // The numbers of `Kind`: a function, and its prototype, which usually precedes it.
            if kind == 12 {
                let proto = record[2].wrapping_sub(self.first_id) as usize;
                highest.in_doubt |=
                    proto >= count || (words[slots[proto] as usize + 1] >> 24) & KIND_MASK != 13;
            }
            highest.look_at(kind, record);
            // A file has less than 2^32 words: its sections are 32-bit lengths.
            #[allow(clippy::cast_possible_truncation)]
            {
                slots[count] = pos as u32;
                if kind < 32 && LISTED_KINDS & (1 << kind) != 0 && record[0] != 0 {
                    listed.push(count as u32);
                }
            }
            count += 1;
            pos = next;
        }
        if pos != end || byte_len % 4 != 0 {
            let id = self
                .first_id
                .saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            return Err(error(pos, BtfErrorKind::TypeOverrun { id }));
        }
        index.truncate(count);
        Ok(Indexed {
            index,
            listed,
            highest,
        })
    }

    /// The type with number `id`; `None` beyond the last.
    pub fn ty(&self, id: TypeId) -> Option<Type<'_>> {
        if id.0 == 0 {
            return Some(Type::void());
        }
        if id.0 < self.first_id {
            return self.base.as_ref().and_then(|base| base.ty(id));
        }
        let own = (id.0 - self.first_id) as usize;
        // As simple as in `Type`: this is called millions of times.
        let index: &[u32] = &self.index;
        if own >= index.len() {
            return None;
        }
        let record = self.words.get(index[own] as usize..self.types_end);
        record.map(Type::new)
    }

    /// Which of [`Btf::records`] can be found by name: the named types that are INT, FLOAT,
    /// TYPEDEF, STRUCT, UNION, ENUM, ENUM64 or FWD.
    pub(crate) fn listed(&self) -> &[u32] {
        &self.listed
    }

    /// The words of the file up to the end of the type section, and the word
    /// at which each own type begins: for loops over all types that have to be
    /// fast unoptimised.
    pub(crate) fn records(&self) -> (&[u32], &[u32]) {
        (
            self.words.get(..self.types_end).unwrap_or_default(),
            &self.index,
        )
    }

    /// One more than the highest type id, base included (libbpf's
    /// `btf__type_cnt`).
    pub fn type_count(&self) -> u32 {
        // Each type takes 12 bytes of a section whose length is 32 bits.
        self.first_id
            .saturating_add(u32::try_from(self.index.len()).unwrap_or(u32::MAX))
    }

    /// All type ids but `void`, in order, base included.
    pub fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (1..self.type_count()).map(TypeId)
    }

    /// The types of the kinds in `kinds` (bit *n* for kind number *n*) whose
    /// name may be one of `names`. In id order. A loop that looks at many types of
    /// a kernel, hence over plain words.
    pub(crate) fn find_named(&self, kinds: u32, names: &NameFilter, found: &mut Vec<TypeId>) {
        if let Some(base) = &self.base {
            base.find_named(kinds, names, found);
        }
        self.find_own(kinds, names, found);
    }

    /// The same, without those of the base.
    pub(crate) fn find_own(&self, kinds: u32, names: &NameFilter, found: &mut Vec<TypeId>) {
        let words: &[u32] = self.words.get(..self.types_end).unwrap_or_default();
        let index: &[u32] = &self.index;
        let strings = self.strings();
        let (short, long): (&[bool], &[bool]) = (&names.short, &names.long);
        let listed: Option<&[u32]> = (kinds & !LISTED_KINDS == 0).then_some(&self.listed);
        let count = listed.map_or(index.len(), <[u32]>::len);
        let mut next = 0;
        while next < count {
            let number = match listed {
                Some(listed) => listed[next] as usize,
                None => next,
            };
            next += 1;
            let pos = index[number] as usize;
            let kind = (words[pos + 1] >> 24) & KIND_MASK;
            if kind < 32 && kinds & (1 << kind) != 0 {
                let name = words[pos];
                // Names of the base are left to the caller, and so are those at
                // the very end of the section.
                let mut may_be = true;
                if name >= self.first_string {
                    let at = (name - self.first_string) as usize;
                    if at + 3 < strings.len() {
                        let first = strings[at] as usize | (strings[at + 1] as usize) << 8;
                        let next = strings[at + 2] as usize | (strings[at + 3] as usize) << 8;
                        may_be = short[first] || long[first ^ (next << 3 & 0xffff)];
                    }
                }
                if may_be {
                    // As many types as a file of less than 2^32 bytes holds.
                    #[allow(clippy::cast_possible_truncation)]
                    found.push(TypeId(self.first_id + number as u32));
                }
            }
        }
    }

    /// The byte order of the machine it describes.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// The base of a split BTF.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// The whole BTF as a file, with a header of 24 bytes, or of 32 if kinds unknown here need
    /// the layout section. Split BTF still refers to its base.
    pub fn to_bytes(&self) -> Vec<u8> {
        let first = self
            .index
            .first()
            .map_or(self.types_end, |&pos| pos as usize);
        let types = self.words.get(first..self.types_end).unwrap_or_default();
        let unknown = |&pos: &u32| {
            let info = self.words.get(pos as usize + 1).copied().unwrap_or(0);
            ((info >> 24) & KIND_MASK) as usize >= KNOWN_KINDS
        };
        let layout: &[u8] = if self.index.iter().any(unknown) {
            &self.layout
        } else {
            &[]
        };
        super::write::file(self.endian, types, layout, self.strings())
    }

    pub(super) fn strings(&self) -> &[u8] {
        bytemuck::cast_slice::<u32, u8>(&self.words)
            .get(self.strings.clone())
            .unwrap_or_default()
    }

    pub(super) fn strings_len(&self) -> u32 {
        u32::try_from(self.strings.len()).unwrap_or(u32::MAX)
    }
}

/// Rules out most names that are not in a set, by their first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameFilter {
    /// By the first two bytes (the NUL counts): names of less than four.
    short: Vec<bool>,
    /// By the first four bytes.
    long: Vec<bool>,
}

/// Lets no name through but the empty-handed ones at the end of a string
/// section.
impl Default for NameFilter {
    fn default() -> Self {
        Self {
            short: vec![false; 1 << 16],
            long: vec![false; 1 << 16],
        }
    }
}

impl NameFilter {
    /// Lets `name` through, and `name` with a flavor.
    pub(crate) fn insert(&mut self, name: &[u8]) {
        let pair = |first: u8, second: u8| usize::from(first) | usize::from(second) << 8;
        match *name {
            [a, b, c, d, ..] => {
                if let Some(slot) = self.long.get_mut(pair(a, b) ^ (pair(c, d) << 3 & 0xffff)) {
                    *slot = true;
                }
            }
            [a, ref rest @ ..] => {
                // A name of one byte ends there, or its flavor begins.
                let seconds = rest.first().map_or([0, b'_'], |&second| [second; 2]);
                for second in seconds {
                    if let Some(slot) = self.short.get_mut(pair(a, second)) {
                        *slot = true;
                    }
                }
            }
            [] => {}
        }
    }

    /// Lets through what begins so.
    pub(crate) fn insert_beginning(&mut self, beginning: &[u8]) {
        if beginning.len() >= 4 {
            return self.insert(beginning);
        }
        for next in 0..=u8::MAX {
            self.insert_beginning(&[beginning, &[next]].concat());
        }
    }
}

/// A copy of `data` in an aligned buffer, padded with zeros.
fn to_words(data: &[u8]) -> Vec<u32> {
    let mut words = vec![0u32; data.len().div_ceil(4)];
    if let Some(target) = bytemuck::cast_slice_mut::<u32, u8>(&mut words).get_mut(..data.len()) {
        target.copy_from_slice(data);
    }
    words
}

impl Btf {
    /// The string at `offset` without its NUL; empty when it lies beyond the
    /// section, as it does for no offset that [`Btf::parse`] let pass.
    pub fn string(&self, offset: StrOffset) -> &[u8] {
        // The section ends with a NUL: without one, the offset is beyond it.
        until_nul(self.string_tail(offset)).unwrap_or_default()
    }

    /// The string at `offset` if it is shorter than 32 bytes, or else its beginning. For
    /// comparisons with short strings, at a bounded cost.
    pub(super) fn short_string(&self, offset: StrOffset) -> &[u8] {
        let tail = self.string_tail(offset);
        let tail = tail.get(..32).unwrap_or(tail);
        until_nul(tail).unwrap_or(tail)
    }

    /// The string section from `offset` on.
    pub(crate) fn string_tail(&self, offset: StrOffset) -> &[u8] {
        match (&self.base, offset.0.checked_sub(self.first_string)) {
            (Some(base), None) => base.string_tail(offset),
            (_, Some(own)) => self.strings().get(own as usize..).unwrap_or_default(),
            (None, None) => &[],
        }
    }
}
