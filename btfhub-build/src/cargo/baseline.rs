//! Compares a build with a baseline.

use std::path::Path;

use super::said;
use crate::diagnostics::{Diagnostic, Lint};
use crate::error::{Error, ErrorKind, count};
use crate::input;
use crate::support::{ChangeKind, Changes, Support};

/// Longer files are not baselines.
const LIMIT: u64 = 256 << 20;
/// How many changes the message lists.
const TOLD: usize = 3;

/// What `after` lost compared to the baseline in `file`, for kernels of these architectures, or
/// of all if none is given.
pub(super) fn lost(
    file: &Path,
    after: &Support,
    archs: &[String],
) -> Result<Option<Diagnostic>, Error> {
    let wrong = || {
        Error::new(
            ErrorKind::Config,
            format!("the baseline {}", file.display()),
        )
    };
    let text = input::read_to_string(file, LIMIT).map_err(|error| {
        wrong().because(error).help(
            "`cargo btfhub report --format support --json --out FILE` writes one; check it in",
        )
    })?;
    let mut before = Support::from_json(&text).map_err(|error| wrong().because(error))?;
    let archs: Vec<_> = archs
        .iter()
        .map(|arch| btfhub_runtime::Arch::new(arch))
        .collect();
    if !archs.is_empty() {
        (before.kernels).retain(|kernel| archs.contains(&btfhub_runtime::Arch::new(&kernel.arch)));
    }
    let changes = Changes::between(&before, after);
    if changes.lost().is_empty() {
        return Ok(None);
    }
    let mut parts: Vec<String> = (changes.of(ChangeKind::Lost).take(TOLD))
        .map(|change| {
            let kernel = change.kernels.first().map(ToString::to_string);
            format!(
                "{}: {} on {}, first {}: {}",
                change.program,
                change.after.outcome,
                count(change.kernels.len(), "kernel", "kernels"),
                kernel.unwrap_or_default(),
                change.after.reason()
            )
        })
        .collect();
    let more = changes.of(ChangeKind::Lost).count().saturating_sub(TOLD);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    if let Some(first) = changes.kernels_gone.first() {
        let gone = count(changes.kernels_gone.len(), "kernel is", "kernels are");
        parts.push(format!("{gone} not in the archive, first {first}"));
    }
    if let Some(first) = changes.programs_gone.first() {
        let gone = count(changes.programs_gone.len(), "program is", "programs are");
        parts.push(format!("{gone} not in the objects, first {first}"));
    }
    let message = format!(
        "support lost on {} of {} against {}: {}; if that is intended, update the baseline with \
         `cargo btfhub report --format support --json --out {2}`",
        changes.lost().len(),
        count(changes.kernels_before(), "kernel", "kernels"),
        file.display(),
        parts.join("; ")
    );
    Ok(Some(said(Lint::SupportLost, message)))
}
