//! What some relocations look for in each type.
//!
//! An access goes from member to member by name (`bpf_core_match_member`), and ends at a type
//! whose size is used; an enumerator is found by its name. Nothing else in a struct or enum is
//! read. So the path of each relocation is followed through all definitions that it can reach
//! in any kernel, and what it looks for is noted at each type.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::decode::Group;
use super::definition::{body_len, elements, inline_kind, shape, split, type_len};
use super::error::AtlasError;
use super::read::Atlas;
use crate::btf::{Kind, essential_name};
use crate::relo::{Accessor, ReloKind, Relocation, Relocations, Spec};

/// Accesses longer than this could come to the end of `bpf_core_spec`, which has
/// room for 64 steps, those through members without a name included: which member
/// they fail at then depends on the members before it.
const MAX_ACCESSORS: usize = 32;
/// The limit on definitions and elements examined, and on paths between types. Beyond it, a
/// definition is kept whole, which is also correct.
const MAX_STEPS: u64 = 1 << 22;
const MAX_WAYS: usize = 1 << 20;

/// What is looked for in each group.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    atlas: &'a Atlas,
    relocations: &'a [Relocation],
    names: HashMap<&'a [u8], u32>,
    /// By the number of a string, once it was asked for.
    known: Vec<Option<Known>>,
    /// A group, and one of `names`.
    members: HashSet<(u32, u32)>,
    enumerators: HashSet<(u32, u32)>,
    /// Groups in which members are looked for.
    searched: HashSet<u32>,
    /// Groups whose size counts.
    measured: HashSet<u32>,
    /// Groups that were reached.
    groups: HashMap<u32, Group>,
    open: Vec<(u32, Rest)>,
    /// Measured ones that may be typedefs.
    to_measure: Vec<u32>,
    steps: u64,
}

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: the name of a member that is gone through.
    Empty,
    /// One of the names.
    Name(u32),
    Other,
}

/// The rest of a relocation's path: which relocation, and how many accessors are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rest {
    relocation: usize,
    done: usize,
}

impl<'a> Demand<'a> {
    /// `None` where names are not all that is read: a `TypeMatches` reads every
    /// member, and no limit of ours or libbpf's may be near.
    ///
    /// # Errors
    /// When the atlas is damaged.
    pub(super) fn new(
        atlas: &'a Atlas,
        relocations: &'a Relocations,
    ) -> Result<Option<Self>, AtlasError> {
        let mut demand = Self {
            atlas,
            relocations: relocations.list(),
            names: HashMap::new(),
            known: vec![None; atlas.string_count() as usize],
            members: HashSet::new(),
            enumerators: HashSet::new(),
            searched: HashSet::new(),
            measured: HashSet::new(),
            groups: HashMap::new(),
            open: Vec::new(),
            to_measure: Vec::new(),
            steps: 0,
        };
        for relocation in demand.relocations {
            match &relocation.spec {
                Spec::TypeMatch(_) => return Ok(None),
                Spec::Field(accessors) if accessors.len() > MAX_ACCESSORS => return Ok(None),
                Spec::Field(accessors) => {
                    for accessor in accessors {
                        if let Accessor::Member { name, .. } = accessor {
                            demand.name(name);
                        }
                    }
                }
                Spec::Enumerator(name) => demand.name(name),
                Spec::Type(_) => {}
            }
        }
        for (number, relocation) in demand.relocations.iter().enumerate() {
            // How many accessors are on the candidate itself, as a pointer, and
            // whether it is measured (`bpf_core_spec_match` asks the size of what
            // is behind each index, and multiplies by that).
            let (done, measured) = match &relocation.spec {
                Spec::Field(accessors) => match accessors.as_slice() {
                    [Accessor::Index(0), Accessor::Member { .. }, ..] => (1, false),
                    [Accessor::Index(_), ..] => (1, true),
                    _ => (0, false),
                },
                _ => (0, relocation.kind == ReloKind::TypeSize),
            };
            let rest = Rest {
                relocation: number,
                done,
            };
            for group in atlas.candidates(relocation)?.into_iter().flatten() {
                demand.open.push((group, rest));
                if measured {
                    demand.measure_group(group);
                }
            }
        }
        demand.follow()?;
        Ok((!demand.is_too_much()).then_some(demand))
    }

    /// Whether any member of a group is looked for.
    pub(super) fn searches(&self, group: u32) -> bool {
        self.searched.contains(&group)
    }

    /// Whether its size counts.
    pub(super) fn measures(&self, group: u32) -> bool {
        self.measured.contains(&group)
    }

    /// Whether a member of this name (the number of a string) is looked for in a
    /// group, or gone through.
    pub(super) fn reads_member(&mut self, group: u32, name: u32) -> Result<bool, AtlasError> {
        Ok(match self.know(name)? {
            Known::Empty => true,
            Known::Name(name) => self.members.contains(&(group, name)),
            Known::Other => false,
        })
    }

    /// The same of an enumerator.
    pub(super) fn reads_enumerator(&self, group: u32, name: u32) -> Result<bool, AtlasError> {
        let name = essential_name(self.atlas.string(name)?);
        let name = self.names.get(name);
        Ok(name.is_some_and(|&name| self.enumerators.contains(&(group, name))))
    }

    /// A group, which is not asked for again.
    pub(super) fn take_group(&mut self, number: u32) -> Option<Group> {
        self.groups.remove(&number)
    }

    fn is_too_much(&self) -> bool {
        self.steps > MAX_STEPS || self.open.len() > MAX_WAYS
    }

    fn name(&mut self, name: &'a [u8]) {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.entry(name).or_insert(next);
    }

    fn know(&mut self, number: u32) -> Result<Known, AtlasError> {
        if let Some(&Some(known)) = self.known.get(number as usize) {
            return Ok(known);
        }
        let string = self.atlas.string(number)?;
        let known = match self.names.get(string) {
            _ if string.is_empty() => Known::Empty,
            Some(&name) => Known::Name(name),
            None => Known::Other,
        };
        if let Some(slot) = self.known.get_mut(number as usize) {
            *slot = Some(known);
        }
        Ok(known)
    }

    fn follow(&mut self) -> Result<(), AtlasError> {
        let mut seen = HashSet::new();
        while let Some((number, rest)) = self.open.pop() {
            if !seen.insert((number, rest)) {
                continue;
            }
            if self.is_too_much() || seen.len() > MAX_WAYS {
                self.steps = u64::MAX;
                break;
            }
            let group = match self.groups.remove(&number) {
                Some(group) => group,
                None => self.atlas.group(number)?,
            };
            for variant in &group.variants {
                self.steps = self.steps.saturating_add(1);
                let body = group.body(variant);
                match variant.kind {
                    Kind::Typedef => {
                        // The size of an array, which is asked of a candidate, can
                        // be too large.
                        if body
                            .first()
                            .is_some_and(|&word| split(word).0 == shape::ARRAY)
                        {
                            self.measure(body);
                        }
                        self.ty(number, body, rest)?;
                    }
                    kind => self.search(number, kind, body, rest)?,
                }
            }
            self.groups.insert(number, group);
        }
        while let Some(number) = self.to_measure.pop() {
            if self.atlas.title(number)?.0 != Kind::Typedef {
                continue;
            }
            let group = match self.groups.remove(&number) {
                Some(group) => group,
                None => self.atlas.group(number)?,
            };
            for variant in &group.variants {
                self.measure(group.body(variant));
            }
            self.groups.insert(number, group);
        }
        Ok(())
    }

    /// Notes that the size of a type counts.
    fn measure(&mut self, words: &[u32]) {
        let Some((&first, words)) = words.split_first() else {
            return;
        };
        let (shape, argument) = split(first);
        match shape {
            shape::NAMED | shape::OTHER => self.measure_group(argument),
            shape::ARRAY => self.measure(words.get(1..).unwrap_or_default()),
            _ => {}
        }
    }

    fn measure_group(&mut self, group: u32) {
        if self.measured.insert(group) {
            self.to_measure.push(group);
        }
    }

    /// Looks for what comes next in a struct, union or enum of a group, or without
    /// a name in one.
    fn search(
        &mut self,
        group: u32,
        kind: Kind,
        body: &[u32],
        rest: Rest,
    ) -> Result<(), AtlasError> {
        let Some(relocation) = self.relocations.get(rest.relocation) else {
            return Ok(());
        };
        let accessors = match &relocation.spec {
            Spec::Enumerator(name) => {
                if let Some(&name) = self.names.get(name.as_slice()) {
                    self.enumerators.insert((group, name));
                }
                return Ok(());
            }
            Spec::Field(accessors) if kind.is_composite() => accessors,
            _ => return Ok(()),
        };
        let Some(Accessor::Member { name, .. }) = accessors.get(rest.done) else {
            return Ok(());
        };
        let Some(&name) = self.names.get(name.as_slice()) else {
            return Ok(());
        };
        self.searched.insert(group);
        self.members.insert((group, name));
        let behind = Rest {
            done: rest.done + 1,
            ..rest
        };
        for member in elements(kind, body) {
            self.steps = self.steps.saturating_add(1);
            if self.is_too_much() {
                break;
            }
            match self.know(member.name)? {
                Known::Empty => self.ty(group, member.ty, rest)?,
                Known::Name(found) if found == name => self.ty(group, member.ty, behind)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Goes on in what a member, element or typedef of a group is of.
    fn ty(&mut self, group: u32, words: &[u32], rest: Rest) -> Result<(), AtlasError> {
        let Some((&first, behind)) = words.split_first() else {
            return Ok(());
        };
        let relocation = self.relocations.get(rest.relocation);
        let next = match relocation.map(|relocation| &relocation.spec) {
            Some(Spec::Field(accessors)) => match accessors.get(rest.done) {
                None => {
                    self.measure(words);
                    return Ok(());
                }
                next => next,
            },
            _ => None,
        };
        let (shape, argument) = split(first);
        match shape {
            shape::NAMED | shape::OTHER => self.open.push((argument, rest)),
            shape::ARRAY => {
                if let Some(Accessor::Index(_)) = next {
                    let element = behind.get(1..).unwrap_or_default();
                    let element = element.get(..type_len(element)).unwrap_or_default();
                    self.measure(element);
                    let done = rest.done + 1;
                    self.ty(group, element, Rest { done, ..rest })?;
                }
            }
            shape::INLINE => {
                let kind = inline_kind(argument);
                let len = body_len(kind, behind);
                self.search(group, kind, behind.get(..len).unwrap_or_default(), rest)?;
            }
            _ => {}
        }
        Ok(())
    }
}
