//! How far a build is.

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Kernels done.
    pub done: usize,
    /// Kernels in all.
    pub total: usize,
}
