//! A build that is compared with a baseline.

use btfhub_build::archive;
use btfhub_tests::app::App;
use btfhub_tests::cli::binary;
use btfhub_tests::objects::own_dir;
use btfhub_tests::pack;
use std::process::Command;

/// A kernel with the types of Debian 11 or 12; the program runs only on the latter.
fn kernel(app: &App, release: &str, runs: bool) {
    let of = match runs {
        false => "11/x86_64/5.10.0-46-cloud-amd64",
        true => "12/x86_64/6.1.0-56-amd64",
    };
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/archive/debian");
    let packed = std::fs::read(format!("{examples}/{of}.btf.tar.xz")).expect("an entry");
    let btf = archive::decode(&packed, archive::DEFAULT_LIMIT).expect("BTF");
    let name = format!("debian/12/x86_64/{release}");
    pack::entry(&app.path("kernels"), &name, btf.bytes());
}

#[test]
fn a_kernel_that_is_lost_fails_the_build() {
    const TABLE: &str = "archive = \"kernels\"\nobjects = \"dropped.o\"\n\
                         baseline = \"support.json\"\nlints.failing-relocations = \"allow\"\n";
    let app = App::new();
    let object = std::fs::read(own_dir().join("dropped.bpf.o")).expect("an object");
    let _ = app.project.file("dropped.o", object);
    kernel(&app, "5.10.0", false);
    kernel(&app, "6.1.0", true);
    let _ = app.configure(TABLE);
    let missing = app.complaint(&[], &[]);
    assert!(
        missing.contains("the baseline CRATE/support.json"),
        "{missing}"
    );
    assert!(missing.contains("--format support --json"), "{missing}");

    let said = Command::new(binary())
        .current_dir(app.project.path())
        .args([
            "btfhub",
            "report",
            "--format",
            "support",
            "--json",
            "--out",
            "support.json",
        ])
        .output()
        .expect("it starts");
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    assert_eq!(app.warnings(&[], &[]), "");

    kernel(&app, "6.1.0", false);
    let complaint = app.complaint(&[], &[]);
    for expected in [
        "support lost on 1 of 2 kernels",
        "on_switch: fails (proven) on 1 kernel, first debian/12/x86_64/6.1.0",
        "[support-lost]",
    ] {
        assert!(complaint.contains(expected), "{expected}: {complaint}");
    }
    assert!(app.bundles().is_empty());
    let _ = app.configure(&format!("{TABLE}lints.support-lost = \"warn\"\n"));
    let warning = app.warnings(&[], &[]);
    assert!(
        warning.contains("support lost on 1 of 2 kernels"),
        "{warning}"
    );
}
