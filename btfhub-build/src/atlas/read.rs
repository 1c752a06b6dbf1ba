//! Reads an atlas: the index and the kernels at once, blocks and strings on demand.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use btfhub_runtime::KernelId;

use super::collect::SourceEntry;
use super::decode::{Decoder, Group, Position};
use super::definition::GROUP_KINDS;
use super::error::{AtlasError, Cause, FilePart};
use super::format::{BlockEntry, Index};
use super::kernels::{self, KernelEntry};
use super::modules;
use super::numbers::{DefinitionNumber, GroupNumber, KernelNumber, StringNumber};
use super::pack::{MAX_NAMES, expand};
use crate::archive::Digest;
use crate::btf::{Endian, Kind};

/// The type definitions of many kernels.
///
/// [`Atlas::parse`] reads header, index and the list of kernels. Everything else is expanded,
/// and its digest checked, on demand.
#[derive(Debug)]
pub struct Atlas {
    pub(super) file: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) index: Index,
    kernels: Vec<KernelEntry>,
    module_names: Vec<String>,
    /// For each block the numbers of its first group, definition and string.
    firsts: Vec<First>,
    blocks: Vec<OnceLock<Block>>,
    texts: Vec<OnceLock<Text>>,
    totals: First,
    /// Total length of the names of the groups in expanded blocks.
    names: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct First {
    group: GroupNumber,
    definition: DefinitionNumber,
    string: StringNumber,
}

impl First {
    /// The numbers of the first block. 0 is the empty string.
    const OF_ALL: Self = Self {
        group: GroupNumber(0),
        definition: DefinitionNumber(0),
        string: StringNumber(1),
    };
}

/// An expanded block.
#[derive(Debug)]
pub(super) struct Block {
    columns: Vec<u8>,
    groups: Vec<GroupInBlock>,
}

/// A group in an expanded block.
#[derive(Debug)]
struct GroupInBlock {
    position: Position,
    /// Name and kind of the previous group, from which this one's are decoded.
    before: Group,
    kind: Kind,
    name: Vec<u8>,
    first_definition: DefinitionNumber,
}

/// The strings of a block.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Atlas {
    /// Reads a file from memory.
    ///
    /// # Errors
    /// If it isn't an atlas, has another version, or is damaged.
    pub fn parse(file: Vec<u8>) -> Result<Self, AtlasError> {
        let (index, digest) = Index::read(&file)?;
        let mut firsts = Vec::new();
        let mut next = First::OF_ALL;
        for block in &index.blocks {
            firsts.push(next);
            let add = |a: u32, b: u32| {
                a.checked_add(b)
                    .ok_or_else(|| AtlasError::malformed(FilePart::Index, 0, "its counts overflow"))
            };
            next = First {
                group: GroupNumber(add(next.group.0, block.groups)?),
                definition: DefinitionNumber(add(next.definition.0, block.definitions)?),
                string: StringNumber(add(next.string.0, block.strings)?),
            };
        }
        let definitions = next.definition.0;
        let raw = expand(&file, &index.kernels, FilePart::Kernels)?;
        let mut kernels = kernels::read(&raw, index.kernel_count, definitions)?;
        let mut module_names = Vec::new();
        if let Some(section) = &index.modules {
            let raw = expand(&file, section, FilePart::Modules)?;
            let parents: Vec<_> = kernels.iter().map(|kernel| kernel.parent).collect();
            let (names, of_kernels) = modules::read(&raw, &parents, definitions)?;
            module_names = names;
            for (kernel, modules) in kernels.iter_mut().zip(of_kernels) {
                kernel.modules = modules;
            }
        }
        let blocks = index.blocks.iter().map(|_| OnceLock::new()).collect();
        let texts = index.blocks.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            file,
            digest,
            index,
            kernels,
            module_names,
            firsts,
            blocks,
            texts,
            totals: next,
            names: AtomicU64::new(0),
        })
    }

    /// Whether its definitions include functions and variables.
    pub fn has_functions(&self) -> bool {
        self.index.functions
    }

    /// Its kernels, in order.
    pub fn kernels(&self) -> impl ExactSizeIterator<Item = (KernelNumber, KernelId<'_>)> {
        let kernels = self.kernels.iter().enumerate();
        kernels.map(|(number, kernel)| (KernelNumber(number), kernel.id()))
    }

    /// Finds a kernel.
    ///
    /// # Errors
    /// If the atlas doesn't have it.
    pub fn kernel(&self, id: KernelId<'_>) -> Result<KernelNumber, AtlasError> {
        self.kernels
            .binary_search_by(|kernel| kernel.id().cmp(&id))
            .map(KernelNumber)
            .map_err(|_| AtlasError(Cause::NoKernel(id.to_string())))
    }

    /// The entry that a kernel was read from.
    pub fn source(&self, kernel: KernelNumber) -> Option<&SourceEntry> {
        Some(&self.kernels.get(kernel.0)?.source)
    }

    /// The byte order of a kernel.
    pub fn endian(&self, kernel: KernelNumber) -> Option<Endian> {
        Some(self.kernels.get(kernel.0)?.endian)
    }

    /// The names of a kernel's modules, in order.
    pub fn modules(&self, kernel: KernelNumber) -> impl ExactSizeIterator<Item = &str> {
        let modules = self
            .kernels
            .get(kernel.0)
            .map(|kernel| kernel.modules.as_slice());
        modules.unwrap_or_default().iter().map(|module| {
            let name = self.module_names.get(module.name.index());
            name.map_or("", String::as_str)
        })
    }

    /// The names of the modules of all kernels, by number.
    pub(super) fn module_names(&self) -> &[String] {
        &self.module_names
    }

    /// How many distinct definitions it has.
    pub fn definition_count(&self) -> u32 {
        self.totals.definition.0
    }

    /// How many groups it has: distinct kinds and names of types.
    pub fn group_count(&self) -> u32 {
        self.totals.group.0
    }

    /// The numbers of all groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = GroupNumber> {
        (0..self.group_count()).map(GroupNumber)
    }

    /// How many strings it has, with the empty one.
    pub(super) fn string_count(&self) -> u32 {
        self.totals.string.0
    }

    pub(super) fn entries(&self) -> &[KernelEntry] {
        &self.kernels
    }

    /// The group of a kind and essential name.
    pub(super) fn find(&self, kind: Kind, name: &[u8]) -> Result<Option<GroupNumber>, AtlasError> {
        let kind = kind.core_kind();
        let key = (order(kind), name);
        let after = self
            .index
            .blocks
            .partition_point(|block| (block.kind, block.name.as_slice()) <= key);
        let Some(number) = after.checked_sub(1) else {
            return Ok(None);
        };
        let block = self.block(number)?;
        let place = (block.groups)
            .binary_search_by(|place| (order(place.kind), place.name.as_slice()).cmp(&key));
        Ok(place.ok().and_then(|place| self.group_at(number, place)))
    }

    /// The group at a place in a block.
    fn group_at(&self, block: usize, place: usize) -> Option<GroupNumber> {
        let place = u32::try_from(place).ok()?;
        self.first(block)
            .group
            .0
            .checked_add(place)
            .map(GroupNumber)
    }

    /// The first numbers of a block.
    fn first(&self, block: usize) -> First {
        match self.firsts.get(block) {
            Some(first) => *first,
            None => First::OF_ALL,
        }
    }

    /// A group: its name, and the definitions that it has in any kernel.
    pub(super) fn group(&self, number: GroupNumber) -> Result<Group, AtlasError> {
        let (block_number, block, place) = self.place(number)?;
        let mut decoder = self.decoder(block_number, &block.columns)?;
        decoder.seek(&place.position);
        let mut group = place.before.clone();
        decoder.group(&mut group)?;
        Ok(group)
    }

    /// Kind and name of a group.
    pub(super) fn title(&self, number: GroupNumber) -> Result<(Kind, &[u8]), AtlasError> {
        let (_, _, place) = self.place(number)?;
        Ok((place.kind, &place.name))
    }

    /// The first definition of a group.
    pub(super) fn first_definition(
        &self,
        number: GroupNumber,
    ) -> Result<DefinitionNumber, AtlasError> {
        Ok(self.place(number)?.2.first_definition)
    }

    /// The group of a definition.
    pub(super) fn group_of(&self, definition: DefinitionNumber) -> Result<GroupNumber, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Index, 0, "no such definition");
        let after = self
            .firsts
            .partition_point(|first| first.definition.0 <= definition.0);
        let number = after.checked_sub(1).ok_or_else(absent)?;
        let block = self.block(number)?;
        let places = &block.groups;
        let after = places.partition_point(|place| place.first_definition.0 <= definition.0);
        let group = after
            .checked_sub(1)
            .and_then(|place| self.group_at(number, place));
        group.ok_or_else(absent)
    }

    /// A string.
    pub(super) fn string(&self, number: StringNumber) -> Result<&[u8], AtlasError> {
        if number == StringNumber::EMPTY {
            return Ok(&[]);
        }
        let block = self
            .firsts
            .partition_point(|first| first.string.0 <= number.0)
            - 1;
        let text = self.text(block)?;
        let index = (number.0 - self.first(block).string.0) as usize;
        let end = text.ends.get(index).copied();
        let start = match index.checked_sub(1) {
            Some(before) => text.ends.get(before).map(|end| end + 1),
            None => Some(0),
        };
        let string = start
            .zip(end)
            .and_then(|(start, end)| text.bytes.get(start..end));
        string.ok_or_else(|| {
            AtlasError::malformed(
                FilePart::Strings(block),
                0,
                "it ends before the last string",
            )
        })
    }

    fn place(&self, group: GroupNumber) -> Result<(usize, &Block, &GroupInBlock), AtlasError> {
        let after = self
            .firsts
            .partition_point(|first| first.group.0 <= group.0);
        let absent = || AtlasError::malformed(FilePart::Index, 0, "no such group");
        let number = after.checked_sub(1).ok_or_else(absent)?;
        let block = self.block(number)?;
        let place = (group.0 - self.first(number).group.0) as usize;
        let place = block.groups.get(place).ok_or_else(absent)?;
        Ok((number, block, place))
    }

    fn decoder<'a>(&self, block: usize, columns: &'a [u8]) -> Result<Decoder<'a>, AtlasError> {
        Decoder::new(
            columns,
            FilePart::Definitions(block),
            self.totals.group.0,
            self.first(block).string,
        )
    }

    pub(super) fn block(&self, number: usize) -> Result<&Block, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Index, 0, "no such block");
        let slot = self.blocks.get(number).ok_or_else(absent)?;
        if let Some(block) = slot.get() {
            return Ok(block);
        }
        let entry = self.index.blocks.get(number).ok_or_else(absent)?;
        let part = FilePart::Definitions(number);
        let columns = expand(&self.file, &entry.columns, part)?;
        let groups = self.places(number, entry, &columns)?;
        Ok(slot.get_or_init(|| Block { columns, groups }))
    }

    /// Finds the groups of a block.
    fn places(
        &self,
        number: usize,
        entry: &BlockEntry,
        columns: &[u8],
    ) -> Result<Vec<GroupInBlock>, AtlasError> {
        let part = FilePart::Definitions(number);
        let malformed = |what| AtlasError::malformed(part, 0, what);
        let mut decoder = self.decoder(number, columns)?;
        let mut group = Group::default();
        let first = self.first(number);
        let mut definition = first.definition.0;
        let last = definition.saturating_add(entry.definitions);
        let mut places: Vec<GroupInBlock> = Vec::new();
        for _ in 0..entry.groups {
            let position = decoder.position();
            let before = group.title();
            decoder.group(&mut group)?;
            let len = group.name.len() as u64;
            if self.names.fetch_add(len, Ordering::Relaxed) > MAX_NAMES {
                return Err(malformed(
                    "the names of types are longer than 256 MiB in total",
                ));
            }
            places.push(GroupInBlock {
                position,
                before,
                kind: group.kind(),
                name: group.name.clone(),
                first_definition: DefinitionNumber(definition),
            });
            let count = u32::try_from(group.variants.len()).unwrap_or(u32::MAX);
            definition = definition.saturating_add(count);
        }
        let strings = decoder.next_string().0.checked_sub(first.string.0);
        if !decoder.is_at_end() || definition != last || strings != Some(entry.strings) {
            return Err(malformed("its counts are not those in the index"));
        }
        let first = places.first();
        if first.is_some_and(|place| {
            GROUP_KINDS.get(entry.kind) != Some(&place.kind) || place.name != entry.name
        }) {
            return Err(malformed("its first name is not the one in the index"));
        }
        if !places.is_sorted_by(|a, b| (order(a.kind), &a.name) < (order(b.kind), &b.name)) {
            return Err(malformed("the names of types are not sorted"));
        }
        Ok(places)
    }

    pub(super) fn text(&self, number: usize) -> Result<&Text, AtlasError> {
        let absent = || AtlasError::malformed(FilePart::Index, 0, "no such block");
        let slot = self.texts.get(number).ok_or_else(absent)?;
        if let Some(text) = slot.get() {
            return Ok(text);
        }
        let entry = self.index.blocks.get(number).ok_or_else(absent)?;
        let part = FilePart::Strings(number);
        let bytes = expand(&self.file, &entry.text, part)?;
        let mut ends = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == 0 {
                ends.push(at);
            }
            at += 1;
        }
        if ends.len() != entry.strings as usize || bytes.last().is_some_and(|&last| last != 0) {
            return Err(AtlasError::malformed(
                part,
                0,
                "its number of strings is not the one in the index",
            ));
        }
        Ok(slot.get_or_init(|| Text { bytes, ends }))
    }
}

/// The position of a kind in [`GROUP_KINDS`]; after all others if it is not in there.
fn order(kind: Kind) -> usize {
    let place = GROUP_KINDS.iter().position(|&other| other == kind);
    place.unwrap_or(GROUP_KINDS.len())
}
