//! Whether an eBPF object is one that a bundle was made for.

use core::fmt;

use super::digest::sha256;
use super::error::BundleError;
use super::provenance::sorted_objects_sha256;
use super::read::Bundle;

/// An eBPF object is none of those that a bundle was made for.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectError(Cause);

#[derive(Clone, PartialEq, Eq)]
enum Cause {
    /// The names of those it was made for.
    Foreign(Vec<String>),
    Bundle(BundleError),
}

impl Bundle<'_> {
    /// Checks that this bundle was made for `object`, the content of an eBPF
    /// object file: for agents that load objects from files beside them, which
    /// an update may have left behind. What an object relocates and the bundle
    /// was not made for counts as missing in every kernel, so that the program
    /// fails to load or takes its `bpf_core_field_exists` for false.
    ///
    /// The file has to be the same, byte for byte. Of several objects the
    /// bundle keeps 32 bits of each one's SHA-256: enough to tell a mix-up,
    /// no defence against whoever can write the file.
    ///
    /// # Errors
    /// When the bundle was made for others, which the error names, or is
    /// damaged.
    pub fn check_object(&self, object: &[u8]) -> Result<(), ObjectError> {
        let provenance = self
            .provenance()
            .map_err(|e| ObjectError(Cause::Bundle(e)))?;
        let digest = sha256(&[object]);
        let fits = match &provenance.objects[..] {
            [only] => sorted_objects_sha256(&[(&only.name, digest)]) == provenance.objects_sha256,
            several => several
                .iter()
                .any(|known| digest.starts_with(&known.sha256_start)),
        };
        if fits {
            return Ok(());
        }
        let names = provenance.objects.into_iter().map(|known| known.name);
        Err(ObjectError(Cause::Foreign(names.collect())))
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Foreign(names) if names.is_empty() => {
                f.write_str("the bundle was not made for any eBPF object")
            }
            Cause::Foreign(names) => write!(
                f,
                "the eBPF object is not one that the bundle was made for ({}): build or install \
                 program and objects together",
                names.join(", ")
            ),
            Cause::Bundle(error) => write!(f, "{error}"),
        }
    }
}

/// The text: what is printed when `main` returns it.
impl fmt::Debug for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for ObjectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.0 {
            Cause::Bundle(error) => Some(error),
            Cause::Foreign(_) => None,
        }
    }
}
