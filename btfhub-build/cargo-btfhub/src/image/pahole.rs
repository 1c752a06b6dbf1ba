//! DWARF → BTF, through the program that kernels are built with.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use btfhub_build::btf::Btf;

use crate::failure::{Context, Failure};

/// The BTF that `pahole` makes of the DWARF in `vmlinux`, and pahole's version.
pub(super) fn encode(vmlinux: &Path) -> Result<(Vec<u8>, String), Failure> {
    let version = Command::new("pahole")
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::new(format!(
                "{}: has DWARF but no BTF, and pahole, which encodes it, cannot be started \
                 ({error}); install the package dwarves (pahole 1.22 or later)",
                vmlinux.display()
            ))
        })?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let directory =
        std::env::temp_dir().join(format!("cargo-btfhub-{}-pahole", std::process::id()));
    // Not one that is there already: it may be another user's.
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .context(|| format!("cannot make {}", directory.display()))?;
    let btf = encode_into(vmlinux, &directory.join("vmlinux.btf"));
    let _ = std::fs::remove_dir_all(&directory);
    let btf = btf.context(|| format!("pahole {version} on {}", vmlinux.display()))?;
    Btf::parse(&btf).context(|| {
        format!(
            "what pahole {version} made of {} is no BTF",
            vmlinux.display()
        )
    })?;
    Ok((btf, version))
}

fn encode_into(vmlinux: &Path, out: &Path) -> Result<Vec<u8>, Failure> {
    let mut detached = std::ffi::OsString::from("--btf_encode_detached=");
    detached.push(out);
    let run = Command::new("pahole")
        .arg(detached)
        .arg("--btf_gen_floats")
        .arg("--")
        .arg(vmlinux)
        .stdin(Stdio::null())
        .output()?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        return Err(Failure::new(format!("{}: {}", run.status, said.trim())));
    }
    Ok(std::fs::read(out)?)
}
