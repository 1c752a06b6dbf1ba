//! Lists of verdicts, equal ones stored once.

use std::collections::{BTreeSet, HashMap};

use super::outcome::Verdict;

/// Lists of verdicts; equal lists and equal verdicts are stored once.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) columns: Vec<Vec<usize>>,
    /// The column of each list that was given.
    numbers: Vec<usize>,
}

impl Columns {
    pub(crate) fn new<'v>(lists: impl Iterator<Item = &'v Vec<Verdict>> + Clone) -> Self {
        let distinct: BTreeSet<&Verdict> = lists.clone().flatten().collect();
        let places: HashMap<&Verdict, usize> = distinct.iter().copied().zip(0..).collect();
        let mut columns = Vec::new();
        let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
        let numbers = lists.map(|list| {
            let column: Vec<usize> = (list.iter())
                .filter_map(|verdict| places.get(verdict).copied())
                .collect();
            *known.entry(column).or_insert_with_key(|column| {
                columns.push(column.clone());
                columns.len() - 1
            })
        });
        let numbers = numbers.collect();
        Self {
            verdicts: distinct.into_iter().cloned().collect(),
            columns,
            numbers,
        }
    }

    /// The column of a list.
    pub(crate) fn number(&self, list: usize) -> usize {
        self.numbers.get(list).copied().unwrap_or_default()
    }
}
