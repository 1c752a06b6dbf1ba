//! A bundle that was made elsewhere and is checked in.

use std::fs;
use std::path::Path;

use btfhub_runtime::{Arch, Bundle};

use crate::builder::Builder;
use crate::error::{Error, ErrorKind};

/// The bundle in `path`, if it is one for these very relocations and for the
/// target.
pub(super) fn read(
    builder: &Builder,
    path: &Path,
    arch: &str,
    release: bool,
) -> Result<Vec<u8>, Error> {
    let refused = |why: &str| {
        let message = format!("the prepared bundle {} {why}", path.display());
        Error::new(ErrorKind::Prepared, message).help(format!(
            "where the archive is, `cargo btfhub bundle --out {}` makes it anew",
            path.display()
        ))
    };
    let relocations = builder.relocations()?;
    let data = fs::read(path).map_err(|error| refused("cannot be read").because(error))?;
    let damaged = |error| refused("is of no use").because(error);
    let bundle = Bundle::parse(&data).map_err(damaged)?;
    let provenance = bundle.provenance().map_err(damaged)?;
    if provenance.relocations != relocations.fingerprint() {
        return Err(refused(
            "is stale: it was made for other relocations than your objects have now",
        ));
    }
    let arch = Arch::new(arch);
    if !bundle.arches().any(|found| found == Ok(arch)) {
        return Err(refused(&format!("holds no kernel for {arch}")));
    }
    if release && provenance.partial {
        return Err(refused("is partial, and this is a release build"));
    }
    Ok(data)
}
