//! Kernels of atlases: those whose relevant definitions are equal are worked on
//! once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kernels::{Chosen, InAtlas};
use crate::archive::Pin;
use crate::atlas::{Atlas, AtlasError, Scope};
use crate::btf::Btf;
use crate::cache::Known;
use crate::error::{Error, ErrorKind};
use crate::tailor::Tailor;

/// Opens the atlases of a build, each with its pin.
pub(super) fn open(atlases: &[(std::path::PathBuf, Option<Pin>)]) -> Result<Vec<Atlas>, Error> {
    let mut opened = Vec::new();
    for (path, pin) in atlases {
        let digest = match pin {
            None => None,
            Some(Pin::Commit(digest)) => Some(digest.as_str()),
            Some(_) => {
                let message = format!("atlas {}: pinned as a folder is", path.display());
                return Err(Error::new(ErrorKind::Config, message)
                    .help("pin an atlas with Builder::pin and its digest"));
            }
        };
        opened.push(Atlas::open(path, digest)?);
    }
    Ok(opened)
}

/// The kernels of one atlas that have one BTF, as far as the relocations see.
#[derive(Debug)]
pub(super) struct Part {
    atlas: usize,
    btf: usize,
    /// Indices into [`Chosen::entries`].
    pub(super) kernels: Vec<usize>,
}

/// What the relocations reach in the atlases of a build.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    scopes: Vec<Scope<'a>>,
    pub(super) list: Vec<Part>,
}

impl<'a> Parts<'a> {
    /// Puts the chosen kernels together for which `wanted` holds.
    pub(super) fn new(
        chosen: &'a Chosen,
        tailor: &Tailor<'_>,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Self, Error> {
        let mut scopes = Vec::new();
        for atlas in &chosen.atlases {
            scopes.push(atlas.scope_of(tailor.relocations()).map_err(damaged)?);
        }
        let mut kernels: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (at, entry) in chosen.entries.iter().enumerate() {
            let Some(InAtlas { atlas, kernel, .. }) = entry.in_atlas else {
                continue;
            };
            let btf = scopes
                .get(atlas)
                .and_then(|scope| scope.of_kernels().get(kernel));
            if let Some(&btf) = btf.filter(|_| wanted(at)) {
                kernels.entry((atlas, btf)).or_default().push(at);
            }
        }
        let list = kernels.into_iter().map(|((atlas, btf), kernels)| Part {
            atlas,
            btf,
            kernels,
        });
        Ok(Self {
            scopes,
            list: list.collect(),
        })
    }

    /// What the relocations come to in the kernels of a part.
    pub(super) fn work(&self, part: &Part, tailor: &Tailor<'_>) -> Result<Known, Error> {
        let failed = |why: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Archive, "the atlas can't be used").because(why)
        };
        let Some(scope) = self.scopes.get(part.atlas) else {
            return Err(Error::new(ErrorKind::Archive, "no such atlas"));
        };
        let btf = scope.btf(part.btf).map_err(damaged)?;
        let btf = Btf::parse(&btf).map_err(|error| failed(error.into()))?;
        let tailored = tailor.tailor(&btf).map_err(|error| failed(error.into()))?;
        Ok(Known {
            btf: tailored.btf.into(),
            outcome: Arc::new(tailored.outcome),
        })
    }
}

fn damaged(error: AtlasError) -> Error {
    Error::new(ErrorKind::Archive, "the atlas can't be used").because(error)
}
