//! The one sentence above a report.

use std::collections::{BTreeMap, HashSet};

use btfhub_runtime::Printable;

use super::{Kernel, Support};
use crate::error::count;
use crate::verdict::{Certainty, Outcome};

impl Support {
    /// The result in one sentence: how many programs are expected to run on all kernels, which
    /// one fails on the most kernels and why, and how many could not be judged.
    pub fn headline(&self) -> String {
        if self.kernels.is_empty() {
            return "No kernels were examined.".to_owned();
        }
        let all = self.programs.iter();
        let all = all.filter(|program| !program.is_whole_object()).count();
        if all == 0 {
            return format!("There are no programs to judge on {}.", self.all_kernels());
        }
        let single = (0..self.programs.len()).filter(|at| {
            (self.programs.get(*at)).is_some_and(|program| !program.is_whole_object())
        });
        let running = (single.clone())
            .filter(|program| self.worst_of(*program) == Outcome::Runs)
            .count();
        // Including those that fail elsewhere.
        let unknown = single
            .filter(|program| {
                self.outcomes(*program)
                    .any(|outcome| outcome == Outcome::Unknown)
            })
            .count();
        let mut text = format!(
            "{} expected to run on {}",
            match (running, all) {
                (1, 1) => "The one program is".to_owned(),
                (0, 1) => "The one program is not".to_owned(),
                (0, all) => format!("None of the {all} programs is"),
                (running, all) if running == all => format!("All {all} programs are"),
                (running, all) => {
                    let are = if running == 1 { "is" } else { "are" };
                    format!("{running} of {all} programs {are}")
                }
            },
            self.all_kernels()
        );
        let failing = self.failing();
        if let Some((program, kernels)) = failing.first() {
            text.push_str("; ");
            text.push_str(&self.failure(*program, kernels));
            let others: Vec<_> = (failing.iter().skip(1))
                .map(|(program, _)| *program)
                .filter(|at| {
                    self.programs
                        .get(*at)
                        .is_some_and(|it| !it.is_whole_object())
                })
                .collect();
            let is_proven = |at: &usize| self.worst_of(*at) == Outcome::Fails(Certainty::Proven);
            if !others.is_empty() {
                text.push_str(&format!(
                    "; {} {} on some",
                    count(others.len(), "other program", "other programs"),
                    match (others.iter().all(is_proven), others.len()) {
                        (true, 1) => "fails",
                        (true, _) => "fail",
                        (false, 1) => "likely fails",
                        (false, _) => "fail, or likely fail,",
                    }
                ));
            }
        }
        if unknown > 0 {
            let which = match (unknown, all) {
                (1, 1) => "it".to_owned(),
                _ => count(unknown, "program", "programs"),
            };
            text.push_str(&format!("; {which} cannot be judged on some"));
        }
        text.push('.');
        text
    }

    fn all_kernels(&self) -> String {
        match self.kernels.len() {
            1 => "the 1 kernel".to_owned(),
            kernels => format!("all {kernels} kernels"),
        }
    }

    /// The outcomes of a program on the kernels.
    fn outcomes(&self, program: usize) -> impl Iterator<Item = Outcome> {
        (self.columns.iter())
            .filter_map(move |column| self.verdicts.get(*column.get(program)?))
            .map(|verdict| verdict.outcome)
    }

    /// The worst outcome of a program.
    fn worst_of(&self, program: usize) -> Outcome {
        self.outcomes(program).max().unwrap_or(Outcome::Runs)
    }

    /// The programs that fail somewhere, with the kernels that they fail on; those that provably
    /// fail on the most kernels first, then those that fail on the most.
    pub fn failing(&self) -> Vec<(usize, Vec<&Kernel>)> {
        let mut failing: Vec<(usize, Vec<&Kernel>)> = (0..self.programs.len())
            .filter(|program| matches!(self.worst_of(*program), Outcome::Fails(_)))
            .map(|program| (program, self.kernels_failing(program)))
            .collect();
        failing.sort_by_cached_key(|(program, kernels)| {
            std::cmp::Reverse((self.proven(*program, kernels), kernels.len()))
        });
        failing
    }

    /// On how many of the kernels it is proven that a program fails.
    fn proven(&self, program: usize, kernels: &[&Kernel]) -> usize {
        let verdicts = (kernels.iter()).filter_map(|kernel| self.verdict(program, kernel));
        verdicts
            .filter(|verdict| verdict.outcome == Outcome::Fails(Certainty::Proven))
            .count()
    }

    /// The kernels on which a program fails.
    fn kernels_failing(&self, program: usize) -> Vec<&Kernel> {
        let fails = |kernel: &&Kernel| {
            let verdict = self.verdict(program, kernel);
            verdict.is_some_and(|verdict| matches!(verdict.outcome, Outcome::Fails(_)))
        };
        self.kernels.iter().filter(fails).collect()
    }

    /// `probe` fails on 26 kernels, all before 5.2: reason
    fn failure(&self, program: usize, kernels: &[&Kernel]) -> String {
        let mut by: BTreeMap<&str, usize> = BTreeMap::new();
        let verdicts = (kernels.iter()).filter_map(|kernel| self.verdict(program, kernel));
        for reason in verdicts.filter_map(|verdict| verdict.reasons.first()) {
            *by.entry(reason.fact()).or_default() += 1;
        }
        let why = match by.iter().rev().max_by_key(|(_, on)| **on) {
            None => String::new(),
            Some((fact, on)) if *on == kernels.len() => format!(": {:#}", Printable(fact)),
            Some((fact, on)) => format!(": on {on} of them, {:#}", Printable(fact)),
        };
        let all = kernels.len();
        let on = match (all == self.kernels.len(), all) {
            (true, 2..) => format!("all {all} kernels"),
            _ => count(all, "kernel", "kernels"),
        };
        let how = match all - self.proven(program, kernels) {
            0 => format!("fails on {on}"),
            likely if likely == all => format!("likely fails on {on}"),
            likely => format!("fails on {on} ({likely} of them likely)"),
        };
        format!("{} {how}{}{why}", self.named(program), self.scope(kernels))
    }

    /// The program's name, as code.
    fn named(&self, program: usize) -> String {
        match self.programs.get(program) {
            Some(program) if program.is_whole_object() => {
                format!("`{}` with all its programs", Printable(&program.object))
            }
            Some(program) => format!("`{program}`"),
            None => String::new(),
        }
    }

    /// The one thing that distinguishes these kernels from all others of the report, if any.
    fn scope(&self, kernels: &[&Kernel]) -> String {
        if kernels.len() == self.kernels.len() {
            return String::new();
        }
        let among: HashSet<String> = kernels.iter().map(ToString::to_string).collect();
        let others = || (self.kernels.iter()).filter(|kernel| !among.contains(&kernel.to_string()));
        let of = |kernel: &Kernel| series(&kernel.release);
        let all: Option<Vec<_>> = kernels.iter().map(|kernel| of(kernel)).collect();
        let rest: Option<Vec<_>> = others().map(of).collect();
        if let Some((all, rest)) = all.zip(rest) {
            match (all.iter().max(), rest.iter().min()) {
                (Some(last), Some((major, minor))) if *last < (*major, *minor) => {
                    return format!(", all before {major}.{minor}");
                }
                _ => {}
            }
            match (all.iter().min(), rest.iter().max()) {
                (Some(first), Some(last)) if first > last => {
                    return format!(", all from {}.{} on", first.0, first.1);
                }
                _ => {}
            }
        }
        let archs: HashSet<&str> = kernels.iter().map(|kernel| kernel.arch.as_str()).collect();
        let mut archs = archs.into_iter();
        match (archs.next(), archs.next()) {
            (Some(arch), None) if others().all(|kernel| kernel.arch != arch) => {
                format!(", all {arch}")
            }
            _ => String::new(),
        }
    }
}

/// The first two numbers of a release.
fn series(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use crate::support::{Kernel, Program, Reason, Support, Verdict};
    use crate::verdict::{Certainty, Outcome};

    fn support(releases: &[(&str, &str, usize)], columns: &[&[usize]]) -> Support {
        let verdict = |outcome, why: &str| Verdict {
            outcome,
            reasons: Some(why)
                .filter(|why| !why.is_empty())
                .map(|why| Reason {
                    rule: "rule".to_owned(),
                    text: why.to_owned(),
                })
                .into_iter()
                .collect(),
        };
        Support {
            programs: (0..columns.first().map_or(0, |column| column.len()))
                .map(|at| Program {
                    object: "probe.bpf.o".to_owned(),
                    name: format!("p{at}"),
                    section: "kprobe/x".to_owned(),
                })
                .collect(),
            kernels: (releases.iter())
                .map(|(arch, release, column)| Kernel {
                    distro: "debian".to_owned(),
                    version: "12".to_owned(),
                    arch: (*arch).to_owned(),
                    release: (*release).to_owned(),
                    column: *column,
                })
                .collect(),
            columns: columns.iter().map(|column| column.to_vec()).collect(),
            verdicts: vec![
                verdict(Outcome::Runs, ""),
                verdict(Outcome::Unknown, "the target is set by user space"),
                verdict(Outcome::Fails(Certainty::Proven), "no function x"),
                verdict(Outcome::Fails(Certainty::Likely), "x is not listed"),
            ],
        }
    }

    const THREE: [(&str, &str, usize); 3] = [
        ("x86_64", "4.18.0-1", 0),
        ("arm64", "5.4.0-1", 1),
        ("x86_64", "5.10.0-1", 1),
    ];

    #[test]
    fn says_what_was_found_and_no_more() {
        for (kernels, columns, headline) in [
            (
                &THREE[..],
                &[&[0, 0][..], &[0, 0]][..],
                "All 2 programs are expected to run on all 3 kernels.",
            ),
            (
                &THREE,
                &[&[0, 2], &[0, 0]],
                "1 of 2 programs is expected to run on all 3 kernels; `p1` fails on 1 kernel, all \
                 before 5.4: no function x.",
            ),
            (
                &THREE,
                &[&[0, 0], &[0, 3]],
                "1 of 2 programs is expected to run on all 3 kernels; `p1` likely fails on 2 \
                 kernels, all from 5.4 on: x is not listed.",
            ),
            (
                &THREE,
                &[&[2, 2], &[2, 3]],
                "None of the 2 programs is expected to run on all 3 kernels; `p0` fails on all 3 \
                 kernels: no function x; 1 other program fails on some.",
            ),
            // What is proven comes first.
            (
                &THREE,
                &[&[3, 2], &[3, 0]],
                "None of the 2 programs is expected to run on all 3 kernels; `p1` fails on 1 \
                 kernel, all before 5.4: no function x; 1 other program likely fails on some.",
            ),
            (
                &THREE,
                &[&[2, 3], &[3, 0]],
                "None of the 2 programs is expected to run on all 3 kernels; `p0` fails on all 3 \
                 kernels (2 of them likely): on 2 of them, x is not listed; 1 other program \
                 likely fails on some.",
            ),
            (
                &THREE,
                &[&[1, 0], &[0, 0]],
                "1 of 2 programs is expected to run on all 3 kernels; 1 program cannot be judged on some.",
            ),
            (
                &THREE,
                &[&[2, 0], &[1, 0]],
                "1 of 2 programs is expected to run on all 3 kernels; `p0` fails on 1 kernel, all \
                 before 5.4: no function x; 1 program cannot be judged on some.",
            ),
            (
                &THREE,
                &[&[1], &[1]],
                "The one program is not expected to run on all 3 kernels; it cannot be judged on some.",
            ),
            (
                &THREE,
                &[&[], &[]],
                "There are no programs to judge on all 3 kernels.",
            ),
            (&[], &[], "No kernels were examined."),
        ] {
            assert_eq!(support(kernels, columns).headline(), headline);
        }
    }

    #[test]
    fn an_object_with_all_its_programs_is_no_other_program() {
        let mut support = support(&THREE, &[&[2, 2], &[2, 2]]);
        if let Some(last) = support.programs.last_mut() {
            last.name.clear();
            last.section.clear();
        }
        let headline = support.headline();
        assert!(headline.starts_with("The one program is not"), "{headline}");
        assert!(!headline.contains("other"), "{headline}");
    }
}
