//! Distinguishes rows of a report that would read the same.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::Asked;
use super::why::of;
use crate::relo::{Accessor, Relocation, Spec};

/// Adds something to terms that occur more than once, to distinguish them: the type of the
/// program's field, or a number. The first of `asked` are relocations in `list`; the others are
/// refused on every kernel.
pub(super) fn tell_apart(asked: &mut [Asked], list: &[Relocation]) {
    for (at, repeated) in repeated(asked) {
        let Some(asked) = asked.get_mut(at).filter(|_| repeated.of > 1) else {
            continue;
        };
        match list.get(at) {
            Some(relocation) => asked.term.push_str(&field_type(relocation)),
            None => {
                let _ = write!(asked.term, " ({})", asked.kind);
            }
        }
    }
    for (at, repeated) in repeated(asked) {
        if let Some(asked) = asked.get_mut(at).filter(|_| repeated.of > 1) {
            let _ = write!(asked.term, " ({})", repeated.number);
        }
    }
}

/// This row is `number` of `of` rows with the same term, counted from 1.
struct Repeated {
    number: usize,
    of: usize,
}

fn repeated(asked: &[Asked]) -> Vec<(usize, Repeated)> {
    let mut by_term: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, asked) in asked.iter().enumerate() {
        by_term.entry(&asked.term).or_default().push(at);
    }
    let numbered = by_term.into_values().flat_map(|places| {
        let of = places.len();
        (places.into_iter().zip(1..)).map(move |(at, number)| (at, Repeated { number, of }))
    });
    numbered.collect()
}

/// ` as an integer of 4 bytes`, if the relocation is for a field.
fn field_type(relocation: &Relocation) -> String {
    let Spec::Field(accessors) = &relocation.spec else {
        return String::new();
    };
    let last = accessors.iter().rev().find_map(|accessor| match accessor {
        Accessor::Member { shape, .. } => Some(of(shape)),
        Accessor::Index(_) => None,
    });
    match (last, relocation.load.size) {
        (None, _) => String::new(),
        (Some(is), 0) => format!(" as {is}"),
        (Some(is), size) => format!(" as {is} of {size} bytes"),
    }
}
