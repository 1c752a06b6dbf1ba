//! Thousands of kernels: the index, and how fast a class is found.

use std::collections::HashSet;
use std::path::Path;

use btfhub_build::btf::Btf;
use btfhub_build::tailor::tailor;
use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::{Arch, Bundle, KernelId};
use btfhub_tests::derive::{Name, Names, Series};
use btfhub_tests::kernels::entries;

use crate::{Subject, print_bundle};

/// Kernels of one series.
const STEPS: usize = 50;

pub(crate) fn measure(archive: &Path, wanted: usize, subjects: &[Subject]) {
    let bases: Vec<_> = (entries(archive).into_iter())
        .filter(|entry| entry.name.contains("/x86_64/"))
        .collect();
    let mut writers: Vec<Writer<'_>> = (subjects.iter())
        .map(|subject| Writer::new(subject.provenance.clone()))
        .collect();
    let mut all: Vec<Name> = Vec::new();
    let mut known = HashSet::new();
    for number in 0.. {
        if all.len() >= wanted {
            break;
        }
        // Neighbouring series derive from kernels of different age.
        let base = &bases[number * 7 % bases.len()];
        let mut series = Series::new(base.btf(), number as u64);
        let mut current: Vec<Vec<u8>> = Vec::new();
        let mut moved: Vec<String> = Vec::new();
        let steps = STEPS.min(wanted - all.len());
        for name in Names::new(number).take(steps) {
            // A type that the objects don't name does not matter to them.
            let touches = |btf: &Vec<u8>| moved.iter().any(|name| names(btf, name));
            if current.is_empty() || current.iter().any(touches) {
                let btf = Btf::parse(series.btf()).expect("a BTF");
                let tailored = subjects.iter().map(|subject| {
                    let tailored = tailor(&subject.relocations, &btf);
                    tailored.expect("a tailored BTF").btf.to_vec()
                });
                current = tailored.collect();
            }
            if known.insert(name.clone()) {
                for (writer, btf) in writers.iter_mut().zip(&current) {
                    writer.add_kernel(id(&name), btf.clone()).expect("a kernel");
                }
                all.push(name);
            }
            moved = series.advance();
        }
    }
    let kernels: Vec<_> = all.iter().map(id).collect();
    for (subject, writer) in subjects.iter().zip(writers) {
        let data = writer.finish().expect("a bundle");
        let bundle = Bundle::parse(&data).expect("a bundle");
        let sizes = bundle.sizes().expect("sizes");
        let index = sizes.iter().find(|part| part.name == "kernels");
        let index = index.map_or(0, |part| part.bytes);
        println!(
            "  x86_64 {}: {} kernels, {} classes; kernels {:.2} bytes each, {:.1} % of the bundle",
            subject.name,
            kernels.len(),
            bundle.class_count().expect("classes"),
            index as f64 / kernels.len() as f64,
            100.0 * index as f64 / data.len() as f64,
        );
        print_bundle(&data, &kernels);
    }
}

fn id(name: &Name) -> KernelId<'_> {
    KernelId {
        arch: Arch::new("x86_64"),
        release: &name.release,
        distro: name.distro,
        version: name.version,
    }
}

/// Whether a BTF contains this name.
fn names(btf: &[u8], name: &str) -> bool {
    let strings = btf.len() - u32::from_le_bytes(btf[20..24].try_into().expect("4 bytes")) as usize;
    btf[strings..]
        .split(|b| *b == 0)
        .any(|text| text == name.as_bytes())
}
