//! The differences between a baseline and a report.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Kernel, Program, Support, Verdict};
use crate::verdict::Outcome;

/// What differs between a baseline and a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Verdicts that differ, for kernels and programs that both have: losses first, then by the
    /// number of kernels.
    pub verdicts: Vec<Change>,
    /// Kernels that only the baseline has.
    pub kernels_gone: Vec<Kernel>,
    /// Kernels that only the report has.
    pub kernels_new: Vec<Kernel>,
    /// Programs that only the baseline has.
    pub programs_gone: Vec<Program>,
    /// Programs that only the report has.
    pub programs_new: Vec<Program>,
    /// Kernels of the baseline on which some program ran that is no longer expected to.
    lost: Vec<Kernel>,
    /// Kernels of the baseline.
    kernels_before: usize,
}

/// One way in which a program's verdict changed, and on which kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether it is good or bad.
    pub kind: ChangeKind,
    /// The program.
    pub program: Program,
    /// The verdict in the baseline.
    pub before: Verdict,
    /// The verdict in the report.
    pub after: Verdict,
    /// In the order of the report.
    pub kernels: Vec<Kernel>,
}

/// Whether a change is good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It was expected to run, and no longer is.
    Lost,
    /// Unknown became failing, failing became unknown, or the certainty changed.
    Changed,
    /// It is expected to run, and was not before.
    Won,
}

impl ChangeKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::Won => "won",
        }
    }

    /// The kind of a change, or `None` if at most the reasons changed.
    fn between(before: &Verdict, after: &Verdict) -> Option<Self> {
        match (before.outcome, after.outcome) {
            (Outcome::Runs, Outcome::Runs) => None,
            (Outcome::Runs, _) => Some(Self::Lost),
            (_, Outcome::Runs) => Some(Self::Won),
            (was, is) if was == is => None,
            _ => Some(Self::Changed),
        }
    }
}

impl Changes {
    /// Compares two tables. Programs are the same if object, section and name are; kernels, if
    /// their names are.
    pub fn between(before: &Support, after: &Support) -> Self {
        let (before, after) = (
            &before.with_objects_of(after),
            &after.with_objects_of(before),
        );
        let kernels: HashMap<String, &Kernel> = (before.kernels.iter())
            .map(|kernel| (kernel.to_string(), kernel))
            .collect();
        let programs: HashMap<Occurrence<'_>, usize> =
            occurrences(&before.programs).zip(0..).collect();
        let known: HashSet<Occurrence<'_>> = occurrences(&after.programs).collect();
        let shared: Vec<(usize, usize)> = (occurrences(&after.programs).zip(0..))
            .filter_map(|(program, now)| Some((*programs.get(&program)?, now)))
            .collect();

        // Thousands of kernels share some dozens of columns.
        let mut pairs: BTreeMap<(usize, usize), Vec<&Kernel>> = BTreeMap::new();
        let mut kernels_new = Vec::new();
        for kernel in &after.kernels {
            match kernels.get(&kernel.to_string()) {
                Some(old) => (pairs.entry((old.column, kernel.column)).or_default()).push(kernel),
                None => kernels_new.push(kernel.clone()),
            }
        }
        let mut found: BTreeMap<(usize, usize, usize), Vec<&Kernel>> = BTreeMap::new();
        for ((old, new), kernels) in pairs {
            let columns = (before.columns.get(old)).zip(after.columns.get(new));
            let Some((old, new)) = columns else { continue };
            for &(was, is) in &shared {
                if let Some((was, now)) = old.get(was).zip(new.get(is)) {
                    (found.entry((is, *was, *now)).or_default()).extend(&kernels);
                }
            }
        }
        let order: HashMap<String, usize> = (after.kernels.iter().zip(0..))
            .map(|(kernel, at)| (kernel.to_string(), at))
            .collect();
        let mut verdicts: Vec<Change> = (found.into_iter())
            .filter_map(|((program, was, is), kernels)| {
                let (was, is) = (before.verdicts.get(was)?, after.verdicts.get(is)?);
                let kind = ChangeKind::between(was, is)?;
                let mut kernels: Vec<Kernel> = kernels.into_iter().cloned().collect();
                kernels.sort_by_cached_key(|kernel| order.get(&kernel.to_string()).copied());
                Some(Change {
                    kind,
                    program: after.programs.get(program)?.clone(),
                    before: was.clone(),
                    after: is.clone(),
                    kernels,
                })
            })
            .collect();
        verdicts.sort_by(|a, b| {
            (a.kind.cmp(&b.kind))
                .then(b.kernels.len().cmp(&a.kernels.len()))
                .then_with(|| {
                    (&a.program, &a.before, &a.after).cmp(&(&b.program, &b.before, &b.after))
                })
        });

        let is_gone = |kernel: &Kernel| !order.contains_key(&kernel.to_string());
        let lost_now: BTreeSet<String> = (verdicts.iter())
            .filter(|change| change.kind == ChangeKind::Lost)
            .flat_map(|change| change.kernels.iter().map(ToString::to_string))
            .collect();
        let gone_ran = |kernel: &Kernel| {
            (occurrences(&before.programs).zip(before.verdicts_on(kernel))).any(
                |(program, verdict)| {
                    verdict.outcome == Outcome::Runs
                        && (is_gone(kernel) || !known.contains(&program))
                },
            )
        };
        Self {
            lost: (before.kernels.iter())
                .filter(|kernel| lost_now.contains(&kernel.to_string()) || gone_ran(kernel))
                .cloned()
                .collect(),
            kernels_before: before.kernels.len(),
            kernels_gone: (before.kernels.iter())
                .filter(|kernel| is_gone(kernel))
                .cloned()
                .collect(),
            programs_gone: (occurrences(&before.programs))
                .filter(|program| !known.contains(program))
                .map(|(program, _)| program.clone())
                .collect(),
            programs_new: (occurrences(&after.programs))
                .filter(|program| !programs.contains_key(program))
                .map(|(program, _)| program.clone())
                .collect(),
            verdicts,
            kernels_new,
        }
    }

    /// The kernels on which support was lost: a program was expected to run there and no
    /// longer is, or is gone, or the kernel itself is.
    pub fn lost(&self) -> &[Kernel] {
        &self.lost
    }

    /// How many kernels the baseline knows.
    pub fn kernels_before(&self) -> usize {
        self.kernels_before
    }

    /// The changes of one kind.
    pub fn of(&self, kind: ChangeKind) -> impl Iterator<Item = &Change> {
        self.verdicts
            .iter()
            .filter(move |change| change.kind == kind)
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
            && self.kernels_gone.is_empty()
            && self.kernels_new.is_empty()
            && self.programs_gone.is_empty()
            && self.programs_new.is_empty()
    }
}

impl Support {
    /// Adds a row for each whole object that `other` has a row for, if its programs are in this
    /// table. All such rows then hold the object's verdict on every kernel, even where it is no
    /// worse than its programs' verdicts.
    fn with_objects_of(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for object in other.programs.iter().filter(|it| it.is_whole_object()) {
            let has = |is_whole| {
                let of = |it: &&Program| it.object == object.object;
                let mut its = self.programs.iter().filter(of);
                its.any(|it| it.is_whole_object() == is_whole)
            };
            if has(false) && !has(true) {
                all.programs.push(object.clone());
                let runs = all.verdicts.len();
                all.verdicts.push(Verdict {
                    outcome: Outcome::Runs,
                    reasons: Vec::new(),
                });
                all.columns.iter_mut().for_each(|column| column.push(runs));
            }
        }
        for (row, object) in all.programs.iter().enumerate() {
            if !object.is_whole_object() {
                continue;
            }
            for column in &mut all.columns {
                let its = column.iter().zip(&all.programs);
                let its = its.filter(|(_, program)| program.object == object.object);
                let outcome = |at: &usize| all.verdicts.get(*at).map(|verdict| verdict.outcome);
                // Of equally bad ones the last: the object's own.
                let worst = its.map(|(at, _)| *at).max_by_key(outcome);
                if let Some((cell, worst)) = column.get_mut(row).zip(worst) {
                    *cell = worst;
                }
            }
        }
        all
    }
}

/// A program, and how many programs with exactly the same names come before it.
type Occurrence<'a> = (&'a Program, usize);

/// Objects from two directories may have the same name.
fn occurrences(programs: &[Program]) -> impl Iterator<Item = Occurrence<'_>> {
    let mut seen: HashMap<&Program, usize> = HashMap::new();
    programs.iter().map(move |program| {
        let count = seen.entry(program).or_default();
        *count += 1;
        (program, *count - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::{ChangeKind, Changes};
    use crate::support::{Kernel, Program, Support, Verdict};
    use crate::verdict::{Certainty, Outcome};

    /// Kernels with these verdicts on a program, and on its object if that has a row.
    fn support(columns: &[&[usize]]) -> Support {
        let of = |outcome| Verdict {
            outcome,
            reasons: Vec::new(),
        };
        let names = ["probe", ""];
        Support {
            programs: (names
                .iter()
                .take(columns.first().map_or(0, |column| column.len())))
            .map(|name| Program {
                object: "probe.bpf.o".to_owned(),
                name: (*name).to_owned(),
                section: (*name).to_owned(),
            })
            .collect(),
            kernels: (0..columns.len())
                .map(|column| Kernel {
                    distro: "debian".to_owned(),
                    version: "12".to_owned(),
                    arch: "x86_64".to_owned(),
                    release: format!("6.{column}.0"),
                    column,
                })
                .collect(),
            columns: columns.iter().map(|column| column.to_vec()).collect(),
            verdicts: vec![
                of(Outcome::Runs),
                of(Outcome::Fails(Certainty::Likely)),
                of(Outcome::Fails(Certainty::Proven)),
            ],
        }
    }

    #[test]
    fn programs_that_get_in_each_others_way_are_lost_and_won() {
        let apart = support(&[&[0], &[0], &[1]]);
        let at_odds = support(&[&[0, 0], &[0, 2], &[1, 2]]);
        let told = |before, after| {
            let changes = Changes::between(before, after);
            assert!(changes.programs_gone.is_empty() && changes.programs_new.is_empty());
            let verdicts = changes.verdicts.iter().map(|change| {
                assert!(change.program.is_whole_object());
                let releases: Vec<&str> = (change.kernels.iter())
                    .map(|kernel| kernel.release.as_str())
                    .collect();
                (change.kind, releases.join(" "))
            });
            (verdicts.collect::<Vec<_>>(), changes.lost().len())
        };
        let on = |kind, releases: &str| (kind, releases.to_owned());
        assert_eq!(
            told(&apart, &at_odds),
            (
                vec![
                    on(ChangeKind::Lost, "6.1.0"),
                    on(ChangeKind::Changed, "6.2.0")
                ],
                1
            )
        );
        assert_eq!(
            told(&at_odds, &apart),
            (
                vec![
                    on(ChangeKind::Changed, "6.2.0"),
                    on(ChangeKind::Won, "6.1.0")
                ],
                0
            )
        );
        assert!(Changes::between(&at_odds, &at_odds).is_empty());
    }
}
