//! Kernels of an atlas → tailored BTF: kernels whose definitions are equal, as far as the
//! relocations reach, are tailored once.

use std::collections::BTreeMap;

use super::kernels::InAtlas;
use crate::archive::Digest;
use crate::atlas::{Atlas, Scope};
use crate::cache::TailoredBtf;
use crate::error::{Error, ErrorKind};
use crate::modules::Modules;
use crate::tailor::{Tailor, TailorError};

/// Kernels of one atlas, and what the relocations reach in it.
#[derive(Debug)]
pub(super) struct FromAtlas<'a> {
    scope: Scope<'a>,
    pub(super) equal: Vec<EqualKernels>,
}

/// Kernels whose BTF is the same within the scope.
#[derive(Debug)]
pub(super) struct EqualKernels {
    /// The number of that BTF in the scope.
    btf: usize,
    /// Indices into [`Chosen::entries`](super::kernels::Chosen::entries), and
    /// the digests of the entries.
    pub(super) kernels: Vec<(usize, Digest)>,
}

impl<'a> FromAtlas<'a> {
    /// Groups kernels of the atlas; each comes with its index into the chosen entries.
    pub(super) fn new(
        atlas: &'a Atlas,
        tailor: &Tailor<'_>,
        modules: &Modules,
        kernels: &[(usize, InAtlas)],
    ) -> Result<Self, Error> {
        let scope = atlas.scope_of(tailor.relocations(), modules);
        let scope = scope.map_err(unusable)?;
        let mut by_btf: BTreeMap<usize, Vec<(usize, Digest)>> = BTreeMap::new();
        for &(at, InAtlas { kernel, digest, .. }) in kernels {
            if let Some(&btf) = scope.of_kernels().get(kernel.0) {
                by_btf.entry(btf).or_default().push((at, digest));
            }
        }
        let equal = (by_btf.into_iter())
            .map(|(btf, kernels)| EqualKernels { btf, kernels })
            .collect();
        Ok(Self { scope, equal })
    }

    /// Tailors the BTF of equal kernels.
    ///
    /// # Errors
    /// The outer error if the atlas can't be used, the inner one if these kernels can't.
    pub(super) fn tailor(
        &self,
        equal: &EqualKernels,
        tailor: &Tailor<'_>,
    ) -> Result<Result<TailoredBtf, TailorError>, Error> {
        let btf = self.scope.read(equal.btf).map_err(unusable)?;
        Ok(tailor.tailor(&btf).map(TailoredBtf::from))
    }
}

pub(super) fn unusable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Archive, "the atlas can't be used").because(why)
}
