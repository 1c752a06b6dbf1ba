//! What is timed, each in a separate process.

use std::num::NonZeroUsize;
use std::path::Path;

use btfhub_build::Builder;
use btfhub_build::archive::{self, Archive};
use btfhub_build::atlas::{AtlasBuilder, Effort};

use crate::derived;

/// * `decode ARCHIVE`: every entry, and nothing else
/// * `build ARCHIVE fast|best`: an atlas
/// * `derive ARCHIVE KERNELS OUT`: an atlas of as many
/// * `bundle OUT (archive DIR|atlas FILE|cache DIR|object FILE|jobs COUNT)…`
pub(crate) fn work(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["decode", archive] => {
            let archive = Archive::scan(archive).expect("an archive");
            for entry in archive.entries() {
                let bytes = std::fs::read(entry.file()).expect("an entry");
                archive::decode(&bytes, archive::DEFAULT_LIMIT).expect("an entry");
            }
        }
        ["build", archive, effort] => {
            let archive = Archive::scan(archive).expect("an archive");
            let effort = match *effort {
                "fast" => Effort::Fast,
                _ => Effort::Best,
            };
            let builder = AtlasBuilder::new().jobs(NonZeroUsize::MIN).effort(effort);
            builder
                .build(archive.entries(), |_, _| ())
                .expect("an atlas");
        }
        ["derive", archive, kernels, out] => {
            let kernels = kernels.parse().expect("a number");
            let atlas = derived::derive(Path::new(archive), kernels);
            std::fs::write(out, atlas).expect("a file");
        }
        ["bundle", out, rest @ ..] => bundle(Path::new(out), rest),
        other => panic!("no work called {other:?}"),
    }
}

fn bundle(out: &Path, rest: &[&str]) {
    let mut builder = Builder::new().jobs(NonZeroUsize::MIN);
    for pair in rest.chunks(2) {
        builder = match *pair {
            ["archive", path] => builder.archive(path),
            ["atlas", path] => builder.atlas(path),
            ["cache", path] => builder.cache_dir(path),
            ["object", path] => builder.object(path),
            ["jobs", count] => builder.jobs(count.parse().expect("a number")),
            _ => panic!("no such input: {pair:?}"),
        };
    }
    let generated = builder
        .generate()
        .unwrap_or_else(|error| panic!("{error:?}"));
    generated.write_to(out).expect("a bundle");
    println!(
        "{} kernels, {} classes, {} bytes, {} decoded",
        generated.kernels().len(),
        generated.class_count(),
        generated.bundle().len(),
        generated.decoded_entries()
    );
}
