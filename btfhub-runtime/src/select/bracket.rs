//! The nearest kernels below and above a release, in every series that has it
//! in its range.

use core::cmp::Ordering;

use super::order::within_series;
use crate::bundle::Entry;
use crate::{Bundle, BundleError, Host};

/// More series than share one kernel version and flavour anywhere: Ubuntu, the
/// most diligent, has built one for four of its versions.
const SERIES_MAX: usize = 16;

/// One distribution's version, and its kernels next to the one that is sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours<'a> {
    pub(super) below: Option<Entry<'a>>,
    pub(super) above: Option<Entry<'a>>,
}

impl<'a> Neighbours<'a> {
    /// The neighbours, when both are there and share a class.
    pub(super) fn agreed(&self) -> Option<(Entry<'a>, Entry<'a>)> {
        let (below, above) = self.below.zip(self.above)?;
        (below.class() == above.class()).then_some((below, above))
    }

    fn any(&self) -> Option<&Entry<'a>> {
        self.below.as_ref().or(self.above.as_ref())
    }

    fn is_of(&self, entry: &Entry<'_>) -> bool {
        self.any().is_some_and(|own| {
            let (own, kernel) = (own.kernel(), entry.kernel());
            (own.distro, own.version, own.arch) == (kernel.distro, kernel.version, kernel.arch)
        })
    }
}

/// The neighbours of the host's release, series by series.
///
/// # Errors
/// When the bundle is damaged.
pub(super) fn neighbours<'a>(
    bundle: &Bundle<'a>,
    host: &Host,
) -> Result<[Option<Neighbours<'a>>; SERIES_MAX], BundleError> {
    let mut all: [Option<Neighbours<'a>>; SERIES_MAX] = [None; SERIES_MAX];
    for entry in bundle.kernels() {
        let entry = entry?;
        if host.arch().is_some_and(|arch| arch != entry.kernel().arch) {
            continue;
        }
        let order = within_series(entry.kernel().release, host.release());
        let Some(order @ (Ordering::Less | Ordering::Greater)) = order else {
            continue;
        };
        let slot = all
            .iter_mut()
            .find(|slot| slot.as_ref().is_none_or(|series| series.is_of(&entry)));
        let Some(slot) = slot else {
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
    Ok(all)
}
