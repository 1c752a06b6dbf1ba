//! Files that the user names: read within limits, written whole or not at all.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use btfhub_build::{input, output};

use crate::failure::failure;
use crate::failure::{Context, Failure};

/// The content of a file that the user named, of at most `limit` bytes. A pipe (`<(…)`,
/// `/dev/stdin`) is read to its end.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let kind = fs::metadata(path).context(cannot)?;
    if kind.is_file() || kind.is_dir() {
        return input::read(path, limit).context(cannot);
    }
    let mut content = Vec::new();
    let file = fs::File::open(path).context(cannot)?;
    (file.take(limit.saturating_add(1)).read_to_end(&mut content)).context(cannot)?;
    if content.len() as u64 > limit {
        return Err(Failure::new(format!(
            "{}: longer than {limit} bytes",
            path.display()
        )));
    }
    Ok(content)
}

/// Writes `bytes` to `path`, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    output::write(path, bytes).map_err(failure)
}
