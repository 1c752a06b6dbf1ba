//! Identifies the type of a target of which something was read.
//!
//! A named type occurs once, however it is reached: a candidate is found by its name, and
//! everything that refers to it refers to all of it. A type without a name is part of the type
//! that holds it. What is read from it there says nothing about equal types elsewhere: they
//! share an id if the BTF was deduplicated, and have different ids if not. So a type without a
//! name is identified by the path to it from the last named type.

use foldhash::HashMap;

use crate::btf::{Btf, Kind, Type, TypeId};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Occurrence {
    /// A type with a name, or a candidate.
    Named(TypeId),
    /// One without, by its number in [`Occurrences`].
    Nameless(u32),
}

/// A step from one occurrence to what it refers to. Typedefs, qualifiers and arrays are skipped:
/// nothing is read from them except what they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The type of this member.
    Member(u32),
    /// What a pointer points at.
    Pointee,
    /// What a function returns.
    Result,
    /// The type of this parameter.
    Param(u32),
}

/// A type, and how it was reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) id: TypeId,
    pub(super) way: Way,
}

/// How a type was reached. A type that is only passed on the way needs no number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// It is this occurrence.
    Is(Occurrence),
    /// It is a step from there, unless it has a name.
    From(Occurrence, Step),
}

impl At {
    /// A candidate.
    pub(super) fn candidate(id: TypeId) -> Self {
        Self {
            id,
            way: Way::Is(Occurrence::Named(id)),
        }
    }

    /// What `occurrence` refers to.
    pub(super) fn step(occurrence: Occurrence, step: Step, id: TypeId) -> Self {
        Self {
            id,
            way: Way::From(occurrence, step),
        }
    }

    /// The type that this one leads to by typedefs, qualifiers or as its elements.
    pub(super) fn leads_to(self, id: TypeId, ty: Type<'_>, btf: &Btf) -> Self {
        let way = if has_name(btf, ty) {
            Way::Is(Occurrence::Named(id))
        } else {
            self.way
        };
        Self { id, way }
    }
}

/// Whether it is known by its name.
pub(crate) fn has_name(btf: &Btf, ty: Type<'_>) -> bool {
    let may_have = !matches!(ty.kind(), Kind::Ptr | Kind::Array | Kind::FuncProto);
    may_have && !matches!(btf.string_tail(ty.name()).first(), None | Some(0))
}

/// The occurrences without a name of one target.
#[derive(Debug, Default)]
pub(crate) struct Occurrences {
    numbers: HashMap<(Occurrence, Step), u32>,
    /// By number, with how many marks there were when it was first reached.
    list: Vec<((Occurrence, Step), usize)>,
    /// These stay.
    settled: usize,
}

impl Occurrences {
    /// Where a step leads if the target has no name and there may be a mark at it or beyond.
    pub(crate) fn step(&self, occurrence: Occurrence, step: Step) -> Option<Occurrence> {
        let number = self.numbers.get(&(occurrence, step))?;
        Some(Occurrence::Nameless(*number))
    }

    /// The occurrence, for the mark after so many.
    pub(super) fn enter(&mut self, way: Way, marks: usize) -> Occurrence {
        match way {
            Way::Is(occurrence) => occurrence,
            Way::From(occurrence, step) => {
                let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
                let number = *self.numbers.entry((occurrence, step)).or_insert(next);
                if number == next {
                    self.list.push(((occurrence, step), marks));
                }
                Occurrence::Nameless(number)
            }
        }
    }

    /// Forgets the occurrences that were reached since there were `marks` marks.
    pub(super) fn roll_back(&mut self, marks: usize) {
        while self.list.len() > self.settled {
            match self.list.last() {
                Some((key, entered)) if *entered > marks => {
                    self.numbers.remove(key);
                    self.list.pop();
                }
                _ => break,
            }
        }
    }

    /// Keeps all occurrences so far, even if marks are undone later.
    pub(super) fn settle(&mut self) {
        self.settled = self.list.len();
    }
}
