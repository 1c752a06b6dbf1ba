//! Archives of many kernels.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use btfhub_tests::derive::{Names, Series};
use btfhub_tests::kernels::entries;
use btfhub_tests::{app, pack, shared};

/// Kernels of one series.
const STEPS: usize = 50;

/// `count` kernels whose members move from one to the next, made from an archive's x86_64 kernels.
/// Existing files are kept.
pub(crate) fn archive(real: &Path, count: usize) -> PathBuf {
    let root = shared::scratch("derived").join(count.to_string());
    let bases: Vec<_> = entries(real)
        .into_iter()
        .filter(|entry| entry.name.contains("/x86_64/"))
        .collect();
    let mut known = HashSet::new();
    for number in 0.. {
        if known.len() >= count {
            break;
        }
        // Neighbouring series derive from kernels of different age.
        let base = &bases[number * 7 % bases.len()];
        let names: Vec<String> = (Names::new(number).take(STEPS.min(count - known.len())))
            .map(|name| format!("{}/{}/x86_64/{}", name.distro, name.version, name.release))
            .collect();
        let is_there = |name: &String| root.join(format!("{name}.btf.tar.xz")).exists();
        let new = names.iter().filter(|name| known.insert((*name).clone()));
        let new: Vec<String> = new.cloned().collect();
        if new.iter().all(is_there) {
            continue;
        }
        let mut series = Series::new(base.btf(), number as u64);
        let mut packer = Packer::default();
        for name in new {
            let member = format!("{}.btf", name.rsplit('/').next().unwrap_or(&name));
            let tar = pack::tar(&[pack::Member::file(&member, series.btf())]);
            pack::write(&root, format!("{name}.btf.tar.xz"), &packer.pack(&tar));
            let _moved = series.advance();
        }
    }
    root
}

/// Compresses piece by piece, each as an xz stream: neighbours differ in few pieces, and only those
/// are compressed again. To a decoder it is one file.
#[derive(Default)]
struct Packer {
    /// Each piece of the previous file, and its compressed bytes.
    before: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Packer {
    const PIECE: usize = 128 << 10;

    fn pack(&mut self, tar: &[u8]) -> Vec<u8> {
        let (header, rest) = tar.split_at(512);
        let mut packed = Vec::new();
        for (at, piece) in [header]
            .into_iter()
            .chain(rest.chunks(Self::PIECE))
            .enumerate()
        {
            if self
                .before
                .get(at)
                .is_none_or(|(before, _)| before != piece)
            {
                let new = (piece.to_vec(), pack::xz(piece));
                match self.before.get_mut(at) {
                    Some(before) => *before = new,
                    None => self.before.push(new),
                }
            }
            packed.extend_from_slice(&self.before[at].1);
        }
        packed
    }
}

/// `count` copies of one small made-up kernel, to measure what reads only names and times of files.
pub(crate) fn names_only(root: &Path, count: usize) {
    let packed = pack::xz(&pack::tar(&[pack::Member::file(
        "small.btf",
        &app::kernel(0),
    )]));
    let mut known = HashSet::new();
    for number in 0.. {
        for name in Names::new(number).take(STEPS) {
            if known.len() >= count {
                return;
            }
            let path = format!("{}/{}/x86_64/{}", name.distro, name.version, name.release);
            if known.insert(path.clone()) {
                pack::write(root, format!("{path}.btf.tar.xz"), &packed);
            }
        }
    }
}
