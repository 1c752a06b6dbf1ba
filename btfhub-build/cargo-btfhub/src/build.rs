//! Arguments → the library's `Builder`.

use btfhub_build::{Builder, Generated, OnBadEntry};

use crate::args::{ArchiveArgs, FilterArgs, JobArgs, ObjectArgs, SourceArgs};
use crate::failure::{Failure, failure};
use crate::jobs;
use crate::kernels::{Sources, Wanted, no_object};
use crate::lints::{self, Warning};
use crate::output::Output;

/// The builder that the arguments describe.
pub(crate) fn builder(
    archive: &ArchiveArgs,
    source: &SourceArgs,
    objects: &ObjectArgs,
    filter: &FilterArgs,
    jobs: &JobArgs,
    pin: Option<&str>,
    configured: Option<&Builder>,
) -> Result<Builder, Failure> {
    // Fails in terms of the options, and as "not found" if no kernel remains.
    Sources::open(archive, source)?.wanted(&Wanted::new(filter)?)?;
    let mut builder = lints::configure(Builder::new(), configured).jobs(jobs::limit(jobs));
    for root in &archive.archives {
        builder = builder.archive(root);
    }
    builder = match (pin, archive.archives.as_slice(), source.atlases.as_slice()) {
        (None, _, atlases) => atlases.iter().fold(builder, Builder::atlas),
        (Some(digest), [], [atlas]) => builder.pinned_atlas(atlas, digest),
        (Some(pin), [_], []) => match pin.split_once(':') {
            Some(("tree", hash)) => builder.pin_tree(hash),
            Some(("lock", file)) => builder.lock(file),
            _ => builder.pin(pin),
        },
        _ => {
            return Err(Failure::usage(
                "--pin is for one archive or atlas; give one --archive or --atlas",
            ));
        }
    };
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

/// Runs the stages, with progress on a terminal, and reports what was left out and what the
/// lints found.
pub(crate) fn generate(
    builder: &Builder,
    output: Output,
) -> Result<(Generated, Vec<Warning>), Failure> {
    let progress = output.progress("tailoring");
    let generated = builder
        .generate_with(|at| progress.set(at.done, at.total))
        .map_err(failure);
    drop(progress);
    let generated = generated?;
    for bad in generated.bad_entries() {
        output.note(&format!("left out: {bad}"));
    }
    let warnings = lints::tell(builder, &generated.diagnostics(), output)?;
    Ok((generated, warnings))
}
