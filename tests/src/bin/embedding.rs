//! What embedding a bundle adds to the compile time of a program.
//!
//! `cargo run -p btfhub-tests --bin embedding` prints, for bundles of
//! 0.1, 1 and 10 MB, the CPU time of `cargo build` for a small edited program: with
//! `include_bundle!`, with `include_bytes!` of the same file, and without a bundle; the best of
//! five each, taken in turn. As in every `cargo build`, the macro is unoptimised.

use std::process::Stdio;

use btfhub_runtime::bundle::Provenance;
use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::cost::run;
use btfhub_tests::hostile_bundle::seal;
use btfhub_tests::project::Project;

const ROUNDS: usize = 5;

const WAYS: [(&str, &str); 3] = [
    (
        "include_bundle!",
        "include_bundle!(path = \"probe.btfhub\")",
    ),
    (
        "include_bytes!",
        "Bundle::from_embedded(include_bytes!(\"../probe.btfhub\"))",
    ),
    ("no bundle", "Bundle::EMPTY"),
];

fn main() {
    println!("seconds of processor time to build an edited program, unoptimised");
    for kilobytes in [100, 1_000, 10_000] {
        let bundle = bundle(kilobytes * 1_000);
        let projects = WAYS.map(|(_, expression)| {
            let project = Project::new("[dependencies]\nbtfhub-runtime.path = RUNTIME\n");
            project.file("probe.btfhub", &bundle);
            edit(&project, expression, 0);
            let _built = project.cargo(&["build"]).ok();
            project
        });
        let mut best = [f64::MAX; WAYS.len()];
        for round in 1..=ROUNDS {
            for ((project, (_, expression)), best) in projects.iter().zip(WAYS).zip(&mut best) {
                edit(project, expression, round);
                let cost = run(project.command(&["build", "--quiet"]).stderr(Stdio::null()));
                *best = best.min(cost.cpu);
            }
        }
        let parts = WAYS.iter().zip(best);
        let parts: Vec<_> = parts
            .map(|((way, _), seconds)| format!("{way} {seconds:.2}"))
            .collect();
        println!("  {:>4} MB: {}", kilobytes as f64 / 1e3, parts.join(", "));
    }
}

/// A bundle of `len` bytes: one kernel, and padding after its class.
fn bundle(len: usize) -> Vec<u8> {
    let mut writer = Writer::new(Provenance::default());
    let kernel = KernelId {
        arch: Arch::new("x86_64"),
        release: "5.4.0-80-generic",
        distro: "ubuntu",
        version: "20.04",
    };
    writer.add_kernel(kernel, b"BTF").expect("a kernel");
    let mut data = writer.finish().expect("a bundle");
    let mut state = 1u64;
    while data.len() < len {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        data.push(state.to_be_bytes()[0]);
    }
    seal(&data)
}

fn edit(project: &Project, expression: &str, round: usize) {
    let source = format!(
        "#[allow(unused_imports)]\nuse btfhub_runtime::{{Bundle, include_bundle}};\n\
         static BTF: Bundle = {expression};\n\
         fn main() {{ println!(\"{{:?}} {round}\", BTF.kernel_count()) }}\n"
    );
    project.file("src/main.rs", source);
}
