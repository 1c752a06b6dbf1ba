//! Type records → bytes.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt as _};

use super::header::{Endian, LAYOUT_HEADER, MAGIC, SHORT_HEADER};
use super::kind::{ELEMENT_WORDS, FIXED_WORDS, KNOWN_KINDS, Kind, VLEN_MASK};
use super::{StrOffset, TypeId};

/// Builds a BTF file of 24-byte header, types and strings.
///
/// ```
/// use btfhub_build::btf::{Btf, BtfWriter, Endian, Kind, TypeId, TypeRecord};
/// let mut writer = BtfWriter::new(Endian::Little);
/// let name = writer.string(b"int");
/// let int = writer.push(&TypeRecord::new(Kind::Int, name).size(4).body(vec![32 | 1 << 24]));
/// let bytes = writer.finish().unwrap();
/// let btf = Btf::parse(&bytes).unwrap();
/// assert_eq!(btf.resolve_size(int), Ok(4));
/// ```
#[derive(Debug)]
pub struct BtfWriter {
    endian: Endian,
    words: Vec<u32>,
    types: u32,
    strings: Vec<u8>,
    /// By hash; if another string has that hash, by the next free number.
    offsets: HashMap<u64, StrOffset>,
    hasher: RandomState,
}

/// One type to write: the words of `struct btf_type` and what follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeRecord {
    name: StrOffset,
    kind: Kind,
    kind_flag: bool,
    size_or_type: u32,
    body: Vec<u32>,
}

impl TypeRecord {
    /// A record without size, reference or elements.
    pub fn new(kind: Kind, name: StrOffset) -> Self {
        Self {
            name,
            kind,
            kind_flag: false,
            size_or_type: 0,
            body: Vec::new(),
        }
    }

    /// Sets `kind_flag`.
    #[must_use]
    pub fn kind_flag(mut self, flag: bool) -> Self {
        self.kind_flag = flag;
        self
    }

    /// Sets the size in bytes.
    #[must_use]
    pub fn size(mut self, bytes: u32) -> Self {
        self.size_or_type = bytes;
        self
    }

    /// Sets the type that it refers to.
    #[must_use]
    pub fn referenced(mut self, id: TypeId) -> Self {
        self.size_or_type = id.0;
        self
    }

    /// Sets the words after the first three: an encoding, an array, or the
    /// elements, whose number (`vlen`) follows from them.
    #[must_use]
    pub fn body(mut self, words: Vec<u32>) -> Self {
        self.body = words;
        self
    }
}

/// More types or strings than the format has numbers for, or a kind that this
/// library can't write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteError(&'static str);

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this BTF can't be written: {}", self.0)
    }
}

impl std::error::Error for WriteError {}

impl BtfWriter {
    /// An empty BTF in the given byte order.
    pub fn new(endian: Endian) -> Self {
        Self {
            endian,
            words: Vec::new(),
            types: 0,
            strings: vec![0],
            offsets: HashMap::new(),
            hasher: RandomState::default(),
        }
    }

    /// The offset of a string, which is added if it is new.
    pub fn string(&mut self, string: &[u8]) -> StrOffset {
        if string.is_empty() {
            return StrOffset(0);
        }
        let mut hash = self.hasher.hash_one(string);
        while let Some(&offset) = self.offsets.get(&hash) {
            if self.is_at(string, offset) {
                return offset;
            }
            hash = hash.wrapping_add(1);
        }
        let offset = self.new_string(string);
        self.offsets.insert(hash, offset);
        offset
    }

    fn is_at(&self, string: &[u8], offset: StrOffset) -> bool {
        let tail = self.strings.get(offset.0 as usize..).unwrap_or_default();
        tail.strip_prefix(string).and_then(<[u8]>::first) == Some(&0)
    }

    /// The offset of a string that is added even if it exists already. For callers that track
    /// their own strings.
    pub(crate) fn new_string(&mut self, string: &[u8]) -> StrOffset {
        let offset = StrOffset(u32::try_from(self.strings.len()).unwrap_or(u32::MAX));
        self.strings.extend_from_slice(string);
        self.strings.push(0);
        offset
    }

    /// Adds a type and returns its id; ids count from 1 in order.
    pub fn push(&mut self, record: &TypeRecord) -> TypeId {
        let kind = usize::from(record.kind.number());
        let (fixed, element) = if kind < KNOWN_KINDS {
            (FIXED_WORDS[kind], ELEMENT_WORDS[kind])
        } else {
            (0, 0)
        };
        let elements = (record.body.len() - fixed.min(record.body.len()))
            .checked_div(element)
            .unwrap_or(0);
        let vlen = u32::try_from(elements).unwrap_or(u32::MAX) & VLEN_MASK;
        self.words.extend([
            record.name.0,
            u32::from(record.kind_flag) << 31 | u32::from(record.kind.number()) << 24 | vlen,
            record.size_or_type,
        ]);
        self.words.extend_from_slice(&record.body);
        self.types = self.types.saturating_add(1);
        TypeId(self.types)
    }

    /// The file.
    ///
    /// # Errors
    /// If a section would be longer than its 32-bit length can express.
    pub fn finish(self) -> Result<Vec<u8>, WriteError> {
        u32::try_from(self.words.len().saturating_mul(4))
            .map_err(|_| WriteError("its types take more than 4 GiB"))?;
        u32::try_from(self.strings.len())
            .map_err(|_| WriteError("its strings take more than 4 GiB"))?;
        Ok(file(self.endian, &self.words, &[], &self.strings))
    }
}

/// Header, types, layout if there is any, and strings, whose lengths fit into
/// 32 bits.
pub(super) fn file(endian: Endian, types: &[u32], layout: &[u8], strings: &[u8]) -> Vec<u8> {
    let word = |word: u32| match endian {
        Endian::Little => word.to_le_bytes(),
        Endian::Big => word.to_be_bytes(),
    };
    // The types at once, which is fast unoptimised too.
    let swapped: Vec<u32>;
    let types = if endian == Endian::NATIVE {
        types
    } else {
        swapped = types.iter().map(|word| word.swap_bytes()).collect();
        &swapped
    };
    let magic = match endian {
        Endian::Little => MAGIC.to_le_bytes(),
        Endian::Big => MAGIC.to_be_bytes(),
    };
    let len = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let (types_len, layout_len) = (len(types.len() * 4), len(layout.len()));
    let strings_at = types_len.saturating_add(layout_len);
    let header_len = if layout.is_empty() {
        SHORT_HEADER
    } else {
        LAYOUT_HEADER
    };
    let mut header = vec![header_len, 0, types_len, strings_at, len(strings.len())];
    if !layout.is_empty() {
        header.extend([types_len, layout_len]);
    }
    let all = header_len as usize + types.len() * 4 + layout.len() + strings.len();
    let mut out = Vec::with_capacity(all);
    out.extend(magic);
    out.extend([1, 0]); // version, flags
    for field in header {
        out.extend(word(field));
    }
    out.extend_from_slice(bytemuck::cast_slice(types));
    out.extend_from_slice(layout);
    out.extend_from_slice(strings);
    out
}
