//! Verdicts on programs and on objects → one table.

use std::collections::{BTreeMap, HashMap};

use btfhub_runtime::KernelId;

use super::{Kernel, Program, Reason, Support, Verdict};
use crate::report::{Report, by_name};
use crate::verdict::{self, Columns, Judged, Outcome};

/// Verdicts in the form that a report and its JSON have.
pub(super) struct Parts {
    pub(super) programs: Vec<Program>,
    pub(super) program_columns: Vec<Vec<usize>>,
    pub(super) program_verdicts: Vec<Verdict>,
    pub(super) objects: Vec<String>,
    pub(super) object_columns: Vec<Vec<usize>>,
    pub(super) object_verdicts: Vec<Verdict>,
    /// Each with its column of programs and its column of objects.
    pub(super) kernels: Vec<(Kernel, usize, usize)>,
}

impl Parts {
    /// Assembles the table. An object gets a row if it does worse than each of its programs
    /// alone.
    pub(super) fn support(self) -> Support {
        let mut verdicts: Vec<Verdict> = self.program_verdicts.clone();
        let nothing = Verdict {
            outcome: Outcome::Runs,
            reasons: Vec::new(),
        };
        let mut columns: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<(usize, usize), usize> = HashMap::new();
        let mut odd: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        let mut kernels = Vec::new();
        for (mut kernel, of_programs, of_objects) in self.kernels.iter().cloned() {
            kernel.column = *known.entry((of_programs, of_objects)).or_insert_with(|| {
                let column = self.program_columns.get(of_programs);
                let column = column.cloned().unwrap_or_default();
                for (object, verdict) in self.at_odds(&column, of_objects) {
                    (odd.entry(object).or_default()).push((columns.len(), verdict));
                }
                columns.push(column);
                columns.len() - 1
            });
            kernels.push(kernel);
        }
        let mut programs = self.programs;
        if !odd.is_empty() {
            let runs = verdicts.len();
            verdicts.push(nothing);
            verdicts.extend(self.object_verdicts);
            for (object, places) in odd {
                let places: HashMap<usize, usize> = places.into_iter().collect();
                for (number, column) in columns.iter_mut().enumerate() {
                    column.push(
                        places
                            .get(&number)
                            .map_or(runs, |verdict| runs + 1 + verdict),
                    );
                }
                programs.push(Program {
                    object: self.objects.get(object).cloned().unwrap_or_default(),
                    name: String::new(),
                    section: String::new(),
                });
            }
        }
        Support {
            programs,
            kernels,
            columns,
            verdicts,
        }
    }

    /// Objects that do worse than their programs, and their verdicts, by index.
    fn at_odds(&self, column: &[usize], of_objects: usize) -> Vec<(usize, usize)> {
        let mut worst: HashMap<&str, Outcome> = HashMap::new();
        for (program, verdict) in self.programs.iter().zip(column) {
            let outcome =
                (self.program_verdicts.get(*verdict)).map_or(Outcome::Runs, |it| it.outcome);
            let known = worst.entry(&program.object).or_insert(outcome);
            *known = (*known).max(outcome);
        }
        let of_objects = self.object_columns.get(of_objects).into_iter().flatten();
        (self.objects.iter().zip(of_objects).enumerate())
            .filter_map(|(number, (object, &verdict))| {
                let outcome = self.object_verdicts.get(verdict)?.outcome;
                let worst = worst.get(object.as_str()).copied().unwrap_or(Outcome::Runs);
                (outcome > worst).then_some((number, verdict))
            })
            .collect()
    }
}

impl Support {
    /// From the distinct `judged` verdicts, and kernels with indices into them.
    pub(crate) fn of<'k>(
        objects: Vec<String>,
        programs: &[verdict::Program],
        judged: &[Judged],
        kernels: impl IntoIterator<Item = (KernelId<'k>, usize)>,
    ) -> Self {
        let columns = Columns::new(judged.iter().map(|judged| &judged.programs));
        let whole = Columns::new(judged.iter().map(|judged| &judged.objects));
        let mut kernels: Vec<_> = kernels.into_iter().collect();
        kernels.sort_by_cached_key(|(kernel, _)| by_name(*kernel));
        Parts {
            programs: programs.iter().map(Program::from).collect(),
            program_verdicts: columns.verdicts.iter().map(Verdict::from).collect(),
            objects,
            object_verdicts: whole.verdicts.iter().map(Verdict::from).collect(),
            kernels: (kernels.into_iter())
                .map(|(kernel, its)| {
                    let known = Kernel {
                        distro: kernel.distro.to_owned(),
                        version: kernel.version.to_owned(),
                        arch: kernel.arch.as_str().to_owned(),
                        release: kernel.release.to_owned(),
                        column: 0,
                    };
                    (known, columns.number(its), whole.number(its))
                })
                .collect(),
            program_columns: columns.columns,
            object_columns: whole.columns,
        }
        .support()
    }
}

impl Report {
    /// Programs × kernels.
    pub fn support(&self) -> Support {
        Parts {
            programs: self.programs.iter().map(Program::from).collect(),
            program_columns: self.program_columns.clone(),
            program_verdicts: self.program_verdicts.iter().map(Verdict::from).collect(),
            objects: self.objects.clone(),
            object_columns: self.object_columns.clone(),
            object_verdicts: self.object_verdicts.iter().map(Verdict::from).collect(),
            kernels: (self.kernels.iter())
                .map(|kernel| {
                    let known = Kernel {
                        distro: kernel.distro.clone(),
                        version: kernel.version.clone(),
                        arch: kernel.arch.clone(),
                        release: kernel.release.clone(),
                        column: 0,
                    };
                    (known, kernel.program_column, kernel.object_column)
                })
                .collect(),
        }
        .support()
    }
}

impl From<&verdict::Program> for Program {
    fn from(program: &verdict::Program) -> Self {
        Self {
            object: program.object.clone(),
            name: program.name.clone(),
            section: program.section.clone(),
        }
    }
}

impl From<&verdict::Verdict> for Verdict {
    fn from(verdict: &verdict::Verdict) -> Self {
        Self {
            outcome: verdict.outcome,
            reasons: (verdict.reasons.iter())
                .map(|reason| Reason {
                    rule: reason.rule.to_owned(),
                    text: reason.text.clone(),
                })
                .collect(),
        }
    }
}
