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

pub use error::{Ambiguous, Holding, NotFound, SelectError};
use marks::{Contradiction, Marks};
use publisher::{Name, Rank};
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
    let infer: Option<Infer> = match policy.bracketed {
        true => Some(bracket::infer),
        false => None,
    };
    select_for(bundle, host.clone(), policy.source, infer)
}

/// By the default [`Policy`].
pub(crate) fn select_by_default<'a>(
    bundle: &Bundle<'a>,
    host: Host,
) -> Result<Selection<'a>, SelectError> {
    select_for(bundle, host, Source::default(), None)
}

/// [`bracket::infer`]. Given by who wants it, so that a program that never
/// does is without it.
type Infer = for<'a> fn(&Bundle<'a>, &Host) -> Result<Option<bracket::Pair<'a>>, BundleError>;

fn select_for<'a>(
    bundle: &Bundle<'a>,
    host: Host,
    source: Source,
    infer: Option<Infer>,
) -> Result<Selection<'a>, SelectError> {
    let kernels_own = host.kernel_btf().is_some();
    let choice = if host.operator_btf().is_some() {
        Choice::Operator
    } else if kernels_own && source == Source::PreferKernel {
        Choice::Kernel
    } else {
        match embedded(bundle, &host, infer) {
            Ok(choice) => choice,
            Err(error) if kernels_own && source == Source::PreferEmbedded => match error {
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
    infer: Option<Infer>,
) -> Result<Choice<'a>, SelectError> {
    if host.release().is_empty() {
        return Err(SelectError::UnknownRelease);
    }
    let filter = Filter::of_release(bundle, host)?;
    let candidates = Candidates {
        bundle,
        host,
        filter: &filter,
    };
    if let Some((entry, reason)) = decide(&candidates, host)? {
        return Ok(Choice::Embedded { entry, reason });
    }
    if let Some(infer) = infer {
        if let Some((below, above)) = infer(bundle, host)? {
            return Ok(Choice::Inferred { below, above });
        }
    }
    Err(NotFound::explain(bundle, host)?.into())
}

/// Shows the bundle's entries of the host's release, and of its architecture if
/// that is known.
// Not inlined: finding them is long, and done in several places.
#[inline(never)]
fn each_of_this_release<'a>(
    bundle: &Bundle<'a>,
    host: &Host,
    visit: &mut dyn FnMut(&Entry<'a>),
) -> Result<(), BundleError> {
    for entry in bundle.entries_of(host.arch(), host.release()) {
        visit(&entry?);
    }
    Ok(())
}

/// Rules out the entries that the kernel itself contradicts.
struct Filter<'a, 'h> {
    marks: Marks<'h>,
    /// The newest Ubuntu version of the entries; empty when there is none.
    newest_ubuntu: &'a str,
}

impl<'a, 'h> Filter<'a, 'h> {
    /// For the entries of the host's release.
    fn of_release(bundle: &Bundle<'a>, host: &'h Host) -> Result<Self, BundleError> {
        let mut filter = Self::new(host);
        each_of_this_release(bundle, host, &mut |entry| filter.know(entry))?;
        Ok(filter)
    }

    /// All entries that there are have to be made [known](Self::know) to it.
    fn new(host: &'h Host) -> Self {
        Self {
            marks: Marks::of(host.release(), host.version()),
            newest_ubuntu: "",
        }
    }

    fn know(&mut self, entry: &Entry<'a>) {
        let version = number("ubuntu", entry.version());
        if entry.kernel().distro == "ubuntu"
            && order::numeric(version, self.newest_ubuntu) == Ordering::Greater
        {
            self.newest_ubuntu = version;
        }
    }

    fn contradiction(&self, entry: &Entry<'_>) -> Option<Contradiction<'h>> {
        (self.marks).contradict(&entry.kernel(), self.newest_ubuntu)
    }
}

/// The entries of the host's release that the kernel does not contradict.
struct Candidates<'a, 'f> {
    bundle: &'f Bundle<'a>,
    host: &'f Host,
    filter: &'f Filter<'a, 'f>,
}

impl<'a> Candidates<'a, '_> {
    fn each(&self, visit: &mut dyn FnMut(&Entry<'a>)) -> Result<(), BundleError> {
        each_of_this_release(self.bundle, self.host, &mut |entry| {
            if self.filter.contradiction(entry).is_none() {
                visit(entry);
            }
        })
    }
}

/// The candidate to take; none when there is no candidate.
fn decide<'a>(
    candidates: &Candidates<'a, '_>,
    host: &Host,
) -> Result<Option<(Entry<'a>, Reason)>, SelectError> {
    let mut all: Option<Agreement<'a>> = None;
    candidates.each(&mut |entry| match &mut all {
        None => all = Some(Agreement::of_one(entry)),
        Some(all) => all.add(entry),
    })?;
    let Some(all) = all else {
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
        let Some(choice) = named_by(os, candidates)? else {
            continue;
        };
        match named {
            // Two files that are both held to be the host's, and disagree.
            Some((before, _)) if before.class() != choice.0.class() => {
                return Err(Ambiguous::explain(candidates, host)?.into());
            }
            Some(_) => {}
            None => named = Some(choice),
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
    candidates: &Candidates<'a, '_>,
) -> Result<Option<(Entry<'a>, Name)>, BundleError> {
    let mut best: Option<(Rank, Agreement<'a>)> = None;
    candidates.each(&mut |entry| {
        let Some(rank) = publisher::rank(os, &entry.kernel()) else {
            return;
        };
        match &mut best {
            Some((known, named)) if *known == rank => named.add(entry),
            Some((known, _)) if *known < rank => {}
            _ => best = Some((rank, Agreement::of_one(entry))),
        }
    })?;
    match best {
        Some(((name, _), named)) if named.unanimous => Ok(Some((named.first, name))),
        _ => Ok(None),
    }
}

/// Whether entries are of one class.
struct Agreement<'a> {
    first: Entry<'a>,
    count: usize,
    unanimous: bool,
}

impl<'a> Agreement<'a> {
    fn of_one(entry: &Entry<'a>) -> Self {
        Self {
            first: *entry,
            count: 1,
            unanimous: true,
        }
    }

    fn add(&mut self, entry: &Entry<'a>) {
        self.count += 1;
        self.unanimous &= self.first.class() == entry.class();
    }
}
