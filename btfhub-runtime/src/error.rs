//! One error for the whole way from host to loader.

use core::fmt;

use crate::{HandoffError, HostError, SelectError};

/// What can go wrong between [`for_this_host`](crate::for_this_host) and the
/// loader. `{:#}` prints what is known of the host as well, and `{:?}` the same
/// as `{}`, for it is what a `main` prints that returns an error.
#[non_exhaustive]
pub enum Error {
    /// A file that the operator named can't be used.
    Host(HostError),
    /// The bundle has no BTF for this host, or several.
    Select(SelectError),
    /// The BTF can't be handed to a loader.
    Handoff(HandoffError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => fmt::Display::fmt(error, f),
            Self::Select(error) => fmt::Display::fmt(error, f),
            Self::Handoff(error) => fmt::Display::fmt(error, f),
        }
    }
}

/// The text: what is printed when `main` returns it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Host(error) => error.source(),
            Self::Select(error) => error.source(),
            Self::Handoff(error) => error.source(),
        }
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl From<SelectError> for Error {
    fn from(error: SelectError) -> Self {
        Self::Select(error)
    }
}

impl From<HandoffError> for Error {
    fn from(error: HandoffError) -> Self {
        Self::Handoff(error)
    }
}
