//! `bundle`: the file that programs embed or read at run time; or a shard of it.

use btfhub_build::Builder;
use btfhub_build::shard::Shard;
use btfhub_build::verdict::Certainty;
use serde::Serialize;

use crate::args;
use crate::build::{builder, generate};
use crate::failure::{Failure, failure};
use crate::files;
use crate::lints::{self, Warning};
use crate::output::{Output, count};

#[derive(Serialize)]
struct Bundled {
    schema: &'static str,
    out: String,
    kernels: usize,
    classes: usize,
    bytes: usize,
    objects: usize,
    relocations: usize,
    bad: Vec<String>,
    lints: Vec<Warning>,
}

pub(crate) fn run(
    args: &args::Bundle,
    configured: Option<&Builder>,
    output: Output,
) -> Result<(), Failure> {
    let mut builder = builder(
        &args.archive,
        &args.source,
        &args.objects,
        &args.filter,
        &args.jobs,
        args.pin.as_deref(),
        configured,
    )?;
    for (program, target) in args.known.targets()? {
        builder = builder.target(program, target);
    }
    for (filter, has) in args.known.own_btf()? {
        builder = builder.own_btf(filter, has);
    }
    builder = match args.failing_programs {
        Some(args::Certainty::Proven) => builder.failing_programs(Certainty::Proven),
        Some(args::Certainty::Likely) => builder.failing_programs(Certainty::Likely),
        None => builder,
    };
    if let Some(part) = args.shard {
        return shard(&builder, part, args, output);
    }
    let (generated, lints) = generate(&builder, output)?;
    files::write(&args.out, generated.bundle())?;
    let bundled = Bundled {
        schema: "btfhub.bundle/1",
        out: args.out.display().to_string(),
        kernels: generated.kernels().len(),
        classes: generated.class_count(),
        bytes: generated.bundle().len(),
        objects: generated.objects().len(),
        relocations: generated.relocations().list().len(),
        bad: generated
            .bad_entries()
            .iter()
            .map(ToString::to_string)
            .collect(),
        lints,
    };
    output.result(&bundled, || {
        format!(
            "{}: {}, {}, {} bytes",
            bundled.out,
            count(bundled.kernels, "kernel", "kernels"),
            count(bundled.classes, "class", "classes"),
            bundled.bytes,
        )
    })
}

#[derive(Serialize)]
struct Sharded {
    schema: &'static str,
    out: String,
    /// K/N.
    shard: String,
    kernels: usize,
    kernels_in_all: usize,
    bytes: usize,
    bad: Vec<String>,
    lints: Vec<Warning>,
}

fn shard(
    builder: &Builder,
    part: Shard,
    args: &args::Bundle,
    output: Output,
) -> Result<(), Failure> {
    let progress = output.progress("tailoring");
    let made = builder.generate_shard(part, |at| progress.set(at.done, at.total));
    drop(progress);
    let made = made.map_err(failure)?;
    for bad in made.bad_entries() {
        output.note(&format!("left out: {bad}"));
    }
    let found = builder.shard_diagnostics(&made).map_err(failure)?;
    let lints = lints::tell(builder, &found, output)?;
    made.write_to(&args.out).map_err(failure)?;
    let sharded = Sharded {
        schema: "btfhub.shard/1",
        out: args.out.display().to_string(),
        shard: part.to_string(),
        kernels: made.kernel_count(),
        kernels_in_all: made.kernels_in_all(),
        bytes: made.to_bytes().len(),
        bad: made.bad_entries().map(str::to_owned).collect(),
        lints,
    };
    output.result(&sharded, || {
        format!(
            "{}: shard {}, {} of {}, {} bytes",
            sharded.out,
            sharded.shard,
            sharded.kernels,
            count(sharded.kernels_in_all, "kernel", "kernels"),
            sharded.bytes,
        )
    })
}
