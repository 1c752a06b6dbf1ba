//! `remove`: removes kernels from an archive.

use btfhub_build::archive::{Archive, Entry};
use serde::Serialize;

use crate::args;
use crate::failure::failure;
use crate::failure::{Context, Exit, Failure};
use crate::output::{Lines, Output};

#[derive(Serialize)]
struct Removed {
    schema: &'static str,
    removed: Vec<String>,
}

pub(crate) fn run(args: &args::Remove, output: Output) -> Result<(), Failure> {
    let archive = Archive::scan(&args.archive).map_err(failure)?;
    // All are looked up before the first is removed.
    let mut doomed: Vec<&Entry> = Vec::new();
    for kernel in &args.kernels {
        let before = doomed.len();
        doomed.extend(
            (archive.entries().iter()).filter(|entry| entry.kernel().to_string() == *kernel),
        );
        if doomed.len() == before {
            return Err(Failure::new(format!(
                "{}: no kernel {kernel}; `cargo btfhub list --kernels` lists what is there",
                args.archive.display()
            ))
            .with_exit(Exit::NotFound));
        }
    }
    doomed.sort_by_key(|entry| entry.path());
    doomed.dedup_by_key(|entry| entry.path());
    let mut removed = Vec::new();
    for entry in doomed {
        std::fs::remove_file(entry.file())
            .context(|| format!("cannot remove {}", entry.file().display()))?;
        // Removes directories that this emptied.
        let directories = entry.path().ancestors().skip(1).take(3);
        for directory in directories {
            if std::fs::remove_dir(archive.root().join(directory)).is_err() {
                break;
            }
        }
        removed.push(entry.kernel().to_string());
    }
    let removed = Removed {
        schema: "btfhub.remove/1",
        removed,
    };
    output.result(&removed, || {
        (removed.removed.iter())
            .map(|kernel| format!("removed {kernel}"))
            .collect::<Lines>()
    })
}
