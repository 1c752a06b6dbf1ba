//! Lints, as a build script would report them, at the levels in the Cargo.toml.

use btfhub_build::{Builder, Diagnostic, Level, Lint};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// The lint levels of a manifest; without one, the defaults of a builder.
pub(crate) fn configure(builder: Builder, configured: Option<&Builder>) -> Builder {
    let Some(configured) = configured else {
        return builder;
    };
    let builder = (Lint::ALL.iter()).fold(builder, |builder, &lint| {
        builder.lint(lint, configured.lint_level(lint))
    });
    match configured.known_loader() {
        Some(loader) => builder.loader(loader),
        None => builder,
    }
}

/// A warning, as in the JSON documents.
#[derive(Serialize)]
pub(crate) struct Warning {
    lint: &'static str,
    message: String,
}

/// Prints warnings and returns them, or fails if a lint is denied.
pub(crate) fn tell(
    builder: &Builder,
    found: &[Diagnostic],
    output: Output,
) -> Result<Vec<Warning>, Failure> {
    // Entries that are left out are reported one by one, and the user can't change how this
    // program is compiled.
    let told = [Lint::SkippedEntries, Lint::Unoptimised];
    let (mut warnings, mut denied) = (Vec::new(), Vec::new());
    for said in found.iter().filter(|said| !told.contains(&said.lint())) {
        match builder.lint_level(said.lint()) {
            Level::Allow => {}
            Level::Warn => {
                output.note(&format!("warning: {said}"));
                warnings.push(Warning {
                    lint: said.lint().name(),
                    message: said.message().to_owned(),
                });
            }
            Level::Deny => denied.push(said.to_string()),
        }
    }
    if denied.is_empty() {
        Ok(warnings)
    } else {
        if let Some(first) = denied.first_mut() {
            first.insert_str(0, "denied by the Cargo.toml: ");
        }
        Err(Failure::of_lines(denied))
    }
}
