//! The bundle's entries for exactly the host's release.

use core::cmp::Ordering;

use super::choice::Reason;
use super::marks::{Contradiction, Marks};
use super::named::{self, Name, Rank};
use super::order;
use super::ubuntu;
use crate::bundle::Entry;
use crate::host::OsRelease;
use crate::{Bundle, BundleError, Host};

/// What the bundle has for a host.
#[expect(clippy::large_enum_variant, reason = "a box would allocate")]
pub(super) enum Exact<'a> {
    None,
    One(Entry<'a>, Reason),
    /// Entries of several classes, and nothing says which one is right.
    Several,
}

/// The entry to take.
pub(super) fn find<'a>(bundle: &Bundle<'a>, host: &Host) -> Result<Exact<'a>, BundleError> {
    let candidates = left(bundle, host)?;
    let mut all: Option<Agreement<'a>> = None;
    for entry in &candidates {
        Agreement::add(&mut all, entry);
    }
    let Some(all) = all else {
        return Ok(Exact::None);
    };
    let count = all.count;
    if all.is_unanimous {
        let reason = match count {
            1 => Reason::Only,
            _ => Reason::Consensus { count },
        };
        return Ok(Exact::One(all.first, reason));
    }

    let mut named: Option<(Entry<'a>, Name)> = None;
    for os in host.hosts_os_releases() {
        let Some(choice) = named_by(os, &candidates) else {
            continue;
        };
        match named {
            // Two files are both taken to be the host's, and they disagree.
            Some((before, _)) if before.class() != choice.0.class() => {
                return Ok(Exact::Several);
            }
            Some(_) => {}
            None => named = Some(choice),
        }
    }
    Ok(match named {
        Some((entry, by)) => Exact::One(entry, Reason::OsRelease { by, count }),
        None => Exact::Several,
    })
}

/// The candidate that `os` names best, and by which of its names. `None` if candidates that it
/// names equally well are in different classes.
fn named_by<'a>(os: &OsRelease, candidates: &[Entry<'a>]) -> Option<(Entry<'a>, Name)> {
    let mut best: Option<Rank> = None;
    let mut named: Option<Agreement<'a>> = None;
    for entry in candidates {
        let Some(rank) = named::rank(os, &entry.kernel()) else {
            continue;
        };
        if best.is_none_or(|best| rank < best) {
            (best, named) = (Some(rank), None);
        }
        if best == Some(rank) {
            Agreement::add(&mut named, entry);
        }
    }
    let unanimous = named.filter(|named| named.is_unanimous)?;
    best.map(|(by, _)| (unanimous.first, by))
}

/// The names of the entries that the kernel does not contradict.
pub(super) fn candidates(bundle: &Bundle<'_>, host: &Host) -> Result<Vec<String>, BundleError> {
    Ok(left(bundle, host)?.iter().map(name).collect())
}

/// The entries for the host's release that the kernel does not contradict.
pub(super) fn left<'a>(bundle: &Bundle<'a>, host: &Host) -> Result<Vec<Entry<'a>>, BundleError> {
    let (filter, mut entries) = Filter::of_release(bundle, host)?;
    entries.retain(|entry| filter.contradiction(entry).is_none());
    Ok(entries)
}

/// The name of an entry in messages. (`to_string` would be compiled wherever it is used; what
/// `format!` calls is in std.)
pub(super) fn name(entry: &Entry<'_>) -> String {
    format!("{}", entry.kernel())
}

/// Rules out the entries that the kernel itself contradicts.
pub(super) struct Filter<'a, 'h> {
    marks: Marks<'h>,
    /// The newest Ubuntu version among the entries; empty if there is none.
    newest_ubuntu: &'a str,
}

impl<'a, 'h> Filter<'a, 'h> {
    /// For the entries for the host's release (and architecture, if known), and for these.
    // Not inlined: finding them is long code, used in several places.
    #[inline(never)]
    pub(super) fn of_release(
        bundle: &Bundle<'a>,
        host: &'h Host,
    ) -> Result<(Self, Vec<Entry<'a>>), BundleError> {
        let mut filter = Self::new(host);
        let mut entries = Vec::new();
        for entry in bundle.entries_of(host.arch(), host.release()) {
            let entry = entry?;
            filter.know(&entry);
            entries.push(entry);
        }
        Ok((filter, entries))
    }

    /// Every existing entry must be passed to [`know`](Self::know) first.
    pub(super) fn new(host: &'h Host) -> Self {
        Self {
            marks: Marks::of(host.release(), host.version()),
            newest_ubuntu: "",
        }
    }

    pub(super) fn know(&mut self, entry: &Entry<'a>) {
        if entry.kernel().distro != "ubuntu" {
            return;
        }
        if let Some(version) = ubuntu::number(entry.version()) {
            if order::numeric(version, self.newest_ubuntu) == Ordering::Greater {
                self.newest_ubuntu = version;
            }
        }
    }

    pub(super) fn contradiction(&self, entry: &Entry<'_>) -> Option<Contradiction<'h>> {
        (self.marks).contradict(&entry.kernel(), self.newest_ubuntu)
    }
}

/// Entries, and whether they are in one class.
struct Agreement<'a> {
    first: Entry<'a>,
    count: usize,
    is_unanimous: bool,
}

impl<'a> Agreement<'a> {
    fn add(all: &mut Option<Self>, entry: &Entry<'a>) {
        let all = all.get_or_insert(Self {
            first: *entry,
            count: 0,
            is_unanimous: true,
        });
        all.count += 1;
        all.is_unanimous &= all.first.class() == entry.class();
    }
}
