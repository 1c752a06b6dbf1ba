//! `tailor`: one tailored BTF per kernel.

use std::path::{Path, PathBuf};

use btfhub_build::Builder;
use btfhub_build::output::Tree;
use btfhub_runtime::Bundle;
use serde::Serialize;

use crate::args;
use crate::build::{builder, generate};
use crate::failure::{Context, Failure, failure};
use crate::lints::Warning;
use crate::output::{Output, count};

#[derive(Serialize)]
struct TailoredTree {
    schema: &'static str,
    out: String,
    kernels: usize,
    classes: usize,
    bytes: u64,
    files: Vec<Written>,
    bad: Vec<String>,
    lints: Vec<Warning>,
}

#[derive(Serialize)]
struct Written {
    kernel: String,
    path: String,
    class: u32,
    bytes: usize,
}

pub(crate) fn run(
    args: &args::Tailor,
    configured: Option<&Builder>,
    output: Output,
) -> Result<(), Failure> {
    let builder = builder(
        &args.archive,
        &args.source,
        &args.objects,
        &args.filter,
        &args.jobs,
        None,
        configured,
    )?;
    let (generated, lints) = generate(&builder, output)?;
    // The output is read back through the crate that programs use to read it.
    let bundle = Bundle::parse(generated.bundle())?;
    let mut tree = Tree::new(&args.out).map_err(failure)?;
    let mut files = Vec::new();
    for entry in bundle.kernels() {
        let entry = entry?;
        let kernel = entry.kernel();
        let btf = bundle.btf(entry.class()).context(|| kernel.to_string())?;
        let path = path(&kernel);
        tree.add(&path, &btf).map_err(failure)?;
        files.push(Written {
            kernel: kernel.to_string(),
            path: args.out.join(path).display().to_string(),
            class: entry.class().0,
            bytes: btf.len(),
        });
    }
    tree.finish().map_err(failure)?;
    let others = others(&args.out, files.len());
    if others > 0 {
        output.note(&format!(
            "{}: {} for other kernels, not written by this run",
            args.out.display(),
            count(others, "file", "files")
        ));
    }
    let tree = TailoredTree {
        schema: "btfhub.tailor/1",
        out: args.out.display().to_string(),
        kernels: files.len(),
        classes: generated.class_count(),
        bytes: files.iter().map(|file| file.bytes as u64).sum(),
        files,
        bad: generated
            .bad_entries()
            .iter()
            .map(ToString::to_string)
            .collect(),
        lints,
    };
    output.result(&tree, || {
        format!(
            "{} in {}, {} bytes, {} distinct",
            count(tree.kernels, "kernel", "kernels"),
            tree.out,
            tree.bytes,
            tree.classes,
        )
    })
}

/// How many BTF files below `out` this run did not write; it wrote `ours`.
fn others(out: &Path, ours: usize) -> usize {
    let is_btf = |path: &Path| path.extension().is_some_and(|extension| extension == "btf");
    let files = walkdir::WalkDir::new(out).into_iter().flatten();
    let files = files.filter(|file| file.file_type().is_file() && is_btf(file.path()));
    files.count().saturating_sub(ours)
}

/// The file of a kernel, below the output directory.
fn path(kernel: &btfhub_runtime::KernelId<'_>) -> PathBuf {
    Path::new(kernel.distro)
        .join(kernel.version)
        .join(kernel.arch.as_str())
        .join(format!("{}.btf", kernel.release))
}
