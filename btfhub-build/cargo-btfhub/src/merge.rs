//! `merge`: the shards of a bundle → the bundle.

use btfhub_build::shard::{self, ShardFile};
use serde::Serialize;

use crate::args;
use crate::failure::Failure;
use crate::failure::failure;
use crate::output::{Output, count};

#[derive(Serialize)]
struct Merged {
    schema: &'static str,
    out: String,
    shards: usize,
    kernels: usize,
    classes: usize,
    bytes: usize,
    bad: Vec<String>,
}

pub(crate) fn run(args: &args::Merge, output: Output) -> Result<(), Failure> {
    let shards = args.shards.iter().map(ShardFile::read);
    let shards = shards.collect::<Result<Vec<_>, _>>().map_err(failure)?;
    let bundle = shard::merge(&shards).map_err(failure)?;
    for bad in bundle.bad_entries() {
        output.note(&format!("left out: {bad}"));
    }
    bundle.write_to(&args.out).map_err(failure)?;
    let merged = Merged {
        schema: "btfhub.merge/1",
        out: args.out.display().to_string(),
        shards: shards.len(),
        kernels: bundle.kernel_count(),
        classes: bundle.class_count(),
        bytes: bundle.bundle().len(),
        bad: bundle.bad_entries().to_vec(),
    };
    output.result(&merged, || {
        format!(
            "{}: {}, {}, {} bytes, from {}",
            merged.out,
            count(merged.kernels, "kernel", "kernels"),
            count(merged.classes, "class", "classes"),
            merged.bytes,
            count(merged.shards, "shard", "shards"),
        )
    })
}
