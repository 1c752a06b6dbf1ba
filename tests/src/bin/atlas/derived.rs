//! An atlas of thousands of kernels, each with different content.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use btfhub_build::archive::Digest;
use btfhub_build::atlas::{Atlas, AtlasWriter, Effort, SourceEntry};
use btfhub_build::btf::Btf;
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::cost::run;
use btfhub_tests::derive::{Names, Series};
use btfhub_tests::kernels::entries;
use btfhub_tests::shared::scratch;

use crate::costs::{Contestant, compare, programs};
use crate::objects;

/// Kernels of one series.
const STEPS: usize = 50;

pub(crate) fn measure(archive: &Path, kernels: usize, rounds: usize) {
    let file = scratch("atlas").join(format!("derived-{kernels}.atlas"));
    let started = Instant::now();
    // In a separate process: this one's memory would count for those that it starts.
    let this = std::env::current_exe().expect("this program");
    let mut command = Command::new(this);
    command.args(["work", "derive"]).arg(archive);
    run(command.arg(kernels.to_string()).arg(&file));
    let atlas = Atlas::open(&file, None).expect("an atlas");
    println!(
        "\n{} derived kernels: {} definitions, {} bytes, {} a kernel; made in {:.0} s",
        atlas.kernels().len(),
        atlas.definition_count(),
        atlas.file_len(),
        atlas.file_len() / kernels,
        started.elapsed().as_secs_f64(),
    );
    for (name, bytes) in atlas.parts() {
        println!("    {name:<28} {bytes:>10} bytes");
    }
    let objects = objects(archive);
    let out = scratch("atlas").join("derived.btfhub");
    let mut contestants = Vec::new();
    for (level, program) in programs() {
        for object in &objects {
            let arguments: Vec<PathBuf> = vec![
                "work".into(),
                "bundle".into(),
                out.clone(),
                "atlas".into(),
                file.clone(),
                "object".into(),
                object.objects.clone(),
                "object".into(),
                object.added.clone(),
            ];
            let program = program.clone();
            contestants.push(Contestant {
                name: format!("{}, {level}", object.name),
                prepare: Box::new(|| ()),
                command: Box::new(move || {
                    let mut command = Command::new(&program);
                    command.args(&arguments);
                    command
                }),
            });
        }
    }
    compare(&contestants, rounds);
}

/// An atlas of this many kernels.
pub(crate) fn derive(archive: &Path, wanted: usize) -> Vec<u8> {
    let bases: Vec<_> = (entries(archive).into_iter())
        .filter(|entry| entry.name.contains("/x86_64/"))
        .collect();
    let mut writer = AtlasWriter::new();
    let mut known = HashSet::new();
    for number in 0.. {
        if known.len() >= wanted {
            break;
        }
        // Neighbouring series derive from kernels of different age.
        let base = &bases[number * 7 % bases.len()];
        let mut series = Series::new(base.btf(), number as u64);
        let names: Vec<_> = Names::new(number).take(STEPS).collect();
        for name in names {
            if known.len() < wanted && known.insert(name.clone()) {
                let btf = Btf::parse(series.btf()).expect("a BTF");
                let survey = writer.surveyor().survey(&btf).expect("sane types");
                let id = KernelId {
                    arch: Arch::new("x86_64"),
                    release: &name.release,
                    distro: name.distro,
                    version: name.version,
                };
                let source = SourceEntry {
                    path: format!("{id}.btf.tar.xz"),
                    digest: Digest::of(series.btf()),
                };
                writer.insert(id, source, &survey).expect("the same types");
            }
            series.advance();
        }
    }
    let (_, file) = writer.finish(Effort::Best, 2).expect("an atlas");
    file
}
