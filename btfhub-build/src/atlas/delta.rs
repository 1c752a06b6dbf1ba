//! The difference between two lists of elements: what is inserted, dropped and copied.

use std::collections::HashMap;

use super::bytes::to_signed;
use super::definition::Element;

/// Up to this many pairs of elements are compared one by one; more are found by a hash.
const FEW: usize = 1 << 10;

/// One step: insert `insert` new elements, skip `skip` elements of the base, then copy `copy` of
/// them. Each copy moves as far as those of the last step, plus `shift`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) insert: usize,
    pub(super) skip: usize,
    pub(super) copy: usize,
    pub(super) shift: i64,
}

/// The steps from `base` to `target`. They copy as many elements as possible.
pub(super) fn steps(base: &[Element<'_>], target: &[Element<'_>]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = Step::default();
    let mut shift = 0;
    let mut at = 0;
    let mut number = 0;
    let taken = matches(base, target);
    while number < target.len() {
        match taken[number] {
            None => {
                if step.copy > 0 {
                    steps.push(std::mem::take(&mut step));
                }
                step.insert += 1;
            }
            Some(from) => {
                let moved = to_signed(target[number].place.wrapping_sub(base[from].place));
                if step.copy > 0 && (from != at || moved != shift) {
                    steps.push(std::mem::take(&mut step));
                }
                if step.copy == 0 {
                    step.skip = from - at;
                    step.shift = moved.wrapping_sub(shift);
                    shift = moved;
                }
                step.copy += 1;
                at = from + 1;
            }
        }
        number += 1;
    }
    if step != Step::default() {
        steps.push(step);
    }
    steps
}

/// For each element of `target`, the index in `base` of the element it is copied from. These
/// ascend, and there are as many as possible if the elements are distinct.
fn matches(base: &[Element<'_>], target: &[Element<'_>]) -> Vec<Option<usize>> {
    let mut taken = vec![None; target.len()];
    // Most variants have a common start and end.
    let mut start = 0;
    while start < base.len() && start < target.len() && same(&base[start], &target[start]) {
        taken[start] = Some(start);
        start += 1;
    }
    let mut end = 0;
    while end + start < base.len()
        && end + start < target.len()
        && same(&base[base.len() - 1 - end], &target[target.len() - 1 - end])
    {
        taken[target.len() - 1 - end] = Some(base.len() - 1 - end);
        end += 1;
    }
    let (base_end, target_end) = (base.len() - end, target.len() - end);
    if start == base_end || start == target_end {
        return taken;
    }
    let middle = base.get(start..base_end).unwrap_or_default();
    let few = middle.len().saturating_mul(target_end - start) <= FEW;
    let mut places: HashMap<(u32, u32, &[u32]), usize> = HashMap::new();
    for (number, element) in middle.iter().enumerate().filter(|_| !few) {
        places
            .entry((element.name, element.bits, element.ty))
            .or_insert(number);
    }
    let first = |element: &Element<'_>| {
        let place = if few {
            middle.iter().position(|other| same(other, element))
        } else {
            let key = (element.name, element.bits, element.ty);
            places.get(&key).copied()
        };
        place.map(|place| start + place)
    };
    // Longest ascending subsequence by patience sorting.
    let mut piles: Vec<usize> = Vec::new(); // indices into `target`
    let mut below: Vec<Option<usize>> = vec![None; target.len()];
    let mut from: Vec<usize> = vec![0; target.len()];
    for number in start..target_end {
        let Some(place) = first(&target[number]) else {
            continue;
        };
        from[number] = place;
        let pile = piles.partition_point(|&top| from[top] < place);
        below[number] = pile.checked_sub(1).map(|pile| piles[pile]);
        if pile == piles.len() {
            piles.push(number);
        } else {
            piles[pile] = number;
        }
    }
    let mut next = piles.last().copied();
    while let Some(number) = next {
        taken[number] = Some(from[number]);
        next = below[number];
    }
    taken
}

/// How many of the marks in `target` are in `base`; both are sorted.
pub(super) fn likeness(base: &[u64], target: &[u64]) -> usize {
    let (mut a, mut b, mut equal) = (0, 0, 0);
    while a < base.len() && b < target.len() {
        match base[a].cmp(&target[b]) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => {
                a += 1;
                b += 1;
                equal += 1;
            }
        }
    }
    equal
}

/// The number of an element that [`likeness`] compares. It is the same in every process.
pub(super) fn mark(element: &Element<'_>) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = u64::from(element.name).wrapping_mul(PRIME) ^ u64::from(element.bits);
    for &word in element.ty {
        hash = (hash.rotate_left(23) ^ u64::from(word)).wrapping_mul(PRIME);
    }
    hash
}

fn same(a: &Element<'_>, b: &Element<'_>) -> bool {
    a.name == b.name && a.bits == b.bits && a.ty == b.ty
}

#[cfg(test)]
mod tests {
    use super::{Element, Step, steps};

    fn element(name: u32, place: u64) -> Element<'static> {
        Element {
            name,
            place,
            bits: 0,
            ty: &[],
        }
    }

    fn apply(base: &[Element<'static>], target: &[Element<'static>]) -> Vec<Element<'static>> {
        let mut out = Vec::new();
        let (mut at, mut shift) = (0, 0i64);
        for step in steps(base, target) {
            for _ in 0..step.insert {
                out.push(target[out.len()]);
            }
            at += step.skip;
            shift += step.shift;
            for copied in &base[at..at + step.copy] {
                let mut copied = *copied;
                copied.place = copied.place.wrapping_add_signed(shift);
                out.push(copied);
            }
            at += step.copy;
        }
        out
    }

    #[test]
    fn steps_lead_to_the_target() {
        let base: Vec<_> = (1..9).map(|n| element(n, 8 * u64::from(n))).collect();
        let targets = [
            vec![],
            base.clone(),
            vec![
                element(1, 0),
                element(20, 8),
                element(2, 16),
                element(3, 32),
                element(8, 40),
            ],
            vec![
                element(5, 1),
                element(1, 2),
                element(2, 3),
                element(7, 4),
                element(30, 5),
            ],
            vec![element(1, 8), element(1, 9), element(1, 8)],
        ];
        for target in &targets {
            assert_eq!(&apply(&base, target), target);
            assert_eq!(apply(target, &base), base);
        }
    }

    #[test]
    fn an_inserted_member_is_one_step_and_a_move() {
        let base = [element(1, 0), element(2, 8), element(3, 16)];
        let target = [element(1, 0), element(9, 8), element(2, 16), element(3, 24)];
        let expect = [
            Step {
                copy: 1,
                ..Step::default()
            },
            Step {
                insert: 1,
                copy: 2,
                shift: 8,
                skip: 0,
            },
        ];
        assert_eq!(steps(&base, &target), expect);
    }
}
