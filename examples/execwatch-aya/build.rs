//! Tailors the BTF of an archive's kernels to the eBPF program, for
//! `include_bundle!("execwatch")`.

use std::env;
use std::error::Error;

use btfhub_build::{Builder, Certainty};

fn main() -> Result<(), Box<dyn Error>> {
    // The build script of the package `execwatch` names it.
    let object = env::var_os("DEP_EXECWATCH_OBJECT").ok_or("execwatch has no object")?;
    let mut builder = Builder::new()
        .object(object)
        // What fails on a kernel is left out there; the rest runs.
        .failing_programs(Certainty::Proven);
    // BTFHUB_ARCHIVE counts where the script names no archive.
    if env::var_os("BTFHUB_ARCHIVE").is_none() {
        builder = builder.archive("../archive");
    }
    builder.build("execwatch")?;
    Ok(())
}
