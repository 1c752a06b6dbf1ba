//! Writing the index.

use std::collections::{BTreeSet, HashSet};

use super::coding::{Coded, Coding, PUBLISHERS};
use super::pattern::Pattern;
use crate::KernelId;
use crate::bundle::coder::Encoder;
use crate::bundle::cursor::{put_bytes, put_varint};

/// Most kernels of a block.
const BLOCK_KERNELS: usize = 512;
/// Bits after which a block ends: finding a kernel decodes half of them on
/// average, at some 20 a kernel.
const BLOCK_BITS: usize = 4_000;

/// Puts kernels in the order of the index.
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

/// Whether a release can be in an index.
pub(in crate::bundle) fn is_representable(release: &str) -> bool {
    Pattern::of(release).is_some()
}

/// The section for `kernels`, [sorted](sort).
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
    let (mut directory, mut bytes) = (Vec::new(), Vec::new());
    let (mut blocks, mut next_class) = (0, 0);
    let mut rest = kernels;
    while let Some((first, _)) = rest.first() {
        let mut coding = Coding::new(u32::try_from(strings.len()).ok()?, next_class);
        let mut encoder = Encoder::new();
        let class_at_start = next_class;
        let mut len = 0;
        for (kernel, class) in rest.iter().take(most(rest)) {
            if encoder.bits() >= BLOCK_BITS {
                break;
            }
            let coded = Coded {
                arch: number(kernel.arch.as_str())?,
                pattern: Pattern::of(kernel.release)?,
                distro: number(kernel.distro)?,
                version: number(kernel.version)?,
                class: *class,
            };
            coding.entry(&mut encoder, Some(&coded))?;
            next_class = next_class.max(class.checked_add(1)?);
            len += 1;
        }
        let coded = encoder.finish();
        put_varint(&mut directory, u32::try_from(len).ok()?);
        put_varint(&mut directory, class_at_start);
        put_varint(&mut directory, u32::try_from(coded.len()).ok()?);
        bytes.extend(coded);
        if blocks > 0 {
            put_varint(&mut directory, number(first.arch.as_str())?);
            put_bytes(&mut directory, first.release.as_bytes())?;
        }
        blocks += 1;
        rest = rest.get(len..)?;
    }
    put_varint(&mut out, blocks);
    out.extend(directory);
    out.extend(bytes);
    Some(out)
}

/// How many of the next kernels a reader can hold in one block without
/// allocating.
fn most(kernels: &[(KernelId<'_>, u32)]) -> usize {
    let mut publishers = HashSet::new();
    let fit = kernels.iter().take(BLOCK_KERNELS).take_while(|(k, _)| {
        publishers.insert((k.distro, k.version));
        publishers.len() <= PUBLISHERS
    });
    fit.count()
}
