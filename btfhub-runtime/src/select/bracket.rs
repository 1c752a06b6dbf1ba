//! The nearest kernels below and above a release, and what can be inferred from
//! them.

use core::cmp::Ordering;

use super::exact::Filter;
use super::named::{self, Rank};
use super::order::within_series;
use crate::bundle::Entry;
use crate::host::OsRelease;
use crate::{Bundle, BundleError, Host};

/// More series than share one kernel version and flavour anywhere. The most is four: Ubuntu has
/// built one for four of its versions.
const SERIES_MAX: usize = 16;

/// The neighbours of a release, series by series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearest<'a> {
    series: [Neighbours<'a>; SERIES_MAX],
    count: usize,
    /// Whether there was room for every series.
    pub(super) is_complete: bool,
}

impl<'a> Nearest<'a> {
    fn series(&self) -> &[Neighbours<'a>] {
        self.series.get(..self.count).unwrap_or(&[])
    }

    /// The slot for the series of `entry`; a new slot if this is its first entry; `None` if
    /// there is no room.
    fn series_of(&mut self, entry: &Entry<'_>) -> Option<&mut Neighbours<'a>> {
        let known = self.series().iter().position(|series| series.is_of(entry));
        let at = known.unwrap_or(self.count);
        let series = self.series.get_mut(at)?;
        self.count = self.count.max(at + 1);
        Some(series)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.series().iter().flat_map(Neighbours::entries)
    }

    /// Rules out the neighbours that the kernel itself contradicts.
    pub(super) fn filter<'h>(&self, host: &'h Host) -> Filter<'a, 'h> {
        let mut filter = Filter::new(host);
        for entry in self.entries() {
            filter.know(entry);
        }
        filter
    }
}

/// One version of a distribution, and its kernels next to the one that is looked for.
#[derive(Clone, Copy, Debug)]
struct Neighbours<'a> {
    below: Option<Entry<'a>>,
    above: Option<Entry<'a>>,
}

impl<'a> Neighbours<'a> {
    /// The neighbours, if both exist and share a class.
    fn agreed(&self) -> Option<(&Entry<'a>, &Entry<'a>)> {
        let (below, above) = self.below.as_ref().zip(self.above.as_ref())?;
        (below.class() == above.class()).then_some((below, above))
    }

    fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.below.iter().chain(&self.above)
    }

    /// How well `os` names the series.
    fn rank(&self, os: &OsRelease) -> Option<Rank> {
        named::rank(os, &self.entries().next()?.kernel())
    }

    fn is_of(&self, entry: &Entry<'_>) -> bool {
        let own = self.entries().next();
        own.is_some_and(|own| order(own, entry).is_eq())
    }
}

/// The order of the series of two entries.
pub(super) fn order(a: &Entry<'_>, b: &Entry<'_>) -> Ordering {
    let (a, b) = (a.kernel(), b.kernel());
    (a.distro, a.version, a.arch).cmp(&(b.distro, b.version, b.arch))
}

/// The neighbours of the host's release.
///
/// # Errors
/// When the bundle is damaged.
pub(super) fn nearest<'a>(bundle: &Bundle<'a>, host: &Host) -> Result<Nearest<'a>, BundleError> {
    let mut nearest = Nearest {
        series: [Neighbours {
            below: None,
            above: None,
        }; SERIES_MAX],
        count: 0,
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
        let Some(series) = nearest.series_of(&entry) else {
            nearest.is_complete = false;
            continue;
        };
        let (side, nearer) = match order {
            Ordering::Less => (&mut series.below, Ordering::Greater),
            _ => (&mut series.above, Ordering::Less),
        };
        let is_nearer = side.as_ref().is_none_or(|old| {
            within_series(entry.kernel().release, old.kernel().release) == Some(nearer)
        });
        if is_nearer {
            *side = Some(entry);
        }
    }
    Ok(nearest)
}

/// The neighbours below and above.
pub(super) type Pair<'a> = (Entry<'a>, Entry<'a>);

/// The neighbours from whose class the host's can be inferred.
///
/// The kernel may belong to any series in which it has a neighbour. So all of these series must
/// have both neighbours in one class; or, if the host's os-release names some of them, those
/// must.
///
/// # Errors
/// When the bundle is damaged.
pub(super) fn infer<'a>(bundle: &Bundle<'a>, host: &Host) -> Result<Option<Pair<'a>>, BundleError> {
    let nearest = nearest(bundle, host)?;
    if !nearest.is_complete {
        return Ok(None);
    }
    let filter = nearest.filter(host);
    let is_possible = |series: &Neighbours<'a>| {
        let mut entries = series.entries();
        entries.any(|entry| filter.contradiction(entry).is_none())
    };
    let series = nearest.series();
    let mut inferred = common(series, &is_possible);
    if let Some((below, above)) = inferred {
        return Ok(Some((*below, *above)));
    }
    for os in host.hosts_os_releases() {
        let mut best: Option<Rank> = None;
        for series in series.iter().filter(|series| is_possible(series)) {
            if let Some(rank) = series.rank(os) {
                best = Some(best.map_or(rank, |best| rank.min(best)));
            }
        }
        if best.is_none() {
            continue;
        }
        let named = common(series, &|series| {
            is_possible(series) && series.rank(os) == best
        });
        match (named, inferred) {
            (Some(pair), None) => inferred = Some(pair),
            (Some((a, _)), Some((b, _))) if a.class() == b.class() => {}
            _ => return Ok(None),
        }
    }
    Ok(inferred.map(|(below, above)| (*below, *above)))
}

/// The neighbours in the first of the `meant` series, if all of these are in one class.
fn common<'n, 'a>(
    series: &'n [Neighbours<'a>],
    meant: &dyn Fn(&Neighbours<'a>) -> bool,
) -> Option<(&'n Entry<'a>, &'n Entry<'a>)> {
    let mut first = None;
    for series in series.iter().filter(|series| meant(series)) {
        let pair = series.agreed()?;
        let (below, _) = first.get_or_insert(pair);
        if below.class() != pair.0.class() {
            return None;
        }
    }
    first
}
