//! A baseline, from the JSON of a report or of a support table.

use std::fmt;

use btfhub_runtime::Printable;

use serde::Deserialize;

use super::collect::Parts;
use super::{Kernel, Program, Reason, Support, Verdict};
use crate::verdict::{Certainty, Outcome};

/// The schemas that hold programs × kernels, in fields with the same names.
const SCHEMAS: [&str; 2] = ["btfhub.report/2", "btfhub.support/1"];

/// A baseline that can't be used, and why.
#[derive(Debug)]
pub struct BaselineError(String);

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", Printable(&self.0))
    }
}

impl std::error::Error for BaselineError {}

#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    programs: Vec<ProgramRow>,
    program_columns: Vec<Vec<usize>>,
    program_verdicts: Vec<VerdictRow>,
    objects: Vec<String>,
    object_columns: Vec<Vec<usize>>,
    object_verdicts: Vec<VerdictRow>,
    kernels: Vec<KernelRow>,
}

#[derive(Deserialize)]
struct ProgramRow {
    object: String,
    name: String,
    section: String,
}

#[derive(Deserialize)]
struct KernelRow {
    distro: String,
    version: String,
    arch: String,
    release: String,
    program_column: usize,
    object_column: usize,
}

#[derive(Deserialize)]
struct VerdictRow {
    verdict: Word,
    certainty: Option<Sure>,
    reasons: Vec<ReasonRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Runs,
    Unknown,
    Fails,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sure {
    Likely,
    Proven,
}

#[derive(Deserialize)]
struct ReasonRow {
    rule: String,
    text: String,
}

impl Support {
    /// Reads what `cargo btfhub report --format support --json` or `--format json` wrote.
    ///
    /// # Errors
    /// If the text is not such a document, if it refers to something that it lacks, or if it
    /// has no kernels.
    pub fn from_json(text: &str) -> Result<Self, BaselineError> {
        let head: Head = serde_json::from_str(text)
            .map_err(|error| BaselineError::of("it is not the JSON of a report", &error))?;
        let schema = head.schema.as_deref().unwrap_or("none");
        if !SCHEMAS.contains(&schema) {
            return Err(BaselineError(format!(
                "its schema is {}, not one of {}: regenerate it with `cargo btfhub report \
                 --format support --json`",
                Printable(schema),
                SCHEMAS.join(", ")
            )));
        }
        let document: Document = serde_json::from_str(text)
            .map_err(|error| BaselineError::of("its programs and kernels", &error))?;
        document.check()?;
        if document.kernels.is_empty() {
            return Err(BaselineError(
                "it names no kernel, so nothing could be lost".to_owned(),
            ));
        }
        Ok(document.parts().support())
    }
}

impl KernelRow {
    fn kernel(&self) -> Kernel {
        Kernel {
            distro: self.distro.clone(),
            version: self.version.clone(),
            arch: self.arch.clone(),
            release: self.release.clone(),
            column: 0,
        }
    }
}

impl BaselineError {
    /// Escaped, because the parser's message quotes the text.
    fn of(what: &str, error: &serde_json::Error) -> Self {
        Self(format!("{what}: {}", Printable(&error.to_string())))
    }
}

impl Document {
    /// Checks that every index is valid.
    fn check(&self) -> Result<(), BaselineError> {
        check_columns(
            "program",
            &self.program_columns,
            self.programs.len(),
            self.program_verdicts.len(),
        )?;
        check_columns(
            "object",
            &self.object_columns,
            self.objects.len(),
            self.object_verdicts.len(),
        )?;
        let is_wild = |kernel: &&KernelRow| {
            kernel.program_column >= self.program_columns.len()
                || kernel.object_column >= self.object_columns.len()
        };
        match self.kernels.iter().find(is_wild) {
            None => Ok(()),
            Some(kernel) => Err(BaselineError(format!(
                "kernel {} refers to a column that does not exist",
                kernel.kernel()
            ))),
        }
    }

    fn parts(self) -> Parts {
        Parts {
            programs: (self.programs.into_iter())
                .map(|row| Program {
                    object: row.object,
                    name: row.name,
                    section: row.section,
                })
                .collect(),
            program_columns: self.program_columns,
            program_verdicts: verdicts(self.program_verdicts),
            objects: self.objects,
            object_columns: self.object_columns,
            object_verdicts: verdicts(self.object_verdicts),
            kernels: (self.kernels.into_iter())
                .map(|row| (row.kernel(), row.program_column, row.object_column))
                .collect(),
        }
    }
}

fn check_columns(
    of: &str,
    columns: &[Vec<usize>],
    rows: usize,
    verdicts: usize,
) -> Result<(), BaselineError> {
    for (number, column) in columns.iter().enumerate() {
        if column.len() != rows {
            return Err(BaselineError(format!(
                "{of}_columns[{number}] has {} verdicts for {rows} {of}s",
                column.len()
            )));
        }
        if let Some(verdict) = column.iter().find(|at| **at >= verdicts) {
            return Err(BaselineError(format!(
                "{of}_columns[{number}] refers to verdict {verdict}, which does not exist"
            )));
        }
    }
    Ok(())
}

fn verdicts(rows: Vec<VerdictRow>) -> Vec<Verdict> {
    let verdict = |row: VerdictRow| Verdict {
        outcome: match (row.verdict, row.certainty) {
            (Word::Runs, _) => Outcome::Runs,
            (Word::Unknown, _) => Outcome::Unknown,
            (Word::Fails, Some(Sure::Proven)) => Outcome::Fails(Certainty::Proven),
            (Word::Fails, _) => Outcome::Fails(Certainty::Likely),
        },
        reasons: (row.reasons.into_iter())
            .map(|row| Reason {
                rule: row.rule,
                text: row.text,
            })
            .collect(),
    };
    rows.into_iter().map(verdict).collect()
}
