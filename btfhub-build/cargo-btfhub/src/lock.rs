//! `lock`: the digest of each entry of an archive.

use std::path::Path;

use btfhub_build::archive::Lock;
use serde::Serialize;

use crate::args;
use crate::failure::Failure;
use crate::failure::failure;
use crate::jobs;
use crate::kernels::{Wanted, scan};
use crate::output::{Output, count};

#[derive(Serialize)]
struct Locked {
    schema: &'static str,
    file: String,
    entries: usize,
    fingerprint: String,
    changed: bool,
}

pub(crate) fn run(args: &args::Lock, output: Output) -> Result<(), Failure> {
    let wanted = Wanted::new(&args.filter)?;
    let archives = scan(&args.archive)?;
    let [archive] = archives.as_slice() else {
        return Err(Failure::usage(
            "a lock file is for one archive; give one --archive",
        ));
    };
    let lock = Lock::of(archive, jobs::limit(&args.jobs), |entry| {
        wanted.takes(&entry.kernel())
    })
    .map_err(failure)?;
    if lock.is_empty() {
        return Err(failure(archive.no_entries()));
    }
    let file = args.out.as_deref().unwrap_or(Path::new("btfhub.lock"));
    let changed = Lock::read(file).map_or(true, |before| before != lock);
    if !args.check {
        lock.write_to(file).map_err(failure)?;
    }
    let locked = Locked {
        schema: "btfhub.lock/1",
        file: file.display().to_string(),
        entries: lock.len(),
        fingerprint: lock.fingerprint().to_string(),
        changed,
    };
    output.result(&locked, || {
        format!(
            "{}: {}, fingerprint {}{}",
            locked.file,
            count(locked.entries, "entry", "entries"),
            locked.fingerprint,
            match (args.check, changed) {
                (true, true) => "; the file differs",
                (false, false) => "; unchanged",
                _ => "",
            },
        )
    })?;
    if args.check && changed {
        // Gives the reason if the file is missing or is not a lock.
        Lock::read(file).map_err(|error| failure(error).told())?;
        return Err(Failure::new(format!(
            "{}: does not match the archive; `cargo btfhub lock` updates it",
            file.display()
        ))
        .told());
    }
    Ok(())
}
