//! Collects the definitions of many kernels, each once, to make an atlas.
//!
//! Numbers here are provisional: in order of arrival. The file has canonical numbers, which
//! depend only on the kernels; [`super::write`] assigns them.

use btfhub_runtime::{Arch, KernelId};

use super::chunks::{Chunks, List, MarkedDefinition};
use super::definition::MAX_ARGUMENT;
use super::describe::{MAX_STEPS, Names, describe};
use super::error::{AtlasError, Cause, SurveyError};
use super::hash::HashKey;
use super::names::Recent;
use super::numbers::{ProvisionalDefinition, ProvisionalGroup, ProvisionalString};
use super::survey::{KernelDefinitions, survey};
use super::table::{Slots, Table};
use crate::archive::Digest;
use crate::btf::{Btf, Endian, Kind, StrOffset, TypeId, essential_name};

/// The entry of an archive that a kernel was read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceEntry {
    /// Its path below the archive's root, with `/` between its parts.
    pub path: String,
    /// The digest of the compressed file.
    pub digest: Digest,
}

/// Makes an atlas from kernels.
#[derive(Debug)]
pub struct AtlasWriter {
    pub(super) key: HashKey,
    /// Whether definitions include functions and variables.
    pub(super) functions: bool,
    pub(super) strings: Strings,
    pub(super) groups: Groups,
    pub(super) definitions: Vec<Stored>,
    /// The hashes of all definitions, by their numbers.
    hashes: Table<u128>,
    /// For each definition, the one that followed it last time. Usually it follows again.
    followers: Vec<ProvisionalDefinition>,
    /// The bodies of all definitions, with provisional numbers.
    pub(super) words: Vec<u32>,
    pub(super) kernels: Vec<CollectedKernel>,
    pub(super) chunks: Chunks,
}

/// A definition without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Title {
    pub(super) group: ProvisionalGroup,
    /// Its kind. In a group, only ENUM and ENUM64 are mixed.
    pub(super) kind: Kind,
    /// Its name if that has a flavor, else [`ProvisionalString::EMPTY`].
    pub(super) flavored: ProvisionalString,
}

/// A definition.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) title: Title,
    pub(super) body: std::ops::Range<usize>,
}

/// A kernel, with provisional numbers.
#[derive(Clone, Debug)]
pub(super) struct CollectedKernel {
    pub(super) arch: String,
    pub(super) release: String,
    pub(super) distro: String,
    pub(super) version: String,
    pub(super) source: SourceEntry,
    pub(super) endian: Endian,
    /// In the order of its types.
    pub(super) held: List,
    pub(super) pointer_int: Option<ProvisionalDefinition>,
    pub(super) index_type: Option<ProvisionalDefinition>,
    /// By name: the definitions of each module.
    pub(super) modules: Vec<(String, List)>,
}

impl CollectedKernel {
    pub(super) fn id(&self) -> KernelId<'_> {
        KernelId {
            arch: Arch::new(&self.arch),
            release: &self.release,
            distro: &self.distro,
            version: &self.version,
        }
    }
}

/// Surveys kernels for one [`AtlasWriter`]; any thread can have a copy.
#[derive(Clone, Copy, Debug)]
pub struct Surveyor {
    key: HashKey,
    functions: bool,
}

impl Surveyor {
    /// Finds the definitions of a kernel.
    ///
    /// # Errors
    /// If it has types that an atlas can't hold, or is the BTF of a module.
    pub fn survey(self, btf: &Btf) -> Result<KernelDefinitions<'_>, SurveyError> {
        match survey(btf, self.key, self.functions) {
            // An invalid function affects no relocation.
            Err(_) if self.functions => survey(btf, self.key, false),
            surveyed => surveyed,
        }
    }
}

impl Default for AtlasWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl AtlasWriter {
    /// Makes a writer without kernels, for types only.
    pub fn new() -> Self {
        Self::with_key(HashKey::random(), false)
    }

    /// Makes a writer without kernels, for types, functions and variables. No relocation needs
    /// the latter two, but [verdicts](crate::verdict) do.
    pub fn with_functions() -> Self {
        Self::with_key(HashKey::random(), true)
    }

    /// Makes another writer without kernels, for the same [`surveyor`](Self::surveyor).
    pub(crate) fn for_more(&self) -> Self {
        Self::with_key(self.key, self.functions)
    }

    fn with_key(key: HashKey, functions: bool) -> Self {
        Self {
            key,
            functions,
            strings: Strings::new(key),
            groups: Groups::default(),
            definitions: Vec::new(),
            hashes: Table::with_room(0),
            followers: Vec::new(),
            words: Vec::new(),
            kernels: Vec::new(),
            chunks: Chunks::new(key),
        }
    }

    /// The surveyor for this writer.
    pub fn surveyor(&self) -> Surveyor {
        Surveyor {
            key: self.key,
            functions: self.functions,
        }
    }

    /// How many kernels it has.
    pub fn kernel_count(&self) -> usize {
        self.kernels.len()
    }

    /// How many distinct definitions it has.
    pub fn definition_count(&self) -> usize {
        self.definitions.len()
    }

    /// Adds a kernel that [`AtlasWriter::surveyor`] surveyed. The order of kernels does not
    /// matter.
    ///
    /// # Errors
    /// If it has types that an atlas can't hold, which the survey did not find.
    pub fn insert(
        &mut self,
        kernel: KernelId<'_>,
        source: SourceEntry,
        survey: &KernelDefinitions<'_>,
    ) -> Result<(), SurveyError> {
        let mut held = Vec::with_capacity(survey.held.len());
        let mut pointer_int = None;
        let mut index_type = None;
        let mut known = Known {
            groups: vec![NO_GROUP; survey.group_count()],
            recent: Recent::new(ProvisionalString::EMPTY),
        };
        let mut steps = MAX_STEPS;
        let mut before = ProvisionalDefinition(0);
        let of_pointers = survey.pointer_int.and_then(|id| survey.described(id));
        let of_indices = survey.described(survey.index_type);
        for entry in &survey.held {
            let number = match self.number(entry.hash(), before) {
                Some(number) => number,
                None => self.define(survey, entry.id, entry.hash(), &mut known, &mut steps)?,
            };
            if let Some(follower) = self.followers.get_mut(before.index()) {
                *follower = number;
            }
            before = number;
            if Some(entry.id) == of_pointers {
                pointer_int = Some(number);
            }
            if Some(entry.id) == of_indices {
                index_type = Some(number);
            }
            held.push(MarkedDefinition::new(number, entry.second));
        }
        let mut modules: Vec<(String, List)> = (survey.modules())
            .map(|(name, own)| {
                let own = held.get(own).unwrap_or_default();
                (name.to_owned(), self.chunks.keep(own))
            })
            .collect();
        modules.sort_by(|a, b| a.0.cmp(&b.0));
        held.truncate(survey.held_by_kernel());
        let held = self.chunks.keep(&held);
        self.kernels.push(CollectedKernel {
            arch: kernel.arch.as_str().to_owned(),
            release: kernel.release.to_owned(),
            distro: kernel.distro.to_owned(),
            version: kernel.version.to_owned(),
            source,
            endian: survey.btf.endian(),
            held,
            pointer_int,
            index_type,
            modules,
        });
        Ok(())
    }

    /// The number of a definition that comes after `before`. The guess saves a lookup in a table
    /// that is larger than the processor's cache.
    fn number(&self, hash: u128, before: ProvisionalDefinition) -> Option<ProvisionalDefinition> {
        let guess = self.followers.get(before.index()).copied();
        match guess.filter(|guess| self.hashes.key(guess.0) == Some(hash)) {
            None => self.hashes.get(hash).map(ProvisionalDefinition),
            guess => guess,
        }
    }

    fn define(
        &mut self,
        survey: &KernelDefinitions<'_>,
        id: TypeId,
        hash: u128,
        known: &mut Known,
        steps: &mut usize,
    ) -> Result<ProvisionalDefinition, SurveyError> {
        let start = self.words.len();
        let mut names = Numbers {
            survey,
            strings: &mut self.strings,
            groups: &mut self.groups,
            known,
        };
        let Some(ty) = survey.btf.ty(id) else {
            return Err(SurveyError::new(id.0, "does not exist"));
        };
        let name = survey.btf.string(ty.name());
        let group = names.group(id, ty.kind(), name);
        let flavored = if essential_name(name) == name {
            ProvisionalString::EMPTY
        } else {
            names.string(ty.name())
        };
        let described = describe(survey, id, &mut names, steps, &mut self.words);
        if described.is_err() {
            self.words.truncate(start);
        }
        described?;
        let title = Title {
            group,
            kind: ty.kind(),
            flavored,
        };
        Ok(self.store(title, start, hash))
    }

    /// The number of the group of a kind and an essential name.
    pub(super) fn number_of_group(
        &mut self,
        kind: Kind,
        name: ProvisionalString,
    ) -> ProvisionalGroup {
        self.groups.number(kind, name)
    }

    /// Stores a definition whose body is `words[start..]`. If it is known, removes that body.
    pub(super) fn store(
        &mut self,
        title: Title,
        start: usize,
        hash: u128,
    ) -> ProvisionalDefinition {
        let number = self.hashes.number(hash);
        if number as usize == self.definitions.len() {
            let body = start..self.words.len();
            self.definitions.push(Stored { title, body });
            let next = ProvisionalDefinition(number.saturating_add(1));
            self.followers.push(next);
        } else {
            self.words.truncate(start);
        }
        ProvisionalDefinition(number)
    }

    /// Checks that the format has enough numbers.
    pub(super) fn check_size(&self) -> Result<(), AtlasError> {
        let too_many = |count: usize, what| match u32::try_from(count) {
            Ok(count) if count < MAX_ARGUMENT => Ok(()),
            _ => Err(AtlasError(Cause::TooMany(what))),
        };
        too_many(self.strings.len(), "names")?;
        too_many(self.groups.len(), "names of types")?;
        too_many(self.definitions.len(), "definitions")?;
        too_many(self.kernels.len(), "kernels")
    }
}

/// A group without a number yet.
const NO_GROUP: ProvisionalGroup = ProvisionalGroup(u32::MAX);

/// The numbers of a kernel's names in the writer.
struct Numbers<'a, 'b> {
    survey: &'a KernelDefinitions<'b>,
    strings: &'a mut Strings,
    groups: &'a mut Groups,
    known: &'a mut Known,
}

/// The numbers of a kernel's names that were looked up before.
struct Known {
    /// By number of the group in the kernel; [`NO_GROUP`] if unknown.
    groups: Vec<ProvisionalGroup>,
    /// The last strings.
    recent: Recent<ProvisionalString>,
}

impl Names for Numbers<'_, '_> {
    fn string(&mut self, offset: StrOffset) -> ProvisionalString {
        if let Some(number) = self.known.recent.get(offset.0) {
            return number;
        }
        let number = self.strings.number(self.survey.btf.string(offset));
        self.known.recent.put(offset.0, number);
        number
    }

    fn group(&mut self, id: TypeId, kind: Kind, name: &[u8]) -> ProvisionalGroup {
        let known = self.survey.group(id);
        let known = known.and_then(|group| self.known.groups.get_mut(group));
        match known {
            Some(&mut number) if number != NO_GROUP => return number,
            _ => {}
        }
        let name = self.strings.number(essential_name(name));
        let number = self.groups.number(kind.core_kind(), name);
        if let Some(known) = known {
            *known = number;
        }
        number
    }
}

/// Candidate groups: kind and essential name.
#[derive(Debug)]
pub(super) struct Groups {
    list: Vec<(Kind, ProvisionalString)>,
    numbers: Table<u64>,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            numbers: Table::with_room(0),
        }
    }
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, group: ProvisionalGroup) -> (Kind, ProvisionalString) {
        self.list[group.index()]
    }

    fn number(&mut self, kind: Kind, name: ProvisionalString) -> ProvisionalGroup {
        let key = u64::from(kind.number()) << 32 | u64::from(name.0);
        // The factor is odd, so different keys stay different.
        let number = self.numbers.number(key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if number as usize == self.list.len() {
            self.list.push((kind, name));
        }
        ProvisionalGroup(number)
    }
}

/// Strings, each kept once; 0 is the empty one.
#[derive(Debug)]
pub(super) struct Strings {
    key: HashKey,
    text: Vec<u8>,
    ends: Vec<usize>,
    numbers: Slots,
    /// For each string, the one that followed it last time. Usually it follows again, because
    /// the variants of a struct have their members in the same order.
    followers: Vec<ProvisionalString>,
    /// The string that was looked up last.
    last: ProvisionalString,
}

impl Strings {
    fn new(key: HashKey) -> Self {
        let mut strings = Self {
            key,
            text: Vec::new(),
            ends: Vec::new(),
            numbers: Slots::with_room(0),
            followers: Vec::new(),
            last: ProvisionalString::EMPTY,
        };
        strings.find(b"");
        strings
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: ProvisionalString) -> &[u8] {
        let number = number.index();
        let start = match number.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        let end = self.ends.get(number).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn number(&mut self, string: &[u8]) -> ProvisionalString {
        if string.is_empty() {
            return ProvisionalString::EMPTY;
        }
        let guess = self.followers.get(self.last.index()).copied();
        let guess = guess.filter(|&guess| self.get(guess) == string);
        let number = guess.unwrap_or_else(|| self.find(string));
        if let Some(follower) = self.followers.get_mut(self.last.index()) {
            *follower = number;
        }
        self.last = number;
        number
    }

    fn find(&mut self, string: &[u8]) -> ProvisionalString {
        let hash = self.key.bytes(string);
        let is_it = |number| self.get(ProvisionalString(number)) == string;
        let slot = match self.numbers.find(hash, is_it) {
            Ok(number) => return ProvisionalString(number),
            Err(slot) => slot,
        };
        self.text.extend_from_slice(string);
        self.ends.push(self.text.len());
        let number = self.numbers.fill(slot, hash);
        self.followers
            .push(ProvisionalString(number.saturating_add(1)));
        ProvisionalString(number)
    }
}
