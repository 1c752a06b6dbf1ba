//! How new a kernel is, by its release and its helpers.
//!
//! Distributions backport eBPF to old kernels (RHEL 8's 4.18 has most of 5.10's eBPF), so a
//! kernel counts as at least as new as the newest helper that it has.

use super::facts::Facts;

/// An upstream version of Linux: major, minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Age(pub(super) u32, pub(super) u32);

/// The number of the first helper that each version added.
const FIRST_HELPERS: [(u32, Age); 22] = [
    (84, Age(4, 20)),
    (93, Age(5, 1)),
    (99, Age(5, 2)),
    (109, Age(5, 3)),
    (111, Age(5, 5)),
    (116, Age(5, 6)),
    (120, Age(5, 7)),
    (125, Age(5, 8)),
    (136, Age(5, 9)),
    (142, Age(5, 10)),
    (156, Age(5, 11)),
    (163, Age(5, 12)),
    (164, Age(5, 13)),
    (166, Age(5, 14)),
    (169, Age(5, 15)),
    (176, Age(5, 16)),
    (180, Age(5, 17)),
    (186, Age(5, 18)),
    (194, Age(5, 19)),
    (204, Age(6, 0)),
    (208, Age(6, 1)),
    (210, Age(6, 2)),
];

/// The version of a release, if it begins with one.
pub(super) fn version(release: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = release.splitn(3, '.').map(|part| {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part.get(..digits).unwrap_or_default()
    });
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    let patch = numbers
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    Some((major, minor, patch))
}

/// The newer of what the release and the helpers indicate.
pub(super) fn age(release: &str, facts: &Facts) -> Option<Age> {
    let by_release = version(release).map(|(major, minor, _)| Age(major, minor));
    let last = facts.helpers.last().unwrap_or(0);
    let by_helpers = FIRST_HELPERS.iter().rev().find(|(first, _)| *first <= last);
    by_release.max(by_helpers.map(|(_, age)| *age))
}
