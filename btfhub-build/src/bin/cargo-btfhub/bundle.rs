//! `bundle`: the file that programs embed, or read from beside them.

use btfhub_build::OnBadEntry;
use serde::Serialize;

use crate::args;
use crate::build::{builder, generate};
use crate::failure::Failure;
use crate::files;
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
}

pub(crate) fn run(args: &args::Bundle, output: Output) -> Result<(), Failure> {
    let mut builder = builder(&args.archive, &args.objects, &args.filter, &args.jobs)?;
    if args.skip_bad {
        builder = builder.on_bad_entry(OnBadEntry::Skip);
    }
    if let Some(pin) = &args.pin {
        if args.archive.archives.len() != 1 {
            return Err(Failure::usage(
                "--pin speaks of one archive; give one --archive",
            ));
        }
        builder = if let Some(tree) = pin.strip_prefix("tree:") {
            builder.pin_tree(tree)
        } else if let Some(file) = pin.strip_prefix("lock:") {
            builder.lock(file)
        } else {
            builder.pin(pin)
        };
    }
    let generated = generate(&builder, output)?;
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
    };
    output.result(&bundled, || {
        format!(
            "{}: {}, {}, {} bytes\n",
            bundled.out,
            count(bundled.kernels, "kernel", "kernels"),
            count(bundled.classes, "class", "classes"),
            bundled.bytes,
        )
    })
}
