//! Writing the index.

use std::collections::{BTreeSet, HashSet};

use core::cmp::Ordering;

use super::coding::{Coded, Coding, PUBLISHERS};
use super::pattern::Pattern;
use crate::KernelId;
use crate::bundle::coder::Encoder;
use crate::bundle::cursor::{put_bytes, put_varint};

/// Most kernels of a block: finding one decodes half of them on average, at
/// some ten bits each.
const BLOCK_KERNELS: usize = 512;

/// The order of the index. Nothing when a release can't be in one.
pub(in crate::bundle) fn order(a: &KernelId<'_>, b: &KernelId<'_>) -> Ordering {
    let pattern = |k: &KernelId<'_>| Pattern::of(k.release).unwrap_or(Pattern::EMPTY);
    (a.arch.cmp(&b.arch))
        .then_with(|| pattern(a).order(&pattern(b)))
        .then_with(|| (a.distro, a.version).cmp(&(b.distro, b.version)))
}

/// Whether a release can be in an index.
pub(in crate::bundle) fn is_representable(release: &str) -> bool {
    Pattern::of(release).is_some()
}

/// The section for `kernels`, which are in their [`order`].
pub(in crate::bundle) fn write(kernels: &[(KernelId<'_>, u32)]) -> Option<Vec<u8>> {
    let strings: BTreeSet<&str> = kernels
        .iter()
        .flat_map(|(k, _)| [k.arch.as_str(), k.distro, k.version])
        .collect();
    let strings: Vec<&str> = strings.into_iter().collect();
    let number = |text: &str| {
        let at = strings.binary_search(&text).ok()?;
        u32::try_from(at).ok()
    };
    let mut out = Vec::new();
    put_varint(&mut out, u32::try_from(strings.len()).ok()?);
    for text in &strings {
        put_bytes(&mut out, text.as_bytes())?;
    }
    let blocks = split(kernels);
    put_varint(&mut out, u32::try_from(blocks.len()).ok()?);
    let mut bytes = Vec::new();
    let mut next_class = 0;
    for (at, block) in blocks.iter().enumerate() {
        let mut coding = Coding::new(u32::try_from(strings.len()).ok()?, next_class);
        let mut encoder = Encoder::new();
        put_varint(&mut out, u32::try_from(block.len()).ok()?);
        put_varint(&mut out, next_class);
        for (kernel, class) in *block {
            let coded = Coded {
                arch: number(kernel.arch.as_str())?,
                pattern: Pattern::of(kernel.release)?,
                distro: number(kernel.distro)?,
                version: number(kernel.version)?,
                class: *class,
            };
            coding.entry(&mut encoder, Some(&coded))?;
            next_class = next_class.max(class.checked_add(1)?);
        }
        let coded = encoder.finish();
        put_varint(&mut out, u32::try_from(coded.len()).ok()?);
        bytes.extend(coded);
        if at > 0 {
            let (first, _) = block.first()?;
            put_varint(&mut out, number(first.arch.as_str())?);
            put_bytes(&mut out, first.release.as_bytes())?;
        }
    }
    out.extend(bytes);
    Some(out)
}

/// Cuts the kernels into blocks of a size and number of publishers that the
/// reader can hold without allocating.
fn split<'k, 's>(kernels: &'s [(KernelId<'k>, u32)]) -> Vec<&'s [(KernelId<'k>, u32)]> {
    let mut blocks = Vec::new();
    let mut rest = kernels;
    while !rest.is_empty() {
        let mut publishers = HashSet::new();
        let len = rest
            .iter()
            .take(BLOCK_KERNELS)
            .take_while(|(k, _)| {
                publishers.insert((k.distro, k.version));
                publishers.len() <= PUBLISHERS
            })
            .count();
        let (block, later) = rest.split_at(len);
        blocks.push(block);
        rest = later;
    }
    blocks
}
