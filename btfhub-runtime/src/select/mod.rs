//! Which BTF a host gets, and why.

mod bracket;
mod error;
mod marks;
mod order;
mod publisher;
mod selection;
mod series;
mod ubuntu;

use core::cmp::Ordering;
use std::borrow::Cow;

pub use error::{Ambiguous, Holding, NotFound, SelectError};
use marks::{Contradiction, Marks};
use publisher::Name;
pub(crate) use selection::Choice;
use selection::Reason;
pub use selection::Selection;
use series::number;

use crate::bundle::Entry;
use crate::host::OsRelease;
use crate::{Bundle, BundleError, Host};

/// What to prefer where there is a choice.
///
/// The default prefers the kernel's own BTF and infers nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    source: Source,
    bracketed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Source {
    #[default]
    PreferKernel,
    PreferEmbedded,
    EmbeddedOnly,
}

impl Policy {
    /// The kernel's own BTF where it has any, else the bundle's. The default.
    pub const PREFER_KERNEL: Self = Self::with_source(Source::PreferKernel);

    /// The bundle's BTF where it serves this kernel, else the kernel's own.
    ///
    /// Tailored BTF is parsed in no time where a whole kernel's takes
    /// megabytes. But it holds what the relocations need and nothing else:
    /// don't use this for objects with typed ksyms or kfuncs under aya, which
    /// looks those up in the BTF it is given.
    pub const PREFER_EMBEDDED: Self = Self::with_source(Source::PreferEmbedded);

    /// The bundle's BTF or an error, for tests of the bundle.
    pub const EMBEDDED_ONLY: Self = Self::with_source(Source::EmbeddedOnly);

    const fn with_source(source: Source) -> Self {
        Self {
            source,
            bracketed: false,
        }
    }

    /// Whether a release that the bundle does not hold may be served by the
    /// class of its neighbours: the nearest kernels below and above it of the
    /// same distribution, version, kernel version and flavour, when both are of
    /// one class. Where the kernel may be of several distributions or versions,
    /// all of them have to agree, or the host's os-release has to name the one.
    /// Default: no. It is an inference: nothing but good practice keeps a
    /// distribution from changing a struct and changing it back.
    pub const fn bracketed(self, bracketed: bool) -> Self {
        Self { bracketed, ..self }
    }
}

/// Decides which BTF `host` gets. Pure: nothing but its arguments plays a part.
///
/// 1. A BTF file given by the operator.
/// 2. By [`Policy`], the kernel's own BTF.
/// 3. The bundle's entries of this architecture and release, less those that
///    the kernel itself contradicts (`uname -v` names another Ubuntu series,
///    the release carries another distribution's tag). If they are of one
///    class, that, whoever published it.
/// 4. If they are of several classes, the one under which the host's
///    os-release files itself. A file that may be a container image's does not
///    count (see [`Host::detect`]).
///
/// There is no fifth step: what is left undecided is an error, since the BTF
/// of a similar kernel loads as well and then reads garbage. Nothing is
/// allocated unless that happens.
///
/// # Errors
/// [`NotFound`](SelectError::NotFound), [`Ambiguous`](SelectError::Ambiguous),
/// or what is wrong with the bundle or with the description of the host.
pub fn select<'a>(
    bundle: &Bundle<'a>,
    host: &'a Host,
    policy: Policy,
) -> Result<Selection<'a>, SelectError> {
    select_for(bundle, Cow::Borrowed(host), policy)
}

pub(crate) fn select_for<'a>(
    bundle: &Bundle<'a>,
    host: Cow<'a, Host>,
    policy: Policy,
) -> Result<Selection<'a>, SelectError> {
    let kernels_own = host.kernel_btf().is_some();
    let choice = if host.operator_btf().is_some() {
        Choice::Operator
    } else if kernels_own && policy.source == Source::PreferKernel {
        Choice::Kernel
    } else {
        match embedded(bundle, &host, policy) {
            Ok(choice) => choice,
            Err(error) if kernels_own && policy.source == Source::PreferEmbedded => match error {
                SelectError::NotFound(_) | SelectError::Ambiguous(_) => Choice::Kernel,
                damaged => return Err(damaged),
            },
            Err(error) => return Err(error),
        }
    };
    Ok(Selection::new(*bundle, host, choice))
}

fn embedded<'a>(
    bundle: &Bundle<'a>,
    host: &Host,
    policy: Policy,
) -> Result<Choice<'a>, SelectError> {
    if host.release().is_empty() {
        return Err(SelectError::UnknownRelease);
    }
    let filter = Filter::new(host, of_this_release(bundle, host))?;
    let candidates = filter.apply(of_this_release(bundle, host));
    if let Some((entry, reason)) = decide(candidates, host)? {
        return Ok(Choice::Embedded { entry, reason });
    }
    if policy.bracketed {
        if let Some((below, above)) = bracket::infer(bundle, host)? {
            return Ok(Choice::Inferred { below, above });
        }
    }
    Err(NotFound::explain(bundle, host)?.into())
}

fn same(a: &Entry<'_>, b: &Entry<'_>) -> bool {
    a.kernel() == b.kernel()
}

/// The bundle's entries of the host's release, and of its architecture if that
/// is known.
fn of_this_release<'a>(
    bundle: &Bundle<'a>,
    host: &Host,
) -> impl Iterator<Item = Result<Entry<'a>, BundleError>> + Clone {
    let release = host.release();
    let of_arch = host.arch().map(|arch| bundle.lookup(arch, release));
    let of_any = host.arch().is_none().then(|| bundle.kernels());
    let of_any = of_any.into_iter().flatten().filter(move |entry| {
        entry
            .as_ref()
            .map_or(true, |entry| entry.kernel().release == release)
    });
    of_arch.into_iter().flatten().chain(of_any)
}

/// Rules out the entries that the kernel itself contradicts.
struct Filter<'a, 'h> {
    marks: Marks<'h>,
    newest_ubuntu: Option<Entry<'a>>,
}

impl<'a, 'h> Filter<'a, 'h> {
    /// `entries` are all that there are of the host's release.
    fn new(
        host: &'h Host,
        entries: impl Iterator<Item = Result<Entry<'a>, BundleError>>,
    ) -> Result<Self, BundleError> {
        fn version<'e>(entry: &'e Entry<'_>) -> &'e str {
            number("ubuntu", entry.kernel().version)
        }
        let mut newest: Option<Entry<'a>> = None;
        for entry in entries {
            let entry = entry?;
            let newer = newest.is_none_or(|old| {
                order::numeric(version(&entry), version(&old)) == Ordering::Greater
            });
            if entry.kernel().distro == "ubuntu" && newer {
                newest = Some(entry);
            }
        }
        Ok(Self {
            marks: Marks::of(host.release(), host.version()),
            newest_ubuntu: newest,
        })
    }

    fn contradiction(&self, entry: &Entry<'_>) -> Option<Contradiction<'h>> {
        let newest = self.newest_ubuntu.as_ref();
        let newest = newest.map_or("", |newest| number("ubuntu", newest.kernel().version));
        self.marks.contradict(&entry.kernel(), newest)
    }

    fn apply(
        &self,
        entries: impl Iterator<Item = Result<Entry<'a>, BundleError>> + Clone,
    ) -> impl Iterator<Item = Result<Entry<'a>, BundleError>> + Clone {
        entries.filter(|entry| match entry {
            Ok(entry) => self.contradiction(entry).is_none(),
            Err(_) => true,
        })
    }
}

/// The candidate to take; none when there is no candidate.
fn decide<'a>(
    candidates: impl Iterator<Item = Result<Entry<'a>, BundleError>> + Clone,
    host: &Host,
) -> Result<Option<(Entry<'a>, Reason)>, SelectError> {
    let Some(all) = Agreement::of(candidates.clone())? else {
        return Ok(None);
    };
    if all.unanimous {
        let reason = match all.count {
            1 => Reason::Only,
            count => Reason::Consensus { count },
        };
        return Ok(Some((all.first, reason)));
    }
    let mut named: Option<(Entry<'a>, Name)> = None;
    for os in host.hosts_os_releases() {
        let Some(choice) = named_by(os, candidates.clone())? else {
            continue;
        };
        match named {
            // Two files that are both held to be the host's, and disagree.
            Some((before, _)) if before.class() != choice.0.class() => {
                return Err(Ambiguous::explain(candidates, host)?.into());
            }
            _ => named = named.or(Some(choice)),
        }
    }
    match named {
        Some((entry, by)) => {
            let count = all.count;
            Ok(Some((entry, Reason::OsRelease { by, count })))
        }
        None => Err(Ambiguous::explain(candidates, host)?.into()),
    }
}

/// The candidate that `os` names best, if the ones it names equally well are
/// of one class, and which of its names that was.
fn named_by<'a>(
    os: &OsRelease,
    candidates: impl Iterator<Item = Result<Entry<'a>, BundleError>> + Clone,
) -> Result<Option<(Entry<'a>, Name)>, BundleError> {
    let mut best = None;
    for candidate in candidates.clone() {
        let rank = publisher::rank(os, &candidate?.kernel());
        best = best.into_iter().chain(rank).min();
    }
    let Some(best) = best else {
        return Ok(None);
    };
    let named = candidates.filter(|candidate| match candidate {
        Ok(candidate) => publisher::rank(os, &candidate.kernel()) == Some(best),
        Err(_) => true,
    });
    let named = Agreement::of(named)?;
    Ok(named
        .filter(|named| named.unanimous)
        .map(|named| (named.first, best.0)))
}

/// Whether entries are of one class.
struct Agreement<'a> {
    first: Entry<'a>,
    count: usize,
    unanimous: bool,
}

impl<'a> Agreement<'a> {
    fn of(
        entries: impl Iterator<Item = Result<Entry<'a>, BundleError>>,
    ) -> Result<Option<Self>, BundleError> {
        let mut agreement: Option<Self> = None;
        for entry in entries {
            let entry = entry?;
            let all = agreement.get_or_insert(Self {
                first: entry,
                count: 0,
                unanimous: true,
            });
            all.count += 1;
            all.unanimous &= all.first.class() == entry.class();
        }
        Ok(agreement)
    }
}
