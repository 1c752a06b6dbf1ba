//! Distinguishes rows of a report that would read the same.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::RelocationRow;
use super::why::of;
use crate::relo::{Accessor, Relocation, Spec};

/// Adds something to terms that occur more than once, to distinguish them: the type of the
/// program's field, or a number. The first of `rows` are relocations in `list`; the others are
/// refused on every kernel.
pub(super) fn tell_apart(rows: &mut [RelocationRow], list: &[Relocation]) {
    for (at, repeated) in repeated(rows) {
        let Some(row) = rows.get_mut(at).filter(|_| repeated.of > 1) else {
            continue;
        };
        match list.get(at) {
            Some(relocation) => row.term.push_str(&field_type(relocation)),
            None => {
                let _ = write!(row.term, " ({})", row.kind);
            }
        }
    }
    for (at, repeated) in repeated(rows) {
        if let Some(row) = rows.get_mut(at).filter(|_| repeated.of > 1) {
            let _ = write!(row.term, " ({})", repeated.number);
        }
    }
}

/// This row is `number` of `of` rows with the same term, counted from 1.
struct Repeated {
    number: usize,
    of: usize,
}

fn repeated(rows: &[RelocationRow]) -> Vec<(usize, Repeated)> {
    let mut by_term: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        by_term.entry(&row.term).or_default().push(at);
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
