//! SHA-256, the digest of everything that a bundle identifies.

use hmac_sha256::Hash;

/// The digest of `parts`, one after another.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Hash::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize()
}
