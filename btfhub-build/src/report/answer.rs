//! How relocations resolve on a kernel, not yet interpreted.

use std::sync::Arc;

use super::why::Why;
use crate::relo::{Outcome, Resolution};
use crate::verdict::Facts;

/// What a [`Survey`](super::Survey) found on one kernel.
#[derive(Clone, Debug)]
pub struct KernelAnswer {
    /// Relocations that found a type of a module, with that module.
    pub(super) modules: Vec<(usize, String)>,
    pub(super) answer: Arc<Answer>,
    pub(super) facts: Arc<Facts>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    /// For each distinct relocation, how it resolves, and why it finds nothing.
    pub(super) relocations: Vec<(Resolution, Option<Why>)>,
    /// With each candidate's own results.
    pub(super) outcome: Outcome,
    /// Relocations, ascending, that find an enumerator in an ENUM of 8 bytes.
    pub(super) narrow: Vec<usize>,
}
