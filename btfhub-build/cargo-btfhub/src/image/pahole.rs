//! DWARF → BTF, through the program that kernels are built with.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use btfhub_build::btf::Btf;

use crate::failure::{Context, Failure};

/// The BTF that `pahole` makes from the DWARF in `vmlinux`, and pahole's version.
pub(super) fn encode(vmlinux: &Path) -> Result<(Vec<u8>, String), Failure> {
    let version = Command::new("pahole")
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::new(format!(
                "pahole, which encodes it as BTF, cannot be started ({error}); install the package \
                 dwarves (pahole 1.22 or later)"
            ))
        })?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let btf = run(vmlinux).context(|| format!("pahole {version}"))?;
    Btf::parse(&btf).context(|| format!("the output of pahole {version}"))?;
    Ok((btf, version))
}

fn run(vmlinux: &Path) -> Result<Vec<u8>, Failure> {
    // A file without a name, which nobody can replace and which leaves nothing behind. pahole
    // gets it as its standard input, the only descriptor that it does not print to.
    let mut encoded = tempfile::tempfile().context(|| "cannot make a temporary file".into())?;
    let run = Command::new("pahole")
        .arg("--btf_encode_detached=/dev/stdin")
        .arg("--btf_gen_floats")
        .arg("--")
        .arg(vmlinux)
        // Debug information that the image refers to is not looked up on the network.
        .env_remove("DEBUGINFOD_URLS")
        .stdin(encoded.try_clone()?)
        .output()?;
    let mut btf = Vec::new();
    encoded.read_to_end(&mut btf)?;
    if run.status.success() && !btf.is_empty() {
        return Ok(btf);
    }
    let ended = match run.status.success() {
        true => "it succeeded, but wrote no BTF".to_owned(),
        false => run.status.to_string(),
    };
    let said = [run.stderr, run.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    Err(Failure::new(match said.trim() {
        "" => format!("{ended}, and printed nothing"),
        said => format!("{ended}: {said}"),
    }))
}
