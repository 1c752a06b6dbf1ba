//! What kernels hold, out of what changes from one to another.

use std::collections::BTreeSet;
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::error::{AtlasError, Part};
use super::kernels::KernelEntry;
use super::read::Atlas;
use crate::btf::{Endian, Kind};

/// What a kernel holds of some definitions, or of all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holding {
    pub(super) endian: Endian,
    pub(super) pointer_int: Option<u32>,
    pub(super) index_type: Option<u32>,
    /// Ascending.
    pub(super) held: Vec<u32>,
    /// Of those the kernel has two, ascending.
    pub(super) twice: Vec<u32>,
    /// Candidates of one group whose order is not the ascending one.
    pub(super) orders: Vec<Vec<u32>>,
}

impl Holding {
    /// The definitions with numbers from `first` on, `count` of them at most,
    /// by ordinal: the candidates of one group.
    pub(super) fn candidates(&self, first: u32, count: usize) -> Vec<u32> {
        let mut candidates = self.sequence(first, count);
        let mut seen = HashSet::new();
        candidates.retain(|&number| seen.insert(number));
        candidates
    }

    /// The same in the order of their types, those that the kernel has twice
    /// twice.
    pub(super) fn sequence(&self, first: u32, count: usize) -> Vec<u32> {
        let last = u64::from(first) + count as u64;
        let mut usual = between(&self.held, first, last).to_vec();
        usual.extend_from_slice(between(&self.twice, first, last));
        if usual.len() > 1 {
            // Orders ascend by group.
            let before = |order: &Vec<u32>| order.first().is_none_or(|&number| number < first);
            let order = self.orders.partition_point(before);
            if let Some(order) = self.orders.get(order) {
                if is_rearranged(order, &usual) {
                    return order.clone();
                }
            }
        }
        usual
    }

    /// All of them, the candidates of each group in the order of their types;
    /// with `true` where one comes for the second time.
    pub(super) fn in_order(&self) -> Vec<(u32, bool)> {
        let mut ordered: HashSet<u32> = HashSet::new();
        let mut out = Vec::with_capacity(self.held.len() + self.twice.len());
        for order in &self.orders {
            for &number in order {
                out.push((number, !ordered.insert(number)));
            }
        }
        let rest = |numbers: &[u32], again: bool| -> Vec<(u32, bool)> {
            let rest = numbers.iter().filter(|number| !ordered.contains(number));
            rest.map(|&number| (number, again)).collect()
        };
        out.extend(rest(&self.held, false));
        out.extend(rest(&self.twice, true));
        out
    }
}

/// Those of an ascending list from `first` to before `last`.
fn between(numbers: &[u32], first: u32, last: u64) -> &[u32] {
    let start = numbers.partition_point(|&number| number < first);
    let numbers = numbers.get(start..).unwrap_or_default();
    let len = numbers.partition_point(|&number| u64::from(number) < last);
    numbers.get(..len).unwrap_or_default()
}

fn is_rearranged(order: &[u32], usual: &[u32]) -> bool {
    let sorted = |numbers: &[u32]| {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        numbers
    };
    sorted(order) == sorted(usual)
}

impl Atlas {
    fn holding(&self, kernel: usize) -> Option<Holding> {
        let entries = self.entries();
        let mut line = Vec::new();
        let mut next = Some(kernel);
        while let Some(number) = next {
            let entry = entries.get(number)?;
            line.push(entry);
            next = entry.parent;
        }
        let mut holding: Option<Holding> = None;
        for entry in line.into_iter().rev() {
            holding = Some(follow(holding.as_ref(), entry, entry.held.clone(), |_| {
                true
            }));
        }
        holding
    }

    /// What one kernel holds.
    ///
    /// # Errors
    /// Beyond the last kernel.
    pub(super) fn holding_of(&self, kernel: usize) -> Result<Holding, AtlasError> {
        let absent = || AtlasError::malformed(Part::Kernels, 0, "a kernel that is not there");
        self.holding(kernel).ok_or_else(absent)
    }

    /// Calls `visit` with the number of each kernel and what it holds, in their
    /// order. What no later kernel goes out from is let go.
    ///
    /// # Errors
    /// The first one that `visit` returns.
    pub(super) fn each_holding<E>(
        &self,
        mut visit: impl FnMut(usize, &Holding) -> Result<(), E>,
    ) -> Result<(), E> {
        let entries = self.entries();
        // By kernel: the last one that goes out from it.
        let mut last = vec![None; entries.len()];
        for (number, entry) in entries.iter().enumerate() {
            if let Some(last) = entry.parent.and_then(|parent| last.get_mut(parent)) {
                *last = Some(number);
            }
        }
        let is_last = |parent: usize, number| last.get(parent) == Some(&Some(number));
        let mut needed: HashMap<usize, Holding> = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            let parent = entry.parent.and_then(|parent| needed.get(&parent));
            let holding = follow(parent, entry, entry.held.clone(), |_| true);
            visit(number, &holding)?;
            if let Some(parent) = entry.parent.filter(|&parent| is_last(parent, number)) {
                needed.remove(&parent);
            }
            if last.get(number).is_some_and(Option::is_some) {
                needed.insert(number, holding);
            }
        }
        Ok(())
    }

    /// What each kernel holds of some definitions, by number: each distinct
    /// holding once, and for each kernel which it is. `standing` tells for each
    /// definition the one that stands for it, if it counts. Where several of one
    /// group are held by a kernel, each must stand for itself.
    pub(super) fn holdings(&self, standing: &[Option<u32>]) -> (Vec<Holding>, Vec<usize>) {
        let stands = |number: u32| standing.get(number as usize).copied().flatten();
        let mut distinct: Vec<Holding> = Vec::new();
        let mut numbers: HashMap<Holding, usize> = HashMap::new();
        let mut of_kernels: Vec<usize> = Vec::new();
        for entry in self.entries() {
            let parent = entry
                .parent
                .and_then(|parent| of_kernels.get(parent).copied());
            let parent = parent.and_then(|parent| Some((parent, distinct.get(parent)?)));
            let held = standing_for(&entry.held, stands);
            let common = [entry.pointer_int, entry.index_type];
            let common = common.map(|number| number.map(|number| stands(number).unwrap_or(number)));
            let [pointer_int, index_type] = common;
            if let Some((number, parent)) = parent {
                let unchanged = held.is_empty()
                    && !entry.twice.iter().any(|&number| stands(number).is_some())
                    && entry.orders.is_none()
                    && entry.endian == parent.endian
                    && pointer_int == parent.pointer_int
                    && index_type == parent.index_type;
                if unchanged {
                    of_kernels.push(number);
                    continue;
                }
            }
            let parent = parent.map(|(_, parent)| parent);
            let holding = Holding {
                pointer_int,
                index_type,
                ..follow(parent, entry, held, |number| stands(number).is_some())
            };
            let number = *numbers.entry(holding).or_insert_with_key(|holding| {
                distinct.push(holding.clone());
                distinct.len() - 1
            });
            of_kernels.push(number);
        }
        (distinct, of_kernels)
    }

    /// By kernel what `answer` gives, asked for kind and essential name, of any definition
    /// that the kernel holds: ascending, each once.
    ///
    /// # Errors
    /// When the atlas is damaged.
    pub(crate) fn answers<A: Copy + Ord>(
        &self,
        mut answer: impl FnMut(Kind, &[u8]) -> Vec<A>,
    ) -> Result<Vec<Vec<A>>, AtlasError> {
        // Lists of answers, and for each definition the number of its list, 0 for none.
        let mut lists: Vec<Vec<A>> = vec![Vec::new()];
        let mut of_definitions = vec![0; self.definition_count() as usize];
        for group in 0..self.group_count() {
            let (kind, name) = self.title(group)?;
            let list = answer(kind, name);
            let known = lists.iter().position(|known| *known == list);
            let number = known.unwrap_or(lists.len());
            if known.is_none() {
                lists.push(list);
            }
            if number > 0 {
                let first = self.first_definition(group)? as usize;
                let last = match group + 1 < self.group_count() {
                    true => self.first_definition(group + 1)? as usize,
                    false => of_definitions.len(),
                };
                let slots = of_definitions.get_mut(first..last);
                slots.unwrap_or_default().fill(number);
            }
        }
        let mut all = Vec::with_capacity(self.entries().len());
        self.each_holding(|_, holding| {
            let mut held = vec![false; lists.len()];
            for &definition in &holding.held {
                let list = of_definitions.get(definition as usize);
                if let Some(slot) = list.and_then(|&list| held.get_mut(list)) {
                    *slot = true;
                }
            }
            let lists = lists.iter().zip(held).filter(|(_, held)| *held);
            let answers: BTreeSet<A> = lists.flat_map(|(list, _)| list).copied().collect();
            all.push(answers.into_iter().collect());
            Ok::<(), AtlasError>(())
        })?;
        Ok(all)
    }

    /// The groups of which some kernel holds several definitions, or one twice.
    /// `groups` tells for each definition its group, if that is asked about.
    pub(super) fn crowded(&self, groups: &[Option<u32>]) -> BTreeSet<u32> {
        let group = |number: u32| groups.get(number as usize).copied().flatten();
        let mut crowded = BTreeSet::new();
        let entries = self.entries();
        let mut last_child = vec![0; entries.len()];
        for (number, entry) in entries.iter().enumerate() {
            if let Some(last) = entry.parent.and_then(|parent| last_child.get_mut(parent)) {
                *last = number;
            }
        }
        // What kernels hold from which later ones go out.
        let mut needed: HashMap<usize, Rc<Vec<u32>>> = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            crowded.extend(entry.twice.iter().filter_map(|&number| group(number)));
            let parent = entry.parent.and_then(|parent| {
                if last_child.get(parent) == Some(&number) {
                    needed.remove(&parent)
                } else {
                    needed.get(&parent).cloned()
                }
            });
            let changed = entry.held.iter().copied();
            let changed: Vec<u32> = changed.filter(|&number| group(number).is_some()).collect();
            let parent = parent.unwrap_or_default();
            let held = if changed.is_empty() {
                parent
            } else {
                Rc::new(super::kernels::changes(&parent, &changed))
            };
            for &number in &changed {
                let at = held.partition_point(|&held| held < number);
                let around = held.get(at.saturating_sub(1)..).unwrap_or_default();
                let around = around
                    .iter()
                    .take(3)
                    .filter(|&&held| group(held) == group(number));
                if around.count() > 1 {
                    crowded.extend(group(number));
                }
            }
            if last_child.get(number).is_some_and(|&last| last > 0) {
                needed.insert(number, held);
            }
        }
        crowded
    }
}

/// The definitions that stand for these, ascending. Of two that one stands for
/// one came and one went: no change.
fn standing_for(numbers: &[u32], stands: impl Fn(u32) -> Option<u32>) -> Vec<u32> {
    let mut out: Vec<u32> = numbers
        .iter()
        .filter_map(|&number| stands(number))
        .collect();
    out.sort_unstable();
    let mut kept = 0;
    let mut at = 0;
    while at < out.len() {
        let run = out[at..]
            .iter()
            .take_while(|&&other| other == out[at])
            .count();
        if run % 2 == 1 {
            out[kept] = out[at];
            kept += 1;
        }
        at += run;
    }
    out.truncate(kept);
    out
}

/// What a kernel holds of what is `relevant`, from what its parent does and the
/// changes to what is held.
fn follow(
    parent: Option<&Holding>,
    entry: &KernelEntry,
    held: Vec<u32>,
    relevant: impl Fn(u32) -> bool,
) -> Holding {
    let filter = |numbers: &[u32]| -> Vec<u32> {
        let relevant = |number: &u32| relevant(*number);
        numbers.iter().copied().filter(relevant).collect()
    };
    let twice = filter(&entry.twice);
    let orders = entry.orders.as_ref().map(|orders| {
        let is_relevant = |order: &&Vec<u32>| order.iter().any(|&number| relevant(number));
        orders.iter().filter(is_relevant).cloned().collect()
    });
    let changes = super::kernels::changes;
    let (held, twice, orders) = match parent {
        None => (held, twice, orders.unwrap_or_default()),
        Some(parent) => (
            changes(&parent.held, &held),
            changes(&parent.twice, &twice),
            orders.unwrap_or_else(|| parent.orders.clone()),
        ),
    };
    Holding {
        endian: entry.endian,
        pointer_int: entry.pointer_int,
        index_type: entry.index_type,
        held,
        twice,
        orders,
    }
}
