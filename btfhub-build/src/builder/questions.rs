//! What verdicts need from each kernel besides its relocations.

use std::sync::Arc;

use super::Builder;
use super::kernels::not_a_filter;
use super::objects::Loaded;
use crate::archive::Filter;
use crate::cache;
use crate::error::{Error, ErrorKind};
use crate::object::Object;
use crate::relo::Relocations;
use crate::verdict::{self, Judge};

/// What programs need, and the answers that are remembered.
#[derive(Debug)]
pub(super) struct Questions<'a> {
    pub(super) judge: &'a Judge,
    pub(super) known: cache::Facts,
}

/// A kernel's answers, shared among kernels with the same ones.
pub(super) type Facts = Arc<verdict::Facts>;

impl Builder {
    /// Whether verdicts are requested; for a partial bundle they would say little.
    pub(super) fn wants_support(&self) -> bool {
        !self.partial && (self.verdicts || self.baseline.is_some())
    }

    /// The judge that makes verdicts, if any are requested.
    pub(super) fn judge(
        &self,
        objects: &[Loaded],
        relocations: &Relocations,
    ) -> Result<Option<Judge>, Error> {
        if !self.wants_support() && self.failing.is_none() {
            return Ok(None);
        }
        let objects: Vec<Object> = objects.iter().map(|loaded| loaded.object.clone()).collect();
        let mut judge = Judge::new(&objects, relocations);
        for (program, target) in &self.targets {
            if !judge.set_target(program, target) {
                let message =
                    format!("a target is set for the program `{program}`, but no object has it");
                let names = judge.programs().iter().map(|program| program.name.as_str());
                return Err(Error::new(ErrorKind::Config, message).help(format!(
                    "there are {}",
                    names.collect::<Vec<_>>().join(", ")
                )));
            }
        }
        for (kernels, has) in &self.own_btf {
            judge.set_own_btf(Filter::new(kernels).map_err(not_a_filter)?, *has);
        }
        Ok(Some(judge))
    }
}
