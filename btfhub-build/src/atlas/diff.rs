//! What was added, removed and changed between two atlases, or two kernels.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::error::AtlasError;
use super::numbers::KernelNumber;
use super::read::Atlas;
use super::text::DefinitionText;

/// An atlas, or one kernel of it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The atlas.
    pub atlas: &'a Atlas,
    /// The number of the kernel; `None` for all of them together.
    pub kernel: Option<KernelNumber>,
}

/// The definitions of one title that only one side has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Kind and name, `struct task_struct`.
    pub title: String,
    /// The lines of each that is only on the first side. Without any, the title was added.
    pub before: Vec<Vec<String>>,
    /// The lines of each that is only on the second side. Without any, the title was removed.
    pub after: Vec<Vec<String>>,
    /// The modules that have any of these, if the kernel itself does not.
    pub modules: Vec<String>,
}

/// Compares the definitions whose essential name is wanted, by title.
///
/// # Errors
/// If there is no such kernel, or an atlas is damaged.
pub fn diff(
    before: Side<'_>,
    after: Side<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Change>, AtlasError> {
    let mut titles: BTreeMap<String, [Vec<DefinitionText>; 2]> = BTreeMap::new();
    for (index, side) in [before, after].into_iter().enumerate() {
        for text in side.atlas.texts(side.kernel, &wanted)? {
            let list = titles.entry(text.title.clone()).or_default();
            if let Some(list) = list.get_mut(index) {
                list.push(text);
            }
        }
    }
    let changes = titles.into_iter().filter_map(|(title, [before, after])| {
        let mut modules = BTreeSet::new();
        let mut only = |here: &[DefinitionText], there: &[DefinitionText]| {
            let there: HashSet<&Vec<String>> = there.iter().map(|text| &text.lines).collect();
            let alone = here.iter().filter(|text| !there.contains(&text.lines));
            let alone = alone.inspect(|text| modules.extend(text.modules.iter().cloned()));
            alone.map(|text| text.lines.clone()).collect::<Vec<_>>()
        };
        let change = Change {
            title,
            before: only(&before, &after),
            after: only(&after, &before),
            modules: modules.into_iter().collect(),
        };
        (!change.before.is_empty() || !change.after.is_empty()).then_some(change)
    });
    Ok(changes.collect())
}

impl Change {
    /// The lines of the first definition on each side, with `-` or `+` if only one side has them,
    /// else with a blank.
    pub fn lines(&self) -> Vec<(char, &str)> {
        let before = self.before.first().map(Vec::as_slice).unwrap_or_default();
        let after = self.after.first().map(Vec::as_slice).unwrap_or_default();
        let mut out = Vec::new();
        let mut next = 0;
        for line in before {
            // The next equal line; lines keep their order.
            let same = after.iter().skip(next).position(|other| other == line);
            match same {
                Some(ahead) => {
                    let new = after.iter().skip(next).take(ahead);
                    out.extend(new.map(|line| ('+', line.as_str())));
                    out.push((' ', line));
                    next += ahead + 1;
                }
                None => out.push(('-', line)),
            }
        }
        out.extend(after.iter().skip(next).map(|line| ('+', line.as_str())));
        out
    }
}
