//! The size of a bundle compared with bpftool's files, and the cost of reading one.
//!
//! `cargo run --release -p btfhub-tests --bin bundle-size [KERNELS]` with
//! `BTFHUB_SHARED` set and bpftool, libbpf-tools, tar and xz installed prints,
//! for the real archive and for KERNELS (5,000) derived kernels, the tables of
//! the bundle format's documentation.

mod heap;
mod real;
mod scale;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_runtime::bundle::Provenance;
use btfhub_runtime::{Bundle, KernelId};
use btfhub_tests::kernels::entries;
use btfhub_tests::large;
use btfhub_tests::objects::{ObjectFile, libbpf_tools};
use btfhub_tests::shared::shared;

/// The objects for one bundle.
struct Subject {
    name: &'static str,
    files: Vec<ObjectFile>,
    relocations: Relocations,
    provenance: Provenance,
}

impl Subject {
    fn new(name: &'static str, files: Vec<ObjectFile>) -> Self {
        let objects: Vec<Object> = (files.iter())
            .map(|file| Object::parse(&file.name, &file.elf).expect("an eBPF object"))
            .collect();
        let relocations = Relocations::from_objects(&objects);
        let names = (files.iter()).map(|file| file.name.rsplit('/').next().unwrap_or(&file.name));
        let digests: Vec<_> = (names.zip(&files))
            .map(|(name, file)| (name, sha256(&file.elf)))
            .collect();
        let provenance = Provenance {
            pins: vec!["git 93cdeb85ab3f0e0caf720b61ef1f1f0d5c2e8a91".to_owned()],
            relocations: relocations.fingerprint(),
            tool: "btfhub-build 0.1.0".to_owned(),
            ..Provenance::default()
        }
        .with_objects(&digests);
        Self {
            name,
            files,
            relocations,
            provenance,
        }
    }
}

/// A digest of a file; any digest gives the same size.
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let text = String::from_utf8_lossy(bytes);
    btfhub_runtime::bundle::objects_sha256(&[(&text, [0; 32])])
}

fn main() {
    let Some(shared) = shared() else { return };
    let kernels = std::env::args().nth(1).map_or(5000, |arg| {
        arg.parse().expect("a number of kernels to derive")
    });
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/execwatch/src/execwatch.bpf.o"
    );
    let example = ObjectFile {
        name: "execwatch.bpf.o".to_owned(),
        elf: std::fs::read(example).expect("the example's object"),
    };
    let archive = shared.join("archive");
    let mut subjects = vec![
        Subject::new("execwatch", vec![example]),
        Subject::new("libbpf-tools", libbpf_tools()),
    ];
    let real = entries(&archive);
    let kernel = (real.iter()).find(|entry| entry.name.contains("x86_64"));
    let kernel = kernel.expect("an x86_64 kernel").btf();
    if let Some(object) = large::object(&Btf::parse(&kernel).expect("a BTF")) {
        subjects.push(Subject::new("large", vec![object]));
    }
    println!("real kernels");
    for arch in [&["x86_64"][..], &["arm64", "aarch64"][..]] {
        real::measure(&archive, arch, &subjects);
    }
    println!("\nderived kernels");
    scale::measure(&archive, kernels, &subjects);
}

/// The kernel with this path in an archive.
fn kernel(path: &str) -> KernelId<'_> {
    let mut parts = path.trim_end_matches(".btf.tar.xz").splitn(4, '/');
    let mut part = || parts.next().expect("distro/version/arch/release");
    let (distro, version, arch, release) = (part(), part(), part(), part());
    KernelId {
        arch: btfhub_runtime::Arch::new(arch),
        release,
        distro,
        version,
    }
}

/// Prints where a bundle's bytes go, and the cost of finding and rebuilding a class.
fn print_bundle(data: &[u8], kernels: &[KernelId<'_>]) {
    let bundle = Bundle::parse(data).expect("a bundle");
    let sizes = bundle.sizes().expect("sizes");
    let parts: Vec<_> = (sizes.iter())
        .map(|part| format!("{} {}", part.name, part.bytes))
        .collect();
    println!("    {} bytes: {}", data.len(), parts.join(", "));

    let mut times = Vec::new();
    let mut peak = 0;
    let step = (kernels.len() / 300).max(1);
    for id in kernels.iter().step_by(step) {
        // The best of a few runs: the first one has cold caches.
        let mut best = f64::MAX;
        for _ in 0..5 {
            heap::reset();
            let start = cpu_seconds();
            let entry = bundle
                .lookup(id.arch, id.release)
                .map(|entry| entry.expect("an entry"))
                .find(|entry| entry.kernel() == *id)
                .expect("the kernel");
            let btf = bundle.btf(entry.class()).expect("the class");
            best = best.min((cpu_seconds() - start) * 1e3);
            peak = peak.max(heap::peak());
            drop(btf);
        }
        times.push(best);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "    find and rebuild one class: median {:.2} ms of CPU, worst {:.2} ms, peak heap {} KiB",
        times[times.len() / 2],
        times[times.len() - 1],
        peak / 1024
    );
}

/// CPU time of this thread only.
fn cpu_seconds() -> f64 {
    // SAFETY: plain integers, zero is a value of all of them.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local of the right type.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
