//! Checks whether a bundle was made for an eBPF object.

use core::fmt;

use super::digest::sha256;
use super::error::BundleError;
use super::provenance::sorted_objects_sha256;
use super::read::Bundle;
use crate::printable::Printable;

/// How many objects a message names.
const NAMED: usize = 8;

/// The bundle was not made for this eBPF object.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectError(Cause);

#[derive(Clone, PartialEq, Eq)]
enum Cause {
    /// The names of the objects that it was made for, or of the first, as they are shown.
    Foreign(Vec<String>),
    Bundle(BundleError),
}

impl Bundle<'_> {
    /// Checks that this bundle was made for `object`, the content of an eBPF object file.
    /// Agents that load objects from separate files need it, because an update may leave an old
    /// file behind. Types that the bundle was not made for look as if every kernel lacked them:
    /// the program fails to load, or its `bpf_core_field_exists` returns false.
    ///
    /// The file must be the same, byte for byte. If there are several objects, the bundle has
    /// only 32 bits of each one's SHA-256. That detects a mix-up, but does not stop someone who
    /// can write the file.
    ///
    /// # Errors
    /// If the bundle was made for other objects, which the error names, or is damaged.
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
        let objects = provenance.objects.iter();
        let mut names: Vec<String> = (objects.take(NAMED))
            .map(|known| Printable(&known.name).to_string())
            .collect();
        if provenance.objects.len() > NAMED {
            names.push("…".to_owned());
        }
        Err(ObjectError(Cause::Foreign(names)))
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

/// The same text, because `main` prints it when it returns the error.
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
