//! Writing the kernels' section.

use std::collections::BTreeSet;

use super::COLUMNS;
use super::pattern::{NUMBERS, Pattern};
use crate::KernelId;
use crate::bundle::cursor::{put_after, put_bytes, put_varint};

/// Puts kernels in the order of the section.
pub(in crate::bundle) fn sort<T>(kernels: &mut Vec<(KernelId<'_>, T)>) {
    let mut patterned: Vec<_> = (kernels.drain(..))
        .map(|kernel| {
            let pattern = Pattern::of(kernel.0.release);
            (pattern.unwrap_or(Pattern::EMPTY), kernel)
        })
        .collect();
    patterned.sort_by(|(pattern, (a, _)), (other, (b, _))| {
        (a.arch.cmp(&b.arch))
            .then_with(|| pattern.order(other))
            .then_with(|| (a.distro, a.version).cmp(&(b.distro, b.version)))
    });
    kernels.extend(patterned.into_iter().map(|(_, kernel)| kernel));
}

/// Whether a release can be in the section.
pub(in crate::bundle) fn is_representable(release: &str) -> bool {
    Pattern::of(release).is_some()
}

/// The header's strings.
pub(in crate::bundle) fn strings<'k>(kernels: &[(KernelId<'k>, u32)]) -> Vec<&'k str> {
    let strings: BTreeSet<&str> = (kernels.iter())
        .flat_map(|(kernel, _)| [kernel.arch.as_str(), kernel.distro, kernel.version])
        .collect();
    strings.into_iter().collect()
}

/// The section for `kernels`, [sorted](sort).
pub(in crate::bundle) fn write(
    kernels: &[(KernelId<'_>, u32)],
    strings: &[&str],
) -> Option<Vec<u8>> {
    let number = |text: &str| u32::try_from(strings.binary_search(&text).ok()?).ok();
    let publisher = |kernel: &KernelId<'_>| Some((number(kernel.distro)?, number(kernel.version)?));
    let publishers: Option<BTreeSet<_>> = kernels.iter().map(|(k, _)| publisher(k)).collect();
    let publishers: Vec<_> = publishers?.into_iter().collect();
    let mut last_classes = vec![None; publishers.len()];

    let mut columns: [Vec<u8>; COLUMNS] = Default::default();
    let [firsts, of_publishers, classes, numbers @ ..] = &mut columns;
    let mut series: Vec<(u32, Pattern, u32)> = Vec::new();
    let mut before = [0; NUMBERS];
    let mut next_class = 0u32;
    for (kernel, class) in kernels {
        let arch = number(kernel.arch.as_str())?;
        let pattern = Pattern::of(kernel.release)?;
        let values = pattern.numbers.iter().zip(before).take(pattern.count);
        match series.last_mut() {
            Some((a, p, kernels)) if *a == arch && p.text() == pattern.text() => {
                *kernels += 1;
                let mut grown = false;
                for ((value, before), column) in values.zip(&mut *numbers) {
                    if grown {
                        put_after(column, before, *value);
                    } else {
                        put_varint(column, value.checked_sub(before)?);
                        grown = *value > before;
                    }
                }
            }
            _ => {
                for (value, _) in values {
                    put_varint(firsts, *value);
                }
                series.push((arch, pattern, 1));
            }
        }
        before = pattern.numbers;
        let at = publishers.binary_search(&publisher(kernel)?).ok()?;
        put_varint(of_publishers, u32::try_from(at).ok()?);
        let last = last_classes.get_mut(at)?;
        match *last == Some(*class) {
            true => put_varint(classes, 0),
            false => put_varint(classes, (next_class + 1).checked_sub(*class)?),
        }
        *last = Some(*class);
        next_class = next_class.max(class + 1);
    }

    let mut out = Vec::new();
    put_varint(&mut out, u32::try_from(publishers.len()).ok()?);
    for (distro, version) in publishers {
        put_varint(&mut out, distro);
        put_varint(&mut out, version);
    }
    for column in &columns {
        put_bytes(&mut out, column)?;
    }
    put_varint(&mut out, u32::try_from(series.len()).ok()?);
    for (arch, pattern, kernels) in series {
        put_varint(&mut out, arch);
        put_bytes(&mut out, pattern.text())?;
        put_varint(&mut out, kernels);
    }
    Some(out)
}
