//! Files that the user names: read within bounds, written whole or not at all.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use btfhub_build::output;

use crate::build::failure;
use crate::failure::{Context, Failure};

/// Longer than anything a command is given: a debug kernel's vmlinux with its DWARF has
/// some 1.5 GB.
const LONGEST_INPUT: u64 = 8 << 30;

/// The content of a file that the user named.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let mut content = Vec::new();
    let file = fs::File::open(path).context(cannot)?;
    // A device may have no end, a sparse file one that is far away.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length <= LONGEST_INPUT {
        (file.take(LONGEST_INPUT + 1).read_to_end(&mut content)).context(cannot)?;
    }
    if length.max(content.len() as u64) > LONGEST_INPUT {
        return Err(Failure::new(format!(
            "{}: longer than the {} GiB that any kernel or bundle has",
            path.display(),
            LONGEST_INPUT >> 30
        )));
    }
    Ok(content)
}

/// Makes `path` hold `bytes`, wholly or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    output::write(path, bytes).map_err(failure)
}
