//! Checks that a file is a complete bundle, in the version that this release reads.
//!
//! The runtime crate reads the format. Its constant check cannot hash the file, because
//! constant evaluation ends at about 600 KB; that is done here natively.

use std::fs;
use std::path::Path;

use hmac_sha256::Hash;

/// The start of the format, which is documented with its reader in btfhub-runtime.
const MAGIC: &[u8; 8] = b"BTFHUB\x1a\n";
/// The start of a shard of a bundle.
const SHARD_MAGIC: &[u8; 8] = b"BTFHUB\x1aS";
const VERSION: u16 = 2;
const DIGEST_LEN: usize = 32;
/// The flag of a bundle that holds a part of its kernels.
const FLAG_PARTIAL: u8 = 1;

/// What a valid file says about itself.
#[derive(Debug)]
pub(crate) struct Checked {
    /// It holds a few kernels only, for development.
    pub(crate) is_partial: bool,
}

/// Reads the file at `path`, or says what is wrong with it.
pub(crate) fn check(path: &Path) -> Result<Checked, String> {
    let data = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    check_bytes(&data).map_err(|what| format!("{} {what}", path.display()))
}

fn check_bytes(data: &[u8]) -> Result<Checked, String> {
    if data.starts_with(SHARD_MAGIC) {
        return Err("is not a bundle but a shard of one: join all shards with \
                    `cargo btfhub merge`"
            .into());
    }
    let rest = data
        .strip_prefix(MAGIC)
        .ok_or("is not a btfhub bundle: it lacks the magic number")?;
    let short = || {
        format!(
            "is cut off after {} bytes: build the bundle again",
            data.len()
        )
    };
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!(
            "is a bundle of format version {version}, and this btfhub-runtime reads version \
             {VERSION}: use the same version of btfhub-build (or `cargo btfhub`) and btfhub-runtime"
        ));
    }
    // Other flags are the runtime's to judge.
    let ([flags, _, length @ ..], rest) = rest.split_first_chunk::<6>().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length);
    if u64::from(length) != u64::try_from(data.len()).unwrap_or(u64::MAX) {
        return Err(format!(
            "is damaged: {} bytes, but its header says {length}. Build the bundle again",
            data.len()
        ));
    }
    let (digest, rest) = rest.split_first_chunk::<DIGEST_LEN>().ok_or_else(short)?;
    let start = data.len() - rest.len() - DIGEST_LEN;
    let mut computed = Hash::new();
    computed.update(&data[..start]);
    computed.update(rest);
    if computed.finalize() != *digest {
        return Err("is damaged: its SHA-256 digest does not match. Build the bundle again".into());
    }
    Ok(Checked {
        is_partial: flags & FLAG_PARTIAL != 0,
    })
}
