//! Tells the crate two things about itself: how much it is optimised, which a
//! build script that uses it may have to be told, and which engine it has, so
//! that a cache of results is not taken for another engine's.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where relocations are resolved and BTF is read, tailored, written and kept, and asked for
/// what programs need.
const ENGINE: [&str; 5] = [
    "src/atlas",
    "src/btf",
    "src/relo",
    "src/tailor",
    "src/verdict",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for directory in ENGINE {
        println!("cargo::rerun-if-changed={directory}");
        collect(Path::new(directory), &mut files)?;
    }
    files.sort();
    // A fingerprint, not a proof: no one gains by making two engines collide.
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.as_os_str().as_encoded_bytes());
        hasher.write(&fs::read(&file)?);
    }
    println!("cargo::rustc-env=BTFHUB_ENGINE={:016x}", hasher.finish());
    println!(
        "cargo::rustc-env=BTFHUB_OPT_LEVEL={}",
        env::var("OPT_LEVEL")?
    );
    Ok(())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
