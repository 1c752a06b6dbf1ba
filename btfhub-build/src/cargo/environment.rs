//! What cargo and the user say through the environment.

use std::env;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// Archives to use if the build script names none, separated as in `PATH`.
pub(super) const ARCHIVE: &str = "BTFHUB_ARCHIVE";
/// Set to 1: embed a few kernels only, in builds that nobody ships.
pub(super) const PARTIAL: &str = "BTFHUB_PARTIAL";
/// Set to 1: regenerate the prepared bundle instead of using it.
pub(super) const UPDATE: &str = "BTFHUB_UPDATE";
/// The directory of the cache, instead of one below the target directory.
pub(super) const CACHE_DIR: &str = "BTFHUB_CACHE_DIR";
/// Set to 1: report what was done, as a cargo warning.
pub(super) const VERBOSE: &str = "BTFHUB_VERBOSE";

/// The variables that a user sets; cargo watches them.
pub(super) const OURS: [&str; 5] = [ARCHIVE, PARTIAL, UPDATE, CACHE_DIR, VERBOSE];

/// The environment of a build script.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) out_dir: PathBuf,
    pub(super) package: PathBuf,
    pub(super) target_arch: String,
    /// Whether the build may be shipped: it is a release, or as optimised as one.
    pub(super) may_ship: bool,
    pub(super) jobs: Option<NonZeroUsize>,
    pub(super) archives: Vec<PathBuf>,
    pub(super) partial: bool,
    pub(super) update: bool,
    pub(super) cache_dir: Option<PathBuf>,
    pub(super) verbose: bool,
}

impl Environment {
    pub(super) fn read() -> Result<Self, Error> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let cargo = |name: &str| {
            set(name).ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("{name} is not set"))
                    .help("Builder::build is for build scripts; elsewhere use Builder::generate")
            })
        };
        let archives: OsString = set(ARCHIVE).unwrap_or_default();
        let jobs = set("NUM_JOBS").and_then(|jobs| jobs.to_str()?.parse().ok());
        Ok(Self {
            out_dir: cargo("OUT_DIR")?.into(),
            package: cargo("CARGO_MANIFEST_DIR")?.into(),
            target_arch: cargo("CARGO_CFG_TARGET_ARCH")?
                .to_string_lossy()
                .into_owned(),
            // PROFILE is "release" for every profile that inherits from it, and
            // "debug" for all others, however much they optimise.
            may_ship: set("PROFILE").is_none_or(|profile| profile != "debug")
                || set("OPT_LEVEL").is_none_or(|level| level != "0" && level != "1"),
            jobs,
            archives: env::split_paths(&archives)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
            partial: switch(PARTIAL)?,
            update: switch(UPDATE)?,
            cache_dir: set(CACHE_DIR).map(PathBuf::from),
            verbose: switch(VERBOSE)?,
        })
    }

    /// When cargo started this build script: newer files were written by the script itself.
    pub(super) fn started(&self) -> Option<std::time::SystemTime> {
        let stamp = self.out_dir.parent()?.join("invoked.timestamp");
        std::fs::metadata(stamp).ok()?.modified().ok()
    }

    /// The directory that `cargo clean` removes: the nearest one above
    /// `OUT_DIR` that is tagged as a cache, as cargo tags a target directory that
    /// it makes. One that was there before, a volume of a container say, has no
    /// tag: then the one above the profile's, in which cargo keeps its lock.
    pub(super) fn target_dir(&self) -> Option<&Path> {
        let holds = |name: &'static str| {
            let mut above = self.out_dir.ancestors();
            above.find(|directory| directory.join(name).is_file())
        };
        holds("CACHEDIR.TAG").or_else(|| holds(".cargo-lock")?.parent())
    }
}

/// The directory of the package whose build script runs.
#[cfg(feature = "manifest")]
pub(super) fn package() -> Result<PathBuf, Error> {
    let directory = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    directory.ok_or_else(|| {
        Error::new(ErrorKind::Config, "CARGO_MANIFEST_DIR is not set")
            .help("Builder::from_manifest is for build scripts")
    })
}

/// A variable that is on or off.
fn switch(name: &str) -> Result<bool, Error> {
    let value = env::var_os(name).unwrap_or_default();
    match value.to_str() {
        Some("" | "0" | "false" | "no") => Ok(false),
        Some("1" | "true" | "yes") => Ok(true),
        _ => {
            let message = format!("{name} is `{}`, neither 1 nor 0", value.to_string_lossy());
            Err(Error::new(ErrorKind::Config, message).help("unset it, or set it to 1 or 0"))
        }
    }
}
