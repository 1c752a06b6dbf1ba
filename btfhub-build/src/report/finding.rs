//! What in a report needs attention, worst first.

use std::collections::BTreeMap;

use crate::verdict::{self, Outcome, Program};

use super::{Effect, Kernel, RelocationRow, Report, Site, Verdict};

/// A relocation with a problem, and the kernels that have the same problem.
#[derive(Clone, Debug)]
pub struct Finding<'r> {
    /// Index into [`Report::relocations`].
    pub relocation: usize,
    /// The relocation.
    pub row: &'r RelocationRow,
    /// The verdict.
    pub verdict: &'r Verdict,
    /// The kernels, in the order of the report.
    pub kernels: Vec<&'r Kernel>,
}

impl Finding<'_> {
    /// The first affected instruction: one in a function that does not load, if there is one.
    pub fn site(&self) -> Option<&Site> {
        let failing = |site: &&Site| self.verdict.failing.contains(&site.function);
        (self.row.sites.iter().find(failing)).or(self.row.sites.first())
    }
}

/// A verdict on a program, and the kernels that it is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProgramFinding<'r> {
    /// The object's name.
    pub object: &'r str,
    /// The program; `None` if the object's programs affect each other.
    pub program: Option<&'r Program>,
    /// The verdict.
    pub verdict: &'r verdict::Verdict,
    /// The kernels, in the order of the report.
    pub kernels: Vec<&'r Kernel>,
}

impl Report {
    /// The programs that are not expected to run: failures first, proven ones before likely
    /// ones, then by the number of kernels, then in the order of the programs.
    pub fn program_findings(&self) -> Vec<ProgramFinding<'_>> {
        let is_good = |verdict: &verdict::Verdict| verdict.outcome == Outcome::Runs;
        // Kernels with equal columns have the same findings.
        let mut found: BTreeMap<(usize, usize), ProgramFinding<'_>> = BTreeMap::new();
        for kernel in &self.kernels {
            let verdicts = self.program_columns.get(kernel.program_column).into_iter();
            for (number, &at) in verdicts.flatten().enumerate() {
                let (Some(program), Some(verdict)) =
                    (self.programs.get(number), self.program_verdicts.get(at))
                else {
                    continue;
                };
                if !is_good(verdict) {
                    let finding = found.entry((number, at)).or_insert(ProgramFinding {
                        object: &program.object,
                        program: Some(program),
                        verdict,
                        kernels: Vec::new(),
                    });
                    finding.kernels.push(kernel);
                }
            }
            let verdicts = self.object_columns.get(kernel.object_column).into_iter();
            for (number, &at) in verdicts.flatten().enumerate() {
                let (Some(object), Some(verdict)) =
                    (self.objects.get(number), self.object_verdicts.get(at))
                else {
                    continue;
                };
                let own = self.programs.iter().zip(self.program_verdicts_of(kernel));
                let worst = own
                    .filter(|(program, _)| program.object == *object)
                    .map(|(_, verdict)| verdict.outcome.name());
                if matches!(verdict.outcome, Outcome::Fails(_))
                    && !worst.into_iter().any(|name| name == verdict.outcome.name())
                {
                    let key = (self.programs.len() + number, at);
                    let finding = found.entry(key).or_insert(ProgramFinding {
                        object,
                        program: None,
                        verdict,
                        kernels: Vec::new(),
                    });
                    finding.kernels.push(kernel);
                }
            }
        }
        let mut findings: Vec<ProgramFinding<'_>> = found.into_values().collect();
        findings.sort_by(|a, b| {
            (b.verdict.outcome.cmp(&a.verdict.outcome)).then(b.kernels.len().cmp(&a.kernels.len()))
        });
        findings
    }

    /// All findings: those that keep something from loading first, then by the number of
    /// kernels, then by term. Relocations that are fine are not findings, and neither are
    /// checks that were answered with no.
    pub fn findings(&self) -> Vec<Finding<'_>> {
        self.findings_of(|verdict| !matches!(verdict.effect, Effect::Fine | Effect::AnswersNo))
    }

    /// Like [`findings`](Self::findings), for the wanted verdicts.
    pub fn findings_of(&self, is_wanted: impl Fn(&Verdict) -> bool) -> Vec<Finding<'_>> {
        let mut found: BTreeMap<(usize, usize), Vec<&Kernel>> = BTreeMap::new();
        for kernel in &self.kernels {
            let column = self
                .columns
                .get(kernel.column)
                .map_or(&[][..], Vec::as_slice);
            for (relocation, &verdict) in column.iter().enumerate() {
                if self.verdicts.get(verdict).is_some_and(&is_wanted) {
                    found.entry((relocation, verdict)).or_default().push(kernel);
                }
            }
        }
        let mut findings: Vec<Finding<'_>> = (found.into_iter())
            .filter_map(|((relocation, verdict), kernels)| {
                Some(Finding {
                    relocation,
                    row: self.relocations.get(relocation)?,
                    verdict: self.verdicts.get(verdict)?,
                    kernels,
                })
            })
            .collect();
        findings.sort_by(|a, b| {
            let worst_first = b.verdict.effect.cmp(&a.verdict.effect);
            worst_first
                .then(b.kernels.len().cmp(&a.kernels.len()))
                .then(a.row.term.cmp(&b.row.term))
        });
        findings
    }
}

/// `debian/11/x86_64 5.10 (12), …`: kernels by directory and series.
pub fn in_groups(kernels: &[&Kernel]) -> Vec<String> {
    let mut groups: Vec<(&Kernel, usize)> = Vec::new();
    let same = |a: &Kernel, b: &Kernel| {
        (&a.distro, &a.version, &a.arch, &a.series) == (&b.distro, &b.version, &b.arch, &b.series)
    };
    for kernel in kernels {
        match groups.iter_mut().find(|(known, _)| same(known, kernel)) {
            Some((_, count)) => *count += 1,
            None => groups.push((kernel, 1)),
        }
    }
    (groups.into_iter())
        .map(|(kernel, count)| {
            let Kernel {
                distro,
                version,
                arch,
                series,
                ..
            } = kernel;
            format!("{distro}/{version}/{arch} {series} ({count})")
        })
        .collect()
}
