//! What a match read from the target: every fact that must survive tailoring for the match to
//! have the same result.

use super::kind::Errno;
use super::occurrence::{Occurrence, Occurrences, Way};

/// One fact. Anything without a mark may be changed or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// This member was found, or stepped through: its name, its index among
    /// the others, and the kind of its type.
    Member {
        /// The struct or union.
        owner: Occurrence,
        /// Which member.
        index: u32,
        /// What else about it matters.
        how: MemberUse,
    },
    /// The size of this type.
    Size(Occurrence),
    /// This enumerator's name.
    Enumerator {
        /// The enum.
        owner: Occurrence,
        /// Which enumerator.
        index: u32,
        /// Whether its value counts.
        value: bool,
    },
    /// That the struct, union or enum has at least so many elements.
    AtLeast {
        /// The type.
        owner: Occurrence,
        /// Members or enumerators.
        elements: u32,
    },
    /// That the struct or union has another member after those that are kept.
    OneMore(Occurrence),
    /// What this pointer or function prototype refers to.
    Referenced(Occurrence),
}

/// What matters about a member besides its presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct MemberUse {
    /// Its offset adds to a value that is used.
    pub(crate) offset: bool,
    /// Bytes of its type.
    pub(crate) size: bool,
    /// Signedness of its type.
    pub(crate) sign: bool,
}

impl MemberUse {
    /// All of it.
    pub(crate) const ALL: Self = Self {
        offset: true,
        size: true,
        sign: true,
    };
}

/// The marks of one match, without those of failed attempts.
#[derive(Debug, Default)]
pub(super) struct Trace {
    marks: Vec<Mark>,
    occurrences: Occurrences,
    /// Array members into which an index was tried. Never taken back: an index
    /// that found nothing must find nothing in the tailored type either.
    indexed: Vec<(Occurrence, u32)>,
    steps: u64,
}

/// The work for one kernel, in members, enumerators, modifiers, and bytes of
/// names beyond the first [`FREE_NAME`] looked at. Types made to be exponential end
/// here. Real ones stay below: on the worst kernel known, which holds
/// `task_struct` 476 times, 2,031 relocations of the types it holds most often
/// take 51 million, and all of libbpf-tools one million.
const MAX_STEPS: u64 = 1 << 26;
/// Bytes of a name that cost no steps.
const FREE_NAME: usize = 64;
/// Steps that the result of a relocation with one candidate costs. This limits what is kept to
/// 2^23 results of about 50 bytes.
const RESULT_STEPS: u64 = 8;

/// Why a match ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// libbpf's error.
    Errno(Errno),
    /// More than [`MAX_STEPS`].
    OutOfSteps,
}

impl From<Errno> for Halt {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Trace {
    pub(super) fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    /// The occurrence of a type of which something is to be marked.
    pub(super) fn occurrence(&mut self, way: Way) -> Occurrence {
        self.occurrences.enter(way, self.marks.len())
    }

    pub(super) fn index_tried(&mut self, owner: Occurrence, member: u32) {
        // So its number must not be reused for another occurrence.
        self.occurrences.settle();
        self.indexed.push((owner, member));
    }

    pub(super) fn step(&mut self) -> Result<(), Halt> {
        self.steps_of(1)
    }

    fn steps_of(&mut self, steps: u64) -> Result<(), Halt> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS {
            return Err(Halt::OutOfSteps);
        }
        Ok(())
    }

    /// Counts a name that is compared.
    pub(super) fn name_read(&mut self, name: &[u8]) -> Result<(), Halt> {
        self.steps_of(name.len().saturating_sub(FREE_NAME) as u64)
    }

    /// Counts a result that is kept.
    pub(super) fn result_kept(&mut self) -> Result<(), Halt> {
        self.steps_of(RESULT_STEPS)
    }

    /// Counts the modifiers on the path to a type.
    pub(super) fn skipped(&mut self, modifiers: u32) -> Result<(), Halt> {
        self.steps_of(u64::from(modifiers))
    }

    /// The position of the next mark.
    pub(super) fn position(&self) -> usize {
        self.marks.len()
    }

    /// Takes back the marks from `position` on.
    pub(super) fn roll_back(&mut self, position: usize) {
        self.marks.truncate(position);
        self.occurrences.roll_back(position);
    }

    /// The marks from `position` on.
    pub(super) fn marks_since(&mut self, position: usize) -> &mut [Mark] {
        self.marks.get_mut(position..).unwrap_or_default()
    }

    /// Takes out the marks made so far.
    pub(super) fn take_marks(&mut self) -> Vec<Mark> {
        self.occurrences.settle();
        std::mem::take(&mut self.marks)
    }

    /// All occurrences, and array members into which an index was tried.
    pub(super) fn end(self) -> (Occurrences, Vec<(Occurrence, u32)>) {
        (self.occurrences, self.indexed)
    }
}
