//! Kernels of atlases: those whose relevant definitions are equal are worked on
//! once.

use std::collections::BTreeMap;

use super::kernels::InAtlas;
use crate::archive::Digest;
use crate::atlas::{Atlas, Scope};
use crate::cache::Known;
use crate::error::{Error, ErrorKind};
use crate::modules::Modules;
use crate::tailor::{Tailor, TailorError};

/// The kernels of an atlas that have one BTF, as far as the relocations see.
#[derive(Debug)]
pub(super) struct Part {
    btf: usize,
    /// Indices into [`Chosen::entries`](super::kernels::Chosen::entries), and
    /// the digests of the entries.
    pub(super) kernels: Vec<(usize, Digest)>,
}

/// What the relocations reach in an atlas.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    scope: Scope<'a>,
    pub(super) list: Vec<Part>,
}

impl<'a> Parts<'a> {
    /// Groups kernels of the atlas; each is an index into the chosen entries, and its place.
    pub(super) fn new(
        atlas: &'a Atlas,
        tailor: &Tailor<'_>,
        modules: &Modules,
        kernels: &[(usize, InAtlas)],
    ) -> Result<Self, Error> {
        let scope = atlas.scope_of(tailor.relocations(), modules);
        let scope = scope.map_err(unusable)?;
        let mut parts: BTreeMap<usize, Vec<(usize, Digest)>> = BTreeMap::new();
        for &(at, InAtlas { kernel, digest, .. }) in kernels {
            if let Some(&btf) = scope.of_kernels().get(kernel) {
                parts.entry(btf).or_default().push((at, digest));
            }
        }
        let list = parts
            .into_iter()
            .map(|(btf, kernels)| Part { btf, kernels });
        Ok(Self {
            list: list.collect(),
            scope,
        })
    }

    /// How the relocations resolve on the kernels of a part.
    ///
    /// # Errors
    /// If the atlas can't be used; the inner error if these kernels can't.
    pub(super) fn work(
        &self,
        part: &Part,
        tailor: &Tailor<'_>,
    ) -> Result<Result<Known, TailorError>, Error> {
        let btf = self.scope.read(part.btf).map_err(unusable)?;
        Ok(tailor.tailor(&btf).map(|tailored| Known {
            btf: tailored.btf,
            outcome: tailored.outcome,
        }))
    }
}

pub(super) fn unusable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Archive, "the atlas can't be used").because(why)
}
