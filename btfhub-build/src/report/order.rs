//! The order of kernels in a report.

use btfhub_runtime::KernelId;

/// By distribution, version, architecture and release, numbers as numbers.
pub(crate) fn by_name(kernel: KernelId<'_>) -> [Vec<(usize, &str)>; 4] {
    let KernelId {
        arch,
        release,
        distro,
        version,
    } = kernel;
    [distro, version, arch.as_str(), release].map(natural)
}

/// A key that compares digits as numbers (a longer one is larger) and the rest as text. Numbers
/// come before words.
fn natural(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != is_digit)
            .unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        rest = tail;
        if is_digit {
            let digits = part.trim_start_matches('0');
            parts.push((digits.len(), digits));
        } else {
            parts.push((usize::MAX, part));
        }
    }
    parts
}
