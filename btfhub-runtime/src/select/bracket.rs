//! The nearest kernels below and above a release, and what can be inferred from
//! them.

use core::cmp::Ordering;

use super::order::within_series;
use super::{Filter, publisher};
use crate::bundle::Entry;
use crate::host::OsRelease;
use crate::{Bundle, BundleError, Host};

/// More series than share one kernel version and flavour anywhere: Ubuntu, the
/// most diligent, has built one for four of its versions.
const SERIES_MAX: usize = 16;

/// The neighbours of a release, series by series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearest<'a> {
    series: [Option<Neighbours<'a>>; SERIES_MAX],
    /// Whether there was room for every series.
    pub(super) is_complete: bool,
}

impl<'a> Nearest<'a> {
    pub(super) fn series(&self) -> impl Iterator<Item = &Neighbours<'a>> + Clone {
        self.series.iter().flatten()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + Clone {
        self.series().flat_map(Neighbours::entries)
    }
}

/// One distribution's version, and its kernels next to the one that is sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours<'a> {
    below: Option<Entry<'a>>,
    above: Option<Entry<'a>>,
}

impl<'a> Neighbours<'a> {
    /// The neighbours, when both are there and share a class.
    fn agreed(&self) -> Option<(Entry<'a>, Entry<'a>)> {
        let (below, above) = self.below.zip(self.above)?;
        (below.class() == above.class()).then_some((below, above))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'a>> + Clone + use<'a> {
        [self.below, self.above].into_iter().flatten()
    }

    /// How well `os` names the series.
    fn rank(&self, os: &OsRelease) -> Option<impl Ord + use<>> {
        publisher::rank(os, &self.entries().next()?.kernel())
    }

    fn is_of(&self, entry: &Entry<'_>) -> bool {
        self.entries().next().is_some_and(|own| {
            let (own, kernel) = (own.kernel(), entry.kernel());
            (own.distro, own.version, own.arch) == (kernel.distro, kernel.version, kernel.arch)
        })
    }
}

/// The neighbours of the host's release.
///
/// # Errors
/// When the bundle is damaged.
pub(super) fn nearest<'a>(bundle: &Bundle<'a>, host: &Host) -> Result<Nearest<'a>, BundleError> {
    let mut nearest = Nearest {
        series: [None; SERIES_MAX],
        is_complete: true,
    };
    for entry in bundle.kernels() {
        let entry = entry?;
        if host.arch().is_some_and(|arch| arch != entry.kernel().arch) {
            continue;
        }
        let order = within_series(entry.kernel().release, host.release());
        let Some(order @ (Ordering::Less | Ordering::Greater)) = order else {
            continue;
        };
        let slot = nearest
            .series
            .iter_mut()
            .find(|slot| slot.as_ref().is_none_or(|series| series.is_of(&entry)));
        let Some(slot) = slot else {
            nearest.is_complete = false;
            continue;
        };
        let series = slot.get_or_insert(Neighbours {
            below: None,
            above: None,
        });
        let (side, nearer) = match order {
            Ordering::Less => (&mut series.below, Ordering::Greater),
            _ => (&mut series.above, Ordering::Less),
        };
        let is_nearer = side.is_none_or(|old| {
            within_series(entry.kernel().release, old.kernel().release) == Some(nearer)
        });
        if is_nearer {
            *side = Some(entry);
        }
    }
    Ok(nearest)
}

/// The neighbours whose class can be inferred to be the host's.
///
/// The kernel may be of each series that has a neighbour of it. So all of them
/// have to have both, of one class; or those have to that the host's os-release
/// names.
///
/// # Errors
/// When the bundle is damaged.
pub(super) fn infer<'a>(
    bundle: &Bundle<'a>,
    host: &Host,
) -> Result<Option<(Entry<'a>, Entry<'a>)>, BundleError> {
    let nearest = nearest(bundle, host)?;
    let filter = Filter::new(host, nearest.entries().map(Ok))?;
    let possible = || {
        nearest.series().filter(|series| {
            let mut entries = series.entries();
            entries.any(|entry| filter.contradiction(&entry).is_none())
        })
    };
    if !nearest.is_complete {
        return Ok(None);
    }
    let mut inferred = common(possible());
    if inferred.is_some() {
        return Ok(inferred);
    }
    for os in host.hosts_os_releases() {
        let Some(best) = possible().filter_map(|series| series.rank(os)).min() else {
            continue;
        };
        let named = possible().filter(|series| series.rank(os).as_ref() == Some(&best));
        match (common(named), inferred) {
            (Some(pair), None) => inferred = Some(pair),
            (Some((a, _)), Some((b, _))) if a.class() == b.class() => {}
            _ => return Ok(None),
        }
    }
    Ok(inferred)
}

/// The first of these series' neighbours, when all of them are of one class.
fn common<'a, 's>(
    series: impl Iterator<Item = &'s Neighbours<'a>>,
) -> Option<(Entry<'a>, Entry<'a>)>
where
    'a: 's,
{
    let mut first = None;
    for series in series {
        let pair = series.agreed()?;
        let (below, _) = first.get_or_insert(pair);
        if below.class() != pair.0.class() {
            return None;
        }
    }
    first
}
