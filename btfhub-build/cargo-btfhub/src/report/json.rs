//! The report as JSON: schema `btfhub.report/2`, documented in docs/report.md.

use std::collections::BTreeSet;

use btfhub_build::report::{self, Deny, Effect, Report, Status};
use btfhub_build::support::{self, ChangeKind};
use btfhub_build::verdict;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::lints::Warning;
use crate::output::json;

#[derive(Serialize)]
pub(super) struct Document<'r> {
    schema: &'static str,
    tool: &'static str,
    objects: &'r [String],
    headline: String,
    summary: Summary,
    functions: Vec<Function<'r>>,
    relocations: Vec<Relocation<'r>>,
    kernels: Vec<Kernel<'r>>,
    /// Each on its own line, with thousands of numbers.
    columns: Vec<Box<RawValue>>,
    verdicts: Vec<Verdict<'r>>,
    programs: Vec<Function<'r>>,
    program_columns: Vec<Box<RawValue>>,
    program_verdicts: Vec<ProgramVerdict<'r>>,
    object_columns: Vec<Box<RawValue>>,
    object_verdicts: Vec<ProgramVerdict<'r>>,
    unreadable: Vec<Unreadable<'r>>,
    /// Against a baseline.
    changes: Option<Changes<'r>>,
    denied: Vec<Denied>,
    lints: Vec<Warning>,
}

#[derive(Serialize)]
struct Summary {
    kernels: usize,
    kernels_where_all_loads: usize,
    relocations: usize,
    cells: usize,
    statuses: Vec<Count>,
    effects: Vec<Count>,
}

#[derive(Serialize)]
struct Count {
    name: &'static str,
    cells: usize,
}

#[derive(Serialize)]
struct Function<'r> {
    object: &'r str,
    section: &'r str,
    name: &'r str,
}

#[derive(Serialize)]
struct Relocation<'r> {
    term: &'r str,
    kind: &'r str,
    root: &'r str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    modules: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    in_no_kernel: Option<Absent>,
    guards: &'r [usize],
    site_count: usize,
    sites: Vec<Site<'r>>,
}

/// A type that no kernel has.
#[derive(Serialize)]
struct Absent {
    usual_module: Option<&'static str>,
}

#[derive(Serialize)]
struct Site<'r> {
    function: usize,
    insn: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'r str>,
}

#[derive(Serialize)]
struct Kernel<'r> {
    kernel: String,
    distro: &'r str,
    version: &'r str,
    arch: &'r str,
    release: &'r str,
    series: &'r str,
    column: usize,
    program_column: usize,
    object_column: usize,
    loads: bool,
    verdict: &'static str,
}

#[derive(Serialize)]
struct Verdict<'r> {
    status: &'static str,
    effect: &'static str,
    /// Decimal, in a string: JavaScript's numbers lose bits of 64-bit values.
    value: Option<String>,
    reason: &'r str,
    failing: &'r [usize],
}

/// A verdict on a program by itself, or on an object with all its programs.
#[derive(Serialize)]
struct ProgramVerdict<'r> {
    verdict: &'static str,
    certainty: Option<&'static str>,
    reasons: Vec<Reason<'r>>,
}

#[derive(Serialize)]
struct Reason<'r> {
    rule: &'r str,
    text: &'r str,
}

#[derive(Serialize)]
struct Unreadable<'r> {
    kernel: &'r str,
    error: &'r str,
}

/// What differs from a baseline.
#[derive(Serialize)]
struct Changes<'r> {
    lost_on: Vec<String>,
    lost: Vec<Change<'r>>,
    changed: Vec<Change<'r>>,
    won: Vec<Change<'r>>,
    kernels_gone: Vec<String>,
    kernels_new: Vec<String>,
    programs_gone: Vec<Function<'r>>,
    programs_new: Vec<Function<'r>>,
}

#[derive(Serialize)]
struct Change<'r> {
    program: Function<'r>,
    before: ProgramVerdict<'r>,
    after: ProgramVerdict<'r>,
    kernels: Vec<String>,
}

impl<'r> From<&'r support::Changes> for Changes<'r> {
    fn from(changes: &'r support::Changes) -> Self {
        let of = |kind| changes.of(kind).map(Change::from).collect();
        let names = |kernels: &[support::Kernel]| kernels.iter().map(ToString::to_string).collect();
        Self {
            lost_on: names(changes.lost()),
            lost: of(ChangeKind::Lost),
            changed: of(ChangeKind::Changed),
            won: of(ChangeKind::Won),
            kernels_gone: names(&changes.kernels_gone),
            kernels_new: names(&changes.kernels_new),
            programs_gone: changes.programs_gone.iter().map(Function::from).collect(),
            programs_new: changes.programs_new.iter().map(Function::from).collect(),
        }
    }
}

impl<'r> From<&'r support::Change> for Change<'r> {
    fn from(change: &'r support::Change) -> Self {
        Self {
            program: Function::from(&change.program),
            before: ProgramVerdict::from(&change.before),
            after: ProgramVerdict::from(&change.after),
            kernels: change.kernels.iter().map(ToString::to_string).collect(),
        }
    }
}

impl<'r> From<&'r support::Program> for Function<'r> {
    fn from(program: &'r support::Program) -> Self {
        Self {
            object: &program.object,
            section: &program.section,
            name: &program.name,
        }
    }
}

impl<'r> From<&'r support::Verdict> for ProgramVerdict<'r> {
    fn from(verdict: &'r support::Verdict) -> Self {
        Self {
            verdict: verdict.outcome.name(),
            certainty: verdict.outcome.certainty().map(verdict::Certainty::name),
            reasons: (verdict.reasons.iter())
                .map(|reason| Reason {
                    rule: &reason.rule,
                    text: &reason.text,
                })
                .collect(),
        }
    }
}

/// The part of the document that says what runs where: `btfhub.support/1`, a baseline.
#[derive(Serialize)]
struct Support<'r> {
    schema: &'static str,
    headline: String,
    objects: &'r [String],
    programs: Vec<Function<'r>>,
    program_verdicts: Vec<ProgramVerdict<'r>>,
    program_columns: Vec<Box<RawValue>>,
    object_verdicts: Vec<ProgramVerdict<'r>>,
    object_columns: Vec<Box<RawValue>>,
    kernels: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct SupportKernel<'r> {
    distro: &'r str,
    version: &'r str,
    arch: &'r str,
    release: &'r str,
    program_column: usize,
    object_column: usize,
    verdict: &'static str,
}

/// What runs where, with one line per kernel, so that a diff is readable.
pub(super) fn support(report: &Report) -> Result<String, Failure> {
    let kernels = report.kernels.iter().map(|kernel| {
        serde_json::value::to_raw_value(&SupportKernel {
            distro: &kernel.distro,
            version: &kernel.version,
            arch: &kernel.arch,
            release: &kernel.release,
            program_column: kernel.program_column,
            object_column: kernel.object_column,
            verdict: report.outcome_on(kernel).name(),
        })
    });
    json(&Support {
        schema: "btfhub.support/1",
        headline: report.support().headline(),
        objects: &report.objects,
        programs: programs(report),
        program_verdicts: program_verdicts(&report.program_verdicts),
        program_columns: raw(&report.program_columns)?,
        object_verdicts: program_verdicts(&report.object_verdicts),
        object_columns: raw(&report.object_columns)?,
        kernels: kernels.collect::<Result<_, _>>()?,
    })
}

fn programs(report: &Report) -> Vec<Function<'_>> {
    (report.programs.iter())
        .map(|program| Function {
            object: &program.object,
            section: &program.section,
            name: &program.name,
        })
        .collect()
}

/// A threshold of `--deny`.
#[derive(Serialize)]
struct Denied {
    threshold: String,
    exceeded: bool,
}

pub(super) fn render(
    report: &Report,
    changes: Option<&support::Changes>,
    lints: Vec<Warning>,
    denied: impl Iterator<Item = (Deny, bool)>,
) -> Result<String, Failure> {
    let mut document = document(report, changes, usize::MAX)?;
    document.lints = lints;
    document.denied = denied
        .map(|(deny, exceeded)| Denied {
            threshold: deny.to_string(),
            exceeded,
        })
        .collect();
    json(&document)
}

/// The document, with at most `sites` places for each relocation; those in functions that fail on
/// some kernel come first.
pub(super) fn document<'r>(
    report: &'r Report,
    changes: Option<&'r support::Changes>,
    sites: usize,
) -> Result<Document<'r>, Failure> {
    Ok(Document {
        schema: "btfhub.report/2",
        tool: concat!("btfhub-build ", env!("CARGO_PKG_VERSION")),
        objects: &report.objects,
        headline: report.support().headline(),
        summary: summary(report),
        functions: (report.functions.iter())
            .map(|function| Function {
                object: &function.object,
                section: &function.section,
                name: &function.name,
            })
            .collect(),
        relocations: (report.relocations.iter().enumerate())
            .map(|(number, row)| Relocation {
                term: &row.term,
                kind: &row.kind,
                root: &row.root,
                modules: &row.modules,
                in_no_kernel: row.in_no_kernel.then_some(Absent {
                    usual_module: row.usual_module,
                }),
                guards: &row.guards,
                site_count: row.sites.len(),
                sites: shown(report, number, sites)
                    .into_iter()
                    .map(|site| {
                        let line = site.line.as_ref();
                        Site {
                            function: site.function,
                            insn: site.insn,
                            file: line.map(|line| line.file.as_str()),
                            line: line.map(|line| line.line).filter(|line| *line > 0),
                            column: line.map(|line| line.column).filter(|column| *column > 0),
                            text: line.map(|line| line.text.as_str()),
                        }
                    })
                    .collect(),
            })
            .collect(),
        kernels: (report.kernels.iter())
            .map(|kernel| Kernel {
                kernel: format!(
                    "{}/{}/{}/{}",
                    kernel.distro, kernel.version, kernel.arch, kernel.release
                ),
                distro: &kernel.distro,
                version: &kernel.version,
                arch: &kernel.arch,
                release: &kernel.release,
                series: &kernel.series,
                column: kernel.column,
                program_column: kernel.program_column,
                object_column: kernel.object_column,
                loads: report.loads_on(kernel),
                verdict: report.outcome_on(kernel).name(),
            })
            .collect(),
        columns: raw(&report.columns)?,
        programs: programs(report),
        program_columns: raw(&report.program_columns)?,
        program_verdicts: program_verdicts(&report.program_verdicts),
        object_columns: raw(&report.object_columns)?,
        object_verdicts: program_verdicts(&report.object_verdicts),
        verdicts: (report.verdicts.iter())
            .map(|verdict| Verdict {
                status: verdict.status.name(),
                effect: verdict.effect.name(),
                value: verdict.value.map(|value| value.to_string()),
                reason: &verdict.reason,
                failing: &verdict.failing,
            })
            .collect(),
        unreadable: (report.unreadable.iter())
            .map(|bad| Unreadable {
                kernel: &bad.kernel,
                error: &bad.error,
            })
            .collect(),
        changes: changes.map(Changes::from),
        denied: Vec::new(),
        lints: Vec::new(),
    })
}

/// Each list on its own line.
fn raw(columns: &[Vec<usize>]) -> Result<Vec<Box<RawValue>>, Failure> {
    let columns = columns.iter().map(serde_json::value::to_raw_value);
    Ok(columns.collect::<Result<_, _>>()?)
}

fn program_verdicts(verdicts: &[verdict::Verdict]) -> Vec<ProgramVerdict<'_>> {
    let one = verdicts.iter().map(|verdict| ProgramVerdict {
        verdict: verdict.outcome.name(),
        certainty: verdict.outcome.certainty().map(verdict::Certainty::name),
        reasons: (verdict.reasons.iter())
            .map(|reason| Reason {
                rule: reason.rule,
                text: &reason.text,
            })
            .collect(),
    });
    one.collect()
}

/// At most `limit` of a relocation's places.
fn shown(report: &Report, relocation: usize, limit: usize) -> Vec<&report::Site> {
    let Some(row) = report.relocations.get(relocation) else {
        return Vec::new();
    };
    let mut sites: Vec<_> = row.sites.iter().collect();
    if sites.len() > limit {
        let verdicts = (report.columns.iter())
            .filter_map(|column| report.verdicts.get(*column.get(relocation)?));
        let failing: BTreeSet<usize> = verdicts
            .flat_map(|verdict| verdict.failing.iter().copied())
            .collect();
        sites.sort_by_key(|site| !failing.contains(&site.function));
        sites.truncate(limit);
    }
    sites
}

fn summary(report: &Report) -> Summary {
    let cells = || (report.kernels.iter()).flat_map(|kernel| report.verdicts_of(kernel));
    Summary {
        kernels: report.kernels.len(),
        kernels_where_all_loads: (report.kernels.iter())
            .filter(|kernel| report.loads_on(kernel))
            .count(),
        relocations: report.relocations.len(),
        cells: cells().count(),
        statuses: (Status::ALL.iter())
            .map(|status| Count {
                name: status.name(),
                cells: cells().filter(|verdict| verdict.status == *status).count(),
            })
            .collect(),
        effects: (Effect::ALL.iter())
            .map(|effect| Count {
                name: effect.name(),
                cells: cells().filter(|verdict| verdict.effect == *effect).count(),
            })
            .collect(),
    }
}
