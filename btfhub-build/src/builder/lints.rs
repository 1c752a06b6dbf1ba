//! What the lints find in a build.

use std::sync::Arc;

use btfhub_runtime::{Bundle, BundleError};

use super::Builder;
use super::generate::Generated;
use crate::archive::{Anomaly, Oddity};
use crate::btf::Btf;
use crate::diagnostics::{Diagnostic, Lint, of_kernels, of_objects};
use crate::error::{Error, ErrorKind, count, some};
use crate::object::Object;
use crate::report::{Report, Survey};
use crate::shard::ShardFile;

/// If unoptimised code decodes more entries than this, the lint reports it.
const MANY_ENTRIES: usize = 200;

/// How this crate itself is compiled.
const OPT_LEVEL: &str = env!("BTFHUB_OPT_LEVEL");

impl Generated {
    /// What a user should act on, regardless of the lints' levels.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.diagnostics_of(|_| true)
    }

    /// What the enabled lints find.
    pub(crate) fn diagnostics_of(&self, wanted: impl Fn(Lint) -> bool) -> Vec<Diagnostic> {
        let all: Vec<Object> = self.objects().cloned().collect();
        let mut found = of_objects(&all.iter().collect::<Vec<_>>(), self.loader());
        if wanted(Lint::FailingRelocations) || wanted(Lint::TruncatedEnumerators) {
            found.extend(of_kernels(&report(self, &all)));
        }
        found.extend(of_entries(self));
        let decoded = self.decoded_entries();
        if OPT_LEVEL == "0" && decoded > MANY_ENTRIES {
            found.push(Diagnostic {
                lint: Lint::Unoptimised,
                message: format!(
                    "{decoded} entries were processed by unoptimised code, as build scripts are \
                     compiled by default; in the Cargo.toml of the workspace, \
                     `[profile.dev.build-override] opt-level = 3` and the same for \
                     `profile.release` make it several times as fast"
                ),
            });
        }
        found.retain(|diagnostic| wanted(diagnostic.lint));
        found
    }
}

impl Builder {
    /// Like [`Generated::diagnostics`], for the objects and the kernels of a shard.
    ///
    /// # Errors
    /// If an object cannot be read.
    pub fn shard_diagnostics(&self, shard: &ShardFile) -> Result<Vec<Diagnostic>, Error> {
        let objects = self.load_objects()?.into_iter().map(|loaded| loaded.object);
        let objects: Vec<Object> = objects.collect();
        let mut found = of_objects(&objects.iter().collect::<Vec<_>>(), self.loader);
        let report = report_of_shard(shard, &objects).map_err(|error| {
            Error::new(ErrorKind::Shard, format!("shard {}", shard.shard())).because(error)
        })?;
        found.extend(of_kernels(&report));
        Ok(found)
    }
}

fn report_of_shard(shard: &ShardFile, objects: &[Object]) -> Result<Report, BundleError> {
    let bundle = Bundle::parse(shard.bundle())?;
    let survey = Survey::new(objects);
    let ask = |btf: &Vec<u8>| survey.ask(&Btf::parse(btf).ok()?).ok();
    let answers: Vec<_> = bundle.all_btf()?.iter().map(ask).collect();
    let kernels = bundle.kernels().collect::<Result<Vec<_>, _>>()?;
    Ok(survey.report(kernels.iter().filter_map(|kernel| {
        let class = usize::try_from(kernel.class().0).ok()?;
        Some((kernel.kernel(), Ok(answers.get(class)?.clone()?)))
    })))
}

/// All kernels of a class have the same answers.
fn report(generated: &Generated, objects: &[Object]) -> Report {
    let survey = Survey::new(objects);
    let ask = |btf: &Arc<[u8]>| survey.ask(&Btf::parse(btf).ok()?).ok();
    let answers: Vec<_> = generated.classes().iter().map(ask).collect();
    let kernels = generated.kernels().iter();
    survey.report(kernels.filter_map(|kernel| {
        let answer = answers.get(kernel.class())?.clone()?;
        Some((kernel.id(), Ok(answer)))
    }))
}

fn of_entries(generated: &Generated) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let bad = generated.bad_entries();
    if let Some(first) = bad.first() {
        found.push(Diagnostic {
            lint: Lint::SkippedEntries,
            message: format!(
                "{} of the archive cannot be used and {} left out (`cargo btfhub check` says why); \
                 the first: {first}",
                count(bad.len(), "entry", "entries"),
                if bad.len() == 1 { "was" } else { "were" },
            ),
        });
    }
    let (missing, odd): (Vec<&Anomaly>, Vec<&Anomaly>) = (generated.archives().iter())
        .flat_map(|archive| archive.anomalies())
        .partition(|anomaly| *anomaly.oddity() == Oddity::NotCheckedOut);
    if !missing.is_empty() {
        found.push(Diagnostic {
            lint: Lint::MissingEntries,
            message: format!(
                "the sparse checkout lacks {} of what is pinned and wanted: {}; `include` and \
                 `exclude` say which kernels a build wants",
                count(missing.len(), "entry", "entries"),
                some(missing.iter().map(|anomaly| anomaly.path().display())),
            ),
        });
    }
    let odd: Vec<&Anomaly> = (odd.into_iter())
        .filter(|anomaly| is_suspicious(anomaly.oddity()))
        .collect();
    if let Some(first) = odd.first() {
        found.push(Diagnostic {
            lint: Lint::OddEntries,
            message: format!(
                "the archive holds {} (`cargo btfhub list` names them); the first: {first}",
                count(
                    odd.len(),
                    "thing that is not as it should be",
                    "things that are not as they should be"
                )
            ),
        });
    }
    found
}

/// Whether an oddity may be a mistake. Links and side files are normal in the published
/// archive.
fn is_suspicious(oddity: &Oddity) -> bool {
    !matches!(
        oddity,
        Oddity::Alias(_) | Oddity::LinkFile(_) | Oddity::SideFile | Oddity::BuildCounter(_)
    )
}
