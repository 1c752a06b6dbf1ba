//! `atlas build`: archives → an atlas.

use std::time::Instant;

use btfhub_build::archive::Entry;
use btfhub_build::atlas::{Atlas, AtlasBuilder, Effort};
use serde::Serialize;

use crate::args::atlas as args;
use crate::failure::Failure;
use crate::files;
use crate::jobs;
use crate::kernels::{Wanted, scan, wanted};
use crate::output::{Lines, Output, count, line};

#[derive(Serialize)]
struct Made {
    schema: &'static str,
    file: String,
    digest: String,
    bytes: usize,
    kernels: usize,
    definitions: usize,
    decoded: usize,
    modules: usize,
    symbols: usize,
    /// Size of the entries, compressed as in the archive.
    archive_bytes: u64,
    seconds: f64,
}

pub(crate) fn run(args: &args::AtlasBuild, output: Output) -> Result<(), Failure> {
    let archives = scan(&args.archive)?;
    let entries: Vec<Entry> = wanted(&archives, &Wanted::new(&args.filter)?)?
        .into_iter()
        .cloned()
        .collect();
    let base = (args.base.as_deref())
        .map(|path| Atlas::open(path, None))
        .transpose()?;
    let mut builder = AtlasBuilder::new()
        .jobs(jobs::limit(&args.jobs))
        .functions(!args.without_functions)
        .effort(if args.fast {
            Effort::Fast
        } else {
            Effort::Best
        });
    if let Some(base) = &base {
        builder = builder.base(base);
    }
    let start = Instant::now();
    let progress = output.progress("surveying");
    let built = builder.build(&entries, |done, total| progress.set(done, total));
    drop(progress);
    let built = built?;
    let seconds = start.elapsed().as_secs_f64();
    files::write(&args.out, &built.file)?;
    let made = Made {
        schema: "btfhub.atlas.build/1",
        file: args.out.display().to_string(),
        bytes: built.file.len(),
        kernels: built.kernels,
        definitions: built.definitions,
        decoded: built.decoded,
        modules: built.modules,
        symbols: built.symbols,
        archive_bytes: entries.iter().map(Entry::size).sum(),
        seconds,
        digest: Atlas::parse(built.file)?.digest().to_string(),
    };
    if made.symbols > 0 {
        output.note(&format!(
            "note: {} symbols; an atlas keeps none, so verdicts from it do without",
            count(made.symbols, "entry has", "entries have")
        ));
    }
    output.result(&made, || {
        let mut text = Lines::from(format!(
            "{}: {} ({} decoded{}), {}, {} bytes, 1/{:.1} of the entries",
            made.file,
            count(made.kernels, "kernel", "kernels"),
            made.decoded,
            match made.modules {
                0 => String::new(),
                modules => format!(" with {}", count(modules, "module", "modules")),
            },
            count(made.definitions, "definition", "definitions"),
            made.bytes,
            ratio(made.archive_bytes, made.bytes),
        ));
        line!(text, "digest {}", made.digest);
        text
    })
}

/// For people: exact up to 2^52.
#[allow(clippy::cast_precision_loss)]
fn ratio(of: u64, to: usize) -> f64 {
    of as f64 / to.max(1) as f64
}
