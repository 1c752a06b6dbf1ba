//! `atlas verify`: compares an atlas with the archive.

use btfhub_build::archive::Entry;
use btfhub_build::atlas::Difference;
use serde::Serialize;

use super::open;
use crate::args::atlas as args;
use crate::failure::Failure;
use crate::jobs;
use crate::kernels::{Wanted, scan, wanted};
use crate::output::{Lines, Output, count, line};

#[derive(Serialize)]
struct Verified {
    schema: &'static str,
    file: String,
    kernels: usize,
    verified: bool,
    differences: Vec<Differing>,
    /// In the atlas, but not in the archive.
    not_in_archive: usize,
}

#[derive(Serialize)]
struct Differing {
    kernel: String,
    what: &'static str,
}

pub(crate) fn run(args: &args::AtlasVerify, output: Output) -> Result<(), Failure> {
    let atlas = open(&args.file)?;
    atlas.check()?;
    let archives = scan(&args.archive)?;
    let entries: Vec<Entry> = wanted(&archives, &Wanted::new(&args.filter)?)?
        .into_iter()
        .cloned()
        .collect();
    let progress = output.progress("verifying");
    let mut done = 0;
    let mut differences = Vec::new();
    atlas.verify(
        &entries,
        Some(jobs::limit(&args.jobs)),
        |kernel, difference| {
            done += 1;
            progress.set(done, entries.len());
            differences.extend(difference.map(|difference| Differing {
                kernel: kernel.to_string(),
                what: match difference {
                    Difference::Missing => "not in the atlas",
                    Difference::OtherFile => "the atlas was made from a different file",
                    Difference::OtherDefinitions => "the atlas has different definitions",
                },
            }));
        },
    )?;
    drop(progress);
    differences.sort_by(|a, b| a.kernel.cmp(&b.kernel));
    let missing = differences.len();
    let verified = Verified {
        schema: "btfhub.atlas.verify/1",
        file: args.file.display().to_string(),
        kernels: entries.len(),
        verified: missing == 0,
        not_in_archive: atlas
            .kernels()
            .filter(|(_, kernel)| !entries.iter().any(|entry| entry.kernel() == *kernel))
            .count(),
        differences,
    };
    output.result(&verified, || {
        let mut out = Lines::default();
        for difference in &verified.differences {
            line!(out, "{}: {}", difference.kernel, difference.what);
        }
        line!(
            out,
            "{}, {} different, {} more in the atlas",
            count(verified.kernels, "kernel", "kernels"),
            verified.differences.len(),
            verified.not_in_archive,
        );
        out
    })?;
    if verified.verified {
        Ok(())
    } else {
        Err(Failure::new(format!("{}: differs from the archive", verified.file)).told())
    }
}
