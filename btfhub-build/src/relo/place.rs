//! Identifies where in a target something was read.
//!
//! A named type is one place, however it is reached: a candidate is found by its name, and
//! everything that refers to it refers to all of it. A type without a name is part of the type
//! that holds it. What is read from it there says nothing about equal types elsewhere: they
//! share an id if the BTF was deduplicated, and have different ids if not. So a type without a
//! name is identified by the path to it from the last named type.

use foldhash::HashMap;

use crate::btf::{Btf, Kind, Type, TypeId};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// A type with a name, or a candidate.
    Named(TypeId),
    /// One without, by its number in [`Places`].
    Nameless(u32),
}

/// A step from one place to what it refers to. Typedefs, qualifiers and arrays are not places:
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
    /// It is this place.
    Is(Place),
    /// It is a step from there, unless it has a name.
    From(Place, Step),
}

impl At {
    /// A candidate.
    pub(super) fn candidate(id: TypeId) -> Self {
        Self {
            id,
            way: Way::Is(Place::Named(id)),
        }
    }

    /// What `place` refers to.
    pub(super) fn step(place: Place, step: Step, id: TypeId) -> Self {
        Self {
            id,
            way: Way::From(place, step),
        }
    }

    /// The type that this one leads to by typedefs, qualifiers or as its elements.
    pub(super) fn leads_to(self, id: TypeId, ty: Type<'_>, btf: &Btf) -> Self {
        let way = if has_name(btf, ty) {
            Way::Is(Place::Named(id))
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

/// The places without a name of one target.
#[derive(Debug, Default)]
pub(crate) struct Places {
    numbers: HashMap<(Place, Step), u32>,
    /// By number, with how many marks there were when it was first reached.
    list: Vec<((Place, Step), usize)>,
    /// These stay.
    settled: usize,
}

impl Places {
    /// Where a step leads if the target has no name and there may be a mark at it or beyond.
    pub(crate) fn step(&self, place: Place, step: Step) -> Option<Place> {
        let number = self.numbers.get(&(place, step))?;
        Some(Place::Nameless(*number))
    }

    /// The place, for the mark after so many.
    pub(super) fn enter(&mut self, way: Way, marks: usize) -> Place {
        match way {
            Way::Is(place) => place,
            Way::From(place, step) => {
                let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
                let number = *self.numbers.entry((place, step)).or_insert(next);
                if number == next {
                    self.list.push(((place, step), marks));
                }
                Place::Nameless(number)
            }
        }
    }

    /// Forgets the places that were reached since there were `marks` marks.
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

    /// Keeps all places so far, even if marks are undone later.
    pub(super) fn settle(&mut self) {
        self.settled = self.list.len();
    }
}
