//! Prints a digest of everything that is made from the tests' programs and kernels and from the
//! named archives: tailored BTF, outcomes, an atlas, a bundle, and what is read back from both.
//! Every machine must print the same.

use std::fmt::Debug;
use std::path::Path;

use btfhub_build::archive::{Archive, DEFAULT_LIMIT, Digest, decode};
use btfhub_build::atlas::{Atlas, AtlasWriter, Effort, SourceEntry};
use btfhub_build::btf::Btf;
use btfhub_build::relo::{Relocations, resolve};
use btfhub_build::tailor::tailor;
use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{ClassId, Provenance};
use btfhub_runtime::{Arch, Bundle, Host, KernelId, Policy, select};
use sha2::{Digest as _, Sha256};

#[allow(dead_code)] // names of pairs, for messages of tests
#[path = "../../src/rules.rs"]
mod rules;

fn print(what: &str, bytes: &[u8]) {
    let digest: String = Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("{digest} {:>7} {what}", bytes.len());
}

fn print_value(what: &str, value: &impl Debug) {
    print(what, format!("{value:?}").as_bytes());
}

fn id(release: &str) -> KernelId<'_> {
    KernelId {
        arch: Arch::new("x86_64"),
        release,
        distro: "made-up",
        version: "1",
    }
}

fn main() {
    let pairs = rules::pairs();
    let mut atlas = AtlasWriter::new();
    let mut bundle = Writer::new(Provenance::default());
    let mut add = |name: &str, relocations: &Relocations, kernel: &Btf| {
        let tailored = tailor(relocations, kernel).expect("not too complex");
        print(&format!("{name}: tailored"), &tailored.btf);
        print_value(&format!("{name}: outcome"), &tailored.outcome);
        bundle
            .add_kernel(id(name), tailored.btf.to_vec())
            .expect("a kernel");
        if let Ok(survey) = atlas.surveyor().survey(kernel) {
            let source = SourceEntry {
                path: name.to_owned(),
                digest: Digest::of(name.as_bytes()),
            };
            atlas.insert(id(name), source, &survey).expect("a kernel");
        }
    };
    for (number, pair) in pairs.iter().enumerate() {
        let kernel = Btf::parse(&pair.kernel).expect("BTF");
        print(&format!("{number}: written again"), &kernel.to_bytes());
        add(&number.to_string(), &pair.relocations, &kernel);
    }
    let program = pairs.last().expect("pairs").relocations.clone();
    for dir in std::env::args_os().skip(1) {
        let archive = Archive::scan(Path::new(&dir)).expect("an archive");
        for entry in archive.entries() {
            let packed = std::fs::read(entry.file()).expect("an entry");
            let decoded = decode(&packed, DEFAULT_LIMIT).expect("an entry");
            let kernel = Btf::from_words(decoded.words, decoded.len).expect("BTF");
            add(&entry.kernel().to_string(), &program, &kernel);
        }
    }

    let file = bundle.finish().expect("a bundle");
    print("bundle", &file);
    let bundle = Bundle::parse(&file).expect("a bundle");
    for class in 0..bundle.class_count().expect("a header") {
        let btf = bundle.btf(ClassId(class)).expect("a class");
        print(&format!("bundle: class {class}"), &btf);
    }
    let host = Host::new("3", "x86_64");
    let selection = select(&bundle, &host, Policy::default());
    print_value(
        "selected",
        &selection.map(|selection| selection.to_string()),
    );

    let (_, file) = atlas.finish(Effort::Best, 1).expect("an atlas");
    print("atlas", &file);
    let atlas = Atlas::parse(file).expect("an atlas");
    for (kernel, _) in atlas.kernels() {
        let btf = atlas.extract(kernel).expect("a kernel");
        print(&format!("atlas: kernel {kernel}"), &btf);
        let outcome = resolve(&program, &Btf::parse(&btf).expect("BTF"));
        print_value(&format!("atlas: outcome {kernel}"), &outcome);
    }
}
