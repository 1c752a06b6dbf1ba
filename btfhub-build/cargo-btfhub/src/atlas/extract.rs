//! `atlas extract`: one kernel's types as BTF.

use serde::Serialize;

use super::{kernel, open};
use crate::args::atlas as args;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;

#[derive(Serialize)]
struct Extracted {
    schema: &'static str,
    kernel: String,
    path: String,
    bytes: usize,
}

pub(crate) fn run(args: &args::AtlasExtract, output: Output) -> Result<(), Failure> {
    let atlas = open(&args.file)?;
    let btf = atlas.extract(kernel(&atlas, &args.kernel)?)?;
    files::write(&args.out, &btf)?;
    let extracted = Extracted {
        schema: "btfhub.atlas.extract/1",
        kernel: args.kernel.clone(),
        path: args.out.display().to_string(),
        bytes: btf.len(),
    };
    output.result(&extracted, || {
        format!("{}: {} bytes", extracted.path, extracted.bytes)
    })
}
