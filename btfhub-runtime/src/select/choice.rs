//! What was chosen, and why.

use super::named::Name;
use crate::bundle::Entry;

#[derive(Clone, Debug)]
pub(crate) enum Choice<'a> {
    /// The file that the operator gave.
    Operator,
    /// The kernel's own.
    Kernel,
    /// BTF for this release on disk, where libbpf looks for it.
    Disk,
    Embedded {
        entry: Entry<'a>,
        reason: Reason,
    },
    /// The release lies between these two, which are in one class.
    Inferred {
        below: Entry<'a>,
        above: Entry<'a>,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    /// It is the only candidate.
    Only,
    /// All candidates are in one class.
    Consensus { count: usize },
    /// The host's os-release names it.
    OsRelease { by: Name, count: usize },
}
