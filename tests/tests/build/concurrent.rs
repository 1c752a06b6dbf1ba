//! Two cargo builds at once on one cache, some of them killed in the middle.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use btfhub_tests::app::App;
use btfhub_tests::project::{Said, workspace};

const ROUNDS: u64 = 20;

/// cargo locks each profile's directory separately, so builds of two profiles run at once.
const PROFILES: [&str; 2] = ["dev", "release"];

fn start(app: &App, profile: &str, cache: &Path) -> Child {
    let mut cargo = app.project.command(&["build", "--profile", profile]);
    cargo
        .env("BTFHUB_CACHE_DIR", cache)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("cargo")
}

/// Kills cargo and the build script that it runs.
fn kill(mut build: Child) {
    let group = format!("-{}", build.id());
    let killed = Command::new("kill").args(["-KILL", "--", &group]).output();
    assert!(killed.is_ok());
    build.wait().expect("an end");
}

#[test]
fn builds_at_once_and_killed_ones_leave_nothing_wrong() {
    let app = App::new();
    fs::remove_dir_all(app.archive()).unwrap();
    let kernels = workspace().join("examples/archive/debian");
    let found = glob::glob(kernels.join("*/x86_64/*.xz").to_str().unwrap()).unwrap();
    for (number, file) in found.map(Result::unwrap).enumerate() {
        for copy in ["a", "b"] {
            let name = format!("archive/debian/12/x86_64/6.1.{number}-{copy}.btf.tar.xz");
            app.project.file(name, fs::read(&file).unwrap());
        }
    }
    let object = fs::read(workspace().join("examples/execwatch/src/execwatch.bpf.o")).unwrap();
    app.project.file("probe.o", object);

    let clean = app.path("clean");
    let build_both = |cache: &Path| {
        for build in PROFILES.map(|profile| start(&app, profile, cache)) {
            let _said = Said::of(&build.wait_with_output().unwrap()).ok();
        }
    };
    build_both(&clean);
    let bundles = |app: &App| -> Vec<Vec<u8>> {
        app.bundles()
            .iter()
            .map(|bundle| fs::read(bundle).unwrap())
            .collect()
    };
    let expected = bundles(&app);
    assert_eq!(expected.len(), 2);
    assert_eq!(expected[0], expected[1]);

    for round in 0..ROUNDS {
        // Two rounds share a cache: the second finds what the first left.
        let cache = app.path(format!("cache-{}", round / 2));
        let [first, second] = PROFILES.map(|profile| start(&app, profile, &cache));
        // No delay is right or wrong; different ones hit different moments.
        thread::sleep(Duration::from_millis(100 + (round * 137) % 900));
        kill(first);
        if round % 3 == 0 {
            kill(second);
        } else {
            let _said = Said::of(&second.wait_with_output().unwrap()).ok();
        }
        // A new value of a variable, so that both scripts run again.
        let again = app.path(format!("again-{round}"));
        std::os::unix::fs::symlink(&cache, &again).unwrap();
        fs::create_dir_all(&cache).unwrap();
        build_both(&again);
        assert!(bundles(&app) == expected, "round {round}");
    }

    // The definitions that all of them left are good for other relocations.
    let object = fs::read(workspace().join("tests/bpf/field.bpf.o")).unwrap();
    app.project.file("probe.o", object);
    build_both(&app.path("other"));
    let expected = bundles(&app);
    for round in (0..ROUNDS).step_by(4) {
        build_both(&app.path(format!("again-{round}")));
        assert!(bundles(&app) == expected, "round {round}");
    }
}
