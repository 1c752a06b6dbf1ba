//! `tailor`: one tailored BTF per kernel.

use std::path::{Path, PathBuf};

use btfhub_runtime::Bundle;
use serde::Serialize;

use crate::args;
use crate::build::{builder, generate};
use crate::failure::{Context, Failure};
use crate::output::{Output, count, write_file};

#[derive(Serialize)]
struct TailoredTree {
    schema: &'static str,
    out: String,
    kernels: usize,
    classes: usize,
    bytes: u64,
    files: Vec<Written>,
    bad: Vec<String>,
}

#[derive(Serialize)]
struct Written {
    kernel: String,
    path: String,
    class: u32,
    bytes: usize,
}

pub(crate) fn run(args: &args::Tailor, output: Output) -> Result<(), Failure> {
    let builder = builder(&args.archive, &args.objects, &args.filter, &args.jobs)?;
    let generated = generate(&builder, output)?;
    // What is written is read back through the crate that programs read it with.
    let bundle = Bundle::parse(generated.bundle())?;
    let mut files = Vec::new();
    for entry in bundle.kernels() {
        let entry = entry?;
        let kernel = entry.kernel();
        let btf = bundle.btf(entry.class()).context(|| kernel.to_string())?;
        let path = path(&args.out, &kernel);
        write_file(&path, &btf)?;
        files.push(Written {
            kernel: kernel.to_string(),
            path: path.display().to_string(),
            class: entry.class().0,
            bytes: btf.len(),
        });
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
    };
    output.result(&tree, || {
        format!(
            "{} in {}, {} bytes, {} different\n",
            count(tree.kernels, "kernel", "kernels"),
            tree.out,
            tree.bytes,
            tree.classes,
        )
    })
}

fn path(out: &Path, kernel: &btfhub_runtime::KernelId<'_>) -> PathBuf {
    out.join(kernel.distro)
        .join(kernel.version)
        .join(kernel.arch.as_str())
        .join(format!("{}.btf", kernel.release))
}
