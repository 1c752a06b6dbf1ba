//! The definitions of a kernel or a module, and how they are stored: as changes from another
//! kernel or module.

use foldhash::{HashSet, HashSetExt as _};

use super::bytes::{Cursor, put, put_len};
use super::error::AtlasError;
use super::numbers::{DefinitionNumber, Number};

/// The definitions of a kernel or a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Set {
    /// Ascending.
    pub(super) held: Vec<DefinitionNumber>,
    /// Those of them that it has twice, ascending.
    pub(super) twice: Vec<DefinitionNumber>,
    /// For groups whose candidates are not in the usual order (ascending, then those it has
    /// twice): these candidates in the order of their types.
    pub(super) orders: Vec<Vec<DefinitionNumber>>,
}

impl Set {
    /// The candidates of a group, by ordinal. The group's definitions have the `count` numbers
    /// from `first`.
    pub(super) fn candidates(
        &self,
        first: DefinitionNumber,
        count: usize,
    ) -> Vec<DefinitionNumber> {
        let mut candidates = self.sequence(first, count);
        let mut seen = HashSet::new();
        candidates.retain(|&number| seen.insert(number));
        candidates
    }

    /// The same, with those that it has twice repeated: in the order of their types.
    pub(super) fn sequence(&self, first: DefinitionNumber, count: usize) -> Vec<DefinitionNumber> {
        let last = u64::from(first.0) + count as u64;
        let mut usual = between(&self.held, first, last).to_vec();
        usual.extend_from_slice(between(&self.twice, first, last));
        if usual.len() > 1 {
            // Orders ascend by group.
            let before =
                |order: &Vec<DefinitionNumber>| order.first().is_none_or(|&number| number < first);
            let order = self.orders.partition_point(before);
            if let Some(order) = self.orders.get(order) {
                if is_rearranged(order, &usual) {
                    return order.clone();
                }
            }
        }
        usual
    }

    /// All definitions, the candidates of each group in the order of their types. `true` marks
    /// the second of two equal ones.
    pub(super) fn in_order(&self) -> Vec<(DefinitionNumber, bool)> {
        let mut ordered: HashSet<DefinitionNumber> = HashSet::new();
        let mut out = Vec::with_capacity(self.held.len() + self.twice.len());
        for order in &self.orders {
            for &number in order {
                out.push((number, !ordered.insert(number)));
            }
        }
        let rest = |numbers: &[DefinitionNumber], again: bool| -> Vec<(DefinitionNumber, bool)> {
            let rest = numbers.iter().filter(|number| !ordered.contains(number));
            rest.map(|&number| (number, again)).collect()
        };
        out.extend(rest(&self.held, false));
        out.extend(rest(&self.twice, true));
        out
    }

    /// Writes how it differs from `base`.
    pub(super) fn put(&self, base: &Self, records: &mut Vec<u8>, numbers: &mut Vec<u8>) {
        for (old, new) in [(&base.held, &self.held), (&base.twice, &self.twice)] {
            put_ascending(records, numbers, &changes(old, new));
        }
        if base.orders == self.orders {
            put_len(records, 0);
            return;
        }
        put_len(records, self.orders.len() + 1);
        for order in &self.orders {
            put_len(records, order.len());
            for &number in order {
                put(numbers, u64::from(number.0));
            }
        }
    }
}

/// How one set differs from another.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Those added or removed, ascending.
    pub(super) held: Vec<DefinitionNumber>,
    /// The same for those that it has twice.
    pub(super) twice: Vec<DefinitionNumber>,
    /// `None` if they are the same.
    pub(super) orders: Option<Vec<Vec<DefinitionNumber>>>,
}

impl Changes {
    /// Reads what [`Set::put`] wrote; `definitions` is how many there are.
    pub(super) fn take(
        records: &mut Cursor<'_>,
        numbers: &mut Cursor<'_>,
        definitions: u32,
    ) -> Result<Self, AtlasError> {
        let absent = "no such definition";
        let held = take_ascending(records, numbers, definitions, absent)?;
        let twice = take_ascending(records, numbers, definitions, absent)?;
        let orders = match records.len()?.checked_sub(1) {
            None => None,
            Some(count) => {
                let mut orders = Vec::new();
                for _ in 0..count {
                    let mut order = Vec::new();
                    for _ in 0..records.len()? {
                        let number = numbers.below(definitions, absent)?;
                        order.push(DefinitionNumber(number));
                    }
                    orders.push(order);
                }
                if !orders.is_sorted_by(|a, b| a.first() < b.first()) {
                    return Err(records.error("the orders of candidates are not sorted"));
                }
                Some(orders)
            }
        };
        Ok(Self {
            held,
            twice,
            orders,
        })
    }

    /// Whether nothing changes.
    pub(super) fn are_none(&self) -> bool {
        self.held.is_empty() && self.twice.is_empty() && self.orders.is_none()
    }

    /// Only the changes to definitions that `counts` accepts.
    pub(super) fn of(&self, counts: impl Fn(DefinitionNumber) -> bool) -> Self {
        let those = |numbers: &[DefinitionNumber]| -> Vec<DefinitionNumber> {
            let numbers = numbers.iter().copied();
            numbers.filter(|&number| counts(number)).collect()
        };
        Self {
            held: those(&self.held),
            twice: those(&self.twice),
            orders: self.orders.as_ref().map(|orders| {
                let orders = orders.iter();
                let orders = orders.filter(|order| order.iter().any(|&number| counts(number)));
                orders.cloned().collect()
            }),
        }
    }

    /// Applies the changes to `base`.
    pub(super) fn apply(self, base: &Set) -> Set {
        Set {
            held: changes(&base.held, &self.held),
            twice: changes(&base.twice, &self.twice),
            orders: self.orders.unwrap_or_else(|| base.orders.clone()),
        }
    }
}

/// Those from `first` to before `last`, in an ascending list.
fn between(
    numbers: &[DefinitionNumber],
    first: DefinitionNumber,
    last: u64,
) -> &[DefinitionNumber] {
    let start = numbers.partition_point(|number| number.0 < first.0);
    let numbers = numbers.get(start..).unwrap_or_default();
    let len = numbers.partition_point(|number| u64::from(number.0) < last);
    numbers.get(..len).unwrap_or_default()
}

/// Whether an order has the same candidates as the usual one.
fn is_rearranged(order: &[DefinitionNumber], usual: &[DefinitionNumber]) -> bool {
    let sorted = |numbers: &[DefinitionNumber]| {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        numbers
    };
    sorted(order) == sorted(usual)
}

/// The numbers that are in only one of two ascending lists.
pub(super) fn changes<N: Number>(old: &[N], new: &[N]) -> Vec<N> {
    let mut out = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < old.len() && b < new.len() {
        let (x, y) = (old[a].get(), new[b].get());
        if x != y {
            out.push(N::new(x.min(y)));
        }
        a += usize::from(x <= y);
        b += usize::from(y <= x);
    }
    out.extend_from_slice(old.get(a..).unwrap_or_default());
    out.extend_from_slice(new.get(b..).unwrap_or_default());
    out
}

/// The number of [`changes`].
pub(super) fn distance(old: &[DefinitionNumber], new: &[DefinitionNumber]) -> usize {
    let (mut a, mut b, mut equal) = (0, 0, 0);
    while a < old.len() && b < new.len() {
        let (x, y) = (old[a].0, new[b].0);
        equal += usize::from(x == y);
        a += usize::from(x <= y);
        b += usize::from(y <= x);
    }
    old.len() + new.len() - 2 * equal
}

/// Writes ascending numbers as gaps.
pub(super) fn put_ascending(counts: &mut Vec<u8>, out: &mut Vec<u8>, numbers: &[impl Number]) {
    put_len(counts, numbers.len());
    let mut before = 0;
    for number in numbers {
        let number = number.get();
        put(out, u64::from(number - before));
        before = number;
    }
}

/// Reads what [`put_ascending`] wrote. All numbers must be below `limit`.
pub(super) fn take_ascending<N: Number>(
    counts: &mut Cursor<'_>,
    numbers: &mut Cursor<'_>,
    limit: u32,
    absent: &'static str,
) -> Result<Vec<N>, AtlasError> {
    let count = counts.len()?;
    let mut out = Vec::new();
    let mut before = 0u32;
    for index in 0..count {
        let gap = numbers.u32()?;
        let number = before.checked_add(gap).filter(|&number| number < limit);
        match number {
            Some(number) if index == 0 || gap > 0 => {
                out.push(N::new(number));
                before = number;
            }
            _ => return Err(numbers.error(absent)),
        }
    }
    Ok(out)
}
