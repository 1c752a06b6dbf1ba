//! Arguments → the library's `Builder`.

use btfhub_build::{Builder, Generated, OnBadEntry};

use crate::args::{ArchiveArgs, FilterArgs, JobArgs, ObjectArgs, SourceArgs};
use crate::failure::{Failure, failure};
use crate::jobs;
use crate::kernels::{Sources, Wanted, no_object};
use crate::lints;
use crate::output::Output;

/// The builder that the arguments describe.
pub(crate) fn builder(
    archive: &ArchiveArgs,
    source: &SourceArgs,
    objects: &ObjectArgs,
    filter: &FilterArgs,
    jobs: &JobArgs,
    configured: Option<&Builder>,
) -> Result<Builder, Failure> {
    // Complains in the words of the options, and with "not found" where nothing is left.
    Sources::open(archive, source)?.wanted(&Wanted::new(filter)?)?;
    let mut builder = lints::configure(Builder::new(), configured).jobs(jobs::limit(jobs));
    for root in &archive.archives {
        builder = builder.archive(root);
    }
    for file in &source.atlases {
        builder = builder.atlas(file);
    }
    if archive.follow_links {
        builder = builder.follow_links();
    }
    if source.skip_bad {
        builder = builder.on_bad_entry(OnBadEntry::Skip);
    }
    if let Some(bytes) = source.entry_limit {
        builder = builder.entry_limit(bytes);
    }
    if objects.objects.is_empty() {
        return Err(no_object());
    }
    for object in &objects.objects {
        builder = builder.object(object);
    }
    if !objects.modules.is_empty() {
        builder = builder.modules(&objects.modules);
    }
    for pattern in &filter.include {
        builder = builder.include(pattern);
    }
    for pattern in &filter.exclude {
        builder = builder.exclude(pattern);
    }
    if !filter.archs.iter().any(|arch| arch == "all") {
        builder = filter.archs.iter().fold(builder, Builder::arch);
    }
    Ok(builder)
}

/// Runs the stages, with progress on a terminal, and tells what was left out and what the
/// lints say.
pub(crate) fn generate(builder: &Builder, output: Output) -> Result<Generated, Failure> {
    let progress = output.progress("tailoring");
    let generated = builder
        .generate_with(|at| progress.set(at.done, at.total))
        .map_err(failure);
    drop(progress);
    let generated = generated?;
    for bad in generated.bad_entries() {
        output.note(&format!("left out: {bad}"));
    }
    lints::tell(builder, &generated.diagnostics(), output)?;
    Ok(generated)
}
