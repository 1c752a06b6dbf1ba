//! `atlas`: the whole archive in a few megabytes.

pub(crate) mod build;
mod diff;
mod extract;
mod inspect;
mod verify;

use std::path::Path;

use btfhub_build::atlas::{Atlas, KernelNumber};
use btfhub_runtime::Arch;

use crate::args::atlas::{self as args, AtlasCommand};
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(args: &args::Atlas, output: Output) -> Result<(), Failure> {
    match &args.command {
        AtlasCommand::Build(args) => build::run(args, output),
        AtlasCommand::Inspect(args) => inspect::run(args, output),
        AtlasCommand::Extract(args) => extract::run(args, output),
        AtlasCommand::Verify(args) => verify::run(args, output),
        AtlasCommand::Diff(args) => diff::run(args, output),
    }
}

fn open(path: &Path) -> Result<Atlas, Failure> {
    Ok(Atlas::open(path, None)?)
}

/// The kernel with this name, DISTRO/VERSION/ARCH/RELEASE.
fn kernel(atlas: &Atlas, name: &str) -> Result<KernelNumber, Failure> {
    // An archive's directory may be called aarch64, which is arm64.
    let mut parts: Vec<&str> = name.splitn(4, '/').collect();
    if let Some(arch) = parts.get_mut(2) {
        *arch = Arch::new(arch).as_str();
    }
    let wanted = parts.join("/");
    atlas
        .kernels()
        .find(|(_, kernel)| kernel.to_string() == wanted)
        .map(|(number, _)| number)
        .ok_or_else(|| {
            Failure::new(format!(
                "the atlas has no kernel {name}; `cargo btfhub atlas inspect --kernels` shows them"
            ))
            .with_exit(Exit::NotFound)
        })
}

/// Which modules have a type that the kernel itself lacks.
fn in_modules(modules: &[String]) -> Option<String> {
    match modules {
        [] => None,
        [module] => Some(format!("in module {module}")),
        [first, second] => Some(format!("in modules {first} and {second}")),
        [first, rest @ ..] => Some(format!("in modules {first} and {} others", rest.len())),
    }
}
